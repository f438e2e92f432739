// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/embed_reply.h"
#include "api/errors.h"

namespace photovec::api {

/// A request to POST /clip/embedding.
struct OriginalParse {
  EmbedCall call;
  std::vector<std::string> names;  ///< of call.images, one each; a name that is given twice is embedded once
  ApiError error;                  ///< status not OK: the rest is worthless
};

/// `{"images": [names...]}`; other fields (client_send_time) are ignored, as the replaced service did.
OriginalParse ParseOriginal(std::string_view text, int max_images);

}  // namespace photovec::api
