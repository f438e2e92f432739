// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/enum_names.h"
#include "decode/decoder.h"
#include "decode/gpu/jpeg_scheduler.h"
#include "model/precision.h"
#include "pipeline/admission.h"
#include "tokenize/tokenizer.h"

namespace photovec::engine {

/// Where photos are decoded on CPUs.
enum class DecodeMode {
  kProcess,  ///< in sandboxed processes: for images from strangers
  kThread,   ///< in this process: for images that one trusts
};
constexpr auto EnumNames(DecodeMode /*of*/) {
  return std::array{EnumName{DecodeMode::kProcess, "process"}, EnumName{DecodeMode::kThread, "thread"}};
}

/// Which layers the sandbox of decoder processes must have.
enum class SandboxPolicy {
  kAuto,     ///< those that the kernel allows
  kRequire,  ///< all but namespaces; without one of them nothing starts
};
constexpr auto EnumNames(SandboxPolicy /*of*/) {
  return std::array{EnumName{SandboxPolicy::kAuto, "auto"}, EnumName{SandboxPolicy::kRequire, "require"}};
}

/// Who decodes plain JPEGs; everything else is decoded on CPUs in any case.
enum class DecodeDevice {
  kCpu,
  kGpu,    ///< nvJPEG, in this process: for images that one trusts
  kMixed,  ///< both, whoever is free first
};
constexpr auto EnumNames(DecodeDevice /*of*/) {
  return std::array{EnumName{DecodeDevice::kCpu, "cpu"}, EnumName{DecodeDevice::kGpu, "gpu"},
                    EnumName{DecodeDevice::kMixed, "mixed"}};
}

/// The settings that every command which runs a model shares. Zero means: chosen from the machine
/// (machine_plan.h says how).
struct EngineOptions {
  std::vector<std::string> models;  ///< "DIR" or "name=DIR"
  std::string device = "auto";      ///< device_choice.h
  model::Precision precision = model::Precision::kAuto;
  int streams = 0;
  int text_streams = 0;  ///< more, for texts alone; none for a model that takes no texts
  int threads_per_stream = 0;
  int max_batch = 0;
  bool allow_truncation =
      false;             ///< clients may ask for a part of a vector, whatever the model's config says
  bool no_text = false;  ///< leave text towers out
  tokenize::TextCleaning text_clean = tokenize::TextCleaning::kAuto;
  tokenize::SpecialTokens text_special = tokenize::SpecialTokens::kParse;
  int decoders = 0;
  DecodeMode decode_mode = DecodeMode::kProcess;
  SandboxPolicy sandbox = SandboxPolicy::kAuto;
  DecodeDevice decode_device = DecodeDevice::kCpu;
  decode::GpuJpegParts gpu_jpeg = decode::GpuJpegParts::kAuto;
  std::string decoder_program;   ///< empty: beside photovec
  decode::DecodeOptions decode;  ///< how, whoever does it
  uint64_t memory_budget_bytes = 0;
  uint64_t decode_memory_bytes = 0;
  /// Of decoder processes: CPU seconds of a plain photo (more of one that promises more work), and seconds
  /// that one may sleep instead of working.
  double decode_cpu_s = 2;
  double decode_stall_s = 5;
  uint64_t cache_bytes = 0;  ///< result cache; 0: none
  int64_t batch_wait_us = 0;
  pipeline::AdmissionOptions admission;  ///< by default nothing is refused
};

}  // namespace photovec::engine
