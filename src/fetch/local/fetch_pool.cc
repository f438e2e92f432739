// SPDX-License-Identifier: MIT
#include "fetch/local/fetch_pool.h"

#include <utility>

namespace photovec::fetch {

void FetchPool::Post(FetchRequest request, FetchCallback done, Work work) {
  struct Job {
    FetchRequest request;
    FetchCallback done;
    Work work;
  };
  // Shared, because std::function wants to be copyable.
  auto job = std::make_shared<Job>(Job{std::move(request), std::move(done), std::move(work)});
  std::function<void()> task = [this, job] {
    Status wanted = StillWanted(job->request);
    if (stopping_.load()) wanted = Status(Code::kCancelled, "the server is shutting down");
    job->done(wanted.ok() ? job->work(job->request) : Result<Bytes>(wanted));
  };
  if (!pool_.TryPost(task)) {
    job->done(Status(Code::kOverloaded, "too many images wait to be read; try again later"));
  }
}

}  // namespace photovec::fetch
