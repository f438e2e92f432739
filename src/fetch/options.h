// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fetch/gcs/options.h"
#include "fetch/s3/options.h"

namespace photovec::fetch {

/// Which sources may be read, and at what cost. The defaults allow data URLs only. Docs: docs/security.md.
struct FetchOptions {
  /// --image-root: the folder under which bare names and file:/// URLs are looked up. Empty: none are.
  std::string image_root{};
  /// --allow-host, repeatable: "images.example.com", "*.example.com" (any depth, not the domain itself),
  /// "minio.lan:9000", "host:*" (any port), "*" (any host). Without a port: 80 and 443. Empty: http(s) is
  /// off.
  std::vector<std::string> allow_hosts{};
  /// --allow-cidr, repeatable: networks to reopen that are not the public internet ("10.1.0.0/16",
  /// "::1/128").
  std::vector<std::string> allow_cidrs{};
  GcsOptions gcs{};  ///< gs://
  S3Options s3{};    ///< s3://

  int64_t max_bytes = 100'000'000;  ///< --max-image-bytes; a request may ask for less, not for more

  int io_threads = 8;         ///< threads that read files and decode long data URLs
  size_t max_queued = 4'096;  ///< fetches that may wait per kind of source; the next is kOverloaded

  std::chrono::milliseconds connect_timeout{2'000};
  std::chrono::milliseconds total_timeout{
      10'000};                            ///< from the first request to the last byte, redirects included
  int64_t low_speed_bytes_per_s = 8'192;  ///< slower than this for low_speed_time is kSourceTimeout
  std::chrono::seconds low_speed_time{5};
  int max_redirects = 3;
  int max_attempts = 3;                   ///< --fetch-attempts: of one image, the first included
  std::chrono::milliseconds backoff{50};  ///< the longest pause before the second attempt; doubles with each
  std::chrono::milliseconds throttled_backoff{1'000};  ///< the same after 429 and 503
  /// --fetch-hedge: a second request beside one to an object store that is slower than the live p95; at most
  /// 2% more requests.
  bool hedge = true;
  /// --fetch-ca-file: PEM certificates that vouch for origins and stores, instead of the system's; empty:
  /// those.
  std::string ca_file = {};
  /// --fetch-user-agent: what plain URLs are asked for as; stores see it, too.
  std::string user_agent = "photovec/" PHOTOVEC_VERSION;
  bool use_env_proxy = false;  ///< --fetch-proxy-from-env: http_proxy and https_proxy, for object stores only
  /// Transfers at once; together with max_bytes the bound on memory that downloads may take.
  int max_transfers = 64;
  int max_transfers_per_host =
      64;  ///< as many as the pipeline asks for at once: nothing waits in line unseen
};

}  // namespace photovec::fetch
