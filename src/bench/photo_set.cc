// SPDX-License-Identifier: MIT
#include "bench/photo_set.h"

#include <cstdint>

#include "bulk/reader.h"
#include "bulk/walker.h"

namespace photovec::bench {

Result<PhotoSet> LoadPhotos(const std::string& dir, int most, const preprocess::Spec& spec,
                            const decode::DecodeOptions& decode) {
  bulk::PathWalker walker({dir}, false);
  const auto decoder = decode::MakeInProcessDecoder();
  std::vector<uint8_t> slot(spec.slot_bytes());
  PhotoSet set;
  double pixels = 0;
  double bytes = 0;
  while (static_cast<int>(set.photos.size()) < most) {
    const auto found = walker.Next();
    if (!found) break;
    const auto photo = bulk::ReadWholeFile(found->path, decode.limits.max_file_bytes);
    if (!photo.ok()) {
      ++set.refused;
      continue;
    }
    const auto report = decoder->Decode({photo->view(), &spec, decode, slot});
    if (!report.ok()) {
      ++set.refused;
      continue;
    }
    pixels += static_cast<double>(report->width) * report->height;
    bytes += static_cast<double>(photo->size());
    set.photos.push_back(*photo);
  }
  if (set.photos.empty()) {
    return Status(Code::kInvalidRequest,
                  dir +
                      " holds no photo that decodes; any folder of JPEGs of about 2 megapixels will do, "
                      "scripts/demo makes one from Debian's wallpapers");
  }
  set.mean_megapixels = pixels / 1e6 / static_cast<double>(set.photos.size());
  set.mean_bytes = bytes / static_cast<double>(set.photos.size());
  return set;
}

}  // namespace photovec::bench
