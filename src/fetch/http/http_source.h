// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "fetch/http/url_policy.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// http:// and https:// URLs of allowed hosts, as clients name them. No credentials; nothing of the client's
/// request is sent on.
class HttpSource final : public Source {
 public:
  /// \param policy outlives the source.
  explicit HttpSource(const UrlPolicy& policy) : policy_(policy) {}
  std::string_view name() const override { return "http"; }
  Trust trust() const override { return Trust::kPublic; }
  /// Errors: kInvalidRequest (malformed URL, credentials in it), kSourceNotAllowed (a host that is not on the
  /// list).
  Result<std::unique_ptr<SourceObject>> Open(std::string_view reference) const override;

 private:
  const UrlPolicy& policy_;
};

}  // namespace photovec::fetch
