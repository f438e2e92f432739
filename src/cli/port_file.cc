// SPDX-License-Identifier: MIT
#include "cli/port_file.h"

#include <unistd.h>

#include "base/files.h"

namespace photovec::cli {

Result<std::unique_ptr<PortFile>> PortFile::Write(const std::string& path, uint16_t port) {
  if (!path.empty()) {
    ASSIGN_OR_RETURN(auto file, AtomicFile::Create(path));
    RETURN_IF_ERROR(file->Append(std::to_string(port) + "\n"));
    RETURN_IF_ERROR(file->Commit());
  }
  return std::unique_ptr<PortFile>(new PortFile(path));
}

PortFile::~PortFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

std::string ServerUrl(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace photovec::cli
