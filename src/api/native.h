// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
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
  pipeline::ModelView model;
  std::vector<Input> inputs;  ///< images first, then texts
};
/// `{"images": [...], "texts": [...], "model", "normalize"}`, strictly. `defaults` hold where the body says
/// nothing. Errors: kInvalidRequest; kNotFound (no such model).
Result<NativeCall, ApiError> ParseNativeJson(std::string_view text, const NativeOptions& defaults,
                                             const EmbedService& service);

/// Whether the form of a request has room for one image only: then JSON carries "embedding", not
/// "embeddings".
enum class Room { kOne, kMany };

/// The reply to /embed, made of exchange.result, in the form that Accept asks for.
net::Task<net::Response> NativeReply(Exchange& exchange, const pipeline::ModelView& model,
                                     const EmbedOptions& options, Room room);

/// What came as multipart/form-data.
struct Upload {
  NativeOptions options;
  pipeline::ModelView model = {};
  std::vector<bool> is_text = {};  ///< of each part that is an image or a text, in their order
};
/// Receives an upload and waits for its results, which are left in exchange.result. Returns the reply that
/// ends the exchange when there are none, else nothing. upload.cc
/// \param upload holds the options of the head.
/// \param may_normalize whether there is a field `normalize`.
net::Task<std::optional<net::Response>> ReceiveUpload(Exchange& exchange, Upload& upload, bool may_normalize);

}  // namespace photovec::api
