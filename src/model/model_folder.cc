// SPDX-License-Identifier: MIT
#include "model/model_folder.h"

#include <boost/json.hpp>
#include <filesystem>

#include "base/files.h"
#include "base/json/reader.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

constexpr uint64_t kLargestList = 1 << 20;

std::string TextOf(const bjson::object& module, std::string_view key) {
  const bjson::value* found = module.if_contains(key);
  return found != nullptr && found->is_string() ? found->as_string().c_str() : "";
}

/// It comes out of a downloaded file: it must not lead out of the folder.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

Result<std::string> FolderOfFirst(const bjson::value& modules) {
  const bjson::array* list = modules.if_array();
  if (list == nullptr || list->empty()) return Status(Code::kInvalidRequest, "it lists no modules");
  std::string folder;
  for (const bjson::value& entry : *list) {
    const bjson::object* module = entry.if_object();
    if (module == nullptr) return Status(Code::kInvalidRequest, "a module is not an object");
    const std::string type = TextOf(*module, "type");
    if (module == &list->front().get_object()) {
      folder = TextOf(*module, "path");
      if (!type.ends_with(".CLIPModel") && !type.ends_with(".Transformer")) {
        return Status(Code::kInvalidRequest, "its first module is \"" + type + "\"; supported: CLIPModel");
      }
    } else if (!type.ends_with(".Normalize")) {
      return Status(Code::kInvalidRequest,
                    "behind the model comes \"" + type +
                        "\", which photovec does not do; for the model's own vectors give its "
                        "sub-folder");
    }
  }
  if (!IsPlainName(folder)) {
    return Status(Code::kInvalidRequest, "the \"path\" of its first module is not the name of a sub-folder");
  }
  return folder;
}

}  // namespace

Result<std::string> ModelFolder(const std::string& dir) {
  const std::string list = dir + "/modules.json";
  std::error_code ignored;
  for (const char* own : {"/config.json", "/open_clip_config.json"}) {
    if (std::filesystem::exists(dir + own, ignored)) return dir;
  }
  if (!std::filesystem::exists(list, ignored)) return dir;
  const Result<std::string> text = ReadFile(list, kLargestList);
  if (!text.ok()) return text.status().WithContext(list);
  const Result<bjson::value> modules = json::Parse(*text);
  if (!modules.ok()) return modules.status().WithContext(list);
  const Result<std::string> folder = FolderOfFirst(*modules);
  if (!folder.ok()) return folder.status().WithContext(list);
  return dir + "/" + *folder;
}

}  // namespace photovec::model
