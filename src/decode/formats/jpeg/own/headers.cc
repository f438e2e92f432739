// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/headers.h"

#include <algorithm>
#include <cstring>

namespace photovec::decode::jpeg {
namespace {

constexpr int kMaxSide = 65'500;  // libjpeg's JPEG_MAX_DIMENSION

int U16(std::span<const uint8_t> bytes, size_t at) { return bytes[at] << 8 | bytes[at + 1]; }

/// The samplings that the decoder knows: chroma at full size, or halved in one direction or both.
bool IsKnownSampling(const Frame& frame) {
  const Component& luma = frame.components[0];
  if (frame.component_count == 1) return luma.h == 1 && luma.v == 1;
  const bool chroma_is_plain = frame.components[1].h == 1 && frame.components[1].v == 1 &&
                               frame.components[2].h == 1 && frame.components[2].v == 1;
  return chroma_is_plain && luma.h <= 2 && luma.v <= 2;
}

}  // namespace

HeaderReader::Next HeaderReader::Read() {
  if (position_ == 0) {
    if (file_.size() < 4 || file_[0] != 0xFF || file_[1] != 0xD8) return Next::kUnusual;
    position_ = 2;
  }
  while (file_.size() - position_ >= 2 && file_[position_] == 0xFF) {
    const int marker = file_[position_ + 1];
    position_ += 2;
    if (marker == 0xD9) return has_scan_ ? Next::kEnd : Next::kUnusual;
    if (file_.size() - position_ < 2) break;
    const auto length = static_cast<size_t>(U16(file_, position_));
    if (length < 2 || length > file_.size() - position_) break;
    const Bytes segment = file_.subspan(position_ + 2, length - 2);
    position_ += length;
    if (marker == 0xDA) return ReadScan(segment) ? Next::kScan : Next::kUnusual;
    if (!ReadSegment(marker, segment)) break;
  }
  return Next::kUnusual;
}

bool HeaderReader::ReadSegment(int marker, Bytes segment) {
  switch (marker) {
    case 0xDB:
      return !has_scan_ && ReadQuants(segment);  // the first scan latches them
    case 0xC4:
      return ReadHuffman(segment);
    case 0xC0:
    case 0xC1:
    case 0xC2:
      return ReadFrame(marker, segment);
    case 0xDD:
      if (segment.size() != 2) return false;
      restart_interval_ = U16(segment, 0);
      return true;
    case 0xEE:
      return ReadApp14(segment);
    default:
      return (marker >= 0xE0 && marker <= 0xEF) || marker == 0xFE;
  }
}

bool HeaderReader::ReadQuants(Bytes segment) {
  while (!segment.empty()) {
    const size_t wide = segment[0] >> 4;
    const size_t index = segment[0] & 15U;
    const size_t bytes = wide != 0 ? 128 : 64;
    if (wide > 1 || index > 3 || segment.size() < 1 + bytes) return false;
    QuantTable& table = quants_[index];
    for (size_t i = 0; i < kBlockSize; ++i) {
      const int value = wide != 0 ? U16(segment, 1 + 2 * i) : segment[1 + i];
      if (value == 0) return false;
      table.values[kNaturalOrder[i]] = static_cast<uint16_t>(value);
    }
    table.defined = true;
    segment = segment.subspan(1 + bytes);
  }
  return true;
}

bool HeaderReader::ReadHuffman(Bytes segment) {
  while (!segment.empty()) {
    if (segment.size() < 17) return false;
    const size_t kind = segment[0] >> 4;
    const size_t index = segment[0] & 15U;
    if (kind > 1 || index > 3) return false;
    HuffmanSpec& table = kind == 0 ? dc_[index] : ac_[index];
    size_t count = 0;
    for (size_t i = 0; i < 16; ++i) {
      table.counts[i] = segment[1 + i];
      count += table.counts[i];
    }
    if (count > table.symbols.size() || count > segment.size() - 17) return false;
    table.symbols.fill(0);
    std::copy_n(segment.begin() + 17, count, table.symbols.begin());
    table.defined = true;
    segment = segment.subspan(17 + count);
  }
  return true;
}

bool HeaderReader::ReadFrame(int marker, Bytes segment) {
  if (has_frame_ || segment.size() < 6 || segment[0] != 8) return false;
  has_frame_ = true;
  frame_.progressive = marker == 0xC2;
  frame_.height = U16(segment, 1);
  frame_.width = U16(segment, 3);
  frame_.component_count = segment[5];
  if (frame_.width == 0 || frame_.height == 0 || frame_.width > kMaxSide || frame_.height > kMaxSide)
    return false;
  if (frame_.component_count != 1 && frame_.component_count != 3) return false;
  const auto count = static_cast<size_t>(frame_.component_count);
  if (segment.size() != 6 + 3 * count) return false;
  for (size_t i = 0; i < count; ++i) {
    Component& component = frame_.components[i];
    component.id = segment[6 + 3 * i];
    component.h = segment[7 + 3 * i] >> 4;
    component.v = segment[7 + 3 * i] & 15;
    component.quant = segment[8 + 3 * i];
    if (component.h < 1 || component.v < 1 || component.quant > 3) return false;
    for (size_t k = 0; k < i; ++k) {
      if (frame_.components[k].id == component.id) return false;
    }
  }
  frame_.h_max = frame_.components[0].h;
  frame_.v_max = frame_.components[0].v;
  return IsKnownSampling(frame_) && IsKnownColor();
}

/// Without other signs three components are YCbCr; Adobe's marker (ReadApp14) may not say otherwise.
bool HeaderReader::IsKnownColor() const {
  const auto& c = frame_.components;
  return frame_.component_count == 1 || c[0].id != 'R' || c[1].id != 'G' || c[2].id != 'B';
}

bool HeaderReader::ReadApp14(Bytes segment) {
  constexpr int kYcc = 1;
  if (segment.size() < 12 || std::memcmp(segment.data(), "Adobe", 5) != 0) return true;
  return segment[11] == kYcc;
}

bool HeaderReader::ReadScan(Bytes segment) {
  if (!has_frame_ || segment.empty()) return false;
  has_scan_ = true;
  scan_ = {};
  scan_.component_count = segment[0];
  const auto count = static_cast<size_t>(segment[0]);
  if (count < 1 || count > static_cast<size_t>(frame_.component_count) || segment.size() != 4 + 2 * count)
    return false;
  size_t index = 0;
  for (size_t i = 0; i < count; ++i, ++index) {
    while (index < static_cast<size_t>(frame_.component_count) &&
           frame_.components[index].id != segment[1 + 2 * i]) {
      ++index;
    }
    if (index == static_cast<size_t>(frame_.component_count)) return false;
    scan_.components[i] = static_cast<int>(index);
    scan_.dc_tables[i] = segment[2 + 2 * i] >> 4;
    scan_.ac_tables[i] = segment[2 + 2 * i] & 15;
    if (scan_.dc_tables[i] > 3 || scan_.ac_tables[i] > 3) return false;
  }
  for (size_t i = 0; i < static_cast<size_t>(frame_.component_count); ++i) {
    if (!quant(frame_.components[i].quant).defined) return false;  // later ones are refused
  }
  scan_.first = segment[1 + 2 * count];
  scan_.last = segment[2 + 2 * count];
  scan_.high = segment[3 + 2 * count] >> 4;
  scan_.low = segment[3 + 2 * count] & 15;
  return true;
}

}  // namespace photovec::decode::jpeg
