// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decode/sandbox/protocol.h"

namespace photovec::decode {

/// Tests only: what a decoder process does wrong on purpose. Off unless the server puts the variable into the
/// otherwise empty environment of its workers, which it does only when a test asks for it.
inline constexpr const char* kFaultVariable = "PHOTOVEC_DECODER_FAULT";

/// Steps of a worker's life at which it can be made to end.
enum class Step { kBeforeHello, kAfterHello, kBeforeDecode, kBeforeReply, kAfterReply };

/// "KIND@TEXT", several separated by commas: images that contain TEXT suffer KIND; without "@TEXT" all do.
/// Kinds: segv, abort, stop, kill (itself), loop, hang, memory, socket, file, exec; die_hello, die_ready,
/// die_decode, die_reply, die_after (end at a step); lie_sequence, lie_size, lie_format, lie_code, lie_text,
/// lie_length, lie_time, lie_twice.
class FaultPlan {
 public:
  explicit FaultPlan(std::string_view text);

  /// Ends the process at `step`, or does the other harm before decoding. `image` is empty before the first.
  void At(Step step, std::span<const uint8_t> image) const;
  /// Falsifies the reply. \return how many bytes of it to send.
  size_t Falsify(std::span<const uint8_t> image, ReplyMessage* reply) const;
  bool Has(std::string_view kind, std::span<const uint8_t> image) const;

 private:
  struct Fault {
    std::string kind;
    std::string text;
  };
  std::vector<Fault> faults_;
};

}  // namespace photovec::decode
