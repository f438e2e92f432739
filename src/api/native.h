// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/embed_reply.h"
#include "api/errors.h"
#include "api/exchange.h"
#include "net/media_type.h"
#include "net/request_head.h"

namespace photovec::api {

/// Options of POST /embed, whichever form the body has.
struct NativeOptions {
  std::string model;
  bool normalize = true;
};

/// From the query (?model=, ?normalize=) or else the headers X-Photovec-Model and X-Photovec-Normalize.
/// Errors: kInvalidRequest for a value of normalize that is none.
Result<NativeOptions> OptionsOf(const net::RequestHead& head);
/// "true", "1", "false", "0". Errors: kInvalidRequest naming `field`.
Result<bool> ParseFlag(std::string_view text, std::string_view field);

/// The error for a model that is not there, which lists those that are; nullopt when it is there.
std::optional<ApiError> CheckModel(const Exchange& exchange, std::string_view model);

/// `{"images": [...], "model", "normalize"}`, strictly. `defaults` hold where the body says nothing.
struct NativeParse {
  EmbedCall call;
  ApiError error;  ///< status not OK: `call` is worthless
};
NativeParse ParseNativeJson(std::string_view text, const NativeOptions& defaults, int max_images);

/// The reply to /embed in the form that Accept asks for.
/// \param single the request's form has room for one image only: JSON carries "embedding", not "embeddings".
net::Task<net::Response> NativeReply(Exchange& exchange, const pipeline::RequestResult& result,
                                     bool normalize, bool single);

/// POST /embed with multipart/form-data: upload.cc.
net::Task<net::Response> HandleUpload(Exchange& exchange, NativeOptions options);

}  // namespace photovec::api
