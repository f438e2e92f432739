// SPDX-License-Identifier: MIT
#include "tokenize/tokenizer.h"

#include <zlib.h>

#include <array>
#include <optional>
#include <utility>

#include "tokenize/bpe_files.h"
#include "tokenize/bpe_tokenizers.h"
#include "tokenize/folder_settings.h"
#include "tokenize/sentence_piece.h"

namespace photovec::tokenize {

namespace {

constexpr size_t kLargestSimpleVocabulary = size_t{64} << 20;  // bytes; the real one has 3.2 MB

using Loaded = Result<std::unique_ptr<const Tokenizer>>;

struct Asked {
  TextCleaning cleaning;
  SpecialTokens special;
};

/// The bytes of a gzip file.
Result<std::string> Gunzip(const std::string& packed) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (inflateInit2(&stream, kGzip) != Z_OK) return Status(Code::kUnavailable, "zlib has no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  std::string block(size_t{1} << 18, '\0');
  int state = Z_OK;
  while (state == Z_OK && out.size() <= kLargestSimpleVocabulary) {
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(block, 0, block.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END) return Status(Code::kInvalidRequest, "not a whole gzip file, or far too large");
  return out;
}

/// Says which file an error is about.
Loaded InFile(std::string_view name, Loaded loaded) {
  return loaded.ok() ? std::move(loaded) : loaded.status().WithContext(name);
}

Loaded FromTokenizerJson(std::string_view bytes, const FolderSettings& settings, Asked asked) {
  ASSIGN_OR_RETURN(BpeFiles files, ParseTokenizerJson(bytes));
  if (files.byte_fallback) return MakeGemmaBpe(std::move(files), settings, asked.cleaning, asked.special);
  return MakeClipBpe(std::move(files), settings, asked.cleaning, asked.special);
}

Loaded FromVocabAndMerges(std::string_view vocabulary, std::string_view merges,
                          const FolderSettings& settings, Asked asked) {
  ASSIGN_OR_RETURN(BpeFiles files, ParseVocabAndMerges(vocabulary, merges));
  return MakeClipBpe(std::move(files), settings, asked.cleaning, asked.special);
}

Loaded FromSimpleVocabulary(std::string_view text, const FolderSettings& settings, Asked asked) {
  ASSIGN_OR_RETURN(BpeFiles files, ParseSimpleVocabulary(text));
  return MakeClipBpe(std::move(files), settings, asked.cleaning, asked.special);
}

SentencePieceKind KindOf(std::string_view file, const FolderSettings& settings) {
  if (settings.tokenizer_class == "SiglipTokenizer") return SentencePieceKind::kSiglip;
  if (settings.tokenizer_class == "GemmaTokenizer" || settings.tokenizer_class == "Siglip2Tokenizer") {
    return SentencePieceKind::kSiglip2;
  }
  return file == "spiece.model" ? SentencePieceKind::kSiglip : SentencePieceKind::kSiglip2;
}

}  // namespace

Loaded LoadTokenizer(const std::string& folder, TextCleaning cleaning, SpecialTokens special) {
  const Asked asked{cleaning, special};
  ASSIGN_OR_RETURN(const FolderSettings settings, ReadFolderSettings(folder));
  for (const std::string_view name : {"spiece.model", "tokenizer.model"}) {
    ASSIGN_OR_RETURN(const std::optional<std::string> bytes, ReadIfThere(folder, name));
    if (bytes)
      return InFile(name, MakeSentencePiece(*bytes, KindOf(name, settings), settings, cleaning, special));
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> json, ReadIfThere(folder, "tokenizer.json"));
  if (json) return InFile("tokenizer.json", FromTokenizerJson(*json, settings, asked));
  ASSIGN_OR_RETURN(const std::optional<std::string> vocabulary, ReadIfThere(folder, "vocab.json"));
  ASSIGN_OR_RETURN(const std::optional<std::string> merges, ReadIfThere(folder, "merges.txt"));
  if (vocabulary && merges) {
    return InFile("vocab.json and merges.txt", FromVocabAndMerges(*vocabulary, *merges, settings, asked));
  }
  if (vocabulary || merges) {
    return Status(Code::kNotFound, std::string(vocabulary ? "merges.txt" : "vocab.json") +
                                       " is missing beside " + (vocabulary ? "vocab.json" : "merges.txt") +
                                       " in " + folder);
  }
  constexpr std::string_view kSimple = "bpe_simple_vocab_16e6.txt";
  ASSIGN_OR_RETURN(const std::optional<std::string> simple, ReadIfThere(folder, kSimple));
  if (simple) return InFile(kSimple, FromSimpleVocabulary(*simple, settings, asked));
  const std::string packed_name = std::string(kSimple) + ".gz";
  ASSIGN_OR_RETURN(const std::optional<std::string> packed, ReadIfThere(folder, packed_name));
  if (packed) {
    const Result<std::string> text = Gunzip(*packed);
    if (!text.ok()) return text.status().WithContext(packed_name);
    return InFile(packed_name, FromSimpleVocabulary(*text, settings, asked));
  }
  return Status(Code::kNotFound,
                "no tokenizer in " + folder +
                    ": add the model's tokenizer.json (CLIP, OpenCLIP), spiece.model (SigLIP) or "
                    "tokenizer.model (SigLIP 2) from where it was downloaded");
}

}  // namespace photovec::tokenize
