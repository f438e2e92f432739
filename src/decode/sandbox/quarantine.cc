// SPDX-License-Identifier: MIT
#include "decode/sandbox/quarantine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

namespace photovec::decode {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t SipHash(std::span<const uint8_t> bytes, uint64_t k0, uint64_t k1) {
  SipState state{k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL,
                 k1 ^ 0x7465646279746573ULL};
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    state.Absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = 0; at + i < bytes.size(); ++i) last |= static_cast<uint64_t>(bytes[at + i]) << (8 * i);
  state.Absorb(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

Quarantine::Quarantine(Clock::duration term) : term_(term) {
  std::random_device random;
  for (uint64_t& key : keys_) key = static_cast<uint64_t>(random()) << 32 | random();
}

std::optional<Code> Quarantine::Find(std::span<const uint8_t> encoded) {
  if (size() == 0) return std::nullopt;
  {
    std::scoped_lock lock(mutex_);
    DropExpired();
    const bool suspected = std::any_of(entries_.begin(), entries_.end(),
                                       [&](const Entry& entry) { return entry.bytes == encoded.size(); });
    if (!suspected) return std::nullopt;
  }
  const auto hash = Hash(encoded);
  std::scoped_lock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.bytes == encoded.size() && entry.hash == hash) return entry.code;
  }
  return std::nullopt;
}

void Quarantine::Add(std::span<const uint8_t> encoded, Code code) {
  const Entry entry{encoded.size(), Hash(encoded), code, Clock::now() + term_};
  std::scoped_lock lock(mutex_);
  DropExpired();
  std::erase_if(entries_,
                [&](const Entry& old) { return old.bytes == entry.bytes && old.hash == entry.hash; });
  if (entries_.size() >= kMaxEntries) entries_.pop_front();
  entries_.push_back(entry);
  size_.store(entries_.size(), std::memory_order_relaxed);
}

std::array<uint64_t, 2> Quarantine::Hash(std::span<const uint8_t> encoded) const {
  return {SipHash(encoded, keys_[0], keys_[1]), SipHash(encoded, keys_[2], keys_[3])};
}

void Quarantine::DropExpired() {
  const TimePoint now = Clock::now();
  while (!entries_.empty() && entries_.front().until <= now) entries_.pop_front();
  size_.store(entries_.size(), std::memory_order_relaxed);
}

}  // namespace photovec::decode
