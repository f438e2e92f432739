// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "decode/limits.h"
#include "decode/sandbox/decoder_pool.h"

namespace photovec::decode {
namespace {

/// Deaths that the image may have caused, before it is given up.
constexpr int kMaxStrikes = 2;
/// Attempts in all, when others kill, stop or starve the processes.
constexpr int kMaxAttempts = 4;
/// Images after which a worker is given back, so that it can be weighed and replaced.
constexpr int64_t kLongestLoan = 64;

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
    RETURN_IF_ERROR(Check(job));
    Trial trial(job);
    for (;;) {
      if (auto answer = Try(&trial)) return *std::move(answer);
    }
  }

  /// The worker is kept as long as there are images for it, up to kLongestLoan of them. When it dies with one
  /// image, that one is to blame. When it dies with two, neither is yet: each is decoded again alone.
  void DecodeFeed(const DecodeJob& first, JobFeed& feed) override {
    std::unique_ptr<Loan> loan;
    int64_t left = std::min(kLongestLoan, pool_.options_.recycle_images);
    for (const DecodeJob* next = &first;;) {
      while (next != nullptr) {
        --left;
        if (Status status = Enter(*next, &loan); !status.ok()) feed.Finish(*next, std::move(status));
        const bool full = loan != nullptr && !loan->worker->HasFreeSeat();
        next = full || left <= 0 ? nullptr : feed.Next();
      }
      if (loan == nullptr || loan->worker->load() == 0) break;
      const bool is_first = loan->worker->images() == loan->images_before && loan->worker->load() == 1;
      loan->worker->Send(loan->alone && is_first);
      const DecodeJob* answered = nullptr;
      Attempt attempt = loan->worker->Await(&pool_.all_stopped_, &answered);
      loan->cpu += attempt.cpu;
      if (!attempt.answered) return AfterDeath(*loan, std::move(attempt), feed);
      if (Answer(*loan, answered, std::move(attempt.report), feed)) next = left > 0 ? feed.Next() : nullptr;
    }
    if (loan != nullptr) GiveBack(*loan);
  }

 private:
  /// An image until it is answered or given up.
  struct Trial {
    // Only the process knows what the photo takes: it may have a plain photo's time, and says if it wants
    // more.
    explicit Trial(const DecodeJob& given) : job(&given), now(given) {
      cpu_ms = now.granted.cpu_ms = std::min(given.granted.cpu_ms, DecodeCost::kPlainCpuMs);
    }
    /// \return whether the answer is a wish for more time that it was granted, and has from now on.
    bool GetsMoreTime(const Result<DecodeReport>& report) {
      const DecodeCost wants = report.ok() ? report->wants : DecodeCost{};
      if (wants.cpu_ms <= cpu_ms || !wants.FitsIn(job->granted)) return false;
      cpu_ms = wants.cpu_ms;
      now.granted.cpu_ms = DecodeCost::kUnlimited;  // it cannot want more a second time
      return true;
    }

    const DecodeJob* job;
    DecodeJob now;  ///< as a worker is told it
    int64_t cpu_ms = 0;
    int strikes = 0;  ///< deaths that it may have caused
    int attempts = 0;
  };
  /// A worker in use.
  struct Loan {
    std::unique_ptr<WorkerProcess> worker;
    int pid = -1;
    bool alone = false;                          ///< no other one was busy when it was taken
    int64_t images_before = 0;                   ///< that it had done
    Clock::duration cpu{};                       ///< that it used
    std::vector<std::unique_ptr<Trial>> trials;  ///< that it has
  };

  Status Check(const DecodeJob& job) {
    if (job.spec == nullptr || job.out.size() < job.spec->slot_bytes()) {
      return {Code::kInternal, "a decode job came without a spec or with too small a slot"};
    }
    RETURN_IF_ERROR(CheckFileSize(job.encoded.size(), job.options.limits));
    if (const auto code = pool_.quarantine_.Find(job.encoded)) return Quarantined(*code);
    return Status::Ok();
  }

  /// Gives an image to the worker, which is taken if there is none yet.
  Status Enter(const DecodeJob& job, std::unique_ptr<Loan>* loan) {
    RETURN_IF_ERROR(Check(job));
    if (*loan == nullptr) {
      ASSIGN_OR_RETURN(*loan, Take(job));
    }
    auto trial = std::make_unique<Trial>(job);
    RETURN_IF_ERROR(LoadInto(**loan, *trial));
    (*loan)->trials.push_back(std::move(trial));
    return Status::Ok();
  }

  Result<std::unique_ptr<Loan>> Take(const DecodeJob& job) {
    auto loan = std::make_unique<Loan>();
    const TimePoint patience = Clock::now() + pool_.options_.attempt.wall;
    loan->worker = pool_.Take(Deadline(std::min(patience, job.deadline.at())), &loan->alone);
    if (loan->worker == nullptr) return NoWorker();
    loan->pid = loan->worker->pid();
    loan->images_before = loan->worker->images();
    return loan;
  }

  Status LoadInto(Loan& loan, const Trial& trial) {
    const DecodeJob& job = trial.now;
    if (job.encoded.size() > loan.worker->input_capacity() ||
        job.spec->slot_bytes() > loan.worker->output_capacity()) {
      return {Code::kInternal, "the image or the model's input is larger than a decoder's memory"};
    }
    loan.worker->Load(job, LimitsFor(trial.cpu_ms, pool_.options_.attempt));
    return Status::Ok();
  }

  void GiveBack(Loan& loan) { pool_.GiveBack(std::move(loan.worker), loan.images_before, loan.cpu); }

  /// \return whether the image is done; if not, it is with the worker again.
  bool Answer(Loan& loan, const DecodeJob* answered, Result<DecodeReport> report, JobFeed& feed) {
    const auto found = std::find_if(loan.trials.begin(), loan.trials.end(),
                                    [&](const auto& trial) { return &trial->now == answered; });
    if ((*found)->GetsMoreTime(report) && LoadInto(loan, **found).ok()) return false;
    const DecodeJob& job = *(*found)->job;
    loan.trials.erase(found);
    feed.Finish(job, std::move(report));
    return true;
  }

  /// One attempt at an image alone. \return its answer; nullopt: it is to be tried again.
  std::optional<Result<DecodeReport>> Try(Trial* trial) {
    Result<std::unique_ptr<Loan>> taken = Take(*trial->job);
    if (!taken.ok()) return taken.status();
    Loan& loan = **taken;
    if (Status status = LoadInto(loan, *trial); !status.ok()) {
      GiveBack(loan);
      return status;
    }
    loan.worker->Send(loan.alone);
    const DecodeJob* answered = nullptr;
    Attempt attempt = loan.worker->Await(&pool_.all_stopped_, &answered);
    if (attempt.answered) {
      loan.cpu = attempt.cpu;
      GiveBack(loan);
      if (trial->GetsMoreTime(attempt.report)) return std::nullopt;
      return std::move(attempt.report);
    }
    loan.worker.reset();
    pool_.ReportDeath(loan.pid, attempt);
    return Weigh(attempt.death, trial);
  }

  /// A worker died that had no other image. \return the verdict; nullopt: it is to be tried again.
  std::optional<Result<DecodeReport>> Weigh(Death death, Trial* trial) {
    const DecodeJob& job = *trial->job;
    ++trial->attempts;
    if (SpeaksAgainstImage(death)) {
      // Even past the deadline: else it would come again and again.
      if (++trial->strikes < kMaxStrikes) return std::nullopt;
      const Status verdict = Verdict(death);
      pool_.quarantine_.Add(job.encoded, verdict.code());
      return verdict;
    }
    if (trial->attempts >= kMaxAttempts || job.deadline.Expired()) return Stalled(death);
    return std::nullopt;
  }

  void AfterDeath(Loan& loan, Attempt attempt, JobFeed& feed) {
    loan.worker.reset();
    attempt.cpu = loan.cpu;
    pool_.ReportDeath(loan.pid, attempt);
    auto& trials = loan.trials;
    const auto tell = [&](const Trial& trial, std::optional<Result<DecodeReport>> answer) {
      if (!answer) return false;
      feed.Finish(*trial.job, *std::move(answer));
      return true;
    };
    if (trials.size() == 1 || !SpeaksAgainstImage(attempt.death)) {
      std::erase_if(trials, [&](auto& trial) { return tell(*trial, Weigh(attempt.death, trial.get())); });
    }
    // In turn, so that an honest one does not wait until the other one is given up.
    while (!trials.empty()) {
      std::erase_if(trials, [&](auto& trial) { return tell(*trial, Try(trial.get())); });
    }
  }

  Status NoWorker() const {
    if (pool_.all_stopped_) return Stalled(Death::kStopped);
    return {Code::kUnavailable, "no decoder process could be started in time; try again later"};
  }

  DecoderPool& pool_;
};

std::unique_ptr<Decoder> DecoderPool::MakeDecoder() { return std::make_unique<ProcessDecoder>(this); }

}  // namespace photovec::decode
