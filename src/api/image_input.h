// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/errors.h"
#include "base/json/reader.h"
#include "base/result.h"
#include "base/status.h"
#include "pipeline/request.h"

namespace photovec::api {

/// One image of a request as a client named it, ready for the pipeline.
struct ImageInput {
  Status status;  ///< not OK: this image alone has failed already (a data URL that does not decode)
  pipeline::Source source;
};

/// Whether a string can mean an image at all: a data:, http(s):, file:, gs: or s3: URL, an "<img src=...>"
/// tag (NIM), bare base64 of a known image format (Jina), or a file name. A file name has an extension or a
/// slash; "a photo of a cat" and "test" are text.
bool LooksLikeImage(std::string_view text);

/// Reads `images` of a JSON body, a list of 1 to max_images strings.
/// Errors are recorded in `fields`; then the result is empty.
/// \param what names an element in messages: "image", "name".
/// \param accepts what else a wrong element's message says, e.g. " (a data URL, ...)".
std::vector<std::string_view> ReadImages(json::FieldReader& fields, int max_images, std::string_view what,
                                         std::string_view accepts = "");

/// A JSON body that must be an object.
/// \param example of one, for the message: "{\"images\": [...]}"; may be empty.
Result<boost::json::value, ApiError> ParseObject(std::string_view text, std::string_view example);

/// Turns such a string into an input. Base64 is decoded here (call it on the worker pool when it is long);
/// everything else becomes a reference that fetch/ judges.
ImageInput MakeImageInput(std::string_view text);

/// The image strings inside one element of an OpenAI-style `input`, or one chat message: a string,
/// {"image": s}, {"type":"image_url","image_url":{"url": s} or s}, or {"content": [such parts]}.
/// Appends to `images`.
/// \param path names the element in messages, e.g. "input[3]".
/// Errors: kInvalidRequest (text, a wrong type, nothing that names an image).
Status CollectImages(const boost::json::value& element, const std::string& path,
                     std::vector<std::string_view>& images);

}  // namespace photovec::api
