// SPDX-License-Identifier: MIT
#include "base/json/checker.h"

#include <algorithm>
#include <boost/json/parse_options.hpp>
#include <exception>
#include <string>

#include "base/json/handler.h"

namespace photovec::json {
namespace {

// A value (24 B) in the parser's stack and in the document, the stack grown by doubling, a member's key
// pointer and its place in the object's index.
constexpr uint64_t kBytesPerValue = 160;

boost::json::parse_options Options() {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  return options;
}

}  // namespace

struct Checker::State {
  boost::json::basic_parser<Handler<false>> parser{Options()};
  Place place;  // of the next piece's first byte

  void Pass(std::string_view text) {
    place.line += static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    const size_t newline = text.rfind('\n');
    place.column = newline == std::string_view::npos ? place.column + text.size() : text.size() - newline;
  }
};

Checker::Checker(const Limits& limits) : state_(std::make_unique<State>()) {
  state_->parser.handler().limits = limits;
}

Checker::~Checker() = default;

Status Checker::Feed(std::string_view piece) { return Write(piece, true); }

Status Checker::Finish() { return Write({}, false); }

Status Checker::Write(std::string_view piece, bool more) {
  try {
    ErrorCode error;
    const size_t used = state_->parser.write_some(more, piece.data(), piece.size(), error);
    if (!error && used < piece.size()) error = boost::json::make_error_code(boost::json::error::extra_data);
    state_->Pass(piece.substr(0, used));
    if (!error) return Status::Ok();
    const Handler<false>& handler = state_->parser.handler();
    const std::string verdict = handler.beyond.empty() ? "malformed JSON" : "the body goes beyond a limit";
    return {Code::kInvalidRequest, verdict + Explain(state_->place, piece.substr(used), error, handler)};
  } catch (const std::exception& exception) {
    return {Code::kInvalidRequest, std::string("malformed JSON: it cannot be read: ") + exception.what()};
  }
}

uint64_t Checker::DocumentBytes() const {
  return string_bytes() + kBytesPerValue * state_->parser.handler().values;
}

uint64_t Checker::string_bytes() const { return state_->parser.handler().string_bytes; }

}  // namespace photovec::json
