// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/errors.h"
#include "api/input.h"
#include "base/result.h"

namespace photovec::api {

/// A request to POST /clip/embedding.
struct OriginalCall {
  std::vector<Input> images;
  std::vector<std::string> names;  ///< of `images`, one each; a name that is given twice is embedded once
};

/// `{"images": [names...]}`; other fields (client_send_time) are ignored, as the replaced service did.
Result<OriginalCall, ApiError> ParseOriginal(std::string_view text, int max_images);

}  // namespace photovec::api
