// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/local/beneath.h"
#include "fetch/local/fetch_pool.h"

namespace photovec::fetch {

/// Reads an open regular file from its beginning to its end. Reads, never maps: a file that is truncated
/// meanwhile is an error and not a SIGBUS.
/// \param still_wanted asked before each 1 MiB; its error ends the reading.
/// Errors: kSourceNotAllowed (not a regular file), kBodyTooLarge, kSourceChanged (size or modification time
/// changed meanwhile), kSourceFailed. Messages name nothing.
Result<Bytes> ReadRegularFile(int fd, int64_t max_bytes, const std::function<Status()>& still_wanted);

/// Fetches files below one folder: "cats/1.jpg", "file:///photos/cats/1.jpg" (percent-encoded) or
/// "/photos/cats/1.jpg", the last two only when they name that folder. Names are bytes, as on Linux; "?" and
/// "#" are ordinary in bare names and refused in URLs unless percent-encoded. Reading is done on the pool: a
/// disk that hangs holds one of its threads, and an item there ends late.
class FileFetcher final : public Fetcher {
 public:
  /// \param pool its tasks use this object: destroy the pool first.
  FileFetcher(BeneathRoot root, FetchPool& pool) : root_(std::move(root)), pool_(pool) {}
  void Fetch(FetchRequest request, FetchCallback done) override;

 private:
  /// The path below the root that a reference names.
  Result<std::string> RelativePath(std::string_view reference) const;
  Result<Bytes> Read(const FetchRequest& request) const;

  const BeneathRoot root_;
  FetchPool& pool_;
};

}  // namespace photovec::fetch
