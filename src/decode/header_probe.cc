// SPDX-License-Identifier: MIT
#include "decode/header_probe.h"

#include "decode/formats/formats.h"
#include "decode/sniff.h"

namespace photovec::decode {

Result<ImageHeader> ProbeHeader(std::span<const uint8_t> encoded) {
  if (const FormatEntry* entry = FindFormat(Sniff(encoded))) return entry->probe(encoded);
  return Status(Code::kUnsupportedFormat, DescribeUnsupported(encoded));
}

}  // namespace photovec::decode
