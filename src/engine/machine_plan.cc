// SPDX-License-Identifier: MIT
#include "engine/machine_plan.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text/sizes.h"

namespace photovec::engine {
namespace {

using model::Precision;

constexpr uint64_t kMostBudgetBytes = uint64_t{2} << 30;
constexpr uint64_t kLeastBudgetBytes = uint64_t{64} << 20;
constexpr uint64_t kMostDecodeBytes = uint64_t{2} << 30;
constexpr uint64_t kMostDecodeBytesEach = uint64_t{256} << 20;
// The process may take so much more than what is accounted: malloc's rounding, sockets, frames.
constexpr double kOverhead = 1.15;

// Whole CPUs that the quota is worth, at least one.
int QuotaCpus(const Machine& machine) {
  return std::max(1, static_cast<int>(std::floor(machine.cpu_quota + 0.01)));
}

void PlanStreams(const Machine& machine, const EngineOptions& options, MachinePlan& plan) {
  const int cores = std::max(1, std::min(machine.physical_cores, QuotaCpus(machine)));
  const int preferred = cores <= 4 ? 1 : cores <= 16 ? 2 : 4;
  const std::string cores_text = std::to_string(cores) + " usable cores";
  if (options.streams > 0 && options.threads_per_stream > 0) {
    plan.streams = options.streams;
    plan.threads_per_stream = options.threads_per_stream;
    plan.streams_why = "as set";
  } else if (options.streams > 0) {
    plan.streams = options.streams;
    plan.threads_per_stream = std::max(1, cores / options.streams);
    plan.streams_why = "streams as set, sharing " + cores_text;
  } else {
    plan.threads_per_stream = options.threads_per_stream > 0 ? options.threads_per_stream : preferred;
    plan.streams = std::max(1, cores / plan.threads_per_stream);
    plan.streams_why = (options.threads_per_stream > 0 ? "threads as set; " : "") + cores_text;
  }
  const auto cpus = static_cast<int64_t>(machine.cpus.size());
  plan.text_streams = options.text_streams;
  plan.pin_threads = (int64_t{plan.streams} + plan.text_streams) * plan.threads_per_stream <= cpus;
  if (!plan.pin_threads) {
    plan.streams_why += "; not pinned, being more threads than the " + std::to_string(cpus) + " CPUs";
  }
}

void PlanPrecision(const Machine& machine, const EngineOptions& options, MachinePlan& plan) {
  if (options.precision != Precision::kAuto) {
    plan.precision = options.precision;
    plan.precision_why = "as set";
    return;
  }
  const bool fast = machine.has_amx_bf16 || machine.has_avx512_bf16;
  plan.precision = fast ? Precision::kBF16 : Precision::kF32;
  plan.precision_why = fast ? "the CPU has " + machine.isa : "the CPU has neither AVX512-BF16 nor AMX";
}

}  // namespace

MachinePlan MakePlan(const Machine& machine, const EngineOptions& options) {
  MachinePlan plan;
  PlanStreams(machine, options, plan);
  PlanPrecision(machine, options, plan);
  const int cpus = std::max(1, std::min(static_cast<int>(machine.cpus.size()), QuotaCpus(machine)));
  plan.decoders = options.decoders > 0 ? options.decoders : cpus;
  plan.decoders_why = options.decoders > 0 ? "as set" : "one per usable CPU";
  plan.decode_threads = plan.decoders;
  if (options.memory_budget_bytes > 0) {
    plan.memory_budget_bytes = options.memory_budget_bytes;
    plan.memory_why = "as set";
  } else {
    plan.memory_budget_bytes = std::min(machine.memory_bytes / 4, kMostBudgetBytes);
    plan.memory_why = "a quarter of " + HumanBytes(machine.memory_bytes) + ", at most 2 GiB";
  }
  plan.decode_memory_bytes = options.decode_memory_bytes;
  if (plan.decode_memory_bytes == 0) {
    plan.decode_memory_bytes =
        std::min(machine.memory_bytes / 2,
                 kMostDecodeBytes + kMostDecodeBytesEach * static_cast<uint64_t>(plan.decoders));
  }
  return plan;
}

std::string FitBudget(const Machine& machine, const EngineOptions& options, const MemoryNeeds& needs,
                      MachinePlan& plan) {
  const uint64_t memory = machine.memory_bytes;
  const auto scaled = [](uint64_t bytes) {
    return static_cast<uint64_t>(static_cast<double>(bytes) * kOverhead);
  };
  const uint64_t model = scaled(needs.resident + needs.slots) + needs.cache;
  const uint64_t left = memory - std::min(memory, model);
  if (options.decode_memory_bytes == 0) {
    plan.decode_memory_bytes = std::max(std::min(plan.decode_memory_bytes, left / 2), kLeastBudgetBytes);
  }
  const uint64_t decoders = plan.decode_memory_bytes;
  const uint64_t free = left - std::min(decoders, left);
  const auto most = static_cast<uint64_t>(static_cast<double>(free) / kOverhead);
  if (options.memory_budget_bytes == 0 && most < plan.memory_budget_bytes) {
    plan.memory_budget_bytes = std::max(most, kLeastBudgetBytes);
    plan.memory_why =
        "what the model and " + std::to_string(plan.decoders) + " decoders leave of " + HumanBytes(memory);
  }
  if (model + scaled(plan.memory_budget_bytes) + decoders <= memory) return {};
  return "of " + HumanBytes(memory) + " memory, the model takes " + HumanBytes(model) +
         ", the memory budget up to " + HumanBytes(scaled(plan.memory_budget_bytes)) + " and " +
         std::to_string(plan.decoders) + " decoders up to " + HumanBytes(decoders) +
         " (only big photos need as much): that is more than there is. A lower --decode-memory, "
         "--memory-budget or --cache-mb, or more memory make it fit";
}

std::string StreamsText(const MachinePlan& plan) {
  std::string text = std::to_string(plan.streams);
  if (plan.text_streams > 0) text += " and " + std::to_string(plan.text_streams) + " for texts";
  if (plan.backend == encode::Backend::kCuda) return text;
  return text + " x " + std::to_string(plan.threads_per_stream) + " threads";
}

}  // namespace photovec::engine
