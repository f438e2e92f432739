// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/json/writer.h"
#include "base/machine.h"

namespace photovec::engine {

/// The machine as the value of "machine" in every --json output: {"cpu":..,"isa":..,"physical_cores":..,
/// "cpus":..,"cpu_quota":..,"memory_bytes":..,"l2_bytes":..,"l3_bytes":..,"kernel":..}.
void WriteMachine(json::Writer& json, const Machine& machine);
std::string MachineJson(const Machine& machine);

/// A library that this process has loaded, and the version in its file's name.
struct LibraryVersion {
  std::string name;     ///< "dnnl"
  std::string version;  ///< "2.6"; "" when the name tells none
};
/// The libraries that results depend on (oneDNN, the codecs, curl, OpenSSL, Boost), as loaded.
std::vector<LibraryVersion> LoadedLibraries();
/// "libjpeg.so.62.3.0" to {"jpeg", "62.3.0"}.
LibraryVersion ParseLibraryFile(const std::string& file_name);

/// One thing that photovec needs or likes to have.
struct Check {
  std::string name;
  bool ok = false;
  bool needed = false;  ///< photovec does not work without it; else it is only better with it
  std::string detail;   ///< what was found, and what to do when it is not ok
};
/// Probes the running process and kernel. A few milliseconds.
std::vector<Check> CheckSystem();

}  // namespace photovec::engine
