// SPDX-License-Identifier: MIT
#include "api/pickle_writer.h"

#include <bit>
#include <utility>

#include "base/text/utf8.h"

namespace photovec::api {
namespace {

// Opcodes, as pickletools names them.
constexpr char kProto = '\x80';
constexpr char kMark = '(';
constexpr char kEmptyDict = '}';
constexpr char kSetItems = 'u';
constexpr char kEmptyList = ']';
constexpr char kAppends = 'e';
constexpr char kBinUnicode = 'X';
constexpr char kBinInt = 'J';
constexpr char kBinFloat = 'G';
constexpr char kStop = '.';

void AppendLittleEndian32(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xFF);
}

}  // namespace

PickleWriter::PickleWriter() {
  out_ += kProto;
  out_ += '\x02';
}

void PickleWriter::BeginDict() {
  out_ += kEmptyDict;
  out_ += kMark;
}

void PickleWriter::EndDict() { out_ += kSetItems; }

void PickleWriter::BeginList() {
  out_ += kEmptyList;
  out_ += kMark;
}

void PickleWriter::EndList() { out_ += kAppends; }

void PickleWriter::Text(std::string_view text) {
  const std::string utf8 = ToValidUtf8(text);  // one stray byte would make the whole pickle unreadable
  out_ += kBinUnicode;
  AppendLittleEndian32(out_, static_cast<uint32_t>(utf8.size()));
  out_ += utf8;
}

void PickleWriter::Int(int32_t value) {
  out_ += kBinInt;
  AppendLittleEndian32(out_, static_cast<uint32_t>(value));
}

void PickleWriter::Floats(std::span<const float> values) {
  BeginList();
  const size_t start = out_.size();
  out_.resize(start + values.size() * kPickleBytesPerFloat);
  char* at = out_.data() + start;
  for (const float value : values) {
    *at++ = kBinFloat;
    const auto bits = std::bit_cast<uint64_t>(static_cast<double>(value));
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<char>((bits >> shift) & 0xFF);
  }
  EndList();
}

std::string PickleWriter::Finish() && {
  out_ += kStop;
  return std::move(out_);
}

}  // namespace photovec::api
