// SPDX-License-Identifier: MIT
#include "commands/embed_job.h"

#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "bulk/list_source.h"
#include "bulk/output_lock.h"
#include "bulk/reader.h"
#include "bulk/result_files.h"
#include "bulk/run.h"
#include "bulk/text_source.h"
#include "bulk/walker.h"
#include "cli/exit.h"
#include "cli/progress.h"
#include "cli/stop_signal.h"
#include "commands/embed_report.h"
#include "engine/engine.h"

namespace photovec::commands {
namespace {

constexpr int kReaders = 8;
// More than the pipeline ever asks for at a time.
constexpr size_t kMaxReads = bulk::EmbedRun::kChunk * bulk::EmbedRun::kMaxHeld;

// Counts the input beside the work, so that the progress line can say how much is left.
class InputCounter {
 public:
  InputCounter(const EmbedOptions& options, const bulk::OutputNames& names, bool enabled) {
    if (!enabled) return;
    thread_ =
        std::thread([this, inputs = options.inputs, all_files = options.all_files, partial = names.partial] {
          bulk::PathWalker walker(inputs, all_files, bulk::PathWalker::Warnings::kOff);
          walker.LeaveOut(partial);
          int64_t count = 0;
          while (!abandoned_ && walker.Next()) ++count;
          if (!abandoned_) total_ = count;
        });
  }
  ~InputCounter() {
    abandoned_ = true;
    if (thread_.joinable()) thread_.join();
  }
  InputCounter(const InputCounter&) = delete;
  InputCounter& operator=(const InputCounter&) = delete;
  int64_t total() const { return total_; }

 private:
  std::atomic<bool> abandoned_{false};
  std::atomic<int64_t> total_{-1};
  std::thread thread_;
};

Result<std::unique_ptr<bulk::Source>> OpenSource(const EmbedOptions& options,
                                                 const bulk::OutputNames& names) {
  if (!options.texts.empty()) {
    ASSIGN_OR_RETURN(auto texts,
                     bulk::TextSource::Open(options.texts, bulk::TextSource::FormOf(options.texts)));
    return std::unique_ptr<bulk::Source>(std::move(texts));
  }
  if (options.from.empty()) {
    auto walker = std::make_unique<bulk::PathWalker>(options.inputs, options.all_files);
    walker->LeaveOut(names.partial);
    return std::unique_ptr<bulk::Source>(std::move(walker));
  }
  ASSIGN_OR_RETURN(auto list, bulk::ListSource::Open(options.from, options.null_separated ? '\0' : '\n'));
  return std::unique_ptr<bulk::Source>(std::move(list));
}

/// One run, from the lock on its output to the files in their place. Each step returns the exit code that it
/// ends with, or nothing.
class EmbedJob {
 public:
  EmbedJob(const EmbedOptions& options, bulk::OutputNames names, const cli::StopSignal& stop)
      : options_(options), names_(std::move(names)), stop_(stop) {}

  /// Finishes what was finished but for its last step. Its code when that is all there was to do.
  std::optional<int> Recover() {
    auto leftover = bulk::FindLeftover(names_);
    if (!leftover.ok()) return cli::ReportFailure(leftover.status());
    if (leftover->finished) {
      Status placed = bulk::PutInPlace(names_);
      if (placed.ok()) placed = bulk::RemoveLeftover(names_);
      if (!placed.ok()) return cli::ReportFailure(placed);
      if (options_.resume) return CheckFinished();
    } else if (leftover->journal) {
      earlier_ = std::move(leftover->journal);
    }
    return std::nullopt;
  }

  int Run(engine::Engine& engine, bulk::Source& source) {
    engine_ = &engine;
    resumed_.emplace(source, options_.is_list() ? bulk::InputKind::kList : bulk::InputKind::kNamed);
    const Status prepared = Prepare();
    if (!prepared.ok()) return cli::ReportFailure(prepared);
    const InputCounter counter(options_, names_, progress_.enabled() && !options_.is_list());
    counter_ = &counter;
    if (rebuild_) {
      if (const auto code = Rebuild()) return *code;
    }
    const auto run = MakeRun(*partial_);
    if (const auto code = Work(*run)) return *code;
    return Complete(*run);
  }

 private:
  const engine::ModelSummary& model() const { return engine_->models[0]; }
  int columns() const { return model().encoder.embedding_dim; }

  int CheckFinished() {
    const auto checked = bulk::CheckResult(names_);
    if (!checked.ok()) return cli::ReportFailure(checked.status());
    std::printf("the interrupted run had all of its %s %s; its result is in place now -> %s\n",
                cli::Grouped(checked->inputs).c_str(), options_.Noun(), names_.npy.c_str());
    return checked->failed > 0 ? cli::kExitSomeFailed : cli::kExitOk;
  }

  // Opens or begins the partial result, and compares the input with it.
  Status Prepare() {
    const bulk::RunFacts facts = FactsOf(options_, model());
    if (!options_.resume || !earlier_) {
      if (earlier_ && !earlier_->checkpoints.empty()) {
        log::warn("begins anew: the checkpoint of {} {} in {} is removed (--resume goes on from one)",
                  earlier_->checkpoints.back().lines, options_.Noun(), names_.partial);
      }
      RETURN_IF_ERROR(bulk::RemoveLeftover(names_));
      ASSIGN_OR_RETURN(partial_,
                       bulk::PartialResult::Create(names_.RunFolder(), facts, columns(), options_.NameKey()));
      return Status::Ok();
    }
    RETURN_IF_ERROR(SameFacts(earlier_->run, facts));
    ASSIGN_OR_RETURN(partial_,
                     bulk::PartialResult::Open(names_.RunFolder(), *earlier_, columns(), options_.NameKey()));
    earlier_lines_ = partial_->lines();
    ASSIGN_OR_RETURN(const bool same, resumed_->Compare(names_.RunFolder(), earlier_lines_, columns()));
    rebuild_ = !same;
    if (same) PrintResumed(options_, resumed_->counts(), earlier_lines_);
    return Status::Ok();
  }

  // Writes the earlier part anew in next/, with what changed in it, and takes that for the earlier part.
  std::optional<int> Rebuild() {
    earlier_lines_ = 0;
    auto next = bulk::PartialResult::Create(names_.NextFolder(), FactsOf(options_, model()), columns(),
                                            options_.NameKey());
    if (!next.ok()) return cli::ReportFailure(next.status());
    const auto run = MakeRun(**next, partial_->checkpoint().milliseconds);
    const int64_t before = partial_->lines();
    if (const auto code = Work(*run)) return code;
    PrintResumed(options_, resumed_->counts(), before);
    next->reset();
    partial_.reset();
    const Status taken = TakeNext();
    if (!taken.ok()) return cli::ReportFailure(taken);
    earlier_lines_ = partial_->lines();
    return std::nullopt;
  }

  Status TakeNext() {
    RETURN_IF_ERROR(bulk::TakeNext(names_));
    ASSIGN_OR_RETURN(const auto journal, bulk::ReadJournal(names_.RunFolder() + bulk::kJournalName));
    ASSIGN_OR_RETURN(partial_,
                     bulk::PartialResult::Open(names_.RunFolder(), journal, columns(), options_.NameKey()));
    return Status::Ok();
  }

  std::unique_ptr<bulk::EmbedRun> MakeRun(bulk::PartialResult& output, int64_t earlier_ms = 0) {
    // As the pipeline sizes its slots: the batches in flight, one more, and one photo a decoder.
    const int in_flight = model().streams * model().handle->stream(0).depth();
    const int slots = (in_flight + 1) * model().encoder.max_batch + engine_->plan.decode_threads;
    bulk::EmbedRun::Options options;
    options.max_unfinished = bulk::EmbedRun::UnfinishedFor(slots);
    options.checkpoint_images = options_.checkpoint_images;
    options.checkpoint_ms = static_cast<int64_t>(options_.checkpoint_seconds * 1e3);
    options.earlier_milliseconds = output.checkpoint().milliseconds + earlier_ms;
    auto run = std::make_unique<bulk::EmbedRun>(
        *engine_->pipeline, *resumed_, output, options,
        bulk::EmbedRun::Hooks{
            [this] { return stop_.requested(); },
            [this](int64_t done, int64_t failed) { progress_.Update(done, failed, counter_->total()); }});
    run->summary().AddEarlier(output.lines(), output.checkpoint().failures);
    run->summary().AddDamaged(output.checkpoint().damaged);
    return run;
  }

  std::optional<int> Work(bulk::EmbedRun& run) {
    const Status worked = run.Run();
    progress_.Finish();
    if (!worked.ok()) return cli::ReportFailure({worked.code(), worked.message() + Afterwards()});
    if (engine_->pipeline->device_failed()) {
      std::fprintf(stderr, "photovec: the compute device failed%s\n", Afterwards().c_str());
      return cli::kExitDeviceFailed;
    }
    if (run.stopped()) {
      std::fprintf(stderr, "photovec: stopped before the input ended%s\n", Afterwards().c_str());
      return cli::kExitFailure;
    }
    return std::nullopt;
  }

  // What a run that ends early leaves.
  std::string Afterwards() {
    if (partial_->lines() == 0) {
      partial_.reset();
      const Status removed = bulk::RemoveLeftover(names_);
      if (!removed.ok()) log::warn("{}", removed.message());
      return "; nothing was done yet, and " + names_.npy + " is as it was before";
    }
    return "; " + names_.npy + " is as it was before. What was done up to the last checkpoint (" +
           cli::Grouped(partial_->checkpoint().lines) + " " + options_.Noun() + ") lies in " +
           names_.partial + ": the same command with --resume goes on from there";
  }

  // An unmounted disk or a mistyped folder: an older result is worth more than an empty one.
  int GiveUp(const bulk::StageSummary& summary) {
    std::string why = std::string("no ") + options_.Noun() + " were found";
    if (summary.images() > 0) {
      why = "nothing could be read (" + summary.FailuresText() + "): " + summary.first_failure();
    }
    partial_.reset();
    const Status removed = bulk::RemoveLeftover(names_);
    if (!removed.ok()) log::warn("{}", removed.message());
    return cli::ReportFailure(
        {Code::kNotFound, why + "; no result is written, " + names_.npy + " is as it was before"});
  }

  int Complete(bulk::EmbedRun& run) {
    const bulk::StageSummary& summary = run.summary();
    if (summary.unreadable() == partial_->lines()) return GiveUp(summary);
    const auto digests = partial_->Seal(run.milliseconds());
    if (!digests.ok()) {
      return cli::ReportFailure({digests.status().code(), digests.status().message() + Afterwards()});
    }
    const Status finished = partial_->Finish(
        MetaJson(options_, model(), *digests, summary, resumed_->passed_over(), run.milliseconds()));
    if (!finished.ok()) return cli::ReportFailure({finished.code(), finished.message() + Afterwards()});
    partial_.reset();
    const Status placed = bulk::PutInPlace(names_);
    if (!placed.ok()) return cli::ReportFailure(placed);
    const Status removed = bulk::RemoveLeftover(names_);
    if (!removed.ok()) log::warn("the result is in place, but {}", removed.message());
    PrintSummary(options_, names_.npy, summary, resumed_->passed_over(), earlier_lines_,
                 static_cast<double>(run.session_milliseconds()) / 1e3);
    return summary.failed() > 0 ? cli::kExitSomeFailed : cli::kExitOk;
  }

  const EmbedOptions& options_;
  const bulk::OutputNames names_;
  const cli::StopSignal& stop_;
  cli::Progress progress_;
  engine::Engine* engine_ = nullptr;
  const InputCounter* counter_ = nullptr;
  std::optional<bulk::JournalContent> earlier_;
  std::unique_ptr<bulk::PartialResult> partial_;
  std::optional<bulk::ResumedSource> resumed_;
  bool rebuild_ = false;
  int64_t earlier_lines_ = 0;
};

}  // namespace

std::string EmbedOptions::NameKey() const {
  if (texts.empty()) return "path";
  return bulk::TextSource::FormOf(texts) == bulk::TextSource::Form::kJson ? "id" : "text";
}

int RunEmbed(const EmbedOptions& options) {
  const auto names = bulk::OutputNames::Of(options.output);
  if (!names.ok()) return cli::ReportUsage(names.status());
  const cli::StopSignal stop;
  auto lock = bulk::OutputLock::Take(*names);
  if (!lock.ok()) return cli::ReportFailure(lock.status());
  auto source = OpenSource(options, *names);
  if (!source.ok()) return cli::ReportFailure(source.status());
  EmbedJob job(options, *names, stop);
  if (const auto code = job.Recover()) return *code;
  auto engine = engine::StartEngine(options.engine, std::make_unique<bulk::PathReader>(kReaders, kMaxReads),
                                    bulk::EmbedRun::kChunk);
  if (!engine.ok()) return cli::ReportFailure(engine.status());
  if (!options.texts.empty() && (*engine)->models[0].text_rule.empty()) {
    const std::string why((*engine)->pipeline->models().front().no_texts);
    return cli::ReportFailure(
        {Code::kInvalidRequest, "--texts: the model " + (*engine)->models[0].name +
                                    " embeds images only: " + (why.empty() ? "it has no text tower" : why)});
  }
  const int code = job.Run(**engine, **source);
  if (code == cli::kExitDeviceFailed || engine::HasHangingStream(**engine)) {
    lock->reset();
    cli::ExitAtOnce(code);
  }
  return code;
}

int RunEmbedCheck(const std::string& npy_path) {
  const auto names = bulk::OutputNames::Of(npy_path);
  if (!names.ok()) return cli::ReportUsage(names.status());
  const auto checked = bulk::CheckResult(*names);
  if (!checked.ok()) return cli::ReportFailure(checked.status());
  std::printf(
      "%s, its .jsonl and its .meta.json belong together and are whole: %s vectors of %s inputs, generation "
      "%s, "
      "fingerprint %s\n",
      names->npy.c_str(), cli::Grouped(checked->vectors).c_str(), cli::Grouped(checked->inputs).c_str(),
      checked->generation.c_str(), checked->fingerprint.c_str());
  return cli::kExitOk;
}

}  // namespace photovec::commands
