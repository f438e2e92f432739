// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "decode/limits.h"
#include "decode/sandbox/decoder_pool.h"
#include "decode/sniff.h"

namespace photovec::decode {
namespace {

/// Deaths that the image may have caused, before it is given up.
constexpr int kMaxStrikes = 2;
/// Attempts in all, when others kill, stop or starve the processes.
constexpr int kMaxAttempts = 4;

/// HEVC takes three times as long as JPEG: 10 to 20 MP a second on one core, and nothing scales it down.
AttemptLimits LimitsFor(const DecodeJob& job, AttemptLimits limits) {
  const Format format = Sniff(job.encoded);
  if (format == Format::kHeif || format == Format::kAvif) limits.cpu *= 2;
  return limits;
}

Status Verdict(Death death) {
  switch (death) {
    case Death::kTimeout:
    case Death::kCpu:
      return {Code::kDecodeTimeout, "decoding the image took too long, twice; re-save it in a common format"};
    case Death::kMemory:
      return {Code::kDecodeLimit,
              "decoding the image ran out of memory, twice; re-save it in a common format"};
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
      Attempt attempt = worker->Run(job, LimitsFor(job, pool_.options_.attempt), around);
      if (attempt.answered) {
        pool_.GiveBack(std::move(worker), attempt.cpu);
        return std::move(attempt.report);
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
