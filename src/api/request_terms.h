// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/fair_queue.h"
#include "base/result.h"
#include "net/request_head.h"

namespace photovec::api {

/// How long requests may take.
struct TimeLimits {
  std::chrono::milliseconds most{300'000};  ///< any; an image not encoded by then is deadline_exceeded
  std::chrono::milliseconds usual{0};       ///< one that names no time of its own; 0: as `most`
};

/// What a client asks for beside its images.
struct RequestTerms {
  Deadline deadline;
  Lane lane = Lane::kInteractive;
};

/// From X-Request-Timeout-Ms (milliseconds), else X-Stainless-Timeout or X-Stainless-Read-Timeout (seconds:
/// what OpenAI's clients send), and X-Priority.
/// Errors: kInvalidRequest for a time or a priority of another form. OpenAI's are ignored then: their users
/// do not write them.
Result<RequestTerms> TermsOf(const net::RequestHead& head, const TimeLimits& limits, TimePoint started);

/// Guesses from a body's length how many images are in it, by the mean of what came so far, before any of it
/// is read. Thread-safe.
class ImageGuess {
 public:
  enum class Form : uint8_t { kMultipart, kJson };

  /// At least 1. A body of unknown length is guessed to have one image, and counted as it comes.
  int Images(Form form, uint64_t bytes) const;
  /// How many more come in so many bytes; may be 0.
  double More(Form form, uint64_t bytes) const;
  /// A body of this form had so many.
  void Learn(Form form, uint64_t bytes, size_t images);

 private:
  // Of one image with what stands around it; a photo of the web, and a third more of it as base64.
  std::atomic<double> multipart_{300e3};
  std::atomic<double> json_{400e3};
};

/// A short name for who sends a request, for queues and sums.
uint64_t ClientKey(std::string_view id);
/// The same when a client sends a request again.
uint64_t RetryKey(uint64_t client, const net::RequestHead& head);

}  // namespace photovec::api
