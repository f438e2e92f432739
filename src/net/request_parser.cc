// SPDX-License-Identifier: MIT
#include "net/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/none.hpp>
#include <iterator>

#include "net/host_rules.h"
#include "net/http_text.h"
#include "net/media_type.h"

namespace photovec::net {
namespace {

namespace bhttp = boost::beast::http;
using Fields = bhttp::fields;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string_view Get(const Fields& fields, bhttp::field name) {
  const auto it = fields.find(name);
  return it == fields.end() ? std::string_view() : View(it->value());
}

std::string_view Get(const Fields& fields, std::string_view name) {
  const auto it = fields.find(boost::beast::string_view(name.data(), name.size()));
  return it == fields.end() ? std::string_view() : View(it->value());
}

size_t Count(const Fields& fields, bhttp::field name) { return fields.count(name); }

Status Invalid(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

Status CheckFraming(const Fields& fields, bool http11) {
  const size_t lengths = Count(fields, bhttp::field::content_length);
  const size_t codings = Count(fields, bhttp::field::transfer_encoding);
  if (lengths > 1 || Get(fields, bhttp::field::content_length).find(',') != std::string_view::npos) {
    return Invalid("the request has more than one Content-Length");
  }
  if (codings > 0 && lengths > 0) return Invalid("the request has both Content-Length and Transfer-Encoding");
  if (codings == 0) return Status::Ok();
  if (!http11) return Invalid("Transfer-Encoding needs HTTP/1.1");
  if (codings > 1 || LowerAscii(TrimBlanks(Get(fields, bhttp::field::transfer_encoding))) != "chunked") {
    return {Code::kNotImplemented, "the only Transfer-Encoding understood is \"chunked\""};
  }
  return Status::Ok();
}

Status SplitTarget(std::string_view target, RequestHead* head) {
  if (target.starts_with("http://") || target.starts_with("https://")) {  // absolute form, as to a proxy
    target.remove_prefix(target.find("//") + 2);
    const size_t path = std::min(target.find_first_of("/?#"), target.size());
    head->host = target.substr(0, path);  // RFC 9112 3.2.2: it counts, not Host
    target.remove_prefix(path);
    if (!IsHostPort(head->host)) return Invalid("the request target names no valid host");
    if (target.empty()) target = "/";
  }
  if (target.empty() || (target[0] != '/' && target != "*")) {
    return Invalid("the request target must be a path that begins with '/'");
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  head->path = target.substr(0, question);
  if (question != std::string_view::npos) head->query = target.substr(question + 1);
  return Status::Ok();
}

}  // namespace

RequestParser::RequestParser() {
  parser_.header_limit(static_cast<uint32_t>(kMaxHeaderBytes));
  parser_.body_limit(boost::none);  // BodyReader knows the limit and answers 413
}

bool RequestParser::HasFold(std::string_view taken) {
  for (const char c : taken) {
    if (line_ended_ && IsBlank(c)) return true;
    line_ended_ = c == '\n';
  }
  return false;
}

RequestParser::HeadProgress RequestParser::FeedHead(std::string_view data) {
  HeadProgress progress;
  boost::system::error_code error;
  progress.used = parser_.put(boost::asio::const_buffer(data.data(), data.size()), error);
  if (error == bhttp::error::need_more) error = {};
  const bool folded = HasFold(data.substr(0, progress.used));
  if (error == bhttp::error::header_limit) {
    progress.error =
        HttpError{Invalid("the request's header is larger than 16 KiB"), 431, "header_too_large"};
  } else if (error) {
    progress.error = HttpError{Invalid("malformed HTTP request: " + error.message())};
  } else if (folded) {
    progress.error = HttpError{Invalid("malformed HTTP request: a header field goes on in the next line")};
  }
  progress.complete = !progress.error && parser_.is_header_done();
  return progress;
}

Result<RequestHead, HttpError> RequestParser::Head() const {
  const Fields& fields = parser_.get().base();
  if (static_cast<size_t>(std::distance(fields.begin(), fields.end())) > kMaxHeaderFields) {
    return HttpError{Invalid("the request's header has more than 100 fields"), 431, "header_too_large"};
  }
  Result<RequestHead> head = Extract();
  if (!head.ok()) return HttpError{head.status()};
  return *std::move(head);
}

Result<RequestHead> RequestParser::Extract() const {
  const auto& message = parser_.get();
  const Fields& fields = message.base();
  RequestHead head;
  head.http11 = message.version() >= 11;
  RETURN_IF_ERROR(CheckFraming(fields, head.http11));
  const size_t hosts = Count(fields, bhttp::field::host);
  if (hosts > 1) return Invalid("the request has more than one Host");
  if (hosts == 0 && head.http11) return Invalid("HTTP/1.1 requests need a Host header");
  head.host = TrimBlanks(Get(fields, bhttp::field::host));
  if (!IsHostPort(head.host) && (head.http11 || !head.host.empty())) {
    return Invalid("the Host header is not a host name or address with an optional port");
  }
  RETURN_IF_ERROR(SplitTarget(View(message.target()), &head));
  head.method = View(message.method_string());
  head.accept = Get(fields, bhttp::field::accept);
  head.content_type = Get(fields, bhttp::field::content_type);
  head.content_encoding = LowerAscii(TrimBlanks(Get(fields, bhttp::field::content_encoding)));
  head.model_header = Get(fields, std::string_view("X-Photovec-Model"));
  head.normalize_header = Get(fields, std::string_view("X-Photovec-Normalize"));
  head.origin = Get(fields, bhttp::field::origin);
  head.fetch_site = Get(fields, std::string_view("Sec-Fetch-Site"));
  head.authorization = Get(fields, bhttp::field::authorization);
  head.api_key_header = Get(fields, std::string_view("X-API-Key"));
  head.request_id = Get(fields, std::string_view("X-Request-Id"));
  head.traceparent = Get(fields, std::string_view("traceparent"));
  head.timeout_header = Get(fields, std::string_view("X-Request-Timeout-Ms"));
  head.openai_timeout = Get(fields, std::string_view("X-Stainless-Read-Timeout"));
  if (head.openai_timeout.empty()) head.openai_timeout = Get(fields, std::string_view("X-Stainless-Timeout"));
  head.priority_header = Get(fields, std::string_view("X-Priority"));
  head.keep_alive = message.keep_alive();
  head.expect_continue =
      head.http11 && LowerAscii(TrimBlanks(Get(fields, bhttp::field::expect))) == "100-continue";
  head.chunked = message.chunked();
  if (const auto length = parser_.content_length()) head.content_length = *length;
  return head;
}

}  // namespace photovec::net
