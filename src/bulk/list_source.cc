// SPDX-License-Identifier: MIT
#include "bulk/list_source.h"

#include "bulk/walker.h"

namespace photovec::bulk {

Result<std::unique_ptr<ListSource>> ListSource::Open(const std::string& path, char separator) {
  ASSIGN_OR_RETURN(LineReader reader, LineReader::OpenOrStdin(path, separator));
  return std::unique_ptr<ListSource>(new ListSource(std::move(reader)));
}

std::optional<Found> ListSource::Next() {
  while (status_.ok()) {
    auto line = reader_.Next();
    if (!line.ok()) {
      status_ = line.status();
      break;
    }
    if (!*line) break;
    std::string path = std::move((*line)->text);
    if (path.empty()) {
      ++passed_over_.empty_lines;
      continue;
    }
    if (path.find('\0') != std::string::npos) {
      status_ = Status(Code::kInvalidRequest, "the list has a NUL inside a line: is it one for --null?");
      break;
    }
    Found found = LookAt(std::move(path), 0);
    if (found.is_folder) {
      found.status = Status(Code::kSourceFailed, found.path + " is a folder; a list names files");
      found.id = {};
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace photovec::bulk
