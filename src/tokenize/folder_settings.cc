// SPDX-License-Identifier: MIT
#include "tokenize/folder_settings.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <utility>

#include "base/files.h"
#include "base/json/reader.h"

namespace photovec::tokenize {

namespace {

namespace bjson = boost::json;

constexpr uint64_t kLargestFile = uint64_t{256} << 20;  // Gemma's tokenizer.json has 34 MB
constexpr int64_t kLongestTexts = 4096;  // tokens; beyond it no limit is meant, as in Gemma's 1e30
constexpr int64_t kShortestTexts = 3;    // a beginning, a token and an end

const bjson::object* Member(const bjson::object& object, std::string_view name) {
  const bjson::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

/// Takes a length that an object states, unless it means that there is no limit.
void TakeLength(json::FieldReader& reader, std::string_view name, FolderSettings& settings) {
  const bjson::value* value = reader.Find(name);
  if (value == nullptr || value->is_double() || value->is_uint64()) return;
  const std::optional<int64_t> length = reader.Int(name);
  if (!length || *length > kLongestTexts) return;
  if (*length < kShortestTexts)
    return reader.Fail(name, "must be at least " + std::to_string(kShortestTexts));
  settings.max_length = std::min(static_cast<int>(*length), settings.max_length.value_or(kLongestTexts));
}

/// A token is a string, or an object with its content.
void TakeToken(const bjson::object& object, std::string_view name, std::string& token) {
  const bjson::value* value = object.if_contains(name);
  if (value == nullptr) return;
  if (const bjson::object* added = value->if_object()) value = added->if_contains("content");
  if (value != nullptr && value->is_string()) token = std::string(value->get_string());
}

void TakeTokens(const bjson::object& object, FolderSettings& settings) {
  TakeToken(object, "bos_token", settings.bos);
  TakeToken(object, "eos_token", settings.eos);
  TakeToken(object, "pad_token", settings.pad);
  TakeToken(object, "unk_token", settings.unk);
}

Status TakeAddedTokens(const bjson::object& object, FolderSettings& settings) {
  for (const auto& member : object) {
    const bjson::object* value = member.value().if_object();
    const std::string_view key = member.key();
    int32_t id = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    if (value == nullptr || parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || id < 0) {
      return {Code::kInvalidRequest,
              "added_tokens_decoder has \"" + std::string(key) + "\", which is not an id of a token"};
    }
    ASSIGN_OR_RETURN(AddedToken token,
                     ParseAddedToken(*value, "added_tokens_decoder." + std::string(key) + "."));
    token.id = id;
    settings.added.push_back(std::move(token));
  }
  return Status::Ok();
}

Status TakeTokenizerConfig(const bjson::object& document, FolderSettings& settings) {
  json::FieldReader reader(document);
  settings.tokenizer_class = reader.String("tokenizer_class");
  if (settings.tokenizer_class.ends_with("Fast"))
    settings.tokenizer_class.resize(settings.tokenizer_class.size() - 4);
  TakeLength(reader, "model_max_length", settings);
  TakeTokens(document, settings);
  RETURN_IF_ERROR(reader.status());
  const bjson::object* added = Member(document, "added_tokens_decoder");
  return added == nullptr ? Status::Ok() : TakeAddedTokens(*added, settings);
}

Status TakeConfig(const bjson::object& document, FolderSettings& settings) {
  json::FieldReader reader(document);
  settings.model_type = reader.String("model_type");
  RETURN_IF_ERROR(reader.status());
  const bjson::object* text = Member(document, "text_config");
  if (text == nullptr) return Status::Ok();
  json::FieldReader text_reader(*text, "text_config.");
  TakeLength(text_reader, "max_position_embeddings", settings);
  return text_reader.status();
}

Status TakeOpenClipConfig(const bjson::object& document, FolderSettings& settings) {
  settings.open_clip = true;
  const bjson::object* model = Member(document, "model_cfg");
  const bjson::object* text = model == nullptr ? nullptr : Member(*model, "text_cfg");
  if (text == nullptr) return Status::Ok();
  json::FieldReader reader(*text, "model_cfg.text_cfg.");
  TakeLength(reader, "context_length", settings);
  RETURN_IF_ERROR(reader.status());
  if (const bjson::object* arguments = Member(*text, "tokenizer_kwargs")) {
    json::FieldReader clean(*arguments, "model_cfg.text_cfg.tokenizer_kwargs.");
    settings.open_clip_clean = clean.String("clean");
    return clean.status();
  }
  return Status::Ok();
}

Status TakeSpecialTokensMap(const bjson::object& document, FolderSettings& settings) {
  TakeTokens(document, settings);
  return Status::Ok();
}

}  // namespace

Result<AddedToken> ParseAddedToken(const bjson::object& object, std::string path) {
  json::FieldReader reader(object, std::move(path));
  AddedToken token;
  token.content = reader.String("content");
  token.special = reader.Bool("special", false);
  token.normalized = reader.Bool("normalized", !token.special);
  token.lstrip = reader.Bool("lstrip", false);
  token.rstrip = reader.Bool("rstrip", false);
  if (reader.Bool("single_word", false)) reader.Fail("single_word", "true is not supported");
  RETURN_IF_ERROR(reader.status());
  return token;
}

std::vector<AddedToken> AddedTokensOf(std::vector<AddedToken> tokens, const FolderSettings& settings,
                                      const std::function<int32_t(const std::string&)>& find,
                                      SpecialTokens special) {
  const auto known = [&](const std::string& content) {
    return std::find_if(tokens.begin(), tokens.end(),
                        [&](const AddedToken& token) { return token.content == content; });
  };
  for (const AddedToken& token : settings.added) {
    const auto before = known(token.content);
    if (before == tokens.end()) {
      tokens.push_back(token);
    } else {
      *before = token;
    }
  }
  for (const std::string& content : {settings.bos, settings.eos, settings.pad, settings.unk}) {
    const int32_t id = content.empty() ? -1 : find(content);
    if (id >= 0 && known(content) == tokens.end()) tokens.push_back({content, id, true});
  }
  if (special == SpecialTokens::kLiteral) {
    std::erase_if(tokens, [](const AddedToken& token) { return token.special; });
  }
  return tokens;
}

Result<std::optional<std::string>> ReadIfThere(const std::string& folder, std::string_view name) {
  Result<std::string> bytes = ReadFile(folder + "/" + std::string(name), kLargestFile);
  if (bytes.ok()) return std::optional(*std::move(bytes));
  if (bytes.status().code() == Code::kNotFound) return std::optional<std::string>();
  return bytes.status().WithContext(name);
}

Result<FolderSettings> ReadFolderSettings(const std::string& folder) {
  using Take = Status (*)(const bjson::object&, FolderSettings&);
  constexpr std::pair<std::string_view, Take> kFiles[] = {
      {"config.json", TakeConfig},
      {"open_clip_config.json", TakeOpenClipConfig},
      {"special_tokens_map.json", TakeSpecialTokensMap},
      {"tokenizer_config.json", TakeTokenizerConfig},  // the last word
  };
  FolderSettings settings;
  for (const auto& [name, take] : kFiles) {
    ASSIGN_OR_RETURN(const std::optional<std::string> bytes, ReadIfThere(folder, name));
    if (!bytes) continue;
    const Result<bjson::object> document = json::ParseObject(*bytes);
    if (!document.ok()) return document.status().WithContext(name);
    RETURN_IF_ERROR(take(*document, settings).WithContext(name));
  }
  return settings;
}

}  // namespace photovec::tokenize
