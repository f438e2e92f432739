// SPDX-License-Identifier: MIT
#include <array>
#include <cstdio>
#include <unordered_map>
#include <utility>

#include "tokenize/assemble.h"
#include "tokenize/bpe_tokenizers.h"
#include "tokenize/cleaning.h"
#include "tokenize/unicode.h"

namespace photovec::tokenize {

namespace {

constexpr int kSiglip2Length = 64;
constexpr char32_t kLowerOneEighthBlock = 0x2581;  // what spaces become

/// "<0x0A>"
std::string ByteToken(size_t byte) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "<0x%02zX>", byte);
  return text.data();
}

class GemmaBpe final : public Tokenizer {
 public:
  GemmaBpe(const BpeFiles& files, TokenizerInfo info, Cleaning cleaning, std::vector<AddedToken> added)
      : info_(std::move(info)), cleaning_(cleaning), merges_(files.merges), added_(std::move(added)) {
    for (size_t byte = 0; byte < bytes_.size(); ++byte) bytes_[byte] = files.Find(ByteToken(byte));
    for (const auto& [token, id] : files.vocabulary) {
      size_t at = 0;
      if (token.empty()) continue;
      const char32_t character = NextCharacter(token, at);
      if (at == token.size()) characters_.emplace(character, id);
    }
  }

  const TokenizerInfo& info() const override { return info_; }

  Result<Tokens> Encode(std::string_view text) const override {
    RETURN_IF_ERROR(CheckText(text));
    std::string clean;
    const bool whole =
        cleaning_.kind == TextCleaning::kCanonicalize;  // as open_clip does; else between the tokens
    if (whole) text = clean = cleaning_.Apply(text);
    std::vector<int32_t> ids;
    for (const TextPart& part : added_.Split(text)) {
      if (ids.size() >= RoomForText(info_)) break;
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        AppendText(whole ? std::string(part.text) : cleaning_.Apply(part.text), ids);
      }
    }
    return Assemble(std::move(ids), info_);
  }

 private:
  void AppendText(std::string_view text, std::vector<int32_t>& ids) const {
    std::vector<int32_t> tokens;
    tokens.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      const char32_t character = NextCharacter(text, at);
      const auto found = characters_.find(character == ' ' ? kLowerOneEighthBlock : character);
      if (found != characters_.end()) {
        tokens.push_back(found->second);
        continue;
      }
      for (size_t i = begin; i < at; ++i) tokens.push_back(bytes_[static_cast<unsigned char>(text[i])]);
    }
    merges_.Apply(tokens);
    ids.insert(ids.end(), tokens.begin(), tokens.end());
  }

  const TokenizerInfo info_;
  const Cleaning cleaning_;
  const BpeMerges merges_;
  const AddedTokenSplitter added_;
  std::unordered_map<char32_t, int32_t> characters_;
  std::array<int32_t, 256> bytes_{};
};

}  // namespace

Cleaning CleaningOfSiglip2(const FolderSettings& settings, TextCleaning asked) {
  if (asked != TextCleaning::kAuto) return {asked, settings.open_clip};
  if (settings.open_clip && settings.open_clip_clean == "canonicalize")
    return {TextCleaning::kCanonicalize, true};
  const bool lower = settings.model_type == "siglip2" || settings.tokenizer_class == "Siglip2Tokenizer";
  return {lower ? TextCleaning::kLower : TextCleaning::kNone};
}

Result<std::unique_ptr<const Tokenizer>> MakeGemmaBpe(BpeFiles files, const FolderSettings& given,
                                                      TextCleaning asked, SpecialTokens special) {
  FolderSettings settings = given;
  const auto set_default = [](std::string& token, std::string_view content) {
    if (token.empty()) token = content;
  };
  set_default(settings.bos, "<bos>");
  set_default(settings.eos, "<eos>");
  set_default(settings.pad, "<pad>");
  set_default(settings.unk, "<unk>");
  for (const std::string& token : {settings.eos, settings.pad}) {
    if (files.Find(token) < 0)
      return Status(Code::kInvalidRequest, "the vocabulary has no \"" + token + "\"");
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (files.Find(ByteToken(byte)) < 0) {
      return Status(Code::kInvalidRequest, "the vocabulary has no \"" + ByteToken(byte) + "\"");
    }
  }
  const Cleaning cleaning = CleaningOfSiglip2(settings, asked);
  TokenizerInfo info;
  info.rule = "siglip2/" + cleaning.Name();
  if (special == SpecialTokens::kLiteral) info.rule += "+literal";
  info.vocabulary_size = files.Size();
  info.max_length = settings.max_length.value_or(kSiglip2Length);
  info.eos_id = files.Find(settings.eos);
  info.pad_id = files.Find(settings.pad);
  info.pads = true;
  const auto find = [&](const std::string& token) { return files.Find(token); };
  std::vector<AddedToken> added = AddedTokensOf(files.added, settings, find, special);
  return std::unique_ptr<const Tokenizer>(
      std::make_unique<GemmaBpe>(files, std::move(info), cleaning, std::move(added)));
}

}  // namespace photovec::tokenize
