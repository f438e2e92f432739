// SPDX-License-Identifier: MIT
#include "experiment/run/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

namespace photovec::experiment {
namespace {

using std::chrono::milliseconds;

// Runs between fork and exec: async-signal-safe calls only.
[[noreturn]] void BecomeServer(char* const* argv, int log_fd, int error_fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  setsid();                             // a Ctrl-C is this experiment's alone: it stops its servers itself
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, STDIN_FILENO);
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  execvp(argv[0], argv);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(error_fd, &error, sizeof(error));
  _exit(127);
}

// 0 until the file holds a whole line with a port in it.
uint16_t ReadPort(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || file.eof()) return 0;
  int port = 0;
  std::from_chars(line.data(), line.data() + line.size(), port);
  return port > 0 && port <= 65'535 ? static_cast<uint16_t>(port) : uint16_t{0};
}

Status Failed(const std::string& what) { return {Code::kUnavailable, what + ": " + std::strerror(errno)}; }

}  // namespace

Result<std::unique_ptr<ServerProcess>> ServerProcess::Start(Options options, const std::atomic<bool>& stop) {
  std::unique_ptr<ServerProcess> process(new ServerProcess(std::move(options)));
  unlink(process->options_.port_file.c_str());  // one left by a server that was killed is not this one's
  RETURN_IF_ERROR(process->Spawn());
  RETURN_IF_ERROR(process->AwaitPort(stop));
  return process;
}

Status ServerProcess::Spawn() {
  std::vector<char*> argv;
  for (const std::string& word : options_.command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int log_fd = open(options_.log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (log_fd < 0) return Failed("cannot write " + options_.log_path);
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    close(log_fd);
    return Failed("cannot make a pipe");
  }
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) BecomeServer(argv.data(), log_fd, pipe_fds[1], parent);
  close(log_fd);
  close(pipe_fds[1]);
  int error = 0;
  const ssize_t got = pid_ < 0 ? 0 : read(pipe_fds[0], &error, sizeof(error));
  close(pipe_fds[0]);
  if (pid_ < 0) {
    pid_ = 0;
    return Failed("cannot start a process");
  }
  pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (got > 0) {
    WaitEnd(milliseconds(1000));
    return {Code::kUnavailable, "cannot run " + options_.command[0] + ": " + std::strerror(error)};
  }
  return pid_fd_ >= 0 ? Status::Ok() : Failed("cannot watch the server's process");
}

Status ServerProcess::AwaitPort(const std::atomic<bool>& stop) {
  const auto give_up_at = std::chrono::steady_clock::now() + options_.start_timeout;
  while (!stop) {
    port_ = ReadPort(options_.port_file);
    if (port_ != 0) return Status::Ok();
    if (WaitEnd(milliseconds(20))) {
      return {Code::kUnavailable, "the server " + EndText() + " before it was ready"};
    }
    if (std::chrono::steady_clock::now() > give_up_at) {
      return {Code::kUnavailable,
              "the server was not ready after " + std::to_string(options_.start_timeout.count()) + " s"};
    }
  }
  return {Code::kCancelled, "stopped while the server was starting"};
}

bool ServerProcess::WaitEnd(milliseconds time) {
  if (ended_) return true;
  if (pid_fd_ >= 0) {
    pollfd waited{pid_fd_, POLLIN, 0};
    poll(&waited, 1, static_cast<int>(time.count()));
  }
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) {
    ended_ = true;
    wait_status_ = status;
  }
  return ended_;
}

bool ServerProcess::Running() { return pid_ != 0 && !WaitEnd(milliseconds(0)); }

std::string ServerProcess::EndText() const {
  if (WIFSIGNALED(wait_status_)) {
    const int number = WTERMSIG(wait_status_);
    return "was killed by signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "exited with status " + std::to_string(WEXITSTATUS(wait_status_));
}

Status ServerProcess::Stop(std::chrono::seconds patience) {
  if (!Running()) return {Code::kUnavailable, "the server " + EndText()};
  kill(pid_, SIGTERM);
  if (!WaitEnd(patience)) {
    kill(pid_, SIGKILL);
    WaitEnd(std::chrono::seconds(10));
    return {Code::kUnavailable, "the server did not end within " + std::to_string(patience.count()) +
                                    " s of SIGTERM and was killed"};
  }
  if (WIFEXITED(wait_status_) && WEXITSTATUS(wait_status_) == 0) return Status::Ok();
  return {Code::kUnavailable, "the server " + EndText() + " when it was asked to stop"};
}

ServerProcess::~ServerProcess() {
  if (Running()) {
    kill(pid_, SIGKILL);
    WaitEnd(std::chrono::seconds(10));
  }
  if (pid_fd_ >= 0) close(pid_fd_);
}

std::vector<std::string> LastLines(const std::string& path, size_t count) {
  constexpr size_t kMaxLine = 500;
  std::ifstream file(path);
  std::deque<std::string> lines;
  std::string line;
  while (std::getline(file, line)) {
    if (line.size() > kMaxLine) line.resize(kMaxLine);
    lines.push_back(std::move(line));
    if (lines.size() > count) lines.pop_front();
  }
  return {std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end())};
}

}  // namespace photovec::experiment
