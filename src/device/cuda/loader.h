// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "device/cuda/platform.h"

namespace photovec::device {

/// Names the plug-in's file; empty or unset: looked for beside the program.
inline constexpr const char* kPluginVariable = "PHOTOVEC_CUDA_PLUGIN";

/// Where the plug-in is looked for: what kPluginVariable names, or else libphotovec_cuda.so in the program's
/// folder, in ../lib and lib beside it, and wherever the dynamic loader finds it.
std::vector<std::string> PluginCandidates();

/// Opens libphotovec_cuda.so, once for the process; it stays loaded. Thread-safe.
/// Errors: kUnavailable: not there (where it was looked for), a library of CUDA missing (the loader's words,
/// and what to do), or of another build.
Result<Platform*> LoadPlugin();

/// The first of `candidates` that exists, which must then load; a bare name is asked of the dynamic loader.
Result<Platform*> LoadFirstPlugin(const std::vector<std::string>& candidates);

/// The same from one file, opened anew: what LoadPlugin() does for each candidate.
Result<Platform*> LoadPluginFile(const std::string& path);

}  // namespace photovec::device
