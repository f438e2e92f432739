// SPDX-License-Identifier: MIT
// What a decoder process may say, and what it may be told. Input: one byte that chooses, then the message.
#include <algorithm>
#include <cstring>
#include <string>

#include "decode/sandbox/protocol.h"
#include "fuzz/fuzz_target.h"
#include "testing/test_images.h"

namespace photovec::fuzz {
namespace {

using decode::ColorMode;
using decode::Format;
using decode::ProfileUse;

constexpr uint64_t kSequence = 5;
constexpr size_t kInputBytes = 1 << 20;
constexpr size_t kOutputBytes = 64 * 64 * 3;

/// Choices: the kinds of message, and for a reply which photo was sent and what was asked.
constexpr uint8_t kHello = 0;
constexpr uint8_t kJob = 1;
constexpr uint8_t kReply = 2;
constexpr uint8_t kAskColor = 4;
constexpr uint8_t kOtherFormat = 8;

struct FixedJob {
  test::Encoded jpeg = test::EncodeJpeg(test::MakePhoto(32, 24, 3));
  test::Encoded gif = test::EncodeGif(test::MakePhoto(32, 24, 1));
  preprocess::Spec spec;
  std::vector<uint8_t> out;

  FixedJob() {
    spec.resize_short = spec.crop = 64;
    out.resize(spec.slot_bytes());
  }
  decode::DecodeJob Job(uint8_t choice) {
    decode::DecodeJob job;
    job.encoded = (choice & kOtherFormat) != 0 ? gif : jpeg;
    job.spec = &spec;
    job.options.color = (choice & kAskColor) != 0 ? ColorMode::kSrgb : ColorMode::kIgnore;
    job.out = out;
    return job;
  }
};

FixedJob& Fixed() {
  static FixedJob fixed;
  return fixed;
}

bool Between(int64_t value, int64_t least, int64_t most) { return value >= least && value <= most; }

void CheckBelieved(const decode::DecodeReport& report, const decode::DecodeJob& job, Format format) {
  const decode::Limits& limits = job.options.limits;
  Check(report.format == format, "the format is that of the bytes");
  Check(Between(report.width, 1, limits.max_side) && Between(report.height, 1, limits.max_side) &&
            int64_t{report.width} * report.height <= limits.max_pixels,
        "sizes keep the limits");
  Check(Between(report.orientation, 1, 8), "orientations are 1 to 8");
  const int d = report.scale_denominator;
  Check(d == 1 || (format == Format::kJpeg && (d == 2 || d == 4 || d == 8)), "scales exist");
  const bool asked = job.options.color == ColorMode::kSrgb && format == Format::kJpeg;
  Check(report.profile == ProfileUse::kNone ||
            (asked && Between(static_cast<int>(report.profile), 0, static_cast<int>(ProfileUse::kIgnored))),
        "a profile was asked for");
  Check(report.decoded_at <= Clock::now() && report.decoded_at >= TimePoint(), "times are possible");
}

void FuzzReply(std::span<const uint8_t> bytes, uint8_t choice) {
  const decode::DecodeJob job = Fixed().Job(choice);
  // A job that was sent when the clock began: any time until now is possible.
  const decode::CheckedReply reply = decode::CheckReply(bytes, job, kSequence, TimePoint());
  Check(reply.believed == reply.lie.empty(), "what is not believed is a lie with a name");
  if (!reply.believed) {
    Check(reply.report.status().code() == Code::kInternal, "a lie brings nothing along");
    return;
  }
  Check(bytes.size() == sizeof(decode::ReplyMessage), "a reply is whole");
  if (reply.report.ok()) {
    return CheckBelieved(*reply.report, job, (choice & kOtherFormat) != 0 ? Format::kGif : Format::kJpeg);
  }
  const Status status = reply.report.status();
  const Code code = status.code();
  Check(code == Code::kUnsupportedFormat || code == Code::kImageCorrupt || code == Code::kTooManyPixels ||
            code == Code::kDecodeLimit || code == Code::kBodyTooLarge || code == Code::kInternal,
        "decoding has this error");
  const std::string& text = status.message();
  Check(text.size() <= decode::kMaxMessageBytes, "messages are bounded");
  Check(std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; }),
        "messages are printable");
}

void FuzzHello(std::span<const uint8_t> bytes) {
  const Result<decode::Hello> hello = decode::CheckHello(bytes);
  if (!hello.ok())
    return Check(hello.status().code() == Code::kUnavailable, "a wrong hello is an old program");
  Check(hello->magic == decode::kProtocolMagic && hello->version == decode::kProtocolVersion, "same version");
  Check(hello->why_bytes <= hello->why.size(), "the reason fits");
  Check((hello->layers & ~decode::kAllLayers) == 0, "layers exist");
  Check(!decode::LayerNames(hello->layers).empty(), "layers have names");
  const std::string_view why(hello->why.data(), hello->why_bytes);
  Check(std::all_of(why.begin(), why.end(), [](char c) { return c >= 0x20 && c < 0x7F; }),
        "the reason is printable");
  for (const decode::LibraryText& library : hello->libraries) {
    Check(library.bytes <= library.text.size(), "what a library is fits");
    Check(std::all_of(library.text.begin(), library.text.begin() + library.bytes,
                      [](char c) { return c >= 0x20 && c < 0x7F; }),
          "what a library is is printable");
  }
}

void FuzzJob(std::span<const uint8_t> bytes) {
  decode::JobMessage message;
  std::memcpy(&message, bytes.data(), std::min(bytes.size(), sizeof(message)));
  preprocess::Spec spec;
  const Result<decode::DecodeJob> job = decode::ReadJobMessage(message, kInputBytes, kOutputBytes, &spec);
  if (!job.ok()) return Check(job.status().code() == Code::kInternal, "a wrong job is our bug");
  Check(message.encoded_bytes <= kInputBytes, "the photo lies in the memory");
  Check(message.out_bytes == spec.slot_bytes() && message.out_bytes <= kOutputBytes,
        "the slot lies in the memory");
  Check(spec.crop >= 1 && spec.resize_short >= 1, "sizes are positive");
  Check(job->spec == &spec, "the job has its spec");
  // Said again it is the same message.
  decode::DecodeJob again = *job;
  const std::vector<uint8_t> photo(static_cast<size_t>(message.encoded_bytes));
  again.encoded = photo;
  const decode::JobMessage copy = decode::MakeJobMessage(again, message.sequence, message.seat);
  Check(std::memcmp(&copy, &message, sizeof(copy)) == 0, "every field arrives");
}

template <typename Message>
std::vector<uint8_t> Seed(uint8_t choice, const Message& message) {
  std::vector<uint8_t> bytes(1 + sizeof(message), choice);
  std::memcpy(bytes.data() + 1, &message, sizeof(message));
  return bytes;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  switch (data[0] & 3) {
    case kHello:
      return FuzzHello(bytes);
    case kJob:
      return FuzzJob(bytes);
    default:
      return FuzzReply(bytes, data[0]);
  }
}

/// What every message begins with, the sequence number, and the whole length of a reply or a hello.
void Repair(std::vector<uint8_t>* file) {
  if (file->empty()) return;
  const uint8_t kind = (*file)[0] & 3;
  if (kind >= kReply) file->resize(1 + sizeof(decode::ReplyMessage));
  if (kind == kHello) file->resize(1 + sizeof(decode::Hello));
  if (kind == kJob) file->resize(1 + sizeof(decode::JobMessage));
  const uint32_t begin[] = {decode::kProtocolMagic, decode::kProtocolVersion};
  std::memcpy(file->data() + 1, begin, sizeof(begin));
  if (kind >= kReply) std::memcpy(file->data() + 1 + sizeof(begin), &kSequence, sizeof(kSequence));
}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  decode::Hello hello;
  hello.layers = decode::kAllLayers;
  seeds.push_back(Seed(kHello, hello));
  decode::DecodeReport report;
  report.width = 32;
  report.height = 24;
  report.decoded_at = TimePoint() + std::chrono::seconds(1);
  for (const uint8_t choice : {uint8_t{0}, kAskColor, kOtherFormat}) {
    const decode::DecodeJob job = Fixed().Job(choice);
    seeds.push_back(Seed(kJob, decode::MakeJobMessage(job, kSequence)));
    report.format = choice == kOtherFormat ? Format::kGif : Format::kJpeg;
    report.scale_denominator = choice == 0 ? 4 : 1;
    report.profile = choice == kAskColor ? ProfileUse::kConverted : ProfileUse::kNone;
    seeds.push_back(Seed(kReply | choice, decode::MakeReplyMessage(report, kSequence)));
    seeds.push_back(
        Seed(kReply | choice,
             decode::MakeReplyMessage(Status(Code::kImageCorrupt, "the JPEG is truncated"), kSequence)));
  }
  return seeds;
}

}  // namespace photovec::fuzz
