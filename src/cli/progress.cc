// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace photovec::cli {
namespace {

bool IsTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && (term == nullptr || std::string_view(term) != "dumb");
}

std::string ClockText(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  char text[64];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

}  // namespace

std::string Grouped(int64_t value) {
  std::string text = std::to_string(value);
  const size_t first = value < 0 ? 1 : 0;
  for (size_t i = text.size(); i > first + 3;) text.insert(i -= 3, ",");
  return text;
}

std::string ProgressText(int64_t done, int64_t failed, int64_t total, double images_per_s) {
  std::string text = Grouped(done);
  if (total >= 0) text += "/" + Grouped(total);
  char rate[64];
  std::snprintf(rate, sizeof(rate), " images  %.1f img/s", images_per_s);
  text += rate;
  if (total >= done && images_per_s > 0) {
    text += "  ETA " + ClockText(static_cast<double>(total - done) / images_per_s);
  }
  if (failed > 0) text += "  " + Grouped(failed) + " failed";
  return text;
}

Progress::Progress() : enabled_(IsTerminal()) {}

void Progress::Finish() {
  if (enabled_ && drawn_at_ != TimePoint{}) std::fputs("\r\033[K", stderr);
  drawn_at_ = TimePoint{};
}

bool Progress::DueNow() {
  if (!enabled_) return false;
  const TimePoint now = Clock::now();
  if (drawn_at_ != TimePoint{} && now - drawn_at_ < std::chrono::milliseconds(200)) return false;
  drawn_at_ = now;
  return true;
}

void Progress::UpdateText(const std::string& what, double done, double seconds_left) {
  if (!DueNow()) return;
  std::fprintf(stderr, "\r\033[K%s  %.0f%%  %s left", what.c_str(), done * 100,
               ClockText(seconds_left).c_str());
  std::fflush(stderr);
}

void Progress::Update(int64_t done, int64_t failed, int64_t total) {
  if (!DueNow()) return;
  const TimePoint now = drawn_at_;
  if (rate_at_ == TimePoint{}) rate_at_ = now;
  // Every 3 s the window restarts, so that the rate follows what the folder holds now.
  const double seconds = static_cast<double>(MicrosBetween(rate_at_, now)) / 1e6;
  if (rate_ == 0 && seconds > 0) rate_ = static_cast<double>(done - rate_done_) / seconds;
  if (seconds >= 3) {
    rate_ = static_cast<double>(done - rate_done_) / seconds;
    rate_at_ = now;
    rate_done_ = done;
  }
  std::fprintf(stderr, "\r\033[K%s", ProgressText(done, failed, total, rate_).c_str());
  std::fflush(stderr);
}

}  // namespace photovec::cli
