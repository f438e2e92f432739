// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/embed_reply.h"
#include "api/embed_service.h"
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

/// A JSON body of POST /embed.
struct NativeCall {
  NativeOptions options;
  std::vector<ImageInput> images;
};
/// `{"images": [...], "model", "normalize"}`, strictly. `defaults` hold where the body says nothing.
Result<NativeCall, ApiError> ParseNativeJson(std::string_view text, const NativeOptions& defaults,
                                             int max_images);

/// Whether the form of a request has room for one image only: then JSON carries "embedding", not
/// "embeddings".
enum class Room { kOne, kMany };

/// The reply to /embed, made of exchange.result, in the form that Accept asks for.
net::Task<net::Response> NativeReply(Exchange& exchange, const pipeline::ModelView& model,
                                     const EmbedOptions& options, Room room);

/// POST /embed with multipart/form-data: upload.cc.
net::Task<net::Response> HandleUpload(Exchange& exchange, NativeOptions options);

}  // namespace photovec::api
