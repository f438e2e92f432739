// SPDX-License-Identifier: MIT
#include "tokenize/bpe_files.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "base/json/reader.h"
#include "tokenize/folder_settings.h"
#include "tokenize/unicode.h"

namespace photovec::tokenize {

namespace {

namespace bjson = boost::json;

constexpr size_t kSimpleMerges = 49152 - 256 - 2;
constexpr int64_t kLargestId = int64_t{1} << 24;  // no model has 16 million tokens

Status Wrong(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

std::optional<int32_t> Id(const bjson::value& value) {
  const int64_t* id = value.if_int64();
  if (id == nullptr || *id < 0 || *id > kLargestId) return std::nullopt;
  return static_cast<int32_t>(*id);
}

Status ReadVocabulary(const bjson::object& object, BpeFiles& files) {
  files.vocabulary.reserve(object.size());
  for (const auto& member : object) {
    const std::optional<int32_t> id = Id(member.value());
    if (!id) return Wrong("the id of \"" + std::string(member.key()) + "\" is not a whole number from 0 on");
    files.vocabulary.emplace(member.key(), *id);
  }
  return Status::Ok();
}

/// Adds the rule of two tokens. Both and what they become must be in the vocabulary.
Status AddMerge(const std::string& left, const std::string& right, BpeFiles& files) {
  const Merge merge{files.Find(left), files.Find(right), files.Find(left + right)};
  for (const auto& [id, token] :
       {std::pair(merge.left, left), std::pair(merge.right, right), std::pair(merge.merged, left + right)}) {
    if (id < 0) return Wrong("a merge names \"" + token + "\", which the vocabulary does not have");
  }
  files.merges.push_back(merge);
  return Status::Ok();
}

/// "a b"
Status AddMerge(std::string_view line, BpeFiles& files) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    return Wrong("the merge \"" + std::string(line) + "\" is not two tokens with a space between them");
  }
  return AddMerge(std::string(line.substr(0, space)), std::string(line.substr(space + 1)), files);
}

Status AddMerge(const bjson::value& value, BpeFiles& files) {
  if (const bjson::string* line = value.if_string()) return AddMerge(std::string_view(*line), files);
  const bjson::array* pair = value.if_array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) {
    return Wrong(R"(a merge is neither "a b" nor ["a", "b"])");
  }
  return AddMerge(std::string((*pair)[0].get_string()), std::string((*pair)[1].get_string()), files);
}

Status ReadAddedTokens(const bjson::array& array, BpeFiles& files) {
  for (const bjson::value& value : array) {
    const bjson::object* object = value.if_object();
    const bjson::value* id = object == nullptr ? nullptr : object->if_contains("id");
    if (id == nullptr || !Id(*id)) return Wrong("\"added_tokens\" has an element without an id from 0 on");
    ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(*object, "added_tokens[]."));
    token.id = *Id(*id);
    files.added.push_back(std::move(token));
  }
  return Status::Ok();
}

/// The lines of a file of merges. "#version: 0.2" may stand first; the last line may lack its end.
template <typename Take>
Status ForEachMergeLine(std::string_view text, size_t most, Take take) {
  for (size_t count = 0, line = 0; !text.empty() && count < most; ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view merge = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (merge.ends_with('\r')) merge.remove_suffix(1);
    if (merge.empty() || (line == 0 && merge.find("#version") != std::string_view::npos)) continue;
    RETURN_IF_ERROR(Status(take(merge)).WithContext("line " + std::to_string(line + 1)));
    ++count;
  }
  return Status::Ok();
}

}  // namespace

int32_t BpeFiles::Find(const std::string& token) const {
  const auto found = vocabulary.find(token);
  return found == vocabulary.end() ? -1 : found->second;
}

int64_t BpeFiles::Size() const {
  int64_t largest = -1;
  for (const auto& [token, id] : vocabulary) largest = std::max<int64_t>(largest, id);
  for (const AddedToken& token : added) largest = std::max<int64_t>(largest, token.id);
  return largest + 1;
}

Result<BpeFiles> ParseTokenizerJson(std::string_view text) {
  ASSIGN_OR_RETURN(const bjson::object document, json::ParseObject(text));
  json::FieldReader top(document);
  const bjson::value* model_value = top.Find("model");
  const bjson::object* model = model_value == nullptr ? nullptr : model_value->if_object();
  if (model == nullptr) return Wrong("\"model\" is missing");
  json::FieldReader reader(*model, "model.");
  BpeFiles files;
  // Old files leave the type out; only BPE has merges.
  const bool has_type = reader.Find("type") != nullptr;
  const std::string_view type = has_type ? reader.String("type") : "BPE";
  if (reader.ok() && type != "BPE") {
    return Wrong("model.type is \"" + std::string(type) +
                 "\"; supported is \"BPE\". For SigLIP add the spiece.model, which google's repository of "
                 "the same model has");
  }
  files.end_of_word = reader.String("end_of_word_suffix");
  files.unknown = reader.String("unk_token");
  files.byte_fallback = reader.Bool("byte_fallback", false);
  if (!reader.String("continuing_subword_prefix").empty()) {
    reader.Fail("continuing_subword_prefix", "is not supported");
  }
  const bjson::value* vocabulary = reader.Find("vocab");
  const bjson::array* merges = reader.Array("merges");
  if (vocabulary == nullptr || !vocabulary->is_object()) reader.Fail("vocab", "must be an object");
  if (merges == nullptr) reader.Fail("merges", "must be an array");
  const bjson::array* added = top.Array("added_tokens");
  RETURN_IF_ERROR(reader.status());
  RETURN_IF_ERROR(top.status());
  RETURN_IF_ERROR(ReadVocabulary(vocabulary->get_object(), files));
  files.merges.reserve(merges->size());
  for (const bjson::value& merge : *merges) RETURN_IF_ERROR(AddMerge(merge, files));
  if (added != nullptr) RETURN_IF_ERROR(ReadAddedTokens(*added, files));
  return files;
}

Result<BpeFiles> ParseVocabAndMerges(std::string_view vocabulary, std::string_view merges) {
  ASSIGN_OR_RETURN(const bjson::object object, json::ParseObject(vocabulary));
  BpeFiles files;
  files.end_of_word = kClipEndOfWord;
  files.unknown = kClipEnd;
  RETURN_IF_ERROR(ReadVocabulary(object, files));
  RETURN_IF_ERROR(ForEachMergeLine(merges, std::numeric_limits<size_t>::max(),
                                   [&](std::string_view line) { return AddMerge(line, files); }));
  return files;
}

Result<BpeFiles> ParseSimpleVocabulary(std::string_view text) {
  BpeFiles files;
  files.end_of_word = kClipEndOfWord;
  files.unknown = kClipEnd;
  const auto add = [&](std::string token) {
    files.vocabulary.emplace(std::move(token), static_cast<int32_t>(files.vocabulary.size()));
  };
  const std::vector<std::string> symbols = ByteSymbols();
  const std::vector<int> order = BytesInOrder();
  for (const int byte : order) add(symbols[static_cast<size_t>(byte)]);
  for (const int byte : order) add(symbols[static_cast<size_t>(byte)] + files.end_of_word);
  RETURN_IF_ERROR(ForEachMergeLine(text, kSimpleMerges, [&](std::string_view line) {
    std::string merged(line);
    std::erase(merged, ' ');
    add(std::move(merged));
    return AddMerge(line, files);
  }));
  add(std::string(kClipStart));
  add(std::string(kClipEnd));
  return files;
}

std::vector<int> BytesInOrder() {
  std::vector<int> bytes;
  const auto prints = [](int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  };
  for (const bool printing : {true, false}) {
    for (int byte = 0; byte < 256; ++byte) {
      if (prints(byte) == printing) bytes.push_back(byte);
    }
  }
  return bytes;
}

std::vector<std::string> ByteSymbols() {
  constexpr size_t kThatPrint = 188;
  std::vector<std::string> symbols(256);
  const std::vector<int> order = BytesInOrder();
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t character = i < kThatPrint ? static_cast<size_t>(order[i]) : 256 + i - kThatPrint;
    AppendUtf8(static_cast<char32_t>(character), symbols[static_cast<size_t>(order[i])]);
  }
  return symbols;
}

}  // namespace photovec::tokenize
