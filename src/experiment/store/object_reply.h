// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "experiment/store/object_files.h"
#include "experiment/store/object_request.h"

namespace photovec::experiment {

/// What of a request decides about its reply. Views into the request.
struct ObjectRequest {
  std::string_view method;
  std::string_view target;
  std::string_view range;     ///< the header's value; empty: none
  std::string_view if_range;  ///< the same
};

/// A reply, ready to be sent: head, then body.
struct ObjectReply {
  int status = 200;
  StoreApi api = StoreApi::kPlain;
  std::string object;     ///< the file's name below the root, or what was asked for; empty when unknown
  std::string head;       ///< status line and headers with the empty line at their end
  std::string_view body;  ///< into `text` or `file`; empty for HEAD
  std::unique_ptr<const std::string> text;  ///< a body of its own: an error, a description
  std::shared_ptr<const StoredObject> file;
};

/// Connection: keep-alive or close, as the head says it.
enum class Persistence { kKeepAlive, kClose };

/// Finds what is asked for and writes the reply in the manner of the API that was called. A path is plain
/// HTTP when a file has it; else its first part is an S3 bucket, unless a folder has that name.
/// \param outage answer 503 instead, as a store does on a bad day.
ObjectReply MakeObjectReply(const ObjectRequest& request, ObjectFiles& files, bool outage,
                            Persistence persistence);

/// To what is not HTTP. Closes the connection.
ObjectReply MalformedReply(std::string_view why);

}  // namespace photovec::experiment
