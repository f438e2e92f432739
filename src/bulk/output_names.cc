// SPDX-License-Identifier: MIT
#include "bulk/output_names.h"

#include <filesystem>
#include <string_view>

namespace photovec::bulk {

Result<OutputNames> OutputNames::Of(const std::string& npy_path) {
  constexpr std::string_view kSuffix = ".npy";
  const size_t name = npy_path.rfind('/') + 1;  // npos + 1 is 0
  if (!npy_path.ends_with(kSuffix) || npy_path.size() - name <= kSuffix.size()) {
    return Status(Code::kInvalidRequest, "the output '" + npy_path + "' must be the name of a .npy file");
  }
  const std::string stem = npy_path.substr(0, npy_path.size() - kSuffix.size());
  OutputNames names{npy_path, stem + ".jsonl", stem + ".meta.json", stem + ".partial"};
  for (const std::string& file : {names.npy, names.jsonl, names.meta}) {
    std::error_code ignored;  // whether it can be written shows when it is
    if (std::filesystem::is_directory(std::filesystem::symlink_status(file, ignored))) {
      return Status(Code::kInvalidRequest, "the output cannot be written: " + file + " is a folder");
    }
  }
  return names;
}

}  // namespace photovec::bulk
