// SPDX-License-Identifier: MIT
#include "fetch/fetcher.h"

namespace photovec::fetch {

Status StillWanted(const FetchRequest& request) {
  if (request.cancel != nullptr && request.cancel->cancelled()) {
    return {Code::kCancelled, "the request was cancelled before the image was fetched"};
  }
  if (request.deadline.Expired()) {
    return {Code::kDeadlineExceeded, "the deadline passed before the image was fetched"};
  }
  return Status::Ok();
}

}  // namespace photovec::fetch
