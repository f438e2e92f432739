// SPDX-License-Identifier: MIT
#include "decode/sandbox/worker_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "decode/sandbox/faults.h"
#include "decode/sandbox/protocol.h"

namespace photovec::decode {
namespace {

/// How often a waiting server looks at a worker's CPU time and the clock.
constexpr timeval kTick{0, 50'000};
constexpr int kFirstFd = 16;  // as in shared_region.cc
/// Input pages beyond this are given back after a large image.
constexpr size_t kKeptInputBytes = size_t{4} << 20;
/// What a worker that gets no CPU may take to start.
constexpr std::chrono::seconds kStarvedStart{30};
/// A dying process closes its socket some microseconds before it can be reaped.
constexpr int kReapPatienceMs = 200;
/// What a worker maps beside one decode's own memory: libraries, kept scratch, fragmentation.
constexpr uint64_t kOverheadBytes = 512ULL << 20;
constexpr uint64_t kLeastAddressSpace = 1ULL << 30;

Status Unavailable(const std::string& what, int error) {
  return {Code::kUnavailable, "cannot start a decoder process: " + what + ": " + std::strerror(error)};
}

/// posix_spawn's two structures, destroyed with it.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// \return 0 or an errno.
  int Prepare(int socket, int memory, bool keep_stderr) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    const auto then = [&](int result) { error = error == 0 ? result : error; };
    then(posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0));
    if (!keep_stderr) then(posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0));
    then(posix_spawn_file_actions_adddup2(&actions_, socket, kWorkerSocketFd));
    then(posix_spawn_file_actions_adddup2(&actions_, memory, kWorkerMemoryFd));
    then(posix_spawn_file_actions_addclosefrom_np(&actions_, kWorkerMemoryFd + 1));
    then(posix_spawnattr_setsigmask(&attributes_, &none));
    then(posix_spawnattr_setsigdefault(&attributes_, &all));
    // A group of its own: Ctrl-C in a terminal drains the server, and its decoders must live meanwhile.
    then(posix_spawnattr_setpgroup(&attributes_, 0));
    then(posix_spawnattr_setflags(&attributes_,
                                  POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    return error;
  }
  int Spawn(const std::string& program, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, int* pid) {
    const auto pointers = [](const std::vector<std::string>& texts) {
      std::vector<char*> out;
      for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
      out.push_back(nullptr);
      return out;
    };
    return posix_spawn(pid, program.c_str(), &actions_, &attributes_, pointers(arguments).data(),
                       pointers(environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Death DeathOf(int wait_status, bool killed_by_us) {
  if (WIFSIGNALED(wait_status)) {
    if (WTERMSIG(wait_status) == SIGSYS) return Death::kViolation;
    if (WTERMSIG(wait_status) == SIGKILL && !killed_by_us) return Death::kKilled;
    // The kernel's limit on the CPU time of the whole process.
    if (WTERMSIG(wait_status) == SIGXCPU) return Death::kCpu;
    return Death::kCrashed;
  }
  if (WEXITSTATUS(wait_status) == kExitNoMemory) return Death::kMemory;
  if (WEXITSTATUS(wait_status) == kExitViolation) return Death::kViolation;
  return Death::kCrashed;
}

std::string Describe(Death late) {
  switch (late) {
    case Death::kCpu:
      return "it used too much CPU time";
    case Death::kStopped:
      return "somebody stopped it";
    case Death::kStarved:
      return "the machine gave it hardly any CPU";
    default:
      return "it slept instead of answering";
  }
}

std::string DescribeEnd(int wait_status) {
  if (WIFSIGNALED(wait_status)) return std::string("signal ") + strsignal(WTERMSIG(wait_status));
  return "exit code " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace

uint64_t AddressSpaceFor(int64_t bytes, const RegionLayout& layout) {
  return std::max(kLeastAddressSpace, 2 * static_cast<uint64_t>(bytes) + layout.total() + kOverheadBytes);
}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const WorkerStart& start) {
  ASSIGN_OR_RETURN(SharedRegion region, SharedRegion::Create(start.arguments.layout));
  std::unique_ptr<WorkerProcess> worker(new WorkerProcess(std::move(region)));
  worker->address_space_bytes_ = start.arguments.address_space_bytes;
  RETURN_IF_ERROR(worker->Spawn(start));
  RETURN_IF_ERROR(worker->AwaitHello(start.hello_limit));
  return worker;
}

WorkerProcess::~WorkerProcess() {
  KillAndReap();
  if (socket_ >= 0) close(socket_);
}

Status WorkerProcess::Spawn(const WorkerStart& start) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return Unavailable("socketpair", errno);
  }
  socket_ = pair[0];
  const int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, kFirstFd);
  const int duplicate_error = errno;
  close(pair[1]);
  if (theirs < 0) return Unavailable("fcntl", duplicate_error);
  SpawnPlan plan;
  int error = plan.Prepare(theirs, region_.fd(), start.arguments.name_violations || !start.fault.empty());
  std::vector<std::string> arguments = start.arguments.Format();
  arguments.insert(arguments.begin(), start.program);
  std::vector<std::string> environment;
  if (!start.fault.empty()) environment.push_back(std::string(kFaultVariable) + "=" + start.fault);
  if (error == 0) error = plan.Spawn(start.program, arguments, environment, &pid_);
  close(theirs);
  if (error != 0) {
    pid_ = -1;
    return Unavailable(start.program, error);
  }
  if (setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kTick, sizeof(kTick)) != 0) {
    return Unavailable("SO_RCVTIMEO", errno);
  }
  return Status::Ok();
}

// Starting takes some 30 ms of CPU. A worker that is kept from it, as the photos' are by the same machine, is
// no broken installation.
Status WorkerProcess::AwaitHello(Clock::duration limit) {
  StallWatch watch({.wall = limit, .cpu = limit, .starved = kStarvedStart}, Deadline(), Clock::now());
  std::array<uint8_t, sizeof(Hello) + 1> bytes{};
  for (;;) {
    const ssize_t got = recv(socket_, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      ASSIGN_OR_RETURN(hello_, CheckHello(std::span(bytes).first(static_cast<size_t>(got))));
      return Status::Ok();
    }
    const bool waiting = got < 0 && (errno == EAGAIN || errno == EINTR);
    const std::optional<Death> late =
        waiting ? watch.Judge({Clock::now(), CpuTime(), ReadProcessState(pid_)}) : std::nullopt;
    if (waiting && !late) continue;
    const Attempt end = waiting ? Died(*late, Describe(*late)) : Bury();
    if (!SpeaksAgainstImage(end.death)) {
      return {Code::kDecoderStalled, "a new decoder process was kept from starting: " + end.detail};
    }
    return {Code::kUnavailable, "a decoder process ended before it was ready (" + end.detail +
                                    "); `photovec doctor` says what this system lacks"};
  }
}

int WorkerProcess::load() const {
  return static_cast<int>(
      std::count_if(seats_.begin(), seats_.end(), [](const Seat& seat) { return seat.job != nullptr; }));
}

void WorkerProcess::Load(const DecodeJob& job, const AttemptLimits& limits) {
  const auto index = static_cast<int>(seats_[0].job == nullptr ? 0 : 1);
  Charge();
  Seat& seat = seats_.at(static_cast<size_t>(index));
  seat = {&job, ++sequence_, false, {}, limits, std::nullopt, {}};
  std::memcpy(region_.input(index).data(), job.encoded.data(), job.encoded.size());
  LimitAddressSpace();
}

// The worker starts with the most that it may ever get, and cannot change it. What it gets for its images is
// what the larger one was granted: only two that fit into that are decoded at the same time.
void WorkerProcess::LimitAddressSpace() {
  int64_t bytes = 0;
  for (const Seat& seat : seats_) {
    if (seat.job == nullptr) continue;
    bytes = std::max(bytes, std::min(seat.job->granted.bytes, seat.job->options.limits.max_decoder_bytes));
  }
  const uint64_t wanted = AddressSpaceFor(bytes, region_.layout());
  if (wanted == address_space_bytes_) return;
  rlimit limit{};
  if (prlimit(pid_, RLIMIT_AS, nullptr, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return;
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  // Where it cannot be changed it stays at the most.
  if (prlimit(pid_, RLIMIT_AS, &limit, nullptr) == 0) address_space_bytes_ = wanted;
}

void WorkerProcess::Send(bool hand_over) {
  if (hand_over) handover_.emplace(pid_);
  for (int index = 0; index < kSeats; ++index) {
    Seat& seat = seats_.at(static_cast<size_t>(index));
    if (seat.job == nullptr || seat.sent) continue;
    const JobMessage message = MakeJobMessage(*seat.job, seat.sequence, index);
    seat.sent = true;
    seat.sent_at = Clock::now();
    seat.watch.emplace(seat.limits, seat.job->deadline, seat.sent_at);
    // A failure means that the worker is gone; Await() sees it too, and says why.
    (void)send(socket_, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
    ++images_;
  }
  if (handover_) handover_->Sent();
}

Attempt WorkerProcess::Await(const std::atomic<bool>* all_stopped, const DecodeJob** job) {
  std::array<uint8_t, sizeof(ReplyMessage) + 1> bytes;  // one more than is right, to see what is too long
  for (;;) {
    const ssize_t got = recv(socket_, bytes.data(), bytes.size(), 0);
    if (got > 0) return Answered(std::span(bytes).first(static_cast<size_t>(got)), job);
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) return Bury();
    if (const std::optional<Death> late = Judge(all_stopped)) return Died(*late, Describe(*late));
  }
}

/// What the process used since the last call is shared by the images that it had meanwhile.
void WorkerProcess::Charge() {
  const Clock::duration now = CpuTime();
  const Clock::duration used = now - std::exchange(charged_cpu_, now);
  const int images = load();
  for (Seat& seat : seats_) {
    if (seat.job != nullptr) seat.cpu += used / images;
  }
}

Attempt WorkerProcess::Answered(std::span<const uint8_t> reply, const DecodeJob** job) {
  handover_.reset();
  Charge();
  ReplyMessage message;
  std::memcpy(&message, reply.data(), std::min(reply.size(), sizeof(message)));
  // That of the image which it says to answer, or the first one's, whom it then lies to.
  const int index = seats_[1].sent && message.sequence == seats_[1].sequence ? 1 : seats_[0].sent ? 0 : 1;
  Seat& seat = seats_.at(static_cast<size_t>(index));
  CheckedReply checked = CheckReply(reply, *seat.job, seat.sequence, seat.sent_at);
  if (!checked.believed) return Died(Death::kProtocol, checked.lie);
  Attempt attempt;
  attempt.answered = true;
  attempt.report = std::move(checked.report);
  attempt.cpu = seat.cpu;
  *job = seat.job;
  if (seat.job->encoded.size() > kKeptInputBytes) region_.TrimInput(index, kKeptInputBytes);
  if (attempt.report.ok() && attempt.report->wants.bytes == 0) {
    std::memcpy(seat.job->out.data(), region_.output(index).data(), seat.job->spec->slot_bytes());
  }
  seat = {};
  return attempt;
}

std::optional<Death> WorkerProcess::Judge(const std::atomic<bool>* all_stopped) {
  Charge();
  StallWatch::Look look{Clock::now(), {}, ReadProcessState(pid_)};
  look.all_stopped = all_stopped != nullptr && all_stopped->load();
  std::optional<Death> late;
  for (Seat& seat : seats_) {
    if (!seat.sent) continue;
    look.cpu = seat.cpu;
    const std::optional<Death> death = seat.watch->Judge(look);
    if (!late) late = death;
  }
  return late;
}

Attempt WorkerProcess::Died(Death death, std::string detail) {
  handover_.reset();
  killed_by_us_ = !HasEnded();
  KillAndReap();
  Attempt attempt;
  Charge();
  for (Seat& seat : seats_) attempt.cpu += std::exchange(seat, {}).cpu;
  // It may have died by itself in the meantime.
  attempt.death = killed_by_us_ ? death : DeathOf(wait_status_, false);
  attempt.detail = killed_by_us_ ? std::move(detail) : DescribeEnd(wait_status_);
  return attempt;
}

Attempt WorkerProcess::Bury() {
  // The exit status is fixed before the socket closes, so a SIGKILL now does not change it, unless the worker
  // only closed its end.
  for (int waited = 0; !HasEnded(); ++waited) {
    if (waited == kReapPatienceMs) return Died(Death::kProtocol, "it closed its socket");
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return Died(Death::kCrashed, "it ended");
}

bool WorkerProcess::HasEnded() const {
  if (pid_ < 0) return true;
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

void WorkerProcess::KillAndReap() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  rusage usage{};
  while (wait4(pid_, &wait_status_, 0, &usage) < 0 && errno == EINTR) {
  }
  const auto length = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  final_cpu_ = length(usage.ru_utime) + length(usage.ru_stime);
  pid_ = -1;
}

uint64_t WorkerProcess::ResidentBytes() const {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/statm", pid_);
  FILE* file = std::fopen(path.data(), "re");
  if (file == nullptr) return 0;
  unsigned long long total = 0;
  unsigned long long resident = 0;
  const int fields = std::fscanf(file, "%llu %llu", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

Clock::duration WorkerProcess::CpuTime() const {
  if (pid_ < 0) return final_cpu_;
  return ProcessCpuTime(pid_).value_or(Clock::duration{});
}

}  // namespace photovec::decode
