// SPDX-License-Identifier: MIT
#include "base/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec {
namespace {

constexpr size_t kLargeWrite = size_t{256} << 10;
constexpr auto kTick = std::chrono::seconds(1);
constexpr auto kWarnEvery = std::chrono::minutes(1);
// How often a thread that waits for a reader looks whether it shall end.
constexpr int kLookMs = 20;
// POSIX: a pipe that poll() calls writable takes this much without blocking.
constexpr size_t kPipeWrite = 4096;

struct Opened {
  FileDescriptor owned;  // closed with this; not there for a borrowed one
  int fd = -1;
  bool regular = false;
};

// A server that was killed, or met a full disk last, left half a line: it goes, so that the next line is one.
bool RemoveTornLine(const std::string& path, off_t size) {
  const FileDescriptor fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return false;
  std::array<char, 4096> block;
  off_t end = size;
  bool found = false;
  while (end > 0 && !found) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(block.size()));
    const ssize_t got = pread(fd.get(), block.data(), static_cast<size_t>(end - begin), begin);
    if (got != end - begin) return false;
    const std::string_view text(block.data(), static_cast<size_t>(got));
    const size_t newline = text.rfind('\n');
    found = newline != std::string_view::npos;
    end = begin + (found ? static_cast<off_t>(newline) + 1 : 0);
  }
  return end == size || ftruncate(fd.get(), end) == 0;
}

// Nonblocking, because a named pipe without a reader would block its opener; the description is ours alone.
Result<Opened> OpenFile(const std::string& path, const LineWriterOptions& options) {
  const auto failed = [&] {
    return Status(Code::kUnavailable, "cannot write " + options.what + ": " + std::strerror(errno) + "; " +
                                          options.flag +
                                          " needs a file that this process may create or append to");
  };
  Opened opened;
  opened.owned = FileDescriptor(
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
  if (!opened.owned.valid()) return failed();
  opened.fd = opened.owned.get();
  struct stat info {};
  if (fstat(opened.fd, &info) != 0) return failed();
  opened.regular = S_ISREG(info.st_mode);
  if (opened.regular && info.st_size > 0 && !RemoveTornLine(path, info.st_size)) return failed();
  return opened;
}

}  // namespace

class LineWriter::Impl {
 public:
  Impl(std::string path, Opened opened, LineWriterOptions options)
      : path_(std::move(path)), options_(std::move(options)), opened_(std::move(opened)) {}

  // The thread holds its own share, since it may have to be left behind. It takes no signal: those of the
  // process belong to whoever waits for them, and may not be blocked yet when the first log is opened.
  static void Start(const std::shared_ptr<Impl>& impl) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    impl->thread_ = std::thread([impl] { impl->Run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  bool Write(std::string_view line) {
    bool wake = false;
    {
      std::scoped_lock lock(mutex_);
      if (stopped_ || waiting_.size() + line.size() > options_.max_waiting_bytes) {
        lost_full_.fetch_add(1);
        return false;
      }
      wake =
          waiting_.empty() || (waiting_.size() < kLargeWrite && waiting_.size() + line.size() >= kLargeWrite);
      waiting_ += line;
    }
    if (wake) wake_.notify_one();
    return true;
  }

  void Reopen() {
    if (path_.empty()) return;
    std::scoped_lock lock(mutex_);
    reopen_ = true;
    wake_.notify_one();
  }

  bool Flush(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    flushing_ = true;
    wake_.notify_one();
    return idle_.wait_for(lock, time, [&] { return ended_ || (waiting_.empty() && !writing_); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    std::unique_lock lock(mutex_);
    stopped_ = true;
    stop_at_.store(Clock::now() + options_.patience);
    wake_.notify_one();
    // Beyond its patience a thread still runs only inside a write to a disk that hangs.
    const bool ended =
        idle_.wait_for(lock, options_.patience + std::chrono::seconds(1), [&] { return ended_; });
    lock.unlock();
    if (ended) {
      thread_.join();
    } else {
      thread_.detach();
    }
  }

  LostLines lost() const { return {lost_full_.load(), lost_failed_.load()}; }

 private:
  enum class Sink { kTaken, kFailed, kGivenUp };

  void Run() {
    SetThreadName(options_.thread_name);
    while (TakeWaiting()) {
      if (std::exchange(reopen_now_, false)) OpenAnew();
      if (!text_.empty()) WriteOut();
      WarnOfLoss(false);
    }
    if (!text_.empty()) WriteOut();  // the rest of a torn line: perhaps there is room by now
    if (torn_) lost_failed_.fetch_add(1);
    WarnOfLoss(true);
    opened_ = Opened();
    std::scoped_lock lock(mutex_);
    ended_ = true;
    idle_.notify_all();
  }

  // Moves what waits to the end of text_; false when stopped and nothing is left.
  bool TakeWaiting() {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (waiting_.empty()) {
      flushing_ = false;
      idle_.notify_all();
    }
    const auto due = [&] { return stopped_ || reopen_ || !waiting_.empty(); };
    if (options_.tick) {
      wake_.wait_until(lock, ticked_at_ + kTick, due);
    } else {
      wake_.wait(lock, due);
    }
    if (options_.gather.count() > 0 && !waiting_.empty()) {
      wake_.wait_for(lock, options_.gather,
                     [&] { return stopped_ || flushing_ || waiting_.size() >= kLargeWrite; });
    }
    reopen_now_ = std::exchange(reopen_, false);
    const bool more = !waiting_.empty() || reopen_now_ || !stopped_;
    text_ += waiting_;
    waiting_.clear();
    writing_ = more;
    lock.unlock();
    Tick();
    return more;
  }

  void Tick() {
    const TimePoint now = Clock::now();
    if (!options_.tick || now < ticked_at_ + kTick) return;
    ticked_at_ = now;
    options_.tick(text_);
  }

  void OpenAnew() {
    Result<Opened> opened = OpenFile(path_, options_);
    if (!opened.ok()) return log::error("{}; the old file is written on", opened.status().message());
    // What was torn in the old file stays there; its rest is no line of the new one.
    if (torn_) {
      text_.erase(0, text_.find('\n') + 1);
      lost_failed_.fetch_add(1);
      torn_ = false;
    }
    opened_ = std::move(*opened);
    log::info("{} is opened anew", options_.what);
  }

  void WriteOut() {
    size_t written = 0;
    while (written < text_.size()) {
      size_t count = 0;
      int error = 0;
      const Sink sink = WriteSome(std::string_view(text_).substr(written), &count, &error);
      if (sink != Sink::kTaken) return GiveUp(written, sink, error);
      written += count;
    }
    text_.clear();
    torn_ = false;
  }

  Sink WriteSome(std::string_view text, size_t* count, int* error) {
    while (!opened_.regular) {
      pollfd ready{opened_.fd, POLLOUT, 0};
      const int n = poll(&ready, 1, kLookMs);
      if (n > 0) break;  // also when broken: the write will say how
      if (n < 0 && errno != EINTR) break;
      if (Clock::now() >= stop_at_.load()) return Sink::kGivenUp;
    }
    const size_t most = opened_.regular ? text.size() : std::min(text.size(), kPipeWrite);
    const ssize_t n = write(opened_.fd, text.data(), most);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return Sink::kTaken;
    *error = n < 0 ? errno : ENOSPC;
    if (n <= 0) return Sink::kFailed;
    *count = static_cast<size_t>(n);
    return Sink::kTaken;
  }

  // Of a line whose beginning is in the file the rest is kept, to be written as soon as there is room.
  void GiveUp(size_t written, Sink sink, int error) {
    torn_ = written > 0 ? text_[written - 1] != '\n' : torn_;
    const size_t kept_end = torn_ ? text_.find('\n', written) + 1 : written;
    const auto lost = std::count(text_.begin() + static_cast<std::ptrdiff_t>(kept_end), text_.end(), '\n');
    (sink == Sink::kFailed ? lost_failed_ : lost_full_).fetch_add(static_cast<uint64_t>(lost));
    text_ = text_.substr(written, kept_end - written);
    reason_ = sink == Sink::kFailed ? std::strerror(error) : "";
  }

  void WarnOfLoss(bool last) {
    if (options_.what.empty()) return;
    const uint64_t lost = this->lost().total();
    const TimePoint now = Clock::now();
    if (lost == told_ || (!last && told_ > 0 && now - told_at_ < kWarnEvery)) return;
    log::warn("{}: {} lines lost so far: {}", options_.what, lost,
              reason_.empty() ? "they came faster than they were taken" : reason_);
    told_ = lost;
    told_at_ = now;
    reason_.clear();
  }

  const std::string path_;  // empty: a descriptor that cannot be opened anew
  const LineWriterOptions options_;
  std::atomic<uint64_t> lost_full_{0};
  std::atomic<uint64_t> lost_failed_{0};
  std::atomic<TimePoint> stop_at_{TimePoint::max()};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::string waiting_;  // whole lines
  bool writing_ = false;
  bool flushing_ = false;
  bool reopen_ = false;
  bool stopped_ = false;
  bool ended_ = false;

  // Of the thread alone.
  Opened opened_;
  std::string text_;   // being written: whole lines, perhaps behind the rest of a torn one
  bool torn_ = false;  // the file ends inside a line, and text_ begins with the rest of it
  bool reopen_now_ = false;
  TimePoint ticked_at_ = Clock::now();
  uint64_t told_ = 0;  // lost lines that a warning has named
  TimePoint told_at_;
  std::string reason_;
  std::thread thread_;
};

LineWriter::LineWriter(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) { Impl::Start(impl_); }
LineWriter::~LineWriter() { Stop(); }

Result<std::unique_ptr<LineWriter>> LineWriter::Open(const std::string& path, LineWriterOptions options) {
  if (path == "-") return To(STDOUT_FILENO, std::move(options));
  ASSIGN_OR_RETURN(Opened opened, OpenFile(path, options));
  auto impl = std::make_shared<Impl>(path, std::move(opened), std::move(options));
  return std::unique_ptr<LineWriter>(new LineWriter(std::move(impl)));
}

std::unique_ptr<LineWriter> LineWriter::To(int fd, LineWriterOptions options) {
  struct stat info {};
  Opened opened{{}, fd};
  opened.regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  auto impl = std::make_shared<Impl>(std::string(), std::move(opened), std::move(options));
  return std::unique_ptr<LineWriter>(new LineWriter(std::move(impl)));
}

bool LineWriter::Write(std::string_view line) { return impl_->Write(line); }
void LineWriter::Reopen() { impl_->Reopen(); }
bool LineWriter::Flush(std::chrono::milliseconds time) { return impl_->Flush(time); }
void LineWriter::Stop() { impl_->Stop(); }
LostLines LineWriter::lost() const { return impl_->lost(); }

}  // namespace photovec
