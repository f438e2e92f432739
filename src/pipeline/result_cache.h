// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/request.h"

namespace photovec::pipeline {

/// What a vector depends on within one process: the encoded photo (or a text's ids), the model, and how
/// pixels are made. Everything else that enters a model's fingerprint (weights, scaling, alpha, colour,
/// limits) is the same for all photos of a process, and the cache does not outlive it.
struct CacheKey {
  /// SHA-256 of the encoded bytes, or of a text's ids. Uploads are not trusted: with a hash that can be made
  /// to collide, one client could leave a photo whose vector another client gets for its own.
  std::array<uint8_t, 32> digest{};
  int model = 0;  ///< ModelRuntime::index()
  ItemKind kind = ItemKind::kImage;
  Preprocessing preprocessing = Preprocessing::kModel;
  bool operator==(const CacheKey&) const = default;
};

/// What the cache holds, summed over its shards.
struct CacheStats {
  uint64_t bytes = 0;      ///< never more than limit_bytes()
  uint64_t entries = 0;    ///< vectors
  uint64_t evictions = 0;  ///< vectors that made room for others, so far
};

/// Vectors of photos that were asked for lately, so that a repeat is answered without decoding. Holds what
/// left the encoder, bit for bit and not normalised: an answer is the same whether it comes from here or not.
///
/// Eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). A bulk
/// scan, a million photos that nobody asks for again, must not flush the photos that people do ask for, as it
/// would with LRU. Here a new vector enters a small queue with a tenth of the bytes. One that was found twice
/// while it was there moves on to the main queue, any other leaves, and only its key is remembered for a
/// while: if it comes back meanwhile it was pushed out too early, and goes straight to the main queue. So a
/// scan runs through the small queue and never reaches the main one. SIEVE is simpler, but photos that come
/// twice in a row (a client that retries, an album that is opened and reopened) make it clear out the others.
///
/// Bounded by bytes: vectors, keys, list and table nodes with the allocator's rounding, remembered keys. Keys
/// are spread over shards by a hash with a secret seed, so nobody can aim photos at one of them. Each shard
/// has a lock, held for a table lookup and the copy of a vector. Thread-safe; never blocks for longer than
/// that.
class ResultCache {
 public:
  /// Nothing is allocated before it is needed.
  /// \param limit_bytes at least 1.
  explicit ResultCache(uint64_t limit_bytes);
  ~ResultCache();
  ResultCache(const ResultCache&) = delete;
  ResultCache& operator=(const ResultCache&) = delete;

  /// Whether there is a vector for this key.
  /// \param vector gets a copy of it: [D] f32.
  bool Find(const CacheKey& key, std::vector<float>& vector);
  /// Keeps a copy of the vector; drops others for it as the limit demands. A key that is there keeps its
  /// vector. One that is larger than a shard is not kept.
  void Insert(const CacheKey& key, std::span<const float> vector);

  uint64_t limit_bytes() const { return limit_bytes_; }
  CacheStats stats() const;
  /// What a vector of so many numbers takes with all that belongs to it.
  static uint64_t EntryBytes(size_t dim);

 private:
  class Shard;
  uint64_t Hash(const CacheKey& key) const;
  Shard& ShardOf(uint64_t hash) const { return *shards_[hash % shards_.size()]; }

  const uint64_t limit_bytes_;
  const std::array<uint64_t, 2> seed_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace photovec::pipeline
