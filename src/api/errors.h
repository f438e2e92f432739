// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/json/reader.h"
#include "base/status.h"
#include "net/response.h"

namespace photovec::api {

/// How a protocol writes its errors. The mapping from code to HTTP status is the same for all
/// (base/status.h).
enum class Dialect {
  kNative,    ///< {"error":{"code","message"}}
  kOpenAi,    ///< {"error":{"message","type","param","code"}}
  kOriginal,  ///< {"message","data":null,"code"}
};

/// An error on its way to a client.
struct ApiError {
  Status status;
  std::string param = {};  ///< the request field at fault, when one is
  std::string code = {};   ///< instead of the status's name, where a protocol prescribes one
  int http_status = 0;     ///< instead of the table's; only for 431, which no Code stands for
  int retry_after_s = 0;   ///< what Retry-After says with 429 and 503; 0: nobody has an estimate, so 1

  int HttpStatusCode() const { return http_status != 0 ? http_status : HttpStatus(status.code()); }
};

/// What a reader of fields found wrong.
inline ApiError FieldError(const json::FieldReader& fields) { return {fields.status(), fields.param()}; }

/// The JSON body. `error.status` must not be OK.
std::string ErrorBody(Dialect dialect, const ApiError& error);

/// `"code":"image_corrupt","message":"..."`: the members that every error object of one image has.
void AppendErrorMembers(std::string& out, const Status& status);

/// OpenAI's error type of an HTTP status.
std::string_view OpenAiErrorType(int http_status);

/// True for statuses after which a client should come back (429, 503): they carry Retry-After.
bool IsRetryable(int http_status);

/// An error in a protocol's own words; 429 and 503 get Retry-After, of at least a second.
net::Response ErrorResponse(Dialect dialect, const ApiError& error);

}  // namespace photovec::api
