// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/thread_pool.h"
#include "fetch/fetcher.h"

namespace photovec::bulk {

/// The fetcher of commands whose user names local files: a reference is a path, any path that the user may
/// read. (A server never uses it: its clients get fetch/'s router, which confines them to --image-root.)
/// Reads whole files on a few threads of its own, as fetch/ does (fetch::ReadRegularFile); a file that
/// changes meanwhile is read again, up to four times in 0.6 s. Thread-safe.
class PathReader : public fetch::Fetcher {
 public:
  /// \param threads     readers; reading is waiting, so a few more than disks.
  /// \param max_waiting how many fetches may be outstanding; more are refused with kOverloaded.
  PathReader(int threads, size_t max_waiting);

  void Fetch(fetch::FetchRequest request, fetch::FetchCallback done) override;

 private:
  ThreadPool pool_;
};

/// Reads one whole file, in the same way. Errors: kNotFound, kBodyTooLarge (more than max_bytes), kSourceFailed
/// (a directory, a device, no permission, an I/O error), kSourceChanged, each naming the path.
/// \param still_wanted asked before each 1 MiB; its error ends the reading.
Result<Bytes> ReadWholeFile(
    const std::string& path, int64_t max_bytes,
    const std::function<Status()>& still_wanted = [] { return Status::Ok(); });

}  // namespace photovec::bulk
