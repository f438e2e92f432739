// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decode/decoder.h"

namespace photovec::engine {

/// The settings that every command which runs a model shares. Zero means: chosen from the machine
/// (machine_plan.h says how).
struct EngineOptions {
  std::vector<std::string> models;  ///< "DIR" or "name=DIR"
  std::string device = "auto";      ///< device_choice.h
  std::string precision = "auto";
  int streams = 0;
  int threads_per_stream = 0;
  int max_batch = 0;
  int decoders = 0;
  std::string decode = "process";     ///< or "thread"
  std::string sandbox = "auto";       ///< or "require"
  std::string decode_device = "cpu";  ///< or "gpu", "mixed"
  std::string gpu_jpeg = "auto";      ///< or "engines", "cuda": what of the GPU
  std::string decoder_program;        ///< empty: beside photovec
  std::string jpeg_scaling = "fast";
  std::string alpha = "drop";
  std::string color = "ignore";
  uint64_t memory_budget_bytes = 0;
  uint64_t cache_bytes = 0;  ///< result cache; 0: none
  int64_t batch_wait_us = 0;
  decode::Limits limits;
};

/// The part of it that decoders take.
decode::DecodeOptions ToDecodeOptions(const EngineOptions& options);

}  // namespace photovec::engine
