// SPDX-License-Identifier: MIT
#include "decode/sandbox/faults.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace photovec::decode {
namespace {

/// Above what any image may take, in case the limit on address space is off (sanitizers).
constexpr size_t kEnoughBytes = size_t{3} << 29;
constexpr size_t kPieceBytes = size_t{16} << 20;

void EatMemory() {
  std::vector<std::vector<uint8_t>> pieces;
  for (size_t eaten = 0; eaten < kEnoughBytes; eaten += kPieceBytes) {
    pieces.emplace_back(kPieceBytes, uint8_t{1});
  }
  throw std::bad_alloc();
}

void Spin() {
  volatile uint64_t turns = 0;
  for (;;) turns = turns + 1;
}

/// Waits without using the CPU, on a socket that says nothing.
void Hang() {
  for (;;) {
    char byte = 0;
    (void)recv(kWorkerSocketFd, &byte, 1, MSG_PEEK);
  }
}

}  // namespace

FaultPlan::FaultPlan(std::string_view text) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const size_t at = one.find('@');
    faults_.push_back({std::string(one.substr(0, at)),
                       at == std::string_view::npos ? std::string() : std::string(one.substr(at + 1))});
  }
}

bool FaultPlan::Has(std::string_view kind, std::span<const uint8_t> image) const {
  return std::any_of(faults_.begin(), faults_.end(), [&](const Fault& fault) {
    return fault.kind == kind &&
           (fault.text.empty() ||
            std::search(image.begin(), image.end(), fault.text.begin(), fault.text.end()) != image.end());
  });
}

void FaultPlan::At(Step step, std::span<const uint8_t> image) const {
  if (faults_.empty()) return;
  constexpr std::array<std::string_view, 5> kDeaths = {"die_hello", "die_ready", "die_decode", "die_reply",
                                                       "die_after"};
  if (Has(kDeaths.at(static_cast<size_t>(step)), image)) _exit(1);
  if (step != Step::kBeforeDecode) return;
  if (Has("segv", image)) {
    volatile uintptr_t nowhere = 8;
    *reinterpret_cast<volatile int*>(nowhere) = 1;
  }
  if (Has("abort", image)) std::abort();
  if (Has("stop", image)) (void)raise(SIGSTOP);
  if (Has("kill", image)) (void)raise(SIGKILL);
  if (Has("loop", image)) Spin();
  if (Has("hang", image)) Hang();
  if (Has("memory", image)) EatMemory();
  if (Has("socket", image)) (void)socket(AF_INET, SOCK_STREAM, 0);
  if (Has("file", image)) (void)open("/etc/passwd", O_RDWR | O_CLOEXEC);
  if (Has("exec", image)) (void)execl("/bin/true", "true", nullptr);
}

size_t FaultPlan::Falsify(std::span<const uint8_t> image, ReplyMessage* reply) const {
  if (faults_.empty()) return sizeof(*reply);
  if (Has("lie_sequence", image)) reply->sequence += 1;
  if (Has("lie_size", image)) reply->width = std::numeric_limits<int32_t>::max();
  if (Has("lie_format", image)) reply->format += 1;
  if (Has("lie_code", image)) reply->code = static_cast<int32_t>(Code::kUnauthorized);
  if (Has("lie_time", image)) reply->decoded_at_ns = std::numeric_limits<int64_t>::max();
  if (Has("lie_text", image)) {
    reply->code = static_cast<int32_t>(Code::kImageCorrupt);
    reply->message_bytes = 4;
    std::memcpy(reply->message.data(), "a\n\x1b[", 4);
  }
  if (Has("lie_twice", image)) (void)send(kWorkerSocketFd, reply, sizeof(*reply), MSG_NOSIGNAL);
  return Has("lie_length", image) ? sizeof(*reply) - 8 : sizeof(*reply);
}

}  // namespace photovec::decode
