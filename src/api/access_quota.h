// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace photovec::api {

/// So many in a time: a bucket that holds `count` and fills in `seconds`.
struct Rate {
  double count = 0;  ///< 0: no limit
  double seconds = 1;
};

/// What one API key may use.
struct Quota {
  Rate requests;
  Rate images;
  uint64_t bytes_in_flight = 0;  ///< of bodies of requests that are not answered yet; 0: no limit
};

/// Reads "requests=50/s,images=6000/min,bytes=64MiB"; each part may be left out, and rates are per s, min, h.
/// Errors: kInvalidRequest quoting the part that is wrong.
Result<Quota> ParseQuota(std::string_view text);

/// Why a request may not begin.
struct QuotaRefusal {
  std::string_view what;  ///< "requests", "images" or "bytes in flight"
  int retry_after_s = 1;  ///< when there will be room, if nobody else takes it
  bool never = false;     ///< the request alone is beyond the quota
};

/// What a key has used. A rate is a bucket: `count` at once after a rest, and `count` per time in the long
/// run. How many images a request has is known only once it has been read, so it may begin while a single one
/// is left, and pays later with a debt that later requests wait for. Thread-safe; the same clock for all
/// calls.
class QuotaUse {
 public:
  /// Takes one request and the bytes, or nothing. `bytes` nullopt: a body whose length nobody knows, which
  /// counts as the whole quota.
  /// \param held what to give back by Release.
  std::optional<QuotaRefusal> Begin(const Quota& quota, std::optional<uint64_t> bytes, TimePoint now,
                                    uint64_t* held);
  void PayImages(const Quota& quota, size_t images, TimePoint now);
  void Release(uint64_t held);

 private:
  /// How full a bucket is, as of a time. Starts full.
  struct Bucket {
    double used = 0;
    TimePoint at;
    void Fill(const Rate& rate, TimePoint now);
    /// Seconds until a whole one can be taken; 0: now.
    double WaitForOne(const Rate& rate) const;
  };

  std::mutex mutex_;
  Bucket requests_;
  Bucket images_;
  uint64_t bytes_ = 0;
};

/// Bytes of a key's quota, given back at the end. Move-only.
class QuotaHold {
 public:
  QuotaHold() = default;
  QuotaHold(std::shared_ptr<QuotaUse> use, uint64_t bytes) : use_(std::move(use)), bytes_(bytes) {}
  QuotaHold(QuotaHold&& other) noexcept = default;
  QuotaHold& operator=(QuotaHold&& other) noexcept {
    std::swap(use_, other.use_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~QuotaHold() {
    if (use_) use_->Release(bytes_);
  }

 private:
  std::shared_ptr<QuotaUse> use_;
  uint64_t bytes_ = 0;
};

}  // namespace photovec::api
