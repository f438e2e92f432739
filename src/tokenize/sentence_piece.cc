// SPDX-License-Identifier: MIT
#include "tokenize/sentence_piece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenize/assemble.h"
#include "tokenize/bpe_tokenizers.h"
#include "tokenize/cleaning.h"

namespace photovec::tokenize {

namespace {

using sentencepiece::SentencePieceProcessor;

constexpr int kSiglipLength = 64;
constexpr std::string_view kUnderline = "\xE2\x96\x81";  // U+2581, a space inside pieces

/// -1 when the model has no piece that is written so.
int32_t IdOf(const SentencePieceProcessor& model, const std::string& piece) {
  const int id = model.PieceToId(piece);
  return id >= 0 && id < model.GetPieceSize() && model.IdToPiece(id) == piece ? id : -1;
}

/// True when no piece has a space behind another character: then a text may be cut before a space, and its
/// beginning is encoded as if the rest were there.
bool PiecesStayInWords(const SentencePieceProcessor& model) {
  for (int id = 0; id < model.GetPieceSize(); ++id) {
    std::string_view piece = model.IdToPiece(id);
    while (piece.starts_with(kUnderline)) piece.remove_prefix(kUnderline.size());
    if (piece.find(kUnderline) != std::string_view::npos) return false;
  }
  return true;
}

/// Where the first `words` words of `text` end; its size when there are no more.
size_t EndOfWords(std::string_view text, size_t words) {
  size_t at = 0;
  for (; words > 0 && at < text.size(); --words) {
    at = std::min(text.find_first_not_of(' ', at), text.size());
    at = std::min(text.find(' ', at), text.size());
  }
  return at;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<SentencePieceProcessor> model, TokenizerInfo info, Cleaning cleaning,
                         SentencePieceKind kind, std::string unknown, std::vector<AddedToken> added)
      : model_(std::move(model)),
        info_(std::move(info)),
        cleaning_(cleaning),
        siglip_(kind == SentencePieceKind::kSiglip),
        clean_whole_(cleaning.kind == TextCleaning::kCanonicalize &&
                     (!siglip_ || cleaning.underscores_are_spaces)),
        stay_in_words_(PiecesStayInWords(*model_)),
        prefix_(siglip_ ? std::move(unknown) : ""),
        added_(std::move(added)) {
    prefix_length_ = prefix_.empty() ? 0 : model_->EncodeAsIds(prefix_).size();
    underline_id_ = IdOf(*model_, std::string(kUnderline));
  }

  const TokenizerInfo& info() const override { return info_; }

  Result<Tokens> Encode(std::string_view text) const override {
    RETURN_IF_ERROR(CheckText(text));
    std::string own(text);
    if (clean_whole_) own = cleaning_.Apply(text);
    if (siglip_) own = WithLeadingUnderline(own);
    std::vector<int32_t> ids;
    for (const TextPart& part : added_.Split(own)) {
      if (ids.size() >= RoomForText(info_)) break;
      if (part.id < 0) {
        RETURN_IF_ERROR(AppendText(clean_whole_ ? std::string(part.text) : cleaning_.Apply(part.text), ids));
        continue;
      }
      // "▁</s>": the underline was ours.
      if (siglip_ && ids.size() == 1 && ids.front() == underline_id_) ids.clear();
      ids.push_back(part.id);
    }
    ids.resize(std::min(ids.size(), RoomForText(info_)));
    if (siglip_ && !ids.empty() && ids.back() == info_.eos_id) ids.pop_back();  // it is not added twice
    return Assemble(std::move(ids), info_);
  }

 private:
  static std::string WithLeadingUnderline(std::string_view text) {
    std::string out(kUnderline);
    for (size_t at = 0; at < text.size();) {
      const bool underline = text.substr(at).starts_with(kUnderline);
      out += underline ? ' ' : text[at];
      at += underline ? kUnderline.size() : 1;
    }
    return out;
  }

  /// Encodes no more words than fit, where that changes nothing: SentencePiece takes 100 bytes and more for a
  /// piece.
  Status AppendText(const std::string& text, std::vector<int32_t>& ids) const {
    const size_t room = RoomForText(info_) - std::min(ids.size(), RoomForText(info_));
    for (size_t words = room + 1;;
         words *= 4) {  // some words have no piece at all, such as control characters
      const size_t end = stay_in_words_ ? EndOfWords(text, words) : text.size();
      std::vector<int> pieces;
      // What tokens come of a text must not depend on whether a dummy prefix is put before it, so something
      // else stands there, and its pieces are left out: as transformers does.
      const auto status = model_->Encode(prefix_ + text.substr(0, end), &pieces);
      if (!status.ok()) return {Code::kInternal, "SentencePiece: " + status.ToString()};
      pieces.erase(
          pieces.begin(),
          pieces.begin() + static_cast<std::ptrdiff_t>(pieces.size() >= prefix_length_ ? prefix_length_ : 0));
      if (end < text.size() && pieces.size() < room) continue;
      ids.insert(ids.end(), pieces.begin(), pieces.end());
      return Status::Ok();
    }
  }

  const std::unique_ptr<const SentencePieceProcessor> model_;
  const TokenizerInfo info_;
  const Cleaning cleaning_;
  const bool siglip_;
  const bool clean_whole_;  ///< before special tokens are looked for: open_clip
  const bool stay_in_words_;
  const std::string prefix_;
  const AddedTokenSplitter added_;
  size_t prefix_length_ = 0;  ///< pieces of prefix_ alone
  int32_t underline_id_ = -1;
};

/// Fills `id` with that of the token that the settings name, or leaves what the model says.
Status ResolveToken(const SentencePieceProcessor& model, const std::string& token, std::string_view what,
                    int32_t& id) {
  if (!token.empty()) id = IdOf(model, token);
  if (id >= 0) return Status::Ok();
  return {Code::kInvalidRequest, token.empty() ? "the model has no token for the " + std::string(what)
                                               : "the model has no \"" + token + "\""};
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> MakeSentencePiece(const std::string& bytes, SentencePieceKind kind,
                                                           const FolderSettings& given, TextCleaning asked,
                                                           SpecialTokens special) {
  auto model = std::make_unique<SentencePieceProcessor>();
  const auto loaded = model->LoadFromSerializedProto(bytes);
  if (!loaded.ok()) return Status(Code::kInvalidRequest, "not a SentencePiece model: " + loaded.ToString());
  const bool siglip = kind == SentencePieceKind::kSiglip;
  FolderSettings settings = given;
  TokenizerInfo info;
  info.eos_id = model->eos_id();
  RETURN_IF_ERROR(ResolveToken(*model, settings.eos, "end of a text", info.eos_id));
  info.pad_id = siglip ? info.eos_id : model->pad_id();
  RETURN_IF_ERROR(ResolveToken(*model, settings.pad, "padding", info.pad_id));
  // The tokens that transformers looks for, though no file may name them.
  const auto name = [&](std::string& token, int id) {
    if (token.empty() && id >= 0) token = model->IdToPiece(id);
  };
  name(settings.eos, info.eos_id);
  name(settings.pad, info.pad_id);
  name(settings.unk, model->unk_id());
  if (!siglip) name(settings.bos, model->bos_id());
  if (siglip) settings.bos.clear();  // SiglipTokenizer knows none
  Cleaning cleaning = CleaningOfSiglip2(settings, asked);
  if (siglip && asked == TextCleaning::kAuto) cleaning = {TextCleaning::kCanonicalize, settings.open_clip};
  info.rule = (siglip ? "siglip/" : "siglip2/") + cleaning.Name();
  if (special == SpecialTokens::kLiteral) info.rule += "+literal";
  info.vocabulary_size = model->GetPieceSize();
  info.max_length = settings.max_length.value_or(kSiglipLength);
  info.pads = true;
  std::vector<AddedToken> added = AddedTokensOf(
      {}, settings, [&](const std::string& token) { return IdOf(*model, token); }, special);
  for (const AddedToken& token : added) {
    info.vocabulary_size = std::max<int64_t>(info.vocabulary_size, int64_t{token.id} + 1);
  }
  return std::unique_ptr<const Tokenizer>(std::make_unique<SentencePieceTokenizer>(
      std::move(model), std::move(info), cleaning, kind, settings.unk, std::move(added)));
}

}  // namespace photovec::tokenize
