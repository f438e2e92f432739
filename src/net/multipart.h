// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/status.h"

namespace photovec::net {

/// The head of one part of a multipart/form-data body.
struct PartHead {
  std::string name;           ///< the form field
  std::string filename;       ///< as sent; never used as a path
  bool has_filename = false;  ///< also true for filename=""
  std::string content_type;   ///< lower case, without parameters; empty when absent
};

/// Takes the parts as they come out of the stream. A status that is not OK stops the parser, and Feed returns
/// it.
class PartSink {
 public:
  virtual ~PartSink() = default;
  virtual Status OnPartBegin(const PartHead& head) = 0;
  virtual Status OnPartData(std::string_view data) = 0;  ///< any number of times; valid during the call only
  virtual Status OnPartEnd() = 0;
};

/// Splits a multipart/form-data body (RFC 7578, RFC 2046 §5.1) that arrives in pieces of any size: every way
/// of cutting the stream gives the same calls. Holds at most one part head, never part data. Not thread-safe.
class MultipartParser {
 public:
  static constexpr size_t kMaxHeadBytes = 8 * 1024;  ///< of one part
  static constexpr size_t kMaxHeadFields = 16;

  /// The boundary of a Content-Type value. Errors: kInvalidRequest when there is none or it breaks RFC 2046
  /// (1 to 70 characters of a fixed set).
  static Result<std::string> BoundaryOf(std::string_view content_type);

  /// \param sink borrowed; must outlive the parser.
  MultipartParser(std::string_view boundary, PartSink& sink);

  /// Errors: kInvalidRequest for a malformed body (the message names the part); what the sink returned.
  /// After an error the parser must not be fed again.
  Status Feed(std::string_view data);
  /// The body is over. Errors: kInvalidRequest when the closing boundary has not been seen.
  Status Finish() const;
  size_t parts() const { return parts_; }

 private:
  enum class State { kPreamble, kAfterDelimiter, kClosing, kPadding, kLineFeed, kHead, kData, kEpilogue };

  Status FeedContent(std::string_view& data);
  Status FeedDelimiterTail(std::string_view& data);
  Status FeedHead(std::string_view& data);
  Status Emit(std::string_view data);
  Status EndContent();
  Status ParseHead(PartHead* head) const;
  Status Malformed(std::string_view what) const;

  PartSink& sink_;
  const std::string delimiter_;  // CRLF "--" boundary
  State state_ = State::kPreamble;
  // Characters of delimiter_ that the bytes fed last have matched. The body begins as if behind a CRLF.
  size_t matched_ = 2;
  size_t borrowed_ = 2;  // of matched_: the CRLF that lies before the content itself
  std::string head_;
  size_t parts_ = 0;
};

/// A form of files on its way out, as pieces that are sent from where they lie: its Content-Type, its
/// beginning and end, and one part a file, whose bytes are borrowed.
inline constexpr std::string_view kFormType = "multipart/form-data; boundary=photovec-form-5b1f0c9a77de42e8";
void AppendFilePart(std::vector<std::string_view>& pieces, std::string_view file);
void AppendFormEnd(std::vector<std::string_view>& pieces);

}  // namespace photovec::net
