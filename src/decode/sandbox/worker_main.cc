// SPDX-License-Identifier: MIT
// photovec-decoder: one sandboxed decoder process. Started by the server only; see decoder_pool.h.
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string_view>

#include "decode/color/transform.h"
#include "decode/decode_memory.h"
#include "decode/decoder.h"
#include "decode/formats/libraries.h"
#include "decode/sandbox/faults.h"
#include "decode/sandbox/policy.h"
#include "decode/sandbox/protocol.h"
#include "decode/sandbox/shared_region.h"
#include "decode/sandbox/worker_arguments.h"

#ifdef PHOTOVEC_SANITIZED
// Crashes must end the process by their signal, which is what the server looks at; leak checking would need
// threads and ptrace.
extern "C" const char* __asan_default_options() {
  return "handle_segv=0:handle_abort=0:handle_sigbus=0:detect_leaks=0:allocator_may_return_null=0";
}
extern "C" const char* __tsan_default_options() { return "handle_segv=0:handle_abort=0:handle_sigbus=0"; }
#endif

namespace photovec::decode {
namespace {

/// After this long without an image a worker gives its scratch memory back.
constexpr timeval kIdle{5, 0};

/// Of one loaded file, the segments that were never writable: their pages are those of the file.
int DropCode(dl_phdr_info* info, size_t /*size*/, void* /*unused*/) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
    const uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_filesz) / page * page;
    // Advice: where it is not taken (the vdso), nothing is lost.
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

/// Gives the kernel back what a worker that waits does not need: free heap, and the pages of program code and
/// constants that decoding has touched (libheif's codecs alone have 3 MB of them). The latter stay in the
/// page cache, from where the next image maps them again without a system call.
void GiveIdleMemoryBack() {
  malloc_trim(0);
  dl_iterate_phdr(DropCode, nullptr);
}

class Worker final : private JobFeed {
 public:
  Worker(SharedRegion region, FaultPlan faults)
      : region_(std::move(region)), faults_(std::move(faults)), decoder_(MakeInProcessDecoder()) {}

  /// Decodes a picture of one pixel and converts another's colours, so that every library has chosen its CPU
  /// paths, bound its symbols and taken its first memory before the walls go up.
  void WarmUp() {
    EnableLibraries();
    static constexpr uint8_t kGif[] = {'G', 'I', 'F', '8', '9', 'a',  1, 0,    1, 0, 0x80, 0,
                                       0,   1,   2,   3,   4,   5,    6, ',',  0, 0, 0,    0,
                                       1,   0,   1,   0,   0,   0x02, 2, 0x44, 1, 0, ';'};
    preprocess::Spec spec;
    DecodeJob job;
    job.encoded = kGif;
    job.spec = &spec;
    job.out = region_.output(0).first(spec.slot_bytes());
    const auto report = decoder_->Decode(job);
    warm_ = report.ok() && WarmUpColor();
    GiveBack();
  }
  bool warm() const { return warm_; }

  int Serve() {
    faults_.At(Step::kAfterHello, {});
    while (!ended_) {
      const DecodeJob* first = Receive(0);
      if (first != nullptr) {
        DecodeAll(*first);
      } else if (!ended_) {
        GiveBack();
      }
    }
    return exit_code_;
  }

  // JobFeed: the server sends a second image whenever it has one, without being asked.
  const DecodeJob* Next() override { return ended_ ? nullptr : Receive(MSG_DONTWAIT); }
  void Finish(const DecodeJob& job, Result<DecodeReport> report) override {
    Seat& seat =
        *std::find_if(seats_.begin(), seats_.end(), [&](const Seat& each) { return &each.job == &job; });
    seat.taken = false;
    faults_.At(Step::kBeforeReply, job.encoded);
    ReplyMessage reply = MakeReplyMessage(report, seat.sequence);
    const size_t bytes = faults_.Falsify(job.encoded, &reply);
    if (send(kWorkerSocketFd, &reply, bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes)) End(kExitProtocol);
    faults_.At(Step::kAfterReply, job.encoded);
    // Its share goes to another decoder now.
    if (job.granted.bytes > DecodeMemory::kOwnBytes && job.granted.bytes != DecodeCost::kUnlimited) {
      malloc_trim(0);
    }
  }

 private:
  struct Seat {
    bool taken = false;
    uint64_t sequence = 0;
    preprocess::Spec spec;
    DecodeJob job;
  };

  /// The next image that the server sends; null when none came in time, or none will come any more (ended_).
  const DecodeJob* Receive(int flags) {
    JobMessage message;
    const ssize_t got = recv(kWorkerSocketFd, &message, sizeof(message), flags);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return nullptr;
    if (got == 0) return End(0);  // the server closed its end
    if (got != static_cast<ssize_t>(sizeof(message))) return End(kExitProtocol);
    preprocess::Spec spec;
    const size_t input_capacity = region_.input(0).size();
    Result<DecodeJob> job = ReadJobMessage(message, input_capacity, region_.output(0).size(), &spec);
    if (!job.ok()) return End(kExitProtocol);
    Seat& seat = seats_.at(static_cast<size_t>(message.seat));
    if (seat.taken) return End(kExitProtocol);
    seat = {true, message.sequence, spec, *job};
    seat.job.spec = &seat.spec;
    seat.job.encoded = region_.input(message.seat).first(message.encoded_bytes);
    seat.job.out = region_.output(message.seat).first(message.out_bytes);
    idle_ = false;
    faults_.At(Step::kBeforeDecode, seat.job.encoded);
    return &seat.job;
  }

  const DecodeJob* End(int exit_code) {
    ended_ = true;
    exit_code_ = exit_code;
    return nullptr;
  }

  void DecodeAll(const DecodeJob& first) {
    try {
      decoder_->DecodeFeed(first, *this);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& error) {
      const Status status(Code::kInternal, std::string("the decoder threw an exception: ") + error.what());
      for (const Seat& seat : seats_) {
        if (seat.taken) Finish(seat.job, status);
      }
    }
  }

  void GiveBack() {
    if (idle_) return;
    decoder_ = MakeInProcessDecoder();
    GiveIdleMemoryBack();
    region_.Forget();
    idle_ = true;
  }

  SharedRegion region_;
  FaultPlan faults_;
  std::unique_ptr<Decoder> decoder_;
  std::array<Seat, kSeats> seats_;
  bool ended_ = false;
  int exit_code_ = 0;
  bool idle_ = false;
  bool warm_ = false;
};

template <size_t kSize>
uint32_t CopyText(const std::string& text, std::array<char, kSize>* out) {
  const size_t bytes = std::min(text.size(), out->size());
  std::memcpy(out->data(), text.data(), bytes);
  return static_cast<uint32_t>(bytes);
}

bool SayHello(const PolicyResult& policy) {
  Hello hello;
  hello.layers = policy.layers;
  hello.why_bytes = CopyText(policy.why, &hello.why);
  for (size_t i = 0; i < LoadedLibraries().size(); ++i) {
    const LibrarySupport& library = LoadedLibraries()[i];
    hello.codecs |= library.formats;
    hello.libraries.at(i).bytes = CopyText(library.detail, &hello.libraries.at(i).text);
  }
  return send(kWorkerSocketFd, &hello, sizeof(hello), MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(hello));
}

/// When memory is short the kernel ends a decoder, which is replaced, and not the server. Where the system
/// does not have this, nothing is lost.
void BeFirstWhenMemoryIsShort() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  constexpr std::string_view kMost = "1000";
  [[maybe_unused]] const ssize_t written = write(fd, kMost.data(), kMost.size());
  close(fd);
}

int Run(const WorkerArguments& arguments) {
  setpriority(PRIO_PROCESS, 0, arguments.nice);
  BeFirstWhenMemoryIsShort();
  if (setsockopt(kWorkerSocketFd, SOL_SOCKET, SO_RCVTIMEO, &kIdle, sizeof(kIdle)) != 0)
    return kExitNotStarted;
  auto region = SharedRegion::Map(kWorkerMemoryFd, arguments.layout);
  if (!region.ok()) return kExitNotStarted;
  const char* fault = std::getenv(kFaultVariable);
  Worker worker(std::move(*region), FaultPlan(fault == nullptr ? "" : fault));
  worker.WarmUp();
  if (!worker.warm()) return kExitNotStarted;
  PolicyOptions policy;
  policy.address_space_bytes = arguments.address_space_bytes;
  policy.cpu_seconds = arguments.cpu_seconds;
  policy.parent_pid = arguments.parent_pid;
  policy.name_violations = arguments.name_violations;
  const auto locked = EnterSandbox(policy);
  if (!locked.ok()) return kExitNotStarted;
  FaultPlan(fault == nullptr ? "" : fault).At(Step::kBeforeHello, {});
  if (!SayHello(*locked)) return kExitNotStarted;
  return worker.Serve();
}

}  // namespace
}  // namespace photovec::decode

int main(int argc, char** argv) {
  using namespace photovec::decode;
  const auto arguments = WorkerArguments::Parse({argv + std::min(argc, 1), argv + argc});
  if (!arguments) {
    std::fprintf(
        stderr,
        "photovec-decoder decodes images for photovec, which starts it by itself; see docs/security.md\n");
    return 2;
  }
  try {
    // Without destructors: nothing that an attacker may have changed runs any more.
    _exit(Run(*arguments));
  } catch (const std::bad_alloc&) {
    _exit(kExitNoMemory);
  } catch (...) {
    _exit(kExitNotStarted);
  }
}
