// SPDX-License-Identifier: MIT
#include "engine/text_setup.h"

#include <cstdio>
#include <utility>

#include "base/checksum/digest.h"
#include "base/log.h"

namespace photovec::engine {
namespace {

// Raise this when photovec itself starts to give a text another vector (beyond rounding).
constexpr const char* kRecipe = "photovec text vectors 1";

std::string Describe(const model::TextConfig& config) {
  char eps[32];
  std::snprintf(eps, sizeof(eps), "%.9g", static_cast<double>(config.layer_norm_eps));
  std::string out;
  for (const int number :
       {config.vocabulary_size, config.max_tokens, config.hidden_size, config.layers, config.heads,
        config.mlp_size, config.projection_dim, int{config.causal}, int{config.has_projection_bias},
        int{config.gated_mlp}, int{config.has_key_bias}}) {
    out += std::to_string(number) + " ";
  }
  return out + std::string(model::ActivationName(config.activation)) + " eps " + eps;
}

Status OrNoText(const Status& status) {
  return {status.code(), status.message() + "; for images alone: --no-text"};
}

// A tokenizer of another model would give ids that the tower has no rows for, or texts of another length than
// it was trained on.
Status CheckPair(const std::string& dir, const tokenize::TokenizerInfo& tokenizer,
                 const model::TextConfig& tower) {
  const auto wrong = [&](const std::string& what) {
    return Status(Code::kInvalidRequest, dir + ": " + what + "; the files belong to different models");
  };
  if (tokenizer.vocabulary_size > tower.vocabulary_size) {
    return wrong("the tokenizer knows " + std::to_string(tokenizer.vocabulary_size) +
                 " tokens, but the text tower has embeddings of " + std::to_string(tower.vocabulary_size));
  }
  const bool fits =
      tower.causal ? tokenizer.max_length <= tower.max_tokens : tokenizer.max_length == tower.max_tokens;
  if (!fits || tokenizer.pads == tower.causal) {
    return wrong("the tokenizer gives texts of " + std::string(tokenizer.pads ? "" : "up to ") +
                 std::to_string(tokenizer.max_length) + " tokens, but the text tower takes " +
                 (tower.causal ? "up to " : "") + std::to_string(tower.max_tokens));
  }
  return Status::Ok();
}

}  // namespace

Result<TextSetup> LoadTextSetup(const std::string& dir, const EngineOptions& options) {
  TextSetup setup;
  if (options.no_text) {
    setup.no_texts = "the server was started with --no-text";
    return setup;
  }
  auto tower = model::LoadTextModel(dir);
  if (!tower.ok()) return OrNoText(tower.status());
  if (!*tower) return setup;
  auto tokenizer = tokenize::LoadTokenizer(dir, options.text_clean, options.text_special);
  if (tokenizer.status().code() == Code::kNotFound) {
    setup.no_texts = "its folder has a text tower, but no tokenizer: " + tokenizer.status().message();
    log::warn("{}: images alone, because {}. --no-text says that this is as it should be", dir,
              setup.no_texts);
    return setup;
  }
  if (!tokenizer.ok()) return OrNoText(tokenizer.status());
  const Status pair = CheckPair(dir, (*tokenizer)->info(), (*tower)->config);
  if (!pair.ok()) return OrNoText(pair);
  setup.tower = *std::move(tower);
  setup.tokenizer = *std::move(tokenizer);
  return setup;
}

std::string TextFingerprint(const model::TextModel& tower, const std::string& rule) {
  Sha256 hash;
  for (const std::string& part : {std::string(kRecipe), tower.weights_sha256, Describe(tower.config), rule}) {
    hash.Update(part);
    hash.Update(std::string_view("\0", 1));  // so that no two lists of parts run together alike
  }
  return hash.HexDigest().substr(0, 12);
}

}  // namespace photovec::engine
