// SPDX-License-Identifier: MIT
#include "net/multipart.h"

#include <algorithm>
#include <cstring>

#include "net/media_type.h"

namespace photovec::net {
namespace {

bool IsBoundaryCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

bool HasControls(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
  });
}

}  // namespace

Result<std::string> MultipartParser::BoundaryOf(std::string_view content_type) {
  const ParameterisedValue type = ParseParameterised(content_type);
  const std::string* boundary = type.Find("boundary");
  if (boundary == nullptr || boundary->empty()) {
    return Status(Code::kInvalidRequest,
                  "Content-Type multipart/form-data lacks its boundary: let the HTTP client set this header");
  }
  if (boundary->size() > 70 || boundary->back() == ' ' ||
      !std::all_of(boundary->begin(), boundary->end(), IsBoundaryCharacter)) {
    return Status(
        Code::kInvalidRequest,
        "the multipart boundary breaks RFC 2046: 1 to 70 letters, digits or '()+_,-./:=? and spaces");
  }
  return *boundary;
}

MultipartParser::MultipartParser(std::string_view boundary, PartSink& sink)
    : sink_(sink), delimiter_("\r\n--" + std::string(boundary)) {}

Status MultipartParser::Malformed(std::string_view what) const {
  return {Code::kInvalidRequest,
          "malformed multipart body at part " + std::to_string(parts_) + ": " + std::string(what)};
}

Status MultipartParser::Emit(std::string_view data) {
  return state_ == State::kData && !data.empty() ? sink_.OnPartData(data) : Status::Ok();
}

Status MultipartParser::EndContent() {
  const bool part = state_ == State::kData;
  state_ = State::kAfterDelimiter;
  matched_ = borrowed_ = 0;
  return part ? sink_.OnPartEnd() : Status::Ok();
}

/// Passes on bytes up to the next delimiter. CR occurs in the delimiter only as its first character, so a
/// partial match that fails can restart only at a CR.
Status MultipartParser::FeedContent(std::string_view& data) {
  while (matched_ > 0) {  // a match goes on from the bytes fed before
    size_t at = 0;
    while (at < data.size() && matched_ < delimiter_.size() && data[at] == delimiter_[matched_]) {
      ++at;
      ++matched_;
    }
    if (matched_ == delimiter_.size()) {
      data.remove_prefix(at);
      return EndContent();
    }
    if (at == data.size()) {
      data = {};
      return Status::Ok();
    }
    // It was content after all. What was held back equals the delimiter's own beginning; `borrowed_` of it
    // came from before the content (the start of the body, the end of a part's head).
    RETURN_IF_ERROR(Emit(std::string_view(delimiter_).substr(borrowed_, matched_ - borrowed_)));
    borrowed_ = 0;
    data.remove_prefix(at);
    matched_ = 0;
  }
  const size_t found = data.find(delimiter_);
  if (found != std::string_view::npos) {
    RETURN_IF_ERROR(Emit(data.substr(0, found)));
    data.remove_prefix(found + delimiter_.size());
    return EndContent();
  }
  const size_t tail = data.size() - std::min(data.size(), delimiter_.size() - 1);
  size_t cr = data.find('\r', tail);
  while (cr != std::string_view::npos && !std::string_view(delimiter_).starts_with(data.substr(cr))) {
    cr = data.find('\r', cr + 1);
  }
  if (cr == std::string_view::npos) cr = data.size();
  RETURN_IF_ERROR(Emit(data.substr(0, cr)));
  matched_ = data.size() - cr;
  data = {};
  return Status::Ok();
}

/// Behind a boundary: "--" closes the body; blanks and CRLF begin a part.
Status MultipartParser::FeedDelimiterTail(std::string_view& data) {
  const char c = data.front();
  data.remove_prefix(1);
  switch (state_) {
    case State::kAfterDelimiter:
      if (c == '-') {
        state_ = State::kClosing;
        return Status::Ok();
      }
      [[fallthrough]];
    case State::kPadding:
      state_ = c == '\r' ? State::kLineFeed : State::kPadding;
      if (c == '\r' || c == ' ' || c == '\t') return Status::Ok();
      return Malformed("a boundary is not followed by a line end (CRLF)");
    case State::kClosing:
      if (c != '-') return Malformed("a boundary is followed by a single '-'");
      state_ = State::kEpilogue;
      return Status::Ok();
    default:  // kLineFeed
      if (c != '\n') return Malformed("a line ends in CR without LF");
      state_ = State::kHead;
      head_.clear();
      return Status::Ok();
  }
}

Status MultipartParser::FeedHead(std::string_view& data) {
  // The head is over at an empty line: CRLF CRLF, or CRLF at once when there are no fields.
  while (!data.empty()) {
    const size_t newline = data.find('\n');
    const size_t take = std::min(newline == std::string_view::npos ? data.size() : newline + 1,
                                 kMaxHeadBytes + 1 - head_.size());
    head_.append(data, 0, take);
    data.remove_prefix(take);
    if (head_.size() > kMaxHeadBytes) return Malformed("its head is larger than 8 KiB");
    if (head_.ends_with('\n') && !head_.ends_with("\r\n")) {
      return Malformed("a line of its head ends in LF without CR");
    }
    if (head_ != "\r\n" && !head_.ends_with("\r\n\r\n")) continue;
    PartHead head;
    RETURN_IF_ERROR(ParseHead(&head));
    ++parts_;
    state_ = State::kData;
    head_.clear();
    // An empty part may be written without a line of its own: the head's last CRLF then begins the boundary.
    matched_ = borrowed_ = 2;
    RETURN_IF_ERROR(sink_.OnPartBegin(head));
    return Status::Ok();
  }
  return Status::Ok();
}

Status MultipartParser::ParseHead(PartHead* head) const {
  std::string_view rest(head_);
  size_t fields = 0;
  bool disposition_seen = false;
  while (!rest.empty() && rest != "\r\n") {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end - 1);
    rest.remove_prefix(end + 1);
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return Malformed("a line of its head has no name");
    if (HasControls(line)) return Malformed("its head contains control characters");
    if (++fields > kMaxHeadFields) return Malformed("its head has more than 16 lines");
    const std::string name = LowerAscii(line.substr(0, colon));
    const std::string_view value = TrimBlanks(line.substr(colon + 1));
    if (name == "content-type") {
      head->content_type = ParseParameterised(value).value;
    } else if (name == "content-disposition") {
      const ParameterisedValue disposition = ParseParameterised(value);
      if (!disposition.well_formed) return Malformed("its Content-Disposition has an unclosed quote");
      disposition_seen = true;
      if (const std::string* field = disposition.Find("name")) head->name = *field;
      const std::string* filename = disposition.Find("filename");
      if (filename == nullptr) filename = disposition.Find("filename*");
      head->has_filename = filename != nullptr;
      if (filename != nullptr) head->filename = *filename;
    }
  }
  if (!disposition_seen) return Malformed("it lacks Content-Disposition: form-data; name=\"...\"");
  return Status::Ok();
}

Status MultipartParser::Feed(std::string_view data) {
  while (!data.empty()) {
    switch (state_) {
      case State::kPreamble:
      case State::kData:
        RETURN_IF_ERROR(FeedContent(data));
        break;
      case State::kHead:
        RETURN_IF_ERROR(FeedHead(data));
        break;
      case State::kEpilogue:
        return Status::Ok();  // RFC 2046: to be ignored
      default:
        RETURN_IF_ERROR(FeedDelimiterTail(data));
    }
  }
  return Status::Ok();
}

Status MultipartParser::Finish() const {
  if (state_ == State::kEpilogue) return Status::Ok();
  if (state_ == State::kPreamble) {
    return {Code::kInvalidRequest, "the multipart body does not contain its boundary"};
  }
  return Malformed("the body ends before its closing boundary");
}

void AppendFilePart(std::vector<std::string_view>& pieces, std::string_view file) {
  constexpr std::string_view kHead =
      "--photovec-form-5b1f0c9a77de42e8\r\nContent-Disposition: form-data; name=\"image\"; "
      "filename=\"photo\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\n";
  pieces.insert(pieces.end(), {kHead, file, "\r\n"});
}

void AppendFormEnd(std::vector<std::string_view>& pieces) {
  pieces.emplace_back("--photovec-form-5b1f0c9a77de42e8--\r\n");
}

}  // namespace photovec::net
