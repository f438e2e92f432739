// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiment/load/load_generator.h"
#include "net/client.h"

namespace photovec::experiment {

/// One request, ready for a gather-write. Not movable: pieces view into head and body.
struct LoadMessage {
  LoadMessage() = default;
  LoadMessage(const LoadMessage&) = delete;
  LoadMessage& operator=(const LoadMessage&) = delete;
  std::string head;
  std::string body;  ///< JSON; empty for uploads
  std::vector<std::string_view> pieces;
  int images = 0;
};

/// Writes the requests of a load and judges their replies. Immutable.
class LoadMessages {
 public:
  /// \param options borrowed: photos are sent from where they lie.
  explicit LoadMessages(const LoadOptions& options);

  void Write(std::span<const uint32_t> images, LoadMessage* out) const;

  struct Verdict {
    int failed_images = 0;
    std::string error;  ///< empty: a success (of which images may have failed)
  };
  /// A success is 200; natively with a positive multiple of 4 bytes for each image asked for (float32 rows),
  /// as application/octet-stream, and an error count (if any) of at most so many; by the original call with a
  /// body.
  Verdict Judge(int images, const net::ClientReply& reply) const;

 private:
  const LoadOptions& options_;
  std::string head_;                 // up to the value of Content-Length
  std::vector<std::string> quoted_;  // references as JSON strings
};

}  // namespace photovec::experiment
