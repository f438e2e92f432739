// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec {

struct LineWriterOptions {
  std::string thread_name = "line-writer";
  /// How warnings about lost lines name it: "access log /var/log/a.jsonl". Empty: no warnings.
  std::string what;
  /// The flag that named the file, for errors: "--access-log".
  std::string flag;
  /// Lines that wait for whoever reads them; more are lost.
  size_t max_waiting_bytes = size_t{4} << 20;
  /// How long a line may wait for others to join its write. 0: written at once.
  std::chrono::milliseconds gather{100};
  /// How long Stop() waits for a sink that takes nothing: a pipe that nobody reads, a disk that hangs.
  std::chrono::milliseconds patience{1'000};
  /// Called on the writer's thread about once a second; may append whole lines of its own.
  std::function<void(std::string&)> tick;
};

/// Lines that never arrived.
struct LostLines {
  uint64_t full = 0;    ///< they came faster than they were taken, or after the end
  uint64_t failed = 0;  ///< the write failed: disk full, nobody at the other end of a pipe
  uint64_t total() const { return full + failed; }
};

/// Brings lines to a file, a pipe or a terminal without ever making the caller wait: a bounded buffer and a
/// thread that empties it, many lines at a time. Lines are written whole or not at all: what comes faster
/// than it is taken, or finds the disk full, is lost and counted. Of a line whose beginning is written the
/// rest follows as soon as there is room. Thread-safe; lines of one thread keep their order.
///
/// A pipe that nobody reads holds up nobody: the thread writes to it only when the kernel has room, and never
/// more than fits. The descriptor's flags stay as they are, because standard streams are shared with others.
class LineWriter {
 public:
  /// Appends to the file, or creates it. "-" is standard output. What a killed process left of its last line
  /// is removed. Errors: kUnavailable naming the file, why it cannot be written, and the flag.
  static Result<std::unique_ptr<LineWriter>> Open(const std::string& path, LineWriterOptions options);
  /// Writes to a descriptor that is open already, and stays so.
  static std::unique_ptr<LineWriter> To(int fd, LineWriterOptions options);
  /// Stop().
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// \param line with its newline. Never blocks. False: it is lost.
  bool Write(std::string_view line);
  /// Opens the path anew, on the writer's thread: after another program has renamed the file. When that fails
  /// the old one is kept, and an error logged. Does nothing for descriptors.
  void Reopen();
  /// Waits until everything that was handed over is written or lost, `time` at the most; false: it is not.
  bool Flush(std::chrono::milliseconds time);
  /// Writes what waits, then ends the thread; later lines are lost. A sink that takes nothing for
  /// `options.patience` loses the rest. Idempotent, from one thread.
  void Stop();
  LostLines lost() const;

 private:
  class Impl;
  explicit LineWriter(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // shared with the thread, which a hanging disk may keep for ever
};

}  // namespace photovec
