// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <mutex>

#include "base/status.h"
#include "metrics/registry.h"
#include "net/tls.h"

namespace photovec::net {

/// The certificate that new connections get, which can be replaced while the server runs. Thread-safe.
class Certificates {
 public:
  /// \param registry borrowed; has the certificate's end as a metric.
  Certificates(TlsOptions options, metrics::Registry& registry);

  /// Reads the files, also anew, and says in the log whose certificate it is and whether it is about to end.
  /// Connections that are there keep theirs, and tickets of before are not taken any more. Blocks on the
  /// files.
  /// Errors: kInvalidRequest naming the file; then everything stays as it is.
  Status Load();
  /// Null before the first Load().
  std::shared_ptr<const TlsContext> current() const;

 private:
  const TlsOptions options_;
  metrics::Registry& registry_;
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> current_;
};

}  // namespace photovec::net
