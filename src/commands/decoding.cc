// SPDX-License-Identifier: MIT
#include "commands/decoding.h"

#include <string>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"
#include "commands/settings.h"
#include "metrics/names.h"

namespace photovec::commands {

decode::DecoderPoolOptions ToPoolOptions(const EngineOptions& options, int decoders) {
  decode::DecoderPoolOptions pool;
  pool.workers = decoders;
  pool.program = options.decoder_program;
  pool.limits = options.limits;
  pool.nice = kWorkerNice;
  pool.require_sandbox = options.sandbox == "require";
  return pool;
}

Result<Decoding> StartDecoding(const EngineOptions& options, const Plan& plan) {
  Decoding decoding;
  decoding.factory = decode::MakeInProcessDecoder;
  if (options.decode != "process") return decoding;
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
  decoding.factory = [pool = decoding.pool.get()] { return pool->MakeDecoder(); };
  return decoding;
}

DecoderMetrics::DecoderMetrics(decode::DecoderPool& pool, metrics::Registry& registry)
    : pool_(pool), registry_(registry) {
  sampler_ = registry_.AddSampler([this] { Sample(); });
}

DecoderMetrics::~DecoderMetrics() { registry_.RemoveSampler(sampler_); }

void DecoderMetrics::Sample() {
  namespace name = metrics::name;
  std::scoped_lock lock(mutex_);
  const decode::DecoderPoolStats now = pool_.stats();
  for (size_t i = 0; i < now.deaths.size(); ++i) {
    registry_
        .GetCounter(
            name::kDecoderDeaths, "Decoder processes that ended before their time",
            {{metrics::label::kReason, std::string(decode::DeathName(static_cast<decode::Death>(i)))}})
        ->Add(static_cast<double>(now.deaths.at(i) - last_.deaths.at(i)));
  }
  registry_
      .GetCounter(name::kDecoderRestarts, "Decoder processes started again, after a death or worn out", {})
      ->Add(static_cast<double>(now.restarts - last_.restarts));
  registry_.GetCounter(name::kDecoderCpuSeconds, "CPU time that decoder processes used for images", {})
      ->Add(std::chrono::duration<double>(now.cpu - last_.cpu).count());
  registry_.GetCounter(name::kSandboxViolations, "Decoder processes killed for a forbidden system call", {})
      ->Add(static_cast<double>(now.violations - last_.violations));
  registry_.GetGauge(name::kDecoderAlive, "Decoder processes alive, the spare included", {})
      ->Set(static_cast<double>(now.alive));
  registry_.GetGauge(name::kDecoderQuarantined, "Images refused because they ended decoders", {})
      ->Set(static_cast<double>(now.quarantined));
  last_ = now;
}

bool EnoughDecoders(const decode::DecoderPoolStats& stats) { return 2 * stats.alive >= stats.wanted; }

}  // namespace photovec::commands
