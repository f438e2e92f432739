// SPDX-License-Identifier: MIT
#include "bulk/reader.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/files.h"

namespace photovec::bulk {
Result<Bytes> ReadWholeFile(const std::string& path, int64_t max_bytes) {
  Result<std::string> data = ReadFile(path, static_cast<uint64_t>(std::max<int64_t>(max_bytes, 0)));
  if (data.ok()) return Bytes::Own(std::move(*data));
  const Status& why = data.status();
  switch (why.code()) {
    case Code::kNotFound:
      return Status(Code::kNotFound, "cannot read " + path + ": " + why.message());
    case Code::kBodyTooLarge:
      return Status(Code::kBodyTooLarge, path + " " + why.message());
    case Code::kInvalidRequest:
      return Status(Code::kSourceFailed, path + " is " + why.message());
    default:
      return Status(Code::kSourceFailed, "cannot read " + path + ": " + why.message());
  }
}

PathReader::PathReader(int threads, size_t max_waiting) : pool_("read", threads, 0, max_waiting) {}

void PathReader::Fetch(fetch::FetchRequest request, fetch::FetchCallback done) {
  auto shared = std::make_shared<fetch::FetchCallback>(std::move(done));
  std::function<void()> task = [request = std::move(request), shared] {
    if (request.cancel != nullptr && request.cancel->cancelled()) {
      (*shared)(Status(Code::kCancelled, "cancelled before it was read"));
    } else if (request.deadline.Expired()) {
      (*shared)(Status(Code::kDeadlineExceeded, "its time was up before it was read"));
    } else {
      (*shared)(ReadWholeFile(request.reference, request.max_bytes));
    }
  };
  if (!pool_.TryPost(task)) (*shared)(Status(Code::kOverloaded, "too many files wait to be read"));
}

}  // namespace photovec::bulk
