// SPDX-License-Identifier: MIT
#include "api/original_request.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <unordered_set>
#include <utility>

#include "base/json/reader.h"

namespace photovec::api {

namespace bjson = boost::json;

OriginalParse ParseOriginal(std::string_view text, int max_images) {
  OriginalParse result;
  const auto fail = [&](Status status, std::string param = {}) {
    result.error = ApiError{std::move(status), std::move(param), "", 0};
    return std::move(result);
  };
  const Result<bjson::value> document = json::Parse(text);
  if (!document.ok()) return fail(document.status());
  if (!document->is_object()) {
    return fail(Status(Code::kInvalidRequest, "the body must be a JSON object {\"images\": [...]}, not " +
                                                  std::string(json::TypeName(*document))));
  }
  json::FieldReader fields(document->get_object());
  const bjson::array* images = fields.Array("images");
  if (fields.ok() && (images == nullptr || images->empty()))
    fields.Fail("images", "must list at least one name");
  if (fields.ok() && images->size() > static_cast<size_t>(max_images)) {
    fields.Fail("images", "lists " + std::to_string(images->size()) + " images; a request may name " +
                              std::to_string(max_images));
  }
  if (!fields.ok()) return fail(fields.status(), fields.param());
  result.call.normalize = false;
  result.call.squash = true;
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < images->size(); ++i) {
    const bjson::string* name = (*images)[i].if_string();
    if (name == nullptr) {
      fields.Fail("images[" + std::to_string(i) + "]",
                  "must be a string, not " + std::string(json::TypeName((*images)[i])));
      return fail(fields.status(), fields.param());
    }
    const std::string_view view(name->data(), name->size());
    if (!seen.insert(view).second) continue;
    result.names.emplace_back(view);
    result.call.images.push_back(MakeImageInput(view));
  }
  return result;
}

}  // namespace photovec::api
