// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "base/line_writer.h"
#include "base/result.h"
#include "net/response.h"

namespace photovec::api {

/// One line of JSON for each request: who asked for what, and what came of it; docs/access.md has the fields.
/// No query string, no credentials, no body. Written by a LineWriter: what nobody takes is lost and counted,
/// and no request waits for it. Thread-safe.
class AccessLog {
 public:
  /// \param path "-": standard output. Errors: kUnavailable naming the file and --access-log.
  static Result<std::unique_ptr<AccessLog>> Open(const std::string& path);

  /// \param route its path in the table of routes; what the client asked for when it is none.
  void Write(const Exchange& exchange, std::string_view route, const net::Response& response);
  /// A connection that never came to a request.
  void WriteRefusal(std::string_view peer, std::string_view request_id, const net::Response& response);
  /// Goes on in a new file of the same name.
  void Reopen() { lines_->Reopen(); }
  /// As LineWriter::Stop.
  void Stop() { lines_->Stop(); }
  LostLines lost() const { return lines_->lost(); }

 private:
  explicit AccessLog(std::unique_ptr<LineWriter> lines) : lines_(std::move(lines)) {}
  const std::unique_ptr<LineWriter> lines_;
};

}  // namespace photovec::api
