// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "decode/limits.h"
#include "decode/sandbox/decoder_pool.h"

namespace photovec::decode {
namespace {

/// Deaths that the image may have caused, before it is given up.
constexpr int kMaxStrikes = 2;
/// Attempts in all, when others kill, stop or starve the processes.
constexpr int kMaxAttempts = 4;

/// A photo that promises more work gets more time for it, and more patience on a busy machine.
AttemptLimits LimitsFor(int64_t cpu_ms, AttemptLimits limits) {
  const int64_t more = std::max(cpu_ms, DecodeCost::kPlainCpuMs);
  limits.cpu = limits.cpu * more / DecodeCost::kPlainCpuMs;
  limits.starved = limits.starved * more / DecodeCost::kPlainCpuMs;
  return limits;
}

Status Verdict(Death death) {
  switch (death) {
    case Death::kTimeout:
    case Death::kCpu:
      return {Code::kDecodeTimeout,
              "decoding the image took too long, twice; re-save it in a common format (--decode-cpu and "
              "--decode-stall are the limits)"};
    case Death::kMemory:
      return {Code::kDecodeLimit,
              "decoding the image took more memory than its header promised, twice; re-save it in a common "
              "format"};
    default:
      return {Code::kDecoderCrashed,
              "the image ended its decoder process, twice; it may be damaged on purpose"};
  }
}

/// Nothing of it speaks against the image.
Status Stalled(Death death) {
  switch (death) {
    case Death::kStopped:
      return {Code::kDecoderStalled, "the decoder processes are stopped; try again later"};
    case Death::kStarved:
      return {Code::kDecoderStalled,
              "this machine is too busy: the image's decoder process got hardly any CPU; try again later"};
    default:
      return {Code::kDecoderStalled,
              "the image's decoder process was killed from outside, several times; try again later"};
  }
}

Status Quarantined(Code code) {
  return {code, "the image ended decoder processes lately and is refused for an hour"};
}

}  // namespace

class ProcessDecoder final : public Decoder {
 public:
  explicit ProcessDecoder(DecoderPool* pool) : pool_(*pool) {}

  Result<DecodeReport> Decode(const DecodeJob& job) override {
    if (job.spec == nullptr || job.out.size() < job.spec->slot_bytes()) {
      return Status(Code::kInternal, "a decode job came without a spec or with too small a slot");
    }
    RETURN_IF_ERROR(CheckFileSize(job.encoded.size(), job.options.limits));
    if (const auto code = pool_.quarantine_.Find(job.encoded)) return Quarantined(*code);
    // Only the process knows what the photo takes: it may have a plain photo's time, and says if it wants
    // more.
    DecodeJob now = job;
    if (job.granted.cpu_ms == DecodeCost::kUnlimited) now.granted.cpu_ms = DecodeCost::kPlainCpuMs;
    int64_t cpu_ms = now.granted.cpu_ms;
    int strikes = 0;
    for (int attempts = 1;; ++attempts) {
      Surroundings around{false, &pool_.all_stopped_};
      const TimePoint patience = Clock::now() + pool_.options_.attempt.wall;
      std::unique_ptr<WorkerProcess> worker =
          pool_.Take(Deadline(std::min(patience, job.deadline.at())), &around.alone);
      if (worker == nullptr) return NoWorker();
      if (job.encoded.size() > worker->input_capacity() ||
          job.spec->slot_bytes() > worker->output_capacity()) {
        pool_.GiveBack(std::move(worker), {});
        return Status(Code::kInternal, "the image or the model's input is larger than a decoder's memory");
      }
      const int pid = worker->pid();
      Attempt attempt = worker->Run(now, LimitsFor(cpu_ms, pool_.options_.attempt), around);
      if (attempt.answered) {
        pool_.GiveBack(std::move(worker), attempt.cpu);
        const DecodeCost wants = attempt.report.ok() ? attempt.report->wants : DecodeCost{};
        if (wants.cpu_ms <= cpu_ms || wants.bytes > job.granted.bytes) return std::move(attempt.report);
        cpu_ms = wants.cpu_ms;
        now.granted.cpu_ms = DecodeCost::kUnlimited;  // it cannot want more a second time
        continue;
      }
      worker.reset();
      pool_.ReportDeath(pid, attempt);
      if (SpeaksAgainstImage(attempt.death)) {
        if (++strikes < kMaxStrikes) continue;  // even past the deadline: else it would come again and again
        const Status verdict = Verdict(attempt.death);
        pool_.quarantine_.Add(job.encoded, verdict.code());
        return verdict;
      }
      if (attempts >= kMaxAttempts || job.deadline.Expired()) return Stalled(attempt.death);
    }
  }

 private:
  Status NoWorker() const {
    if (pool_.all_stopped_) return Stalled(Death::kStopped);
    return {Code::kUnavailable, "no decoder process could be started in time; try again later"};
  }

  DecoderPool& pool_;
};

std::unique_ptr<Decoder> DecoderPool::MakeDecoder() { return std::make_unique<ProcessDecoder>(this); }

}  // namespace photovec::decode
