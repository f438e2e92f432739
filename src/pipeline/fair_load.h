// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace photovec::pipeline {

/// How much work waits, and of whom. Says how much of it is done before a client's next request is, when
/// clients take turns: of everybody else no more than the client has itself. So one that sends a million
/// photos makes nobody wait but itself. O(1) in the number of clients. Not thread-safe.
class FairLoad {
 public:
  /// \param work negative: it is done.
  void Add(uint64_t client, double work) {
    double& own = clients_[client];
    Count(own, -1);
    own += work;
    total_ += work;
    if (own > kNothing) {
      Count(own, 1);
      return;
    }
    total_ -= own;
    clients_.erase(client);
    if (clients_.empty()) total_ = 0;  // what rounding left
  }

  double total() const { return total_; }

  /// What is done before `more` work of this client is: all that it has, and of each other client as much as
  /// that with `more`, if it has so much.
  double Ahead(uint64_t client, double more) const {
    const auto found = clients_.find(client);
    const double own = found == clients_.end() ? 0 : found->second;
    const double turn = own + more;
    double ahead = own;
    for (const Bucket& bucket : buckets_) {
      if (bucket.clients > 0) ahead += std::min(bucket.work, static_cast<double>(bucket.clients) * turn);
    }
    // The client itself is in a bucket, too.
    return std::max(own, ahead - std::min(own, turn));
  }

 private:
  // Clients by how much they have, in powers of two: within one they count as equals.
  struct Bucket {
    int64_t clients = 0;
    double work = 0;
  };
  static constexpr double kNothing = 1e-6;
  static constexpr int kBuckets = 48;
  static constexpr int kLowest = -8;  // a 256th of a photo

  void Count(double work, int sign) {
    if (work <= kNothing) return;
    Bucket& bucket = buckets_[static_cast<size_t>(std::clamp(std::ilogb(work) - kLowest, 0, kBuckets - 1))];
    bucket.clients += sign;
    bucket.work = bucket.clients == 0 ? 0 : bucket.work + sign * work;
  }

  std::unordered_map<uint64_t, double> clients_;
  std::array<Bucket, kBuckets> buckets_{};
  double total_ = 0;
};

}  // namespace photovec::pipeline
