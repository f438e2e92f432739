// SPDX-License-Identifier: MIT
#include "decode/header_probe.h"

#include "decode/sniff.h"

namespace photovec::decode {

Result<ImageHeader> ProbeHeader(std::span<const uint8_t> encoded) {
  const Format format = Sniff(encoded);
  switch (format) {
    case Format::kJpeg:
      return ProbeJpeg(encoded);
    case Format::kPng:
      return ProbePng(encoded);
    case Format::kWebp:
      return ProbeWebp(encoded);
    case Format::kGif:
      return ProbeGif(encoded);
    case Format::kHeif:
    case Format::kAvif:
      return ProbeHeif(encoded, format);
    case Format::kUnknown:
      break;
  }
  return Status(Code::kUnsupportedFormat, DescribeUnsupported(encoded));
}

}  // namespace photovec::decode
