// SPDX-License-Identifier: MIT
#include "encode/cpu/cpu_encoder.h"

#include <malloc.h>
#include <omp.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/machine.h"
#include "encode/cpu/cpu_encoder_impl.h"
#include "model/fold/fold.h"

namespace photovec::encode {
namespace cpu {
namespace {

constexpr int kMostBatch = 64;
constexpr int kMostThreads = 1024;

Status Invalid(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

// oneDNN may be told (ONEDNN_MAX_CPU_ISA) to use less than the CPU has.
bool OneDnnHasBf16() {
  try {
    const WeightLayout layout(dnnl::engine(dnnl::engine::kind::cpu, 0), 64, 64, 64, model::Element::kBF16,
                              Primitive::kMatmul);
    return layout.implementation().find("bf16") != std::string::npos ||
           layout.implementation().find("amx") != std::string::npos;
  } catch (const dnnl::error&) {
    return false;
  }
}

Result<model::Element> ChooseElement(Precision precision, const Machine& machine) {
  const bool has_bf16 = (machine.has_avx512_bf16 || machine.has_amx_bf16) && OneDnnHasBf16();
  if (precision == Precision::kAuto) return has_bf16 ? model::Element::kBF16 : model::Element::kF32;
  if (precision == Precision::kF32) return model::Element::kF32;
  if (precision != Precision::kBF16)
    return Invalid("a CPU computes in f32 or bf16: use --precision f32, bf16 or auto");
  if (has_bf16) return model::Element::kBF16;
  return Invalid("precision bf16 needs a CPU with AVX512-BF16 or AMX, and oneDNN using it; this one (" +
                 machine.cpu_model + ", " + machine.isa + ") cannot: use --precision f32 or auto");
}

struct Parallelism {
  int streams = 1;
  int threads = 1;
};

// One thread a stream unless told otherwise: threads that must meet wait for the slowest, streams do not
// (measured: equal on a quiet machine, up to 30% apart on a busy one).
Result<Parallelism> ChooseParallelism(const EncoderOptions& options, const Machine& machine) {
  if (std::min({options.streams, options.text_streams, options.threads_per_stream}) < 0 ||
      std::max({options.streams, options.text_streams, options.threads_per_stream}) > kMostThreads) {
    return Invalid("streams, streams for texts and threads per stream must be 0 (automatic) to " +
                   std::to_string(kMostThreads));
  }
  const int cores = std::max(1, std::min(machine.physical_cores, static_cast<int>(machine.cpu_quota + 0.5)));
  Parallelism chosen{options.streams, options.threads_per_stream};
  if (chosen.streams == 0) chosen.streams = std::max(1, cores / std::max(1, chosen.threads));
  if (chosen.threads == 0) chosen.threads = options.streams == 0 ? 1 : std::max(1, cores / chosen.streams);
  const auto cpus = static_cast<int64_t>(machine.cpus.size());
  if (options.pin_threads && int64_t{chosen.streams} * chosen.threads > cpus) {
    return Invalid(std::to_string(chosen.streams) + " streams x " + std::to_string(chosen.threads) +
                   " threads need more than the " + std::to_string(cpus) +
                   " CPUs that this process may use: lower one, or turn pinning off");
  }
  return chosen;
}

// What no loader lets through, and callers that make models themselves might.
Status CheckTower(const model::TransformerConfig& config, size_t blocks, const std::string& what) {
  if (config.heads > 0 && config.hidden_size > 0 && config.mlp_size > 0 &&
      config.hidden_size % config.heads == 0 && blocks > 0) {
    return Status::Ok();
  }
  return Invalid("the " + what + " tower's sizes do not fit: hidden " + std::to_string(config.hidden_size) +
                 ", heads " + std::to_string(config.heads) + ", MLP " + std::to_string(config.mlp_size) +
                 ", layers " + std::to_string(blocks));
}

Status CheckImages(const model::VisionModel& model) {
  const auto& config = model.config;
  RETURN_IF_ERROR(CheckTower(config, model.weights.blocks.size(), "image"));
  if (config.patch_size <= 0 || config.image_size < config.patch_size) {
    return Invalid("the image tower's sizes do not fit: image " + std::to_string(config.image_size) +
                   ", patch " + std::to_string(config.patch_size));
  }
  if (config.pooling == model::Pooling::kClassToken && !config.has_class_token) {
    return Invalid("a model that pools its class token, without one");
  }
  if (config.positions == model::Positions::kRotary && config.head_dim() % 4 != 0) {
    return Invalid("rotary positions need a head size that is a multiple of 4, not " +
                   std::to_string(config.head_dim()));
  }
  return Status::Ok();
}

Status CheckTexts(const model::TextModel& model, const model::VisionModel& images) {
  RETURN_IF_ERROR(CheckTower(model.config, model.weights.blocks.size(), "text"));
  if (model.config.max_tokens > 0 && model.config.embedding_dim() == images.config.embedding_dim()) {
    return Status::Ok();
  }
  return Invalid("the text tower's sizes do not fit: " + std::to_string(model.config.max_tokens) +
                 " tokens, vectors of " + std::to_string(model.config.embedding_dim()) +
                 " floats beside images' of " + std::to_string(images.config.embedding_dim()));
}

TextInfo DescribeTexts(const PackedTower& tower, int threads) {
  const model::TextConfig& config = tower.tokens->config;
  TextInfo info;
  info.max_tokens = config.max_tokens;
  info.max_batch = std::min(kMostBatch, tower.group_sequences * threads);
  info.max_batch_tokens = tower.body_rows.back() * threads;
  info.causal = config.causal;
  info.flops_per_token = model::ExecutedFlops(config, config.max_tokens) / config.max_tokens;
  return info;
}

}  // namespace

CpuEncoder::CpuEncoder(std::unique_ptr<PackedTower> images, std::unique_ptr<PackedTower> texts,
                       const Machine& machine, const Lanes& lanes)
    : images_(std::move(images)), texts_(std::move(texts)), lanes_(lanes) {
  const int threads = lanes_.threads;
  info_.backend = "cpu";
  info_.precision = images_->element() == model::Element::kF32 ? "f32" : "bf16";
  info_.detail = "oneDNN " + OneDnnVersion() + ", " + machine.isa + ", " + std::to_string(lanes_.streams) +
                 (lanes_.streams == 1 ? " stream x " : " streams x ") + std::to_string(threads) +
                 (threads == 1 ? " thread" : " threads") +
                 (lanes_.pin ? ", pinned, groups of " : ", groups of ") +
                 std::to_string(images_->group_sequences);
  if (lanes_.text_streams > 0) info_.detail += ", " + std::to_string(lanes_.text_streams) + " more for texts";
  info_.image_size = images_->patches->config.image_size;
  info_.embedding_dim = images_->embedding_dim;
  info_.max_batch = lanes_.max_batch;
  info_.executed_flops_per_image = model::ExecutedFlops(images_->patches->config);
  info_.packed_bytes = images_->bytes();
  if (texts_ != nullptr) {
    info_.text = DescribeTexts(*texts_, threads);
    info_.packed_bytes += texts_->bytes();
  }
  for (int i = 0; i < lanes_.streams + lanes_.text_streams; ++i) {
    std::vector<int> cpus;
    for (int t = 0; t < threads; ++t) {
      cpus.push_back(machine.cpus[static_cast<size_t>(i * threads + t) % machine.cpus.size()]);
    }
    const bool for_texts = i >= lanes_.streams;
    const StreamModel model{for_texts ? nullptr : images_.get(), texts_.get(), &info_};
    streams_.push_back(std::make_unique<CpuStream>(model, std::move(cpus), lanes_.pin && !for_texts));
  }
}

Status CpuEncoder::Warmup() {
  // All at once: that is how they will run, and start-up takes the time of one.
  std::vector<Status> statuses(streams_.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < streams_.size(); ++i) {
    threads.emplace_back([&, i] { statuses[i] = streams_[i]->Warmup(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) RETURN_IF_ERROR(status);
  return Status::Ok();
}

}  // namespace cpu

Result<std::unique_ptr<Encoder>> CreateCpuEncoder(const model::VisionModel& model,
                                                  const model::TextModel* text,
                                                  const EncoderOptions& options) {
  const Machine machine = ProbeMachine();
  RETURN_IF_ERROR(cpu::CheckImages(model));
  if (text != nullptr) RETURN_IF_ERROR(cpu::CheckTexts(*text, model));
  ASSIGN_OR_RETURN(const model::Element element, cpu::ChooseElement(options.precision, machine));
  ASSIGN_OR_RETURN(const cpu::Parallelism parallel, cpu::ChooseParallelism(options, machine));
  if (options.max_batch < 0 || options.max_batch > cpu::kMostBatch) {
    return cpu::Invalid("max_batch must be 0 (automatic) to " + std::to_string(cpu::kMostBatch) + ", not " +
                        std::to_string(options.max_batch));
  }
  // oneDNN must plan for one thread: the encoder's own teams share the work.
  const int threads_before = omp_get_max_threads();
  omp_set_num_threads(1);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  auto images = cpu::PackedTower::OfImages(engine, model, options.normalization, element);
  Result<std::unique_ptr<cpu::PackedTower>> texts = std::unique_ptr<cpu::PackedTower>();
  if (images.ok() && text != nullptr) texts = cpu::PackedTower::OfTexts(engine, *text, element);
  omp_set_num_threads(threads_before);
  RETURN_IF_ERROR(images.status());
  RETURN_IF_ERROR(texts.status());
  malloc_trim(0);  // what folding used
  cpu::CpuEncoder::Lanes lanes;
  lanes.streams = parallel.streams;
  lanes.text_streams = text == nullptr ? 0 : options.text_streams;
  lanes.threads = parallel.threads;
  lanes.pin = options.pin_threads;
  lanes.max_batch = options.max_batch > 0
                        ? options.max_batch
                        : std::min(cpu::kMostBatch, (*images)->group_sequences * parallel.threads);
  return std::unique_ptr<Encoder>(
      std::make_unique<cpu::CpuEncoder>(std::move(images).value(), std::move(texts).value(), machine, lanes));
}

}  // namespace photovec::encode
