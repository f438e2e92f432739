// SPDX-License-Identifier: MIT
#include "decode/sandbox/decoder_pool.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::decode {
namespace {

/// How often idle workers are looked at: a dead one is replaced before anybody needs it.
constexpr std::chrono::milliseconds kLook{100};
/// A worker's resident memory is read once in so many images; it costs 20 us.
constexpr int64_t kWeighEvery = 64;
/// The kernel ends a worker after this much CPU time in its whole life; the server replaces it at a half.
constexpr uint64_t kLifeCpuSeconds = 3600;
/// A server whose workers end as soon as they are ready must say so, not try for ever.
constexpr int kDeathsAtStart = 3;

WorkerStart MakeStart(const DecoderPoolOptions& options) {
  WorkerStart start;
  start.program = options.program;
  start.fault = options.fault;
  WorkerArguments& arguments = start.arguments;
  arguments.layout =
      RegionLayout::For(options.max_slot_bytes, static_cast<size_t>(options.limits.max_file_bytes));
  arguments.address_space_bytes = AddressSpaceFor(options.limits.max_decoder_bytes, arguments.layout);
  arguments.cpu_seconds = kLifeCpuSeconds;
  arguments.parent_pid = getpid();
  arguments.nice = options.nice;
  arguments.name_violations = options.name_violations;
  return start;
}

}  // namespace

Result<std::string> FindDecoderProgram() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0) return Status(Code::kUnavailable, "/proc/self/exe cannot be read; give --decoder-program");
  std::string folder(path.data(), static_cast<size_t>(length));
  folder.resize(folder.rfind('/'));
  for (const char* place : {"/photovec-decoder", "/../libexec/photovec/photovec-decoder"}) {
    std::string candidate = folder + place;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Status(Code::kUnavailable, "photovec-decoder is not beside this program (" + folder +
                                        "); install it there, name it with --decoder-program, or use "
                                        "--decode=thread for images that you trust");
}

Result<std::unique_ptr<DecoderPool>> DecoderPool::Create(DecoderPoolOptions options) {
  if (options.program.empty()) {
    ASSIGN_OR_RETURN(options.program, FindDecoderProgram());
  }
  std::unique_ptr<DecoderPool> pool(new DecoderPool(std::move(options)));
  Status started;
  {
    std::unique_lock lock(pool->mutex_);
    pool->supervisor_ = std::thread([raw = pool.get()] { raw->Supervise(); });
    pool->idle_ready_.wait(lock, [&] { return pool->started_; });
    started = pool->start_status_;
  }
  if (!started.ok()) return started;
  return pool;
}

DecoderPool::DecoderPool(DecoderPoolOptions options)
    : options_(std::move(options)),
      start_(MakeStart(options_)),
      quarantine_(options_.quarantine_term),
      respawn_(std::random_device{}()) {
  counts_.wanted = options_.workers;
}

DecoderPool::~DecoderPool() {
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
    wake_.notify_one();
  }
  if (supervisor_.joinable()) supervisor_.join();
}

std::unique_ptr<WorkerProcess> DecoderPool::Take(Deadline deadline, bool* alone) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!idle_ready_.wait_until(lock, deadline.at(), [&] { return !idle_.empty(); })) return nullptr;
    // The one that was busy last: its memory is warm.
    std::unique_ptr<WorkerProcess> worker = std::move(idle_.back());
    idle_.pop_back();
    *alone = busy_pids_.empty();
    const int pid = worker->pid();
    busy_pids_.push_back(pid);
    if (!worker->HasEnded()) return worker;
    // It was killed while it did nothing: no image's fault.
    lock.unlock();
    ReportDeath(pid, worker->Bury());
    worker.reset();
    lock.lock();
  }
}

void DecoderPool::GiveBack(std::unique_ptr<WorkerProcess> worker, int64_t images_before,
                           Clock::duration cpu) {
  const bool worn_out = IsWornOut(*worker, images_before);
  const int pid = worker->pid();
  if (worn_out) worker.reset();
  std::scoped_lock lock(mutex_);
  std::erase(busy_pids_, pid);
  counts_.cpu += cpu;
  if (worn_out) return wake_.notify_one();
  idle_.push_back(std::move(worker));
  idle_ready_.notify_one();
}

bool DecoderPool::IsWornOut(const WorkerProcess& worker, int64_t images_before) const {
  if (worker.images() >= options_.recycle_images) return true;
  if (worker.images() / kWeighEvery == images_before / kWeighEvery) return false;
  return worker.ResidentBytes() > options_.recycle_resident_bytes ||
         worker.CpuTime() > std::chrono::seconds(kLifeCpuSeconds / 2);
}

void DecoderPool::ReportDeath(int pid, const Attempt& attempt) {
  log::warn("a decoder process ended ({}): {}", DeathName(attempt.death), attempt.detail);
  std::scoped_lock lock(mutex_);
  std::erase(busy_pids_, pid);
  counts_.cpu += attempt.cpu;
  CountDeath(attempt.death);
}

// With the lock held.
void DecoderPool::CountDeath(Death death) {
  ++counts_.deaths.at(static_cast<size_t>(death));
  if (death == Death::kViolation) ++counts_.violations;
  // One that was stopped or starved was ended by this server, at its own pace.
  if (death != Death::kStopped && death != Death::kStarved) respawn_.DiedOnImage(Clock::now());
  wake_.notify_one();
}

DecoderPoolStats DecoderPool::stats() {
  std::scoped_lock lock(mutex_);
  DropDead();
  LookAtStops();
  DecoderPoolStats stats = counts_;
  stats.alive = Alive();
  stats.stopped = stopped_count_;
  stats.quarantined = quarantine_.size();
  stats.restarts = std::max<int64_t>(0, launched_ - (options_.workers + 1));
  return stats;
}

std::vector<int> DecoderPool::pids() {
  std::scoped_lock lock(mutex_);
  std::vector<int> pids;
  for (const auto& worker : idle_) pids.push_back(worker->pid());
  return pids;
}

std::vector<int> DecoderPool::busy_pids() {
  std::scoped_lock lock(mutex_);
  return busy_pids_;
}

// With the lock held.
void DecoderPool::DropDead() {
  std::erase_if(idle_, [&](const std::unique_ptr<WorkerProcess>& worker) { return DropIfDead(*worker); });
  std::erase_if(parked_, [&](const Parked& parked) { return DropIfDead(*parked.worker); });
}

bool DecoderPool::DropIfDead(WorkerProcess& worker) {
  if (!worker.HasEnded()) return false;
  const Attempt end = worker.Bury();
  CountDeath(end.death);
  if (!started_ && ++deaths_at_start_ == kDeathsAtStart) {
    FailStart({Code::kUnavailable, "decoder processes end as soon as they are started (" + end.detail +
                                       "); `photovec doctor` says what this system lacks"});
  }
  return true;
}

// With the lock held. Stopped workers take no image; they come back when they run again, and are replaced
// when that takes too long: soon if others can be stopped no more than they are, later if somebody stopped
// all.
void DecoderPool::LookAtStops() {
  const TimePoint now = Clock::now();
  std::erase_if(idle_, [&](std::unique_ptr<WorkerProcess>& worker) {
    if (!worker->IsStopped()) return false;
    parked_.push_back({std::move(worker), now});
    return true;
  });
  std::erase_if(parked_, [&](Parked& parked) {
    if (parked.worker->IsStopped()) return false;
    idle_.push_back(std::move(parked.worker));
    idle_ready_.notify_one();
    return true;
  });
  const auto busy = std::count_if(busy_pids_.begin(), busy_pids_.end(), IsStoppedChild);
  stopped_count_ = static_cast<int>(parked_.size()) + static_cast<int>(busy);
  all_stopped_ = stopped_count_ > 0 && stopped_count_ == Alive();
  const AttemptLimits& limits = options_.attempt;
  const Clock::duration patience = all_stopped_ ? limits.wall : std::min(limits.stopped, limits.wall);
  std::erase_if(parked_, [&](Parked& parked) {
    parked.stopped += std::min<Clock::duration>(now - parked.looked_at, StallWatch::kLongestStep);
    parked.looked_at = now;
    if (parked.stopped <= patience) return false;
    log::warn("a decoder process was stopped while it waited; another one takes its place");
    CountDeath(Death::kStopped);
    doomed_.push_back(std::move(parked.worker));
    return true;
  });
}

// With the lock held.
void DecoderPool::FailStart(const Status& why) {
  start_status_ = why;
  started_ = stopped_ = true;
  idle_ready_.notify_all();
}

void DecoderPool::Supervise() {
  SetThreadName("decoders");
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    DropDead();
    LookAtStops();
    if (!doomed_.empty()) {
      // Without the lock: on a busy machine even a killed process takes its time to go.
      auto doomed = std::exchange(doomed_, {});
      lock.unlock();
      doomed.clear();
      lock.lock();
      continue;
    }
    const int missing = options_.workers + 1 - Alive();
    if (missing > 0 && Clock::now() >= respawn_.next()) {
      lock.unlock();
      Launch();
      lock.lock();
      continue;
    }
    if (missing <= 0 && !started_) {
      started_ = true;
      idle_ready_.notify_all();
    }
    const TimePoint look = Clock::now() + kLook;
    wake_.wait_until(lock, missing > 0 ? std::min(look, respawn_.next()) : look);
  }
  // Here and not in the destructor: the kernel would kill them with this thread, and they would count as
  // dead.
  idle_.clear();
  parked_.clear();
  doomed_.clear();
}

// On the supervisor's thread, without the lock.
void DecoderPool::Launch() {
  Result<std::unique_ptr<WorkerProcess>> worker = WorkerProcess::Start(start_);
  Status status = worker.status();
  if (status.ok()) status = CheckLayers((*worker)->hello());
  std::scoped_lock lock(mutex_);
  if (!status.ok()) {
    if (last_failure_.message() != status.message()) log::error("{}", status.message());
    last_failure_ = status;
    // One that was kept from starting says nothing about the installation.
    if (status.code() == Code::kDecoderStalled) {
      respawn_.DiedOnImage(Clock::now());
    } else {
      respawn_.FailedToStart(Clock::now());
    }
    if (!started_) FailStart(status);
    return;
  }
  last_failure_ = Status::Ok();
  respawn_.Started();
  if (launched_++ == 0) {
    const Hello& hello = (*worker)->hello();
    layers_ = hello.layers;
    missing_why_.assign(hello.why.data(), hello.why_bytes);
    for (size_t i = 0; i < Libraries().size(); ++i) {
      const LibraryText& said = hello.libraries.at(i);
      libraries_.push_back({hello.codecs & Libraries()[i].formats, {said.text.data(), said.bytes}});
    }
  }
  idle_.push_back(std::move(*worker));
  idle_ready_.notify_one();
}

Status DecoderPool::CheckLayers(const Hello& hello) const {
  // Many containers forbid namespaces; what they would keep out, seccomp keeps out as well.
  const uint32_t missing = kAllLayers & ~LayerBit(Layer::kNamespaces) & ~hello.layers;
  if (!options_.require_sandbox || missing == 0) return Status::Ok();
  return {Code::kUnavailable, "--sandbox=require, but a decoder process lacks " + LayerNames(missing) + " (" +
                                  std::string(hello.why.data(), hello.why_bytes) + ")"};
}

}  // namespace photovec::decode
