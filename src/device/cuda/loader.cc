// SPDX-License-Identifier: MIT
#include "device/cuda/loader.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

namespace photovec::device {
namespace {

constexpr const char* kPluginName = "libphotovec_cuda.so";

// Of a bare name that the loader does not find it says "NAME: cannot open"; other names in its place are
// those of libraries that a plug-in which is there needs.
bool LoaderKnowsNone(const std::string& name, const Status& status) {
  return name.find('/') == std::string::npos &&
         status.message().find(": " + name + ": cannot open shared object file") != std::string::npos;
}

}  // namespace

std::vector<std::string> PluginCandidates() {
  if (const char* named = std::getenv(kPluginVariable); named != nullptr && *named != '\0') return {named};
  std::vector<std::string> candidates;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const std::filesystem::path folder = program.parent_path();
    for (const auto& place : {folder, folder.parent_path() / "lib", folder / "lib"}) {
      candidates.push_back((place / kPluginName).string());
    }
  }
  candidates.emplace_back(kPluginName);
  return candidates;
}

Result<Platform*> LoadPluginFile(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string why = dlerror();
    const bool of_cuda = why.find("libcu") != std::string::npos;
    return Status(
        Code::kUnavailable,
        "the CUDA plug-in does not load: " + why +
            (of_cuda ? " (install the CUDA 13 runtime libraries, or put their folder on LD_LIBRARY_PATH)"
                     : ""));
  }
  const auto entry = reinterpret_cast<PluginEntry>(dlsym(library, kPluginSymbol));
  Platform* platform = entry == nullptr ? nullptr : entry(kPluginVersion, PHOTOVEC_VERSION);
  if (platform == nullptr) {
    return Status(Code::kUnavailable, "the CUDA plug-in " + path +
                                          " is of another build than this photovec (" + PHOTOVEC_VERSION +
                                          "): install both from one");
  }
  return platform;
}

Result<Platform*> LoadFirstPlugin(const std::vector<std::string>& candidates) {
  std::string looked;
  for (const std::string& candidate : candidates) {
    looked += (looked.empty() ? "" : ", ") + candidate;
    std::error_code ignored;
    if (candidate.find('/') != std::string::npos && !std::filesystem::exists(candidate, ignored)) continue;
    Result<Platform*> loaded = LoadPluginFile(candidate);
    if (loaded.ok() || !LoaderKnowsNone(candidate, loaded.status())) return loaded;
  }
  return Status(Code::kUnavailable,
                std::string("no ") + kPluginName + " (looked for " + looked +
                    "): this photovec was built without CUDA, or the plug-in was not installed");
}

Result<Platform*> LoadPlugin() {
  static const Result<Platform*> loaded = LoadFirstPlugin(PluginCandidates());
  return loaded;
}

}  // namespace photovec::device
