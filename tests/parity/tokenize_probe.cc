// SPDX-License-Identifier: MIT
// Tokenizes texts with a model directory, for test_tokenizers.py:
//   tokenize_probe MODEL_DIR CLEANING SPECIAL_TOKENS ROUNDS
// Reads texts from standard input: each as its length (u32, little-endian) and its bytes. The first line out
// is "rule vocabulary max_length bos eos pad pads"; then comes a line for each text: how many ids are no
// padding, and all ids; or "error: " and why. With ROUNDS above 0, a last line: microseconds of CPU time for
// a text and tokens (no padding) for a second of it, in the fastest of so many rounds over all texts.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "tokenize/tokenizer.h"

namespace {

using namespace photovec;

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  uint32_t length = 0;
  while (std::cin.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    std::string text(length, '\0');
    std::cin.read(text.data(), length);
    texts.push_back(std::move(text));
  }
  return texts;
}

void Print(const Result<tokenize::Tokens>& tokens) {
  if (!tokens.ok()) {
    std::printf("error: %s\n", tokens.status().ToString().c_str());
    return;
  }
  std::printf("%zu", tokens->used);
  for (const int32_t id : tokens->ids) std::printf(" %d", id);
  std::putchar('\n');
}

void Measure(const tokenize::Tokenizer& tokenizer, const std::vector<std::string>& texts, int rounds) {
  // This thread's own time: the machine is shared.
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  double best = 1e9;
  size_t tokens = 0;
  for (int round = 0; round < rounds; ++round) {
    tokens = 0;
    const double begin = now();
    for (const std::string& text : texts) {
      const Result<tokenize::Tokens> encoded = tokenizer.Encode(text);
      tokens += encoded.ok() ? encoded->used : 0;
    }
    best = std::min(best, now() - begin);
  }
  std::printf("%.3f %.0f\n", best * 1e6 / static_cast<double>(texts.size()),
              static_cast<double>(tokens) / best);
}

}  // namespace

int main(int argc, char** argv) {
  const auto cleaning = argc == 5 ? ParseEnum<tokenize::TextCleaning>(argv[2]) : std::nullopt;
  const auto special = argc == 5 ? ParseEnum<tokenize::SpecialTokens>(argv[3]) : std::nullopt;
  if (!cleaning || !special) {
    std::fputs("usage: tokenize_probe MODEL_DIR CLEANING SPECIAL_TOKENS ROUNDS\n", stderr);
    return 2;
  }
  const auto tokenizer = tokenize::LoadTokenizer(argv[1], *cleaning, *special);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.status().ToString().c_str());
    return 1;
  }
  const tokenize::TokenizerInfo& info = (*tokenizer)->info();
  std::printf("%s %lld %d %d %d %d %d\n", info.rule.c_str(), static_cast<long long>(info.vocabulary_size),
              info.max_length, info.bos_id, info.eos_id, info.pad_id, info.pads ? 1 : 0);
  const std::vector<std::string> texts = ReadTexts();
  for (const std::string& text : texts) Print((*tokenizer)->Encode(text));
  if (const int rounds = std::atoi(argv[4]); rounds > 0) Measure(**tokenizer, texts, rounds);
  return 0;
}
