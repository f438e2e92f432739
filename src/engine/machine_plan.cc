// SPDX-License-Identifier: MIT
#include "engine/machine_plan.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text/sizes.h"

namespace photovec::engine {
namespace {

constexpr uint64_t kMostBudgetBytes = uint64_t{2} << 30;

// Whole CPUs that the quota is worth, at least one.
int QuotaCpus(const Machine& machine) {
  return std::max(1, static_cast<int>(std::floor(machine.cpu_quota + 0.01)));
}

void PlanStreams(const Machine& machine, const EngineOptions& options, Plan& plan) {
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
  plan.pin_threads = int64_t{plan.streams} * plan.threads_per_stream <= cpus;
  if (!plan.pin_threads) {
    plan.streams_why += "; not pinned, being more threads than the " + std::to_string(cpus) + " CPUs";
  }
}

void PlanPrecision(const Machine& machine, const EngineOptions& options, Plan& plan) {
  if (options.precision != "auto") {
    plan.precision = options.precision;
    plan.precision_why = "as set";
    return;
  }
  const bool fast = machine.has_amx_bf16 || machine.has_avx512_bf16;
  plan.precision = fast ? "bf16" : "f32";
  plan.precision_why = fast ? "the CPU has " + machine.isa : "the CPU has neither AVX512-BF16 nor AMX";
}

}  // namespace

Plan MakePlan(const Machine& machine, const EngineOptions& options) {
  Plan plan;
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
  return plan;
}

std::string StreamsText(const Plan& plan) {
  const std::string streams = std::to_string(plan.streams);
  return plan.backend == "cuda" ? streams
                                : streams + " x " + std::to_string(plan.threads_per_stream) + " threads";
}

}  // namespace photovec::engine
