// SPDX-License-Identifier: MIT
#include "fetch/make_fetcher.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/text/ascii.h"
#include "fetch/gcs/source.h"
#include "fetch/http/downloader.h"
#include "fetch/http/http_call.h"
#include "fetch/http/http_source.h"
#include "fetch/local/data_url.h"
#include "fetch/local/fetch_pool.h"
#include "fetch/local/file_fetcher.h"
#include "fetch/reference.h"
#include "fetch/s3/source.h"

namespace photovec::fetch {
namespace {

/// Far above any object name; keeps absurd references away from parsers. Data URLs carry pixels and are
/// exempt.
constexpr size_t kMaxReferenceBytes = 8 * 1024;

/// A kind of source that is switched off or not built yet: the answer is always the same.
class RefusingFetcher final : public Fetcher {
 public:
  explicit RefusingFetcher(Status status) : status_(std::move(status)) {}
  void Fetch(FetchRequest /*request*/, FetchCallback done) override { done(status_); }

 private:
  const Status status_;
};

std::unique_ptr<Fetcher> Refuse(Code code, std::string message) {
  return std::make_unique<RefusingFetcher>(Status(code, std::move(message)));
}

/// Picks by scheme.
class SchemeFetcher final : public Fetcher {
 public:
  explicit SchemeFetcher(const FetchOptions& options)
      : max_bytes_(options.max_bytes),
        pool_(std::make_unique<FetchPool>(options.io_threads, options.max_queued)) {
    data_ = std::make_unique<DataUrlFetcher>(*pool_);
    files_ = Refuse(Code::kSourceNotAllowed,
                    "files of the server are not offered; start it with --image-root DIR to offer a folder");
    http_ = Refuse(Code::kSourceNotAllowed,
                   "http(s) sources are off; start the server with --allow-host HOST to allow a host");
    gcs_ = Refuse(Code::kSourceNotAllowed,
                  "gs:// sources are off; start the server with --gcs-bucket NAME to allow a bucket");
    s3_ = Refuse(Code::kSourceNotAllowed,
                 "s3:// sources are off; start the server with --s3-bucket NAME to allow a bucket");
    unknown_ =
        Refuse(Code::kSourceNotAllowed,
               "this kind of URL is not supported; use data:, http:, https:, file: or a name under the "
               "image root");
  }
  ~SchemeFetcher() override { pool_.reset(); }  // its tasks use the fetchers below

  Status AddFiles(const FetchOptions& options) {
    if (options.image_root.empty()) return Status::Ok();
    ASSIGN_OR_RETURN(BeneathRoot root, BeneathRoot::Open(options.image_root));
    files_ = std::make_unique<FileFetcher>(std::move(root), *pool_);
    return Status::Ok();
  }
  Status AddDownloader(const FetchOptions& options, FetchObserver* observer,
                       const EnvironmentLookup& environment) {
    ASSIGN_OR_RETURN(UrlPolicy policy, UrlPolicy::Create(options.allow_hosts, options.allow_cidrs));
    if (options.allow_hosts.empty() && !options.gcs.enabled() && !options.s3.enabled()) return Status::Ok();
    ASSIGN_OR_RETURN(downloader_, Downloader::Create(options, std::move(policy), observer));
    if (!options.allow_hosts.empty()) {
      downloader_->AddSource(std::make_unique<HttpSource>(downloader_->policy()));
    }
    if (options.gcs.enabled()) {
      ASSIGN_OR_RETURN(auto source,
                       MakeGcsSource(options.gcs, std::make_shared<const CurlCaller>(), environment));
      downloader_->AddSource(std::move(source));
    }
    if (options.s3.enabled()) {
      ASSIGN_OR_RETURN(auto source,
                       MakeS3Source(options.s3, std::make_shared<const CurlCaller>(), environment,
                                    [] { return std::chrono::system_clock::now(); }));
      downloader_->AddSource(std::move(source));
    }
    return ChooseBareNames(options);
  }

  void Fetch(FetchRequest request, FetchCallback done) override {
    request.max_bytes = std::min(request.max_bytes, max_bytes_);
    request.reference.erase(0, request.reference.size() - WithoutLead(request.reference).size());
    const Scheme scheme = SchemeOf(request.reference);
    if (request.reference.empty()) {
      done(Status(Code::kInvalidRequest, "the image reference is empty"));
    } else if (scheme != Scheme::kData && request.reference.size() > kMaxReferenceBytes) {
      done(Status(Code::kInvalidRequest, "the image reference is longer than 8 KiB"));
    } else {
      const bool object = bare_names_ != nullptr && IsBareName(request.reference);
      (object ? *bare_names_ : Pick(scheme)).Fetch(std::move(request), std::move(done));
    }
  }

 private:
  Status ChooseBareNames(const FetchOptions& options) {
    const int meanings = (options.image_root.empty() ? 0 : 1) + (options.gcs.default_bucket.empty() ? 0 : 1) +
                         (options.s3.default_bucket.empty() ? 0 : 1);
    if (meanings > 1) {
      return {Code::kInvalidRequest, "default-bucket and image-root both say what a bare name means"};
    }
    if (!options.gcs.default_bucket.empty()) bare_names_ = downloader_->FetcherOf("gs");
    if (!options.s3.default_bucket.empty()) bare_names_ = downloader_->FetcherOf("s3");
    return Status::Ok();
  }

  Fetcher& Pick(Scheme scheme) {
    switch (scheme) {
      case Scheme::kData:
        return *data_;
      case Scheme::kFile:
        return *files_;
      case Scheme::kHttp:
        return Downloaded("http", *http_);
      case Scheme::kGcs:
        return Downloaded("gs", *gcs_);
      case Scheme::kS3:
        return Downloaded("s3", *s3_);
      case Scheme::kUnknown:
        break;
    }
    return *unknown_;
  }

  Fetcher& Downloaded(std::string_view source, Fetcher& otherwise) {
    Fetcher* fetcher = downloader_ != nullptr ? downloader_->FetcherOf(source) : nullptr;
    return fetcher != nullptr ? *fetcher : otherwise;
  }

  const int64_t max_bytes_;
  std::unique_ptr<FetchPool> pool_;
  std::unique_ptr<Fetcher> data_;
  std::unique_ptr<Fetcher> files_;
  std::unique_ptr<Fetcher> http_;
  std::unique_ptr<Fetcher> gcs_;
  std::unique_ptr<Fetcher> s3_;
  std::unique_ptr<Downloader> downloader_;
  Fetcher* bare_names_ = nullptr;  // in a bucket; null: files
  std::unique_ptr<Fetcher> unknown_;
};

constexpr uint64_t kLargestCaFile = 16U << 20;  // the systems' own have a quarter of a MiB

/// Now, and not by a failure of every download.
Status CheckCaFile(const std::string& path) {
  if (path.empty()) return Status::Ok();
  const Result<std::string> text = ReadFile(path, kLargestCaFile, FileKind::kAny);
  if (!text.ok()) return {Code::kInvalidRequest, "--fetch-ca-file " + path + " cannot be read"};
  if (text->find("-----BEGIN CERTIFICATE-----") != std::string::npos) return Status::Ok();
  return {Code::kInvalidRequest, "--fetch-ca-file " + path + " holds no PEM certificate"};
}

Status CheckNumbers(const FetchOptions& o) {
  if (o.max_bytes < 1) return {Code::kInvalidRequest, "max_bytes must be at least 1"};
  if (o.io_threads < 1) return {Code::kInvalidRequest, "io_threads must be at least 1"};
  if (o.max_queued < 1) return {Code::kInvalidRequest, "max_queued must be at least 1"};
  if (o.max_transfers < 1 || o.max_transfers_per_host < 1) {
    return {Code::kInvalidRequest, "max_transfers and max_transfers_per_host must be at least 1"};
  }
  if (o.max_redirects < 0) return {Code::kInvalidRequest, "max_redirects must not be negative"};
  if (o.connect_timeout.count() < 1 || o.total_timeout.count() < 1 || o.low_speed_time.count() < 1) {
    return {Code::kInvalidRequest, "fetch timeouts must be positive"};
  }
  return Status::Ok();
}

/// It becomes a line of a request's header: nothing in it may end that line.
Status CheckUserAgent(std::string_view text) {
  constexpr size_t kLongest = 256;
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (printable && text.size() <= kLongest && TrimAscii(text).size() == text.size() && !text.empty()) {
    return Status::Ok();
  }
  return {
      Code::kInvalidRequest,
      "--fetch-user-agent must be 1 to 256 printable ASCII characters, with none of them a blank at an end"};
}

}  // namespace

Result<std::unique_ptr<Fetcher>> MakeFetcher(const FetchOptions& options, FetchObserver* observer,
                                             const EnvironmentLookup& environment) {
  RETURN_IF_ERROR(CheckNumbers(options));
  RETURN_IF_ERROR(CheckCaFile(options.ca_file));
  RETURN_IF_ERROR(CheckUserAgent(options.user_agent));
  auto fetcher = std::make_unique<SchemeFetcher>(options);
  RETURN_IF_ERROR(fetcher->AddFiles(options));
  const auto nothing = [](const std::string& /*name*/) -> std::optional<std::string> { return std::nullopt; };
  RETURN_IF_ERROR(fetcher->AddDownloader(options, observer, environment ? environment : nothing));
  return std::unique_ptr<Fetcher>(std::move(fetcher));
}

}  // namespace photovec::fetch
