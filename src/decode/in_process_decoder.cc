// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "decode/color/transform.h"
#include "decode/decoder.h"
#include "decode/formats/jpeg/own/own_decoder.h"
#include "decode/formats/libraries.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"
#include "decode/sniff.h"
#include "preprocess/resize.h"

namespace photovec::decode {
namespace {

using jpeg::OwnDecoder;
using jpeg::Progress;

/// Memory is kept between photos; one that takes more leaves nothing behind, so that no panorama stays
/// resident.
constexpr int64_t kMostKeptBytes = int64_t{64} << 20;
/// A photo that is decoded alone goes on by so many rows of MCUs before the feed is asked for a second one.
constexpr int kRowsAlone = 8;

/// A place for one photo that is being decoded, and the memory that is kept for the next one.
struct Seat {
  const DecodeJob* job = nullptr;  ///< null: the seat is free
  ImageHeader header;
  PixelRequest request;
  DecodeCost cost;     ///< estimated
  bool steps = false;  ///< it is decoded step by step; else it waits until no other one is, and is then
                       ///< decoded whole
  bool in_pair = false;
  RgbImage pixels;
  CodecScratch scratch;

  bool waits() const { return job != nullptr && !steps; }
  int64_t kept_bytes() const {
    return static_cast<int64_t>(pixels.capacity_bytes() + scratch.bytes.capacity());
  }
  void DropMemory() {
    pixels.ShrinkTo(0);
    scratch.bytes = {};
    scratch.jpeg.reset();
  }
};

class InProcessDecoder final : public Decoder {
 public:
  Result<DecodeReport> Decode(const DecodeJob& job) override {
    Result<DecodeReport> report = DecodeIn(job, &seats_[0]);
    Leave(&seats_[0]);
    return report;
  }

  void DecodeFeed(const DecodeJob& first, JobFeed& feed) override {
    auto& [a, b] = seats_;
    a.job = b.job = nullptr;  // an exception may have left somebody there
    for (const DecodeJob* next = &first;;) {
      if (next != nullptr) Begin(*next, a.job == nullptr ? &a : &b, feed);
      const bool full = a.job != nullptr && b.job != nullptr;
      next = full || a.waits() || b.waits() ? nullptr : feed.Next();
      if (next != nullptr) continue;
      if (a.steps || b.steps) {
        Advance(feed);
      } else if (a.waits() || b.waits()) {
        Seat* seat = a.waits() ? &a : &b;
        End(seat, DecodeWhole(seat), feed);
      } else {
        return;
      }
    }
  }

 private:
  Result<DecodeReport> DecodeIn(const DecodeJob& job, Seat* seat) {
    RETURN_IF_ERROR(Sit(job, seat));
    if (!seat->cost.FitsIn(job.granted)) return Wanting(seat->cost);
    return DecodeWhole(seat);
  }

  static DecodeReport Wanting(const DecodeCost& cost) {
    DecodeReport report;
    report.wants = cost;
    return report;
  }

  /// Looks at all that does not need pixels. The photo waits then.
  static Status Sit(const DecodeJob& job, Seat* seat) {
    seat->job = &job;
    seat->cost = {};
    seat->steps = seat->in_pair = false;
    if (job.spec == nullptr || job.out.size() < job.spec->slot_bytes()) {
      return {Code::kInternal, "a decode job came without a spec or with too small a slot"};
    }
    const DecodeOptions& options = job.options;
    RETURN_IF_ERROR(CheckFileSize(job.encoded.size(), options.limits));
    RETURN_IF_ERROR(CheckSupport(Sniff(job.encoded)));
    ASSIGN_OR_RETURN(seat->header, ProbeHeader(job.encoded));
    seat->request = Plan(job, seat->header);
    const int d = seat->request.scale_denominator;
    const size_t encoded = job.encoded.size();
    RETURN_IF_ERROR(CheckHeader(seat->header, d, options.alpha, options.limits, encoded));
    seat->cost = EstimateCost(seat->header, d, options.alpha, encoded);
    return Status::Ok();
  }

  /// Starts a photo, step by step if it can be.
  void Begin(const DecodeJob& job, Seat* seat, JobFeed& feed) {
    if (Status status = Sit(job, seat); !status.ok()) return End(seat, std::move(status), feed);
    if (!seat->cost.FitsIn(job.granted)) return End(seat, Wanting(seat->cost), feed);
    if (!MayPair(job.encoded, job.options) || !FitsBesideTheOther(*seat)) return;
    MakeRoom(*seat);
    const Seat& other = Other(*seat);
    std::shared_ptr<OwnDecoder>& own = seat->scratch.jpeg;
    if (own == nullptr) own = std::make_shared<OwnDecoder>(other.scratch.jpeg.get());
    Progress progress = Progress::kHandedBack;
    if (!seat->header.jpeg.progressive) progress = own->Start(seat->request, &seat->scratch, &seat->pixels);
    Took(progress, seat, feed);
  }

  Seat& Other(const Seat& seat) { return &seat == &seats_[0] ? seats_[1] : seats_[0]; }

  /// What this photo may take, and the one that is being decoded already: as much as the one that may take
  /// more.
  int64_t Granted(const Seat& seat) {
    const Seat& other = Other(seat);
    const int64_t others = other.steps ? other.job->granted.bytes : 0;
    return std::min(std::max(seat.job->granted.bytes, others), seat.job->options.limits.max_decoder_bytes);
  }
  bool FitsBesideTheOther(const Seat& seat) {
    const Seat& other = Other(seat);
    return seat.cost.bytes + (other.steps ? other.cost.bytes : 0) <= Granted(seat);
  }

  /// Before a photo is decoded: what is kept from others counts, too.
  void MakeRoom(const Seat& seat) {
    const Seat& other = Other(seat);
    const int64_t kept = seat.kept_bytes() + (other.steps ? 0 : other.kept_bytes());
    if (kept <= Granted(seat) - seat.cost.bytes - (other.steps ? other.cost.bytes : 0)) return;
    for (Seat& each : seats_) {
      if (!each.steps) each.DropMemory();
    }
  }

  /// What a step of the own decoder came to.
  void Took(Progress progress, Seat* seat, JobFeed& feed) {
    seat->steps = progress == Progress::kMore;
    if (seat->steps) return;
    if (progress == Progress::kDone) {
      seat->scratch.by_own_decoder = true;
      seat->scratch.damaged_after_rows = -1;
      return End(seat, Preprocess(seat), feed);
    }
    if (!seat->header.jpeg.progressive) seat->request.jpeg_decoder = JpegChoice::kLibjpegTurbo;
  }

  void Advance(JobFeed& feed) {
    auto& [a, b] = seats_;
    if (a.steps && b.steps) {
      a.in_pair = b.in_pair = true;
      Progress progress_a{};
      Progress progress_b{};
      OwnDecoder::ContinueBoth(a.scratch.jpeg.get(), b.scratch.jpeg.get(), &progress_a, &progress_b);
      Took(progress_a, &a, feed);
      Took(progress_b, &b, feed);
    } else {
      Seat* seat = a.steps ? &a : &b;
      Took(seat->scratch.jpeg->Continue(kRowsAlone), seat, feed);
    }
  }

  Result<DecodeReport> DecodeWhole(Seat* seat) {
    MakeRoom(*seat);
    seat->scratch.damaged_after_rows = -1;
    RETURN_IF_ERROR(DecodePixels(seat->request, &seat->scratch, &seat->pixels));
    return Preprocess(seat);
  }

  /// What follows when pixels exist.
  Result<DecodeReport> Preprocess(Seat* seat) {
    const DecodeJob& job = *seat->job;
    const ImageHeader& header = seat->header;
    const CodecScratch& scratch = seat->scratch;
    const int scale = seat->request.scale_denominator;
    DecodeReport report;
    if (job.options.color == ColorMode::kSrgb) {
      const PixelWindow& window = seat->request.window;
      report.profile = header.format == Format::kJxl
                           ? color_.ConvertWith(scratch.icc, header.jxl.grey, window, &seat->pixels)
                           : color_.Convert(job.encoded, header, window, &seat->pixels);
    }
    report.format = header.format;
    report.damaged = scratch.damaged_after_rows >= 0;
    report.rows_ok = std::max(scratch.damaged_after_rows, 0);
    report.own_jpeg_decoder = header.format == Format::kJpeg && scratch.by_own_decoder;
    report.in_pair = report.own_jpeg_decoder && seat->in_pair;
    // The header's, unless a HEIC was cropped: only then are the pixels fewer at scale 1.
    report.width = scale == 1 ? seat->pixels.width() : header.width;
    report.height = scale == 1 ? seat->pixels.height() : header.height;
    report.orientation = header.orientation;
    report.scale_denominator = scale;
    report.decoded_at = Clock::now();
    const preprocess::DecodedPhoto source{seat->pixels.view(), report.width, report.height, scale,
                                          header.orientation};
    RETURN_IF_ERROR(preprocessor_.Run(source, *job.spec, job.out));
    return report;
  }

  void End(Seat* seat, Result<DecodeReport> report, JobFeed& feed) {
    const DecodeJob& job = *seat->job;
    Leave(seat);
    feed.Finish(job, std::move(report));
  }

  static void Leave(Seat* seat) {
    seat->job = nullptr;
    seat->steps = false;
    if (seat->cost.bytes > kMostKeptBytes) seat->DropMemory();
  }

  static int MaxScale(const ImageHeader& header, const DecodeOptions& options) {
    if (options.jpeg_scaling != JpegScaling::kFast) return 1;
    if (header.IsJpegCoded()) return 8;
    return header.heif.has_alpha && options.alpha == AlphaMode::kWhite ? 1 : header.heif.max_scale;
  }

  static PixelRequest Plan(const DecodeJob& job, const ImageHeader& header) {
    PixelRequest request;
    request.encoded = job.encoded;
    request.header = &header;
    request.alpha = job.options.alpha;
    request.jpeg_decoder = job.options.jpeg_decoder;
    request.damaged = job.options.damaged;
    request.limits = job.options.limits;
    const int max_scale = MaxScale(header, job.options);
    if (max_scale == 1 || job.spec->mode == preprocess::ResizeMode::kSquash) return request;
    const bool turned = header.orientation >= 5;
    const int fast = preprocess::FastScaleDenominator(turned ? header.height : header.width,
                                                      turned ? header.width : header.height, *job.spec);
    request.scale_denominator = std::min(fast, max_scale);
    request.window = CropWindow(header, request.scale_denominator, *job.spec);
    return request;
  }

  std::array<Seat, 2> seats_;
  ColorConverter color_;
  preprocess::Preprocessor preprocessor_;
};

}  // namespace

std::unique_ptr<Decoder> MakeInProcessDecoder() { return std::make_unique<InProcessDecoder>(); }

bool MayPair(std::span<const uint8_t> encoded, const DecodeOptions& options) {
  return options.jpeg_decoder == JpegChoice::kAuto && OwnDecoder::SupportedHere() &&
         Sniff(encoded) == Format::kJpeg;
}

}  // namespace photovec::decode
