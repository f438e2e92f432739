// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "decode/formats/formats.h"

// PBM, PGM, PPM, plain and binary, and PAM. Source: https://netpbm.sourceforge.net/doc/ (pbm, pgm, ppm, pam).
namespace photovec::decode {
namespace {

constexpr size_t kMostDigits = 10;

struct Pnm {
  int kind = 0;  ///< 1 to 7, as in its first two bytes
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t samples = 1;
  uint64_t most = 1;   ///< the value of white
  bool alpha = false;  ///< the last sample
  size_t data = 0;
};

/// Words of a header, and numbers of plain data.
class Words {
 public:
  Words(std::span<const uint8_t> bytes, size_t at) : bytes_(bytes), at_(at) {}
  size_t at() const { return at_; }

  /// The next word, and the one white space behind it. Empty at the end of the data.
  std::string Next() {
    SkipBlanks();
    std::string word;
    while (at_ < bytes_.size() && std::isspace(bytes_[at_]) == 0 && bytes_[at_] != '#' && word.size() <= 16) {
      word.push_back(static_cast<char>(bytes_[at_++]));
    }
    if (at_ < bytes_.size() && bytes_[at_] == '#') SkipComment();
    if (at_ < bytes_.size()) ++at_;
    return word;
  }
  /// \return whether there was one.
  bool Number(uint64_t* value) {
    const std::string word = Next();
    *value = 0;
    for (const char c : word) {
      if (c < '0' || c > '9') return false;
      *value = *value * 10 + static_cast<uint64_t>(c - '0');
    }
    return !word.empty() && word.size() <= kMostDigits;
  }
  /// Of plain bits: the next digit, which needs no white space around it; -1: there is none.
  int Bit() {
    SkipBlanks();
    const int bit = at_ < bytes_.size() ? bytes_[at_++] - '0' : -1;
    return bit == 0 || bit == 1 ? bit : -1;
  }
  /// The rest of the line.
  std::string Line() {
    std::string line;
    while (at_ < bytes_.size() && bytes_[at_] != '\n' && line.size() < 128)
      line.push_back(static_cast<char>(bytes_[at_++]));
    if (at_ < bytes_.size()) ++at_;
    return line;
  }

 private:
  void SkipComment() {
    while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
  }
  void SkipBlanks() {
    while (at_ < bytes_.size() && (std::isspace(bytes_[at_]) != 0 || bytes_[at_] == '#')) {
      bytes_[at_] == '#' ? SkipComment() : void(++at_);
    }
  }

  std::span<const uint8_t> bytes_;
  size_t at_;
};

Status BadHeader() {
  return {Code::kImageCorrupt, "the PNM is truncated or has no number where one belongs in its header"};
}

Status ReadPam(Words* words, Pnm* pnm) {
  for (int lines = 0; lines < 64; ++lines) {
    const std::string word = words->Next();
    bool ok = true;
    if (word == "WIDTH") {
      ok = words->Number(&pnm->width);
    } else if (word == "HEIGHT") {
      ok = words->Number(&pnm->height);
    } else if (word == "DEPTH") {
      ok = words->Number(&pnm->samples);
    } else if (word == "MAXVAL") {
      ok = words->Number(&pnm->most);
    } else if (word == "TUPLTYPE") {
      pnm->alpha = words->Line().find("_ALPHA") != std::string::npos;
    } else if (word == "ENDHDR") {
      pnm->alpha = pnm->alpha || pnm->samples == 2 || pnm->samples == 4;
      return Status::Ok();
    } else {
      ok = false;
    }
    if (!ok) return BadHeader();
  }
  return BadHeader();
}

Result<Pnm> ReadPnm(std::span<const uint8_t> encoded) {
  Pnm pnm;
  pnm.kind = encoded[1] - '0';
  Words words(encoded, 2);
  if (pnm.kind == 7) {
    RETURN_IF_ERROR(ReadPam(&words, &pnm));
  } else {
    pnm.samples = pnm.kind % 3 == 0 ? 3 : 1;
    const bool bits = pnm.kind == 1 || pnm.kind == 4;
    if (!words.Number(&pnm.width) || !words.Number(&pnm.height) || (!bits && !words.Number(&pnm.most)))
      return BadHeader();
  }
  pnm.data = words.at();
  if (pnm.width == 0 || pnm.height == 0 || pnm.width > INT32_MAX || pnm.height > INT32_MAX) {
    return Status(Code::kImageCorrupt, "the PNM has an impossible size");
  }
  if (pnm.most == 0 || pnm.most > 65'535 || pnm.samples == 0 || pnm.samples > 4 ||
      (pnm.samples == 3 && pnm.alpha)) {
    return Status(Code::kUnsupportedFormat, "PNM images with a largest value of " + std::to_string(pnm.most) +
                                                " and " + std::to_string(pnm.samples) +
                                                " samples a pixel are not supported");
  }
  return pnm;
}

/// round(v / most * 255), halves to even, for each value.
std::vector<uint8_t> ScaleTable(uint64_t most) {
  std::vector<uint8_t> table(65'536, 255);
  for (uint64_t v = 0; v <= most; ++v) {
    table[v] = static_cast<uint8_t>(std::nearbyint(static_cast<double>(v) / static_cast<double>(most) * 255));
  }
  return table;
}

/// Samples of binary and plain files, scaled to a byte.
class Samples {
 public:
  Samples(std::span<const uint8_t> encoded, const Pnm& pnm)
      : pnm_(pnm),
        words_(encoded, pnm.data),
        rest_(encoded.subspan(std::min(pnm.data, encoded.size()))),
        table_(ScaleTable(pnm.most)) {}

  /// One row; false when there is none.
  bool Row(std::vector<uint8_t>* row) {
    if (pnm_.kind == 4) return PackedBits(row);
    if (pnm_.kind < 4) return Plain(row);
    const size_t bytes = pnm_.most > 255 ? 2 : 1;
    if (rest_.size() < row->size() * bytes) return false;
    for (size_t i = 0; i < row->size(); ++i) {
      (*row)[i] = table_[bytes == 1 ? rest_[i] : static_cast<size_t>(rest_[2 * i]) << 8 | rest_[2 * i + 1]];
    }
    rest_ = rest_.subspan(row->size() * bytes);
    return true;
  }

 private:
  bool PackedBits(std::vector<uint8_t>* row) {
    const size_t bytes = (row->size() + 7) / 8;
    if (rest_.size() < bytes) return false;
    for (size_t i = 0; i < row->size(); ++i) (*row)[i] = (rest_[i / 8] >> (7 - i % 8) & 1) != 0 ? 0 : 255;
    rest_ = rest_.subspan(bytes);
    return true;
  }
  bool Plain(std::vector<uint8_t>* row) {
    for (uint8_t& sample : *row) {
      if (pnm_.kind == 1) {
        const int bit = words_.Bit();
        if (bit < 0) return false;
        sample = bit == 1 ? 0 : 255;
        continue;
      }
      uint64_t value = 0;
      if (!words_.Number(&value) || value > pnm_.most) return false;
      sample = table_[value];
    }
    return true;
  }

  const Pnm& pnm_;
  Words words_;
  std::span<const uint8_t> rest_;
  std::vector<uint8_t> table_;
};

}  // namespace

Result<ImageHeader> ProbePnm(std::span<const uint8_t> encoded) {
  ASSIGN_OR_RETURN(const Pnm pnm, ReadPnm(encoded));
  ImageHeader header;
  header.format = Format::kPnm;
  header.width = static_cast<int>(pnm.width);
  header.height = static_cast<int>(pnm.height);
  return header;
}

Status DecodePnm(const PixelRequest& request, CodecScratch* /*scratch*/, RgbImage* out) {
  ASSIGN_OR_RETURN(const Pnm pnm, ReadPnm(request.encoded));
  out->Reset(request.header->width, request.header->height);
  Samples samples(request.encoded, pnm);
  std::vector<uint8_t> row(pnm.width * pnm.samples);
  const bool white = request.alpha == AlphaMode::kWhite && pnm.alpha;
  for (int y = 0; y < out->height(); ++y) {
    if (!samples.Row(&row)) {
      return {Code::kImageCorrupt, "the PNM is truncated or has a wrong value at row " + std::to_string(y) +
                                       " of " + std::to_string(out->height())};
    }
    const uint8_t* from = row.data();
    uint8_t* to = out->Row(y);
    for (uint64_t x = 0; x < pnm.width; ++x, from += pnm.samples, to += 3) {
      for (size_t c = 0; c < 3; ++c) {
        const uint8_t value = from[pnm.samples >= 3 ? c : 0];
        to[c] = white ? OverWhite(value, from[pnm.samples - 1]) : value;
      }
    }
  }
  return Status::Ok();
}

}  // namespace photovec::decode
