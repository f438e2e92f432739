// SPDX-License-Identifier: MIT
#include "encode/cuda/plugin_loader.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

namespace photovec::encode::cuda {
namespace {

constexpr const char* kPluginName = "libphotovec_cuda.so";

Result<Platform*> LoadFirst() {
  const std::vector<std::string> candidates = PluginCandidates();
  std::string looked;
  for (const std::string& candidate : candidates) {
    std::error_code ignored;
    if (candidate.find('/') != std::string::npos && !std::filesystem::exists(candidate, ignored)) {
      looked += (looked.empty() ? "" : ", ") + candidate;
      continue;
    }
    Result<Platform*> loaded = LoadPluginFile(candidate);
    // The last candidate is a bare name: that the loader does not know it only says that there is none.
    if (loaded.ok() || candidate != kPluginName) return loaded;
  }
  return Status(Code::kUnavailable,
                std::string("no ") + kPluginName + " (looked for " + looked +
                    "): this photovec was built without CUDA, or the plug-in was not installed");
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

Result<Platform*> LoadPlugin() {
  static const Result<Platform*> loaded = LoadFirst();
  return loaded;
}

}  // namespace photovec::encode::cuda
