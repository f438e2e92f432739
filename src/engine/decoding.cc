// SPDX-License-Identifier: MIT
#include "engine/decoding.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/environment.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "device/cuda/loader.h"
#include "metrics/names.h"

namespace photovec::engine {

decode::DecoderPoolOptions ToPoolOptions(const EngineOptions& options, int decoders) {
  decode::DecoderPoolOptions pool;
  pool.workers = decoders;
  pool.program = options.decoder_program;
  pool.limits = options.decode.limits;
  const auto duration = [](double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  };
  pool.attempt.cpu = duration(options.decode_cpu_s);
  pool.attempt.wall = duration(options.decode_stall_s);
  pool.nice = kWorkerNice;
  pool.require_sandbox = options.sandbox == SandboxPolicy::kRequire;
  return pool;
}

namespace {

Status StartPool(const EngineOptions& options, const MachinePlan& plan, Decoding& decoding) {
  decode::DecoderPoolOptions wanted = ToPoolOptions(options, plan.decoders);
  wanted.fault = ProcessEnvironment()(kDecoderFaultVariable).value_or("");
  if (!wanted.fault.empty()) {
    log::warn("{} is set: decoder processes do harm on purpose, as tests want it", kDecoderFaultVariable);
  }
  ASSIGN_OR_RETURN(decoding.pool, decode::DecoderPool::Create(std::move(wanted)));
  log::info("decoding in {} processes and a spare, locked in by: {}", plan.decoders,
            decode::LayerNames(decoding.pool->layers()));
  if (!decoding.pool->missing_why().empty()) {
    log::warn("the decoders' sandbox lacks a layer here: {}", decoding.pool->missing_why());
  }
  for (const decode::LibrarySupport& library : decoding.pool->libraries()) {
    log::info("decoder processes: {}", library.detail);
  }
  decoding.factory = [pool = decoding.pool.get()] { return pool->MakeDecoder(); };
  return Status::Ok();
}

}  // namespace

Status PlanDecoding(const EngineOptions& options, MachinePlan& plan) {
  if (options.decode_device == DecodeDevice::kCpu) return Status::Ok();
  if (plan.backend != encode::Backend::kCuda) {
    return {Code::kInvalidRequest, "--decode-device " + std::string(NameOf(options.decode_device)) +
                                       " needs a GPU to run the models on too (" + plan.device_why + ")"};
  }
  const int devices = static_cast<int>(plan.devices.size());
  plan.decode_threads = std::min(decode::kGpuDecodeThreads * devices, decode::kMostGpuDecodeThreads);
  if (options.decode_device == DecodeDevice::kMixed) plan.decode_threads += plan.decoders;
  return Status::Ok();
}

namespace {

Status AddGpu(const EngineOptions& options, const MachinePlan& plan, Decoding& decoding) {
  ASSIGN_OR_RETURN(device::Platform * platform, device::LoadPlugin());
  std::string detail;
  const decode::CpuShare cpus{plan.decoders, options.decode_device == DecodeDevice::kMixed};
  ASSIGN_OR_RETURN(decoding.gpu,
                   decode::StartGpuJpegScheduler(*platform, plan.devices,
                                                 decode::ToGpuJpegOptions(options.gpu_jpeg), cpus, detail));
  log::info("plain JPEGs are decoded by {}{}", detail,
            options.decode_device == DecodeDevice::kMixed ? " and by the CPU" : "");
  if (options.decode_mode == DecodeMode::kProcess) {
    log::warn(
        "--decode-device={}: nvJPEG reads JPEGs in this process, outside the sandbox: for images that you "
        "trust",
        NameOf(options.decode_device));
  }
  decoding.factory = [gpu = decoding.gpu.get(), cpu = std::move(decoding.factory)] {
    return decode::MakeGpuDecoder(*gpu, cpu());
  };
  return Status::Ok();
}

}  // namespace

Result<Decoding> StartDecoding(const EngineOptions& options, const MachinePlan& plan) {
  Decoding decoding;
  decoding.factory = decode::MakeInProcessDecoder;
  if (options.decode_mode == DecodeMode::kProcess) RETURN_IF_ERROR(StartPool(options, plan, decoding));
  if (options.decode_device != DecodeDevice::kCpu) RETURN_IF_ERROR(AddGpu(options, plan, decoding));
  return decoding;
}

std::vector<std::string> ImageFormats(const decode::DecoderPool* pool) {
  uint32_t loaded = 0;
  if (pool != nullptr) {
    for (const decode::LibrarySupport& library : pool->libraries()) loaded |= library.formats;
  }
  return decode::SupportedTitles(loaded);
}

namespace {

void Count(metrics::Registry& registry, std::string_view metric, std::string_view help,
           const metrics::Labels& labels, double total) {
  registry.GetCounter(metric, help, labels)->RaiseTo(total);
}

}  // namespace

DecoderMetrics::DecoderMetrics(decode::DecoderPool& pool, metrics::Registry& registry)
    : pool_(pool), registry_(registry) {
  sampler_ = registry_.AddSampler([this] { Sample(); });
}

DecoderMetrics::~DecoderMetrics() { registry_.RemoveSampler(sampler_); }

void DecoderMetrics::Sample() {
  namespace name = metrics::name;
  const decode::DecoderPoolStats now = pool_.stats();
  for (size_t i = 0; i < now.deaths.size(); ++i) {
    Count(registry_, name::kDecoderDeaths, "Decoder processes that ended before their time",
          {{metrics::label::kReason, std::string(decode::DeathName(static_cast<decode::Death>(i)))}},
          static_cast<double>(now.deaths.at(i)));
  }
  Count(registry_, name::kDecoderRestarts, "Decoder processes started again, after a death or worn out", {},
        static_cast<double>(now.restarts));
  Count(registry_, name::kDecoderCpuSeconds, "CPU time that decoder processes used for images", {},
        std::chrono::duration<double>(now.cpu).count());
  Count(registry_, name::kSandboxViolations, "Decoder processes killed for a forbidden system call", {},
        static_cast<double>(now.violations));
  registry_.GetGauge(name::kDecoderAlive, "Decoder processes alive, the spare included", {})
      ->Set(static_cast<double>(now.alive));
  registry_.GetGauge(name::kDecoderQuarantined, "Images refused because they ended decoders", {})
      ->Set(static_cast<double>(now.quarantined));
}

GpuJpegMetrics::GpuJpegMetrics(const decode::GpuJpegScheduler& scheduler, metrics::Registry& registry)
    : scheduler_(scheduler), registry_(registry) {
  sampler_ = registry_.AddSampler([this] { Sample(); });
}

GpuJpegMetrics::~GpuJpegMetrics() { registry_.RemoveSampler(sampler_); }

void GpuJpegMetrics::Sample() {
  namespace name = metrics::name;
  const decode::GpuJpegScheduler::Counts now = scheduler_.counts();
  const auto images = [&](const char* by, int64_t total) {
    Count(registry_, name::kGpuDecodeImages, "Images that came to the GPU's decoders, and who decoded them",
          {{metrics::label::kDecodedBy, by}}, static_cast<double>(total));
  };
  images("gpu", now.decoded);
  images("cpu_refused", now.refused);
  images("cpu_free", now.left_to_cpu);
  images("cpu_only", now.other);
  Count(registry_, name::kGpuDecodeBatches, "Batches of the GPU's decoders", {},
        static_cast<double>(now.decoders.batches));
  const auto phase = [&](const char* stage, int64_t us) {
    Count(registry_, name::kGpuDecodeSeconds, "Time of the GPU's decoders by phase, all lanes together",
          {{metrics::label::kStage, stage}}, static_cast<double>(us) / 1e6);
  };
  phase("submit", now.decoders.submit_us);
  phase("decode", now.decoders.decode_us);
  phase("resize", now.decoders.resize_us);
  Count(registry_, name::kGpuDecodeAllocations,
        "How often nvJPEG needed memory of the driver, which stops the GPU", {},
        static_cast<double>(now.decoders.allocations));
}

bool EnoughDecoders(const decode::DecoderPoolStats& stats) {
  return 2 * (stats.alive - stats.stopped) >= stats.wanted;
}

}  // namespace photovec::engine
