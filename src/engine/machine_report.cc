// SPDX-License-Identifier: MIT
#include "engine/machine_report.h"

#include <link.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

#include "base/thread_pool.h"

namespace photovec::engine {
namespace {

constexpr uint64_t kWantedOpenFiles = 4096;

std::string Kernel() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "";
}

int CollectLibrary(dl_phdr_info* info, size_t /*size*/, void* out) {
  if (info->dlpi_name != nullptr && info->dlpi_name[0] != '\0') {
    static_cast<std::vector<std::string>*>(out)->emplace_back(info->dlpi_name);
  }
  return 0;
}

Check CheckNice() {
  Check check{"nice", false, false, ""};
  int seen = 0;
  std::thread([&seen] {  // on a thread of its own: this one keeps its priority
    SetThreadNice(kWorkerNice);
    seen = getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
  })
      .join();
  check.ok = seen >= kWorkerNice;
  check.detail = check.ok ? "workers can run at nice 10, behind the event loops"
                          : "workers stay at nice " + std::to_string(seen) + "; answers may wait behind them";
  return check;
}

Check CheckRealtime() {
  Check check{"real-time priority", false, false, ""};
  std::thread([&check] { check.ok = SetLoopPriority(LoopPriority::kRealtime); }).join();
  check.detail =
      check.ok ? "event loops run ahead of every other thread (--loop-priority)"
               : "event loops run like other threads; for quicker answers under full load: ulimit -r 1, "
                 "or LimitRTPRIO=1 in the systemd unit";
  return check;
}

Check CheckMemfd() {
  const int fd = memfd_create("photovec-doctor", MFD_CLOEXEC);
  const bool ok = fd >= 0 && ftruncate(fd, 4096) == 0;
  const std::string reason = std::strerror(errno);
  if (fd >= 0) close(fd);
  return {"memfd", ok, true,
          ok ? "decoder processes can share memory with the server" : "memfd_create failed: " + reason};
}

Check CheckOpenFiles() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const bool ok = limit.rlim_cur >= kWantedOpenFiles;
  std::string detail = limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur);
  if (!ok) {
    detail += "; for many connections raise it: ulimit -n " + std::to_string(kWantedOpenFiles) +
              ", or LimitNOFILE= in the systemd unit";
  }
  return {"open files", ok, false, detail};
}

Check CheckHugePages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(file, text);
  const bool ok = text.find("[always]") != std::string::npos || text.find("[madvise]") != std::string::npos;
  return {"transparent huge pages", ok, false,
          text.empty() ? "not offered by this kernel"
                       : text + (ok ? "" : "; 'madvise' saves a few percent on large models")};
}

}  // namespace

void WriteMachine(json::Writer& json, const Machine& machine) {
  json.BeginObject()
      .Field("cpu", machine.cpu_model)
      .Field("isa", machine.isa)
      .Field("physical_cores", machine.physical_cores)
      .Field("cpus", machine.cpus.size())
      .Field("cpu_quota", machine.cpu_quota, 2)
      .Field("memory_bytes", machine.memory_bytes)
      .Field("l2_bytes", machine.l2_bytes)
      .Field("l3_bytes", machine.l3_bytes)
      .Field("kernel", Kernel())
      .EndObject();
}

std::string MachineJson(const Machine& machine) {
  std::string out;
  json::Writer json(out);
  WriteMachine(json, machine);
  return out;
}

LibraryVersion ParseLibraryFile(const std::string& file_name) {
  LibraryVersion library;
  const size_t so = file_name.find(".so");
  const size_t begin = file_name.rfind("lib", 0) == 0 ? 3 : 0;
  if (so == std::string::npos) return {file_name.substr(begin), ""};
  library.name = file_name.substr(begin, so - begin);
  if (so + 4 <= file_name.size()) library.version = file_name.substr(so + 4);
  return library;
}

std::vector<LibraryVersion> LoadedLibraries() {
  static constexpr std::array<std::string_view, 11> kWanted = {
      "dnnl", "jpeg", "spng", "webp", "gif", "curl", "crypto", "hwy", "fmt", "boost_json", "gomp"};
  std::vector<std::string> paths;
  dl_iterate_phdr(CollectLibrary, &paths);
  std::vector<LibraryVersion> libraries;
  for (const std::string& path : paths) {
    std::error_code error;
    const auto real = std::filesystem::canonical(path, error);
    if (error) continue;
    LibraryVersion library = ParseLibraryFile(real.filename().string());
    if (std::find(kWanted.begin(), kWanted.end(), library.name) != kWanted.end())
      libraries.push_back(library);
  }
  std::sort(libraries.begin(), libraries.end(),
            [](const LibraryVersion& a, const LibraryVersion& b) { return a.name < b.name; });
  return libraries;
}

std::vector<Check> CheckSystem() {
  return {CheckMemfd(), CheckNice(), CheckRealtime(), CheckOpenFiles(), CheckHugePages()};
}

}  // namespace photovec::engine
