// SPDX-License-Identifier: MIT
#include "tokenize/bpe.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <tuple>

namespace photovec::tokenize {

namespace {

struct Symbol {
  int32_t id = 0;  ///< -1: merged into one before it
  int32_t previous = -1;
  int32_t next = -1;
};

struct Candidate {
  int32_t rank = 0;
  int32_t at = 0;  ///< the left one of the two
  int32_t merged = 0;
  /// Heaps of the standard library have the largest on top: the strongest rule, then the leftmost place.
  bool operator<(const Candidate& other) const { return std::tie(other.rank, other.at) < std::tie(rank, at); }
};

}  // namespace

BpeMerges::BpeMerges(std::span<const Merge> merges) {
  const size_t size = std::bit_ceil(2 * merges.size() + 2);
  slots_.resize(size);
  shift_ = 64 - std::countr_zero(size);
  int32_t rank = 0;
  for (const Merge& merge : merges) {
    const uint64_t pair = Pair(merge.left, merge.right);
    size_t at = Start(pair);
    while (slots_[at].pair != kFree && slots_[at].pair != pair) at = (at + 1) & (size - 1);
    slots_[at] = {pair, rank++, merge.merged};
  }
}

const BpeMerges::Slot* BpeMerges::Find(int32_t left, int32_t right) const {
  const uint64_t pair = Pair(left, right);
  for (size_t at = Start(pair); slots_[at].pair != kFree; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].pair == pair) return &slots_[at];
  }
  return nullptr;
}

void BpeMerges::Apply(std::vector<int32_t>& tokens) const {
  if (tokens.size() < 2) return;
  std::vector<Symbol> symbols(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    symbols[i] = {tokens[i], static_cast<int32_t>(i) - 1, static_cast<int32_t>(i) + 1};
  }
  symbols.back().next = -1;
  const auto symbol = [&](int32_t at) -> Symbol& { return symbols[static_cast<size_t>(at)]; };
  std::vector<Candidate> heap;
  heap.reserve(tokens.size());
  const auto consider = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    if (const Slot* slot = Find(symbol(left).id, symbol(right).id)) {
      heap.push_back({slot->rank, left, slot->merged});
      std::push_heap(heap.begin(), heap.end());
    }
  };
  for (int32_t at = 0; symbol(at).next >= 0; ++at) consider(at, at + 1);
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
    Symbol& left = symbol(best.at);
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbol(left.next);
    const Slot* still = Find(left.id, right.id);
    if (still == nullptr || still->merged != best.merged) continue;  // one of the two has changed since
    left.id = best.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbol(left.next).previous = best.at;
    consider(left.previous, best.at);
    consider(best.at, left.next);
  }
  tokens.clear();
  for (int32_t at = 0; at >= 0; at = symbol(at).next) tokens.push_back(symbol(at).id);
}

}  // namespace photovec::tokenize
