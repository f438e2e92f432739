// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "fetch/fetcher.h"
#include "fetch/local/fetch_pool.h"

namespace photovec::fetch {

/// The bytes inside "data:[<type>][;base64],<data>" (RFC 2397; percent-encoding is undone in both forms, as
/// browsers do). The media type is ignored: decoders look at the content. ";base64" may stand before other
/// parameters. The size is checked before anything is decoded.
/// Errors: kInvalidRequest (no comma, bad base64 or percent-encoding, with its offset in the data),
/// kBodyTooLarge.
Result<Bytes> DecodeDataUrl(std::string_view url, int64_t max_bytes);

/// Fetches data URLs: those up to 64 KiB at once on the calling thread, longer ones on the pool.
class DataUrlFetcher final : public Fetcher {
 public:
  /// \param pool must outlive this object.
  explicit DataUrlFetcher(FetchPool& pool) : pool_(pool) {}
  void Fetch(FetchRequest request, FetchCallback done) override;

 private:
  FetchPool& pool_;
};

}  // namespace photovec::fetch
