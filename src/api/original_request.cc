// SPDX-License-Identifier: MIT
#include "api/original_request.h"

#include <unordered_set>

#include "base/json/reader.h"

namespace photovec::api {

Result<OriginalCall, ApiError> ParseOriginal(std::string_view text, int max_images) {
  const auto document = ParseObject(text, "{\"images\": [...]}");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  const auto names = ReadImages(fields, max_images, "name");
  if (!fields.ok()) return FieldError(fields);
  OriginalCall call;
  std::unordered_set<std::string_view> seen;
  for (const std::string_view name : names) {
    if (!seen.insert(name).second) continue;
    call.names.emplace_back(name);
    call.images.push_back(MakeImageInput(name));
  }
  return call;
}

}  // namespace photovec::api
