// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photovec::net {

/// A header value of the form `value; name="quoted"; name=token`: Content-Type, Content-Disposition.
struct ParameterisedValue {
  std::string value;                                            ///< lower case, e.g. "multipart/form-data"
  std::vector<std::pair<std::string, std::string>> parameters;  ///< names in lower case, values unquoted
  bool well_formed = true;  ///< false: a quote is not closed or a parameter has no name

  /// nullptr when there is no such parameter.
  const std::string* Find(std::string_view name) const;
};

ParameterisedValue ParseParameterised(std::string_view text);

/// "application/json", "application/problem+json", ...
bool IsJson(std::string_view essence);

/// How a reply may be written.
enum class ReplyForm { kJson, kRows, kNpy, kPickle };

struct ReplyOffer {
  std::string_view essence;
  ReplyForm form;
};

/// Picks by Accept's q values, then by how exactly a range names the type, then by the order of the offers.
/// An empty Accept, or one that nothing fits, gives the first offer (RFC 9110 §12.4.1 allows that).
ReplyForm NegotiateReply(std::string_view accept, std::span<const ReplyOffer> offers);

/// Trims spaces and tabs.
std::string_view TrimBlanks(std::string_view text);
std::string LowerAscii(std::string_view text);

}  // namespace photovec::net
