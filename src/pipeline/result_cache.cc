// SPDX-License-Identifier: MIT
#include "pipeline/result_cache.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <random>
#include <unordered_map>
#include <utility>

namespace photovec::pipeline {
namespace {

// 16 locks: with one lookup of a microsecond every 100 (hashing a photo takes that long), hundreds of threads
// seldom meet. A shard below 256 KiB would hold too few vectors for a small queue worth the name.
constexpr uint64_t kMostShards = 16;
constexpr uint64_t kLeastShardBytes = uint64_t{256} << 10;
// The paper's numbers: a tenth for the small queue, two finds to leave it upwards, at most 3 are counted.
constexpr uint64_t kSmallShare = 10;
constexpr uint8_t kFindsToStay = 2;
constexpr uint8_t kMostFinds = 3;

// What glibc's malloc takes for n bytes: a header of 8, rounded up to 16, at least 32.
constexpr uint64_t AllocatedBytes(uint64_t bytes) {
  return std::max<uint64_t>(32, (bytes + 8 + 15) / 16 * 16);
}

// The two words of a 128-bit product, folded: mixes all bits of both (as in wyhash).
uint64_t Mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64U);
}

std::array<uint64_t, 2> RandomSeed() {
  std::random_device random;
  const auto word = [&] { return (uint64_t{random()} << 32U) | random(); };
  return {word(), word()};
}

struct HashedKey {
  CacheKey key;
  uint64_t hash;
  bool operator==(const HashedKey& other) const { return key == other.key; }
};
struct TakeHash {
  size_t operator()(const HashedKey& key) const noexcept { return key.hash; }
};

enum class Place : uint8_t { kSmall, kMain, kGhost };

struct Entry {
  const HashedKey* key = nullptr;   // in the table's node, which stays where it is
  std::unique_ptr<float[]> values;  // null: a ghost, a key that is remembered without its vector
  uint32_t dim = 0;
  uint8_t finds = 0;  // since it came to its place, at most kMostFinds
  Place place = Place::kSmall;
};
using Queue = std::list<Entry>;  // the oldest at the front; splice moves an entry without touching memory
using Table = std::unordered_map<HashedKey, Queue::iterator, TakeHash>;

// A node of the list has two pointers beside its value, one of the table a pointer and maybe the hash; the
// table's array has a pointer or two for each, as it doubles when it is full.
constexpr uint64_t kGhostBytes =
    AllocatedBytes(sizeof(Entry) + 16) + AllocatedBytes(sizeof(Table::value_type) + 16) + 2 * sizeof(void*);

}  // namespace

class ResultCache::Shard {
 public:
  explicit Shard(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  bool Find(const HashedKey& key, std::vector<float>& vector) {
    std::scoped_lock lock(mutex_);
    const auto found = table_.find(key);
    if (found == table_.end() || found->second->place == Place::kGhost) return false;
    Entry& entry = *found->second;
    entry.finds = std::min<uint8_t>(kMostFinds, static_cast<uint8_t>(entry.finds + 1));
    vector.assign(entry.values.get(), entry.values.get() + entry.dim);
    return true;
  }

  void Insert(const HashedKey& key, std::span<const float> vector) {
    const uint64_t bytes = EntryBytes(vector.size());
    if (bytes > limit_bytes_) return;
    auto values = std::make_unique_for_overwrite<float[]>(vector.size());
    std::copy(vector.begin(), vector.end(), values.get());
    std::scoped_lock lock(mutex_);
    const auto known = table_.find(key);
    const bool returns = known != table_.end();
    if (returns && known->second->place != Place::kGhost) return;
    if (returns) Forget(known->second);
    while (used_bytes_ + bytes > limit_bytes_) MakeRoom();
    Queue& queue = returns ? main_ : small_;
    const auto at = queue.insert(queue.end(), Entry{});
    at->key = &table_.emplace(key, at).first->first;
    at->values = std::move(values);
    at->dim = static_cast<uint32_t>(vector.size());
    at->place = returns ? Place::kMain : Place::kSmall;
    used_bytes_ += bytes;
    if (!returns) small_bytes_ += bytes;
  }

  void AddTo(CacheStats& stats) const {
    std::scoped_lock lock(mutex_);
    stats.bytes += used_bytes_;
    stats.entries += small_.size() + main_.size();
    stats.evictions += evictions_;
  }

 private:
  // One step towards room: frees something, or moves an entry that was found to where it stays longer. Ends,
  // because each move uses up finds of an entry.
  void MakeRoom() {
    const bool small_is_full = small_bytes_ * kSmallShare > limit_bytes_;
    if (!small_.empty() && (small_is_full || main_.empty())) {
      LeaveSmall();
    } else if (!main_.empty()) {
      LeaveMain();
    } else {
      Forget(ghosts_.begin());
    }
  }

  void LeaveSmall() {
    const auto oldest = small_.begin();
    small_bytes_ -= EntryBytes(oldest->dim);
    if (oldest->finds >= kFindsToStay) {
      oldest->finds = 0;
      oldest->place = Place::kMain;
      main_.splice(main_.end(), small_, oldest);
      return;
    }
    used_bytes_ -= EntryBytes(oldest->dim) - kGhostBytes;
    ++evictions_;
    oldest->values.reset();
    oldest->place = Place::kGhost;
    ghosts_.splice(ghosts_.end(), small_, oldest);
    // As many as there are vectors: what comes back later than a whole turn of the cache is no neighbour.
    if (ghosts_.size() > small_.size() + main_.size() + 1) Forget(ghosts_.begin());
  }

  void LeaveMain() {
    const auto oldest = main_.begin();
    if (oldest->finds > 0) {
      --oldest->finds;
      main_.splice(main_.end(), main_, oldest);
      return;
    }
    used_bytes_ -= EntryBytes(oldest->dim);
    ++evictions_;
    Erase(main_, oldest);
  }

  void Forget(Queue::iterator ghost) {
    used_bytes_ -= kGhostBytes;
    Erase(ghosts_, ghost);
  }

  void Erase(Queue& queue, Queue::iterator entry) {
    table_.erase(table_.find(*entry->key));
    queue.erase(entry);
  }

  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  Table table_;
  Queue small_;
  Queue main_;
  Queue ghosts_;
  uint64_t used_bytes_ = 0;  // all three
  uint64_t small_bytes_ = 0;
  uint64_t evictions_ = 0;
};

ResultCache::ResultCache(uint64_t limit_bytes) : limit_bytes_(limit_bytes), seed_(RandomSeed()) {
  const uint64_t shards = std::clamp<uint64_t>(limit_bytes / kLeastShardBytes, 1, kMostShards);
  for (uint64_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>(limit_bytes / shards));
}

ResultCache::~ResultCache() = default;

uint64_t ResultCache::EntryBytes(size_t dim) { return kGhostBytes + AllocatedBytes(dim * sizeof(float)); }

// The digest is uniform, but a client can look for photos whose digests begin alike; not so with the seed.
uint64_t ResultCache::Hash(const CacheKey& key) const {
  std::array<uint64_t, 4> words;
  std::memcpy(words.data(), key.digest.data(), sizeof(words));
  const uint64_t making = static_cast<uint64_t>(key.model) * 4 + static_cast<uint64_t>(key.kind) * 2 +
                          static_cast<uint64_t>(key.preprocessing);
  const uint64_t low = Mix(words[0] ^ seed_[0], words[1] ^ seed_[1]);
  const uint64_t high = Mix(words[2] ^ seed_[1], words[3] ^ seed_[0]);
  return Mix(low ^ seed_[0], high ^ making ^ seed_[1]);
}

bool ResultCache::Find(const CacheKey& key, std::vector<float>& vector) {
  const HashedKey hashed{key, Hash(key)};
  return ShardOf(hashed.hash).Find(hashed, vector);
}

void ResultCache::Insert(const CacheKey& key, std::span<const float> vector) {
  const HashedKey hashed{key, Hash(key)};
  ShardOf(hashed.hash).Insert(hashed, vector);
}

CacheStats ResultCache::stats() const {
  CacheStats stats;
  for (const auto& shard : shards_) shard->AddTo(stats);
  return stats;
}

}  // namespace photovec::pipeline
