// SPDX-License-Identifier: MIT
#include "fetch/http/http_source.h"

#include <cstdint>
#include <string>
#include <utility>

#include "fetch/http/http_url.h"

namespace photovec::fetch {
namespace {

class HttpObject final : public SourceObject {
 public:
  HttpObject(std::string url, std::string origin) : url_(std::move(url)), origin_(std::move(origin)) {}
  const std::string& url() const override { return url_; }
  const std::string& group() const override { return origin_; }
  void Sign(std::function<void(Headers)> done) override { done(std::vector<std::string>{}); }
  Refusal OnRefused(const Reply& reply) override { return RefusalByStatus(reply, "the origin"); }
  void RenewCredentials() override {}
  std::string Version(const Reply& reply) const override { return reply.Header("ETag").value_or(""); }
  Status Verify(const Reply& /*reply*/, std::span<const uint8_t> /*body*/) const override {
    return Status::Ok();
  }

 private:
  const std::string url_;
  const std::string origin_;
};

}  // namespace

Result<std::unique_ptr<SourceObject>> HttpSource::Open(std::string_view reference) const {
  std::string text = HttpUrl::Cleaned(reference);
  ASSIGN_OR_RETURN(const HttpUrl url, HttpUrl::Parse(text));
  if (!policy_.HostAllowed(url.host(), url.port())) {
    return Status(Code::kSourceNotAllowed,
                  "this host and port are not on the server's allow list (--allow-host HOST or HOST:PORT)");
  }
  return std::unique_ptr<SourceObject>(std::make_unique<HttpObject>(std::move(text), url.Origin()));
}

}  // namespace photovec::fetch
