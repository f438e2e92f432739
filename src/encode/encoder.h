// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/enum_names.h"
#include "base/image.h"
#include "base/result.h"
#include "base/slot_pool.h"
#include "model/precision.h"

namespace photovec::encode {

/// One text: ids from the model's tokenizer, each below its vocabulary's size. Does not own.
using TokenIds = std::span<const int32_t>;

/// Names a batch in flight on one stream, from Submit until its Wait.
struct Ticket {
  uint64_t id = 0;
};

/// One lane of execution: on the CPU a pinned team of threads, on a GPU a CUDA stream, each with its own
/// activation arena. One caller thread per stream; different streams may run at the same time.
class EncoderStream {
 public:
  virtual ~EncoderStream() = default;

  /// Starts one batch. Does not block while fewer than depth() batches are in flight (a backend of depth 1
  /// may do its work inside Wait). No allocation after Encoder::Warmup().
  /// \param slots 1 <= B <= max_batch() slots, each [S,S,3] u8 RGB; read until Wait() returns.
  /// \param out [B,D] f32, not normalised; owned by the caller, valid only after Wait() returned OK.
  /// Errors: kInternal when B or out.size() is wrong or depth() tickets are out; kDeviceFailed (the process
  /// must exit).
  virtual Result<Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) = 0;

  /// The same for texts, by the model's text tower. A batch is of images or of texts.
  /// \param texts 1 <= B <= TextInfo::max_batch of them, together at most TextInfo::max_batch_tokens ids, each of 1 to
  /// TextInfo::max_tokens (exactly as many, unless the tower is causal); read until Wait() returns.
  /// \param out [B,D] f32, not normalised.
  /// Errors: as Submit; kInternal from a model without a text tower.
  virtual Result<Ticket> SubmitTexts(std::span<const TokenIds> /*texts*/, std::span<float> /*out*/) {
    return Status(Code::kInternal, "this encoder has no text tower");
  }

  /// Blocks until the batch is done. Each ticket is waited for exactly once, in Submit order.
  virtual Status Wait(Ticket ticket) = 0;

  /// How many batches may be in flight: CPU 1, CUDA 2.
  virtual int depth() const = 0;

  /// False once this stream takes no more batches although the others may go on (a GPU stream that hung). Its
  /// thread must end. Thread-safe.
  virtual bool usable() const { return true; }
};

/// Who computes vectors.
enum class Backend {
  kCpu,        ///< oneDNN
  kCuda,       ///< the plug-in
  kReference,  ///< naive and slow: the oracle of tests
};
constexpr auto EnumNames(Backend /*of*/) {
  return std::array{EnumName{Backend::kCpu, "cpu"}, EnumName{Backend::kCuda, "cuda"},
                    EnumName{Backend::kReference, "reference"}};
}

/// What an encoder does with texts.
struct TextInfo {
  int max_tokens = 0;          ///< of one text
  int max_batch = 0;           ///< texts
  int max_batch_tokens = 0;    ///< of all texts of a batch; at least max_tokens
  bool causal = true;          ///< texts may be of any length up to max_tokens; else exactly max_tokens
  double flops_per_token = 0;  ///< that are really executed, attention at half the length
};

/// What an encoder is, for logs, /v1/models, doctor and bench.
struct EncoderInfo {
  std::string backend;    ///< "cpu", "reference", "cuda"
  std::string precision;  ///< "f32", "bf16", "f16", "fp8"
  std::string detail;     ///< e.g. "oneDNN 2.6.3, avx512_bf16, 2 streams x 1 thread"
  int image_size = 0;     ///< S
  int embedding_dim = 0;  ///< D of the output
  int max_batch = 0;
  double executed_flops_per_image = 0;  ///< FLOPs that are really executed (work saved is not counted)
  uint64_t packed_bytes = 0;            ///< weights as held in memory
  std::optional<TextInfo> text = {};    ///< nothing: no text tower
};

/// A model ready to run: one read-only copy of the weights, shared by N streams.
/// Batch neighbours never change an image's or a text's vector: on the CPU not a bit of it. Thread-safe
/// except where EncoderStream says otherwise.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual const EncoderInfo& info() const = 0;
  virtual int stream_count() const = 0;
  /// So many of the streams, the last ones, take texts alone.
  virtual int text_stream_count() const { return 0; }
  virtual EncoderStream& stream(int index) = 0;
  /// Runs every stream once at max_batch and once at 1, so that nothing is allocated or tuned afterwards.
  virtual Status Warmup() = 0;

  /// Makes the memory that slots lie in known, once, before the first Submit: CUDA pins it, so that copies
  /// run beside the compute. Slots elsewhere work too, slower. The memory must outlive the encoder or be
  /// given up by UnregisterSlots(). Errors: kUnavailable when it cannot be pinned (slots still work).
  virtual Status RegisterSlots(std::span<uint8_t> /*arena*/) { return Status::Ok(); }
  virtual void UnregisterSlots(std::span<uint8_t> /*arena*/) {}
};

using model::Precision;

struct EncoderOptions {
  Precision precision = Precision::kAuto;
  std::string
      plan_cache;  ///< CUDA: file that keeps measured product plans from one start to the next; empty: none
  std::vector<int> devices;    ///< CUDA devices to use; streams are spread over them
  int streams = 0;             ///< for images and texts; 0: chosen from the machine
  int text_streams = 0;        ///< more, for texts alone; none are made for a model without a text tower
  int threads_per_stream = 0;  ///< 0: chosen from the machine
  int max_batch = 0;           ///< 0: chosen by the backend
  bool pin_threads = true;
  PixelNormalization normalization;  ///< folded into the patch weights
};

}  // namespace photovec::encode
