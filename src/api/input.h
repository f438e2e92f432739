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
#include "pipeline/pipeline.h"

namespace photovec::api {

/// One image or text of a request as a client gave it, ready for the pipeline.
struct Input {
  Status status;  ///< not OK: this one alone has failed already (a data URL that does not decode)
  pipeline::Source source;
};

/// Whether a string is an image whatever the model is: a data:, file: or anything:// URL, an "<img src=...>"
/// tag (NIM) or bare base64 of a known image format (Jina). A model with a text tower takes all other strings
/// for text.
bool IsImage(std::string_view text);
/// Whether a string can mean an image at all, for models that take nothing else: IsImage(), or a file name.
/// That has an extension or a slash; "a photo of a cat" and "test" are text.
bool LooksLikeImage(std::string_view text);

/// Turns a string that names an image into an input. Base64 is decoded here (call it on the worker pool when
/// it is long); everything else becomes a reference that fetch/ judges.
Input MakeImageInput(std::string_view text);
/// A text as an input. One that is empty, or nothing but white space, has failed: it has a vector, but one
/// that means nothing.
Input MakeTextInput(std::string_view text);

/// OK when the model has a text tower; else kInvalidRequest, "is text, and ..." with what to send instead.
/// \param what is text, for the message: "field \"input[1]\"".
Status CheckTakesText(const pipeline::ModelView& model, std::string_view what);

/// A JSON body that must be an object.
/// \param example of one, for the message: "{\"images\": [...]}"; may be empty.
Result<boost::json::value, ApiError> ParseObject(std::string_view text, std::string_view example);

/// Reads a list of strings; empty when it is not given. Errors are recorded in `fields`; then the result is
/// empty, too.
/// \param accepts what else a wrong element's message says, e.g. " (a data URL, ...)".
std::vector<std::string_view> ReadStrings(json::FieldReader& fields, const std::string& name,
                                          std::string_view accepts = "");
/// Records an error about field `name` when a request has no `what` or more than it may have.
void CheckCount(json::FieldReader& fields, std::string_view name, std::string_view what, size_t count,
                int max_items);

/// What `images` and `texts` of a request of our own protocols list.
struct ListedInputs {
  std::vector<std::string_view> images;
  std::vector<std::string_view> texts;
  /// Images first, then texts.
  std::vector<Input> Make() const;
};
/// Reads both; either may be absent. Errors are recorded in `fields`.
ListedInputs ReadListed(json::FieldReader& fields);

}  // namespace photovec::api
