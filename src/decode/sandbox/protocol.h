// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/result.h"
#include "decode/decoder.h"

/// What the server and a decoder process say to each other: fixed-size messages over one AF_UNIX
/// SOCK_SEQPACKET pair, so that a message is whole or absent. Encoded bytes and pixels go through shared
/// memory beside it (shared_region.h).
///
/// Why a socket and not a futex in that memory: a round trip costs 7 us instead of 4, of the 50 us that an
/// image may cost, and the death of either side is simply the end of the stream.
///
/// The worker trusts the server. The server trusts nothing: CheckReply() compares each field with what the
/// server knows by itself.
namespace photovec::decode {

inline constexpr uint32_t kProtocolMagic = 0x70766431;  // "pvd1"
inline constexpr uint32_t kProtocolVersion = 5;
inline constexpr int kWorkerSocketFd = 3;
inline constexpr int kWorkerMemoryFd = 4;
/// Longest message of a Status that crosses, in bytes.
inline constexpr size_t kMaxMessageBytes = 512;

// What a decoder process tells the server by its exit code. A signal says the rest.
inline constexpr int kExitNoMemory = 81;    ///< an allocation failed
inline constexpr int kExitViolation = 82;   ///< a forbidden system call, in the mode that names it
inline constexpr int kExitProtocol = 83;    ///< the server said something impossible
inline constexpr int kExitNotStarted = 84;  ///< the process could not be set up

/// The walls around a decoder process, as bits of Hello::layers.
enum class Layer : uint32_t {
  kNoNewPrivs,
  kSeccomp,
  kLandlock,
  kNamespaces,
  kLimits,       ///< rlimits
  kParentDeath,  ///< PDEATHSIG: the kernel ends the worker with the server
  kCount,
};
constexpr uint32_t LayerBit(Layer layer) { return 1U << static_cast<uint32_t>(layer); }
inline constexpr uint32_t kAllLayers = LayerBit(Layer::kCount) - 1;
/// "no_new_privs", "seccomp", ...
std::string_view LayerName(Layer layer);
/// The names of the set bits, separated by commas; "none".
std::string LayerNames(uint32_t layers);

/// More than Libraries() has.
inline constexpr size_t kMostLibraries = 8;
struct LibraryText {
  uint32_t bytes = 0;
  std::array<char, 252> text{};
};

/// Said once by a worker, when it is locked in and ready.
struct Hello {
  uint32_t magic = kProtocolMagic;
  uint32_t version = kProtocolVersion;
  uint32_t layers = 0;
  uint32_t codecs = 0;  ///< FormatBit() of what libraries decode in this worker (formats/libraries.h)
  uint32_t why_bytes = 0;
  std::array<char, 256> why{};  ///< for each missing layer the reason, for people
  /// In the order of Libraries(): LibrarySupport::detail.
  std::array<LibraryText, kMostLibraries> libraries{};
};

/// Images that a worker may have at a time. Each has a half of the shared memory to itself: its seat.
inline constexpr int kSeats = 2;

/// One image to decode. Its bytes lie in its seat of the shared memory.
struct JobMessage {
  uint32_t magic = kProtocolMagic;
  uint32_t version = kProtocolVersion;
  uint64_t sequence = 0;
  uint64_t encoded_bytes = 0;
  uint64_t out_bytes = 0;
  int64_t max_pixels = 0;
  int64_t max_file_bytes = 0;
  int64_t max_decoder_bytes = 0;
  int64_t granted_bytes = 0;
  int64_t granted_cpu_ms = 0;
  int32_t max_side = 0;
  int32_t max_cpu_s = 0;
  int32_t max_jpeg_scans = 0;
  int32_t jpeg_scaling = 0;
  int32_t alpha = 0;
  int32_t color = 0;
  int32_t mode = 0;
  int32_t filter = 0;
  int32_t resize_short = 0;
  int32_t crop = 0;
  int32_t rounding = 0;
  int32_t jpeg_decoder = 0;
  int32_t damaged = 0;
  int32_t seat = 0;  ///< nobody else has it until the answer
};

/// The answer to one image; two may come in any order. On success the pixels lie in the shared memory, or it
/// says that the photo wants more than was granted (DecodeReport::wants).
struct ReplyMessage {
  uint32_t magic = kProtocolMagic;
  uint32_t version = kProtocolVersion;
  uint64_t sequence = 0;
  int32_t code = 0;
  int32_t format = 0;
  int32_t width = 0;
  int32_t height = 0;
  int32_t orientation = 0;
  int32_t scale_denominator = 0;
  int64_t wants_bytes = 0;
  int64_t wants_cpu_ms = 0;
  int64_t decoded_at_ns = 0;  ///< CLOCK_MONOTONIC, which is the same in every process
  uint32_t message_bytes = 0;
  int32_t profile = 0;
  int32_t own_jpeg_decoder = 0;
  int32_t damaged = 0;
  int32_t rows_ok = 0;
  int32_t in_pair = 0;
  std::array<char, kMaxMessageBytes> message{};
};

JobMessage MakeJobMessage(const DecodeJob& job, uint64_t sequence, int seat = 0);
/// What a worker does with a job. `spec` receives the job's spec and must outlive the result, whose spans are
/// empty. Errors: kInternal naming the field.
Result<DecodeJob> ReadJobMessage(const JobMessage& message, size_t input_capacity, size_t output_capacity,
                                 preprocess::Spec* spec);

ReplyMessage MakeReplyMessage(const Result<DecodeReport>& report, uint64_t sequence);
/// A worker's answer, after it was checked: `believed` says whether it can be true; if not, `lie` says what
/// is wrong and `report` holds nothing of it.
struct CheckedReply {
  bool believed = false;
  std::string lie;
  Result<DecodeReport> report = Status(Code::kInternal, "not read yet");
};
/// \param bytes what recv() gave.
/// \param sent_at when the job was sent: pixels cannot be older.
CheckedReply CheckReply(std::span<const uint8_t> bytes, const DecodeJob& job, uint64_t sequence,
                        TimePoint sent_at);
/// Errors: kUnavailable when it is none of this version, or its reason is no text that may go into a log.
Result<Hello> CheckHello(std::span<const uint8_t> bytes);

}  // namespace photovec::decode
