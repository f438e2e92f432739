// SPDX-License-Identifier: MIT
#include "decode/sandbox/protocol.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "decode/formats/libraries.h"
#include "decode/sniff.h"

namespace photovec::decode {
namespace {

// Messages are copied as bytes, and no byte of the server's memory may leave in a gap.
static_assert(std::is_trivially_copyable_v<JobMessage> &&
              std::has_unique_object_representations_v<JobMessage>);
static_assert(std::is_trivially_copyable_v<ReplyMessage> &&
              std::has_unique_object_representations_v<ReplyMessage>);
static_assert(std::is_trivially_copyable_v<Hello> && std::has_unique_object_representations_v<Hello>);

constexpr std::array<std::string_view, static_cast<size_t>(Layer::kCount)> kLayerNames = {
    "no_new_privs", "seccomp", "landlock", "namespaces", "limits", "parent_death"};

/// The codes that decoding can end with (decoder.h), and kInternal for a bug.
constexpr std::array kDecoderCodes = {Code::kUnsupportedFormat, Code::kImageCorrupt, Code::kTooManyPixels,
                                      Code::kDecodeLimit,       Code::kBodyTooLarge, Code::kInternal};

bool IsDecoderCode(int32_t code) {
  return std::any_of(kDecoderCodes.begin(), kDecoderCodes.end(),
                     [&](Code known) { return static_cast<int32_t>(known) == code; });
}

/// Text that may go into a log and a client's reply: no control characters, so that it cannot forge a log
/// line.
bool IsPrintable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte >= 0x7f;
  });
}

CheckedReply Lie(std::string what) {
  CheckedReply checked;
  checked.lie = std::move(what);
  return checked;
}

/// Far above any model, and so small that a slot's size cannot overflow.
bool IsSide(int32_t side) { return side >= 1 && side <= 1 << 20; }

bool IsWithin(int32_t value, int32_t last) { return value >= 0 && value <= last; }

bool HasKnownChoices(const JobMessage& message) {
  using preprocess::Filter;
  using preprocess::ResizeMode;
  return IsWithin(message.jpeg_scaling, static_cast<int32_t>(JpegScaling::kExact)) &&
         IsWithin(message.alpha, static_cast<int32_t>(AlphaMode::kWhite)) &&
         IsWithin(message.color, static_cast<int32_t>(ColorMode::kSrgb)) &&
         IsWithin(message.mode, static_cast<int32_t>(ResizeMode::kSquash)) &&
         (message.filter == static_cast<int32_t>(Filter::kBilinear) ||
          message.filter == static_cast<int32_t>(Filter::kBicubic) ||
          message.filter == static_cast<int32_t>(Filter::kLanczos)) &&
         IsWithin(message.rounding, static_cast<int32_t>(preprocess::CropRounding::kHalfEven)) &&
         IsWithin(message.jpeg_decoder, static_cast<int32_t>(JpegChoice::kLibjpegTurbo)) &&
         IsWithin(message.damaged, static_cast<int32_t>(DamagedMode::kTolerant));
}

int64_t Nanoseconds(TimePoint at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

/// A photo is not looked at for a profile unless that was asked for, and a GIF has none.
bool IsProfileUse(int32_t use, const DecodeOptions& options, Format format) {
  if (options.color == ColorMode::kIgnore || format == Format::kGif) {
    return use == static_cast<int32_t>(ProfileUse::kNone);
  }
  return IsWithin(use, static_cast<int32_t>(ProfileUse::kIgnored));
}

bool IsScale(int32_t denominator, Format format) {
  const bool scales =
      format == Format::kJpeg || format == Format::kRaw || format == Format::kHeif || format == Format::kAvif;
  if (!scales) return denominator == 1;
  return denominator == 1 || denominator == 2 || denominator == 4 || denominator == 8;
}

/// A photo counts as damaged only where that was asked for, and not before half of its rows.
bool IsDamage(const ReplyMessage& reply, const DecodeOptions& options) {
  if (reply.damaged == 0) return reply.rows_ok == 0;
  return reply.damaged == 1 && options.damaged == DamagedMode::kTolerant && reply.rows_ok >= 1 &&
         reply.rows_ok <= reply.height;
}

bool IsWish(const ReplyMessage& reply) { return reply.wants_bytes != 0 || reply.wants_cpu_ms != 0; }

/// What is wrong with a photo's wish for more than the job granted; empty: nothing. What the limits refuse,
/// the worker would have refused.
std::string FindLieInWish(const ReplyMessage& reply, const DecodeJob& job) {
  const Limits& limits = job.options.limits;
  const DecodeCost wants{reply.wants_bytes, reply.wants_cpu_ms};
  if (wants.bytes < 1 || wants.cpu_ms < 0 || wants.FitsIn(job.granted) ||
      wants.bytes > limits.max_decoder_bytes || wants.cpu_ms / 1'000 >= limits.max_cpu_s) {
    return "it wants what no photo can want";
  }
  ReplyMessage rest = reply;
  rest.wants_bytes = rest.wants_cpu_ms = 0;
  ReplyMessage nothing;
  nothing.sequence = reply.sequence;
  return std::memcmp(&rest, &nothing, sizeof(rest)) == 0 ? "" : "it wants more and reports a success";
}

/// What is wrong with the figures of a success; empty: nothing.
std::string FindLie(const ReplyMessage& reply, const DecodeJob& job, TimePoint sent_at) {
  const Limits& limits = job.options.limits;
  const Format format = Sniff(job.encoded);
  if (format == Format::kUnknown || reply.format != static_cast<int32_t>(format)) {
    return "it decoded another format than the bytes have";
  }
  if (reply.width < 1 || reply.height < 1 || reply.width > limits.max_side ||
      reply.height > limits.max_side ||
      static_cast<int64_t>(reply.width) * reply.height > limits.max_pixels) {
    return "it reported a size outside the limits";
  }
  if (reply.orientation < 1 || reply.orientation > 8) return "it reported an impossible orientation";
  if (!IsScale(reply.scale_denominator, format)) return "it reported an impossible scale";
  if (!IsProfileUse(reply.profile, job.options, format)) return "it reported an impossible colour profile";
  if (!IsWithin(reply.own_jpeg_decoder, format == Format::kJpeg ? 1 : 0) ||
      !IsWithin(reply.in_pair, reply.own_jpeg_decoder)) {
    return "it reported an impossible JPEG decoder";
  }
  if (!IsDamage(reply, job.options)) return "it reported impossible damage";
  if (reply.message_bytes != 0) return "it sent a message with a success";
  if (reply.decoded_at_ns < Nanoseconds(sent_at) || reply.decoded_at_ns > Nanoseconds(Clock::now())) {
    return "it reported an impossible time";
  }
  return {};
}

}  // namespace

std::string_view LayerName(Layer layer) { return kLayerNames.at(static_cast<size_t>(layer)); }

std::string LayerNames(uint32_t layers) {
  std::string names;
  for (uint32_t i = 0; i < static_cast<uint32_t>(Layer::kCount); ++i) {
    if ((layers & 1U << i) == 0) continue;
    names.append(names.empty() ? "" : ", ").append(kLayerNames.at(i));
  }
  return names.empty() ? "none" : names;
}

JobMessage MakeJobMessage(const DecodeJob& job, uint64_t sequence, int seat) {
  const Limits& limits = job.options.limits;
  JobMessage message;
  message.sequence = sequence;
  message.seat = seat;
  message.encoded_bytes = job.encoded.size();
  message.out_bytes = job.spec->slot_bytes();
  message.max_pixels = limits.max_pixels;
  message.max_file_bytes = limits.max_file_bytes;
  message.max_decoder_bytes = limits.max_decoder_bytes;
  message.max_cpu_s = limits.max_cpu_s;
  message.granted_bytes = job.granted.bytes;
  message.granted_cpu_ms = job.granted.cpu_ms;
  message.max_side = limits.max_side;
  message.max_jpeg_scans = limits.max_jpeg_scans;
  message.jpeg_scaling = static_cast<int32_t>(job.options.jpeg_scaling);
  message.jpeg_decoder = static_cast<int32_t>(job.options.jpeg_decoder);
  message.damaged = static_cast<int32_t>(job.options.damaged);
  message.alpha = static_cast<int32_t>(job.options.alpha);
  message.color = static_cast<int32_t>(job.options.color);
  message.mode = static_cast<int32_t>(job.spec->mode);
  message.filter = static_cast<int32_t>(job.spec->filter);
  message.resize_short = job.spec->resize_short;
  message.crop = job.spec->crop;
  message.rounding = static_cast<int32_t>(job.spec->rounding);
  return message;
}

Result<DecodeJob> ReadJobMessage(const JobMessage& message, size_t input_capacity, size_t output_capacity,
                                 preprocess::Spec* spec) {
  const auto wrong = [](const char* field) {
    return Status(Code::kInternal, std::string("a decode job with a wrong ") + field);
  };
  if (message.magic != kProtocolMagic || message.version != kProtocolVersion) return wrong("version");
  if (message.encoded_bytes > input_capacity) return wrong("encoded size");
  if (!IsSide(message.crop) || !IsSide(message.resize_short)) return wrong("size");
  if (!HasKnownChoices(message)) return wrong("option");
  if (!IsWithin(message.seat, kSeats - 1)) return wrong("seat");
  spec->mode = static_cast<preprocess::ResizeMode>(message.mode);
  spec->filter = static_cast<preprocess::Filter>(message.filter);
  spec->resize_short = message.resize_short;
  spec->crop = message.crop;
  spec->rounding = static_cast<preprocess::CropRounding>(message.rounding);
  if (message.out_bytes != spec->slot_bytes() || message.out_bytes > output_capacity)
    return wrong("slot size");
  DecodeJob job;
  job.spec = spec;
  job.options.jpeg_scaling = static_cast<JpegScaling>(message.jpeg_scaling);
  job.options.jpeg_decoder = static_cast<JpegChoice>(message.jpeg_decoder);
  job.options.damaged = static_cast<DamagedMode>(message.damaged);
  job.options.alpha = static_cast<AlphaMode>(message.alpha);
  job.options.color = static_cast<ColorMode>(message.color);
  job.options.limits.max_pixels = message.max_pixels;
  job.options.limits.max_file_bytes = message.max_file_bytes;
  job.options.limits.max_decoder_bytes = message.max_decoder_bytes;
  job.options.limits.max_cpu_s = message.max_cpu_s;
  job.granted = {message.granted_bytes, message.granted_cpu_ms};
  job.options.limits.max_side = message.max_side;
  job.options.limits.max_jpeg_scans = message.max_jpeg_scans;
  return job;
}

ReplyMessage MakeReplyMessage(const Result<DecodeReport>& report, uint64_t sequence) {
  ReplyMessage message;
  message.sequence = sequence;
  message.code = static_cast<int32_t>(report.status().code());
  if (report.ok() && report->wants.bytes != 0) {
    message.wants_bytes = report->wants.bytes;
    message.wants_cpu_ms = report->wants.cpu_ms;
    return message;
  }
  if (report.ok()) {
    message.format = static_cast<int32_t>(report->format);
    message.width = report->width;
    message.height = report->height;
    message.orientation = report->orientation;
    message.scale_denominator = report->scale_denominator;
    message.profile = static_cast<int32_t>(report->profile);
    message.own_jpeg_decoder = report->own_jpeg_decoder ? 1 : 0;
    message.in_pair = report->in_pair ? 1 : 0;
    message.damaged = report->damaged ? 1 : 0;
    message.rows_ok = report->rows_ok;
    message.decoded_at_ns = Nanoseconds(report->decoded_at);
    return message;
  }
  // Codec libraries quote bytes of the file in their messages; only printable ones pass CheckReply().
  std::string text = report.status().message();
  std::replace_if(
      text.begin(), text.end(),
      [](char c) {
        return !IsPrintable({&c, 1});
      },
      '?');
  message.message_bytes = static_cast<uint32_t>(std::min(text.size(), message.message.size()));
  std::memcpy(message.message.data(), text.data(), message.message_bytes);
  return message;
}

CheckedReply CheckReply(std::span<const uint8_t> bytes, const DecodeJob& job, uint64_t sequence,
                        TimePoint sent_at) {
  ReplyMessage reply;
  if (bytes.size() != sizeof(reply)) return Lie("its message has a wrong length");
  std::memcpy(&reply, bytes.data(), sizeof(reply));
  if (reply.magic != kProtocolMagic || reply.version != kProtocolVersion) {
    return Lie("its message is of another version");
  }
  if (reply.sequence != sequence) return Lie("it answered another image");
  CheckedReply checked;
  if (reply.code == static_cast<int32_t>(Code::kOk) && IsWish(reply)) {
    checked.lie = FindLieInWish(reply, job);
    if (!checked.lie.empty()) return checked;
    DecodeReport report;
    report.wants = {reply.wants_bytes, reply.wants_cpu_ms};
    checked.report = report;
  } else if (reply.code == static_cast<int32_t>(Code::kOk)) {
    checked.lie = FindLie(reply, job, sent_at);
    if (!checked.lie.empty()) return checked;
    DecodeReport report;
    report.format = static_cast<Format>(reply.format);
    report.width = reply.width;
    report.height = reply.height;
    report.orientation = reply.orientation;
    report.scale_denominator = reply.scale_denominator;
    report.profile = static_cast<ProfileUse>(reply.profile);
    report.own_jpeg_decoder = reply.own_jpeg_decoder != 0;
    report.in_pair = reply.in_pair != 0;
    report.damaged = reply.damaged != 0;
    report.rows_ok = reply.rows_ok;
    report.decoded_at = TimePoint(std::chrono::nanoseconds(reply.decoded_at_ns));
    checked.report = report;
  } else {
    if (!IsDecoderCode(reply.code)) return Lie("it failed with a code that decoding does not have");
    if (reply.message_bytes > reply.message.size()) return Lie("its message is longer than itself");
    std::string text(reply.message.data(), reply.message_bytes);
    if (!IsPrintable(text)) return Lie("its message has control characters");
    checked.report = Status(static_cast<Code>(reply.code), std::move(text));
  }
  checked.believed = true;
  return checked;
}

namespace {

/// Whether what it says of the libraries can be true.
bool AreLibraries(const Hello& hello) {
  uint32_t known = 0;
  for (const LibraryEntry& entry : Libraries()) known |= entry.formats;
  return (hello.codecs & ~known) == 0 &&
         std::all_of(hello.libraries.begin(), hello.libraries.end(), [](const LibraryText& one) {
           return one.bytes <= one.text.size() && IsPrintable({one.text.data(), one.bytes});
         });
}

}  // namespace

Result<Hello> CheckHello(std::span<const uint8_t> bytes) {
  Hello hello;
  if (bytes.size() == sizeof(hello)) std::memcpy(&hello, bytes.data(), sizeof(hello));
  if (bytes.size() != sizeof(hello) || hello.magic != kProtocolMagic || hello.version != kProtocolVersion ||
      hello.why_bytes > hello.why.size() || (hello.layers & ~kAllLayers) != 0 ||
      !IsPrintable({hello.why.data(), hello.why_bytes}) || !AreLibraries(hello)) {
    return Status(
        Code::kUnavailable,
        "the decoder program speaks another version; install photovec and photovec-decoder together");
  }
  return hello;
}

}  // namespace photovec::decode
