// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

/// The marker segments of a JPEG, for the own decoder. Strict: whatever a plain encoder would not write is
/// kUnusual and left to libjpeg-turbo, which knows what it means and what to say. So nothing here has to
/// recover, and nothing that is accepted may mean something else to libjpeg-turbo.
/// Source: ITU-T T.81 Annex B; what libjpeg-turbo 2.1.5 makes of APP0 and APP14: its jdmarker.c, jdapimin.c.
namespace photovec::decode::jpeg {

inline constexpr int kBlockSize = 64;

/// Where the coefficient of each zigzag place lies in a block of [row][column].
inline constexpr std::array<uint8_t, kBlockSize> kNaturalOrder = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/// A Huffman table as DHT says it.
struct HuffmanSpec {
  std::array<uint8_t, 16> counts{};    ///< of the codes of 1 to 16 bits
  std::array<uint8_t, 256> symbols{};  ///< in the order of the codes; the rest is 0
  bool defined = false;

  bool operator==(const HuffmanSpec&) const = default;
};

struct QuantTable {
  std::array<uint16_t, kBlockSize> values{};  ///< natural order, all above 0
  bool defined = false;
};

struct Component {
  int id = 0;
  int h = 1;  ///< sampling factors
  int v = 1;
  int quant = 0;  ///< index of its table
};

struct Frame {
  int width = 0;
  int height = 0;
  bool progressive = false;
  int component_count = 0;  ///< 1 (grey) or 3 (YCbCr)
  std::array<Component, 3> components;
  int h_max = 1;
  int v_max = 1;
};

/// One SOS, with the tables that were in force.
struct Scan {
  int component_count = 0;
  std::array<int, 3> components{};  ///< indices into Frame::components, ascending
  std::array<int, 3> dc_tables{};
  std::array<int, 3> ac_tables{};
  int first = 0;  ///< Ss, Se: the band of coefficients
  int last = 63;
  int high = 0;  ///< Ah, Al: successive approximation
  int low = 0;
};

/// Reads segments one after the other. Borrows the file; never reads outside of it.
class HeaderReader {
 public:
  enum class Next { kScan, kEnd, kUnusual };

  explicit HeaderReader(std::span<const uint8_t> file) : file_(file) {}

  /// From the start of the file, or from Continue(), to the end of the next SOS or EOI.
  Next Read();
  /// Goes on at `position`, where a marker has to be: behind a scan's data.
  void Continue(size_t position) { position_ = position; }

  size_t position() const { return position_; }
  const Frame& frame() const { return frame_; }
  const Scan& scan() const { return scan_; }
  int restart_interval() const { return restart_interval_; }
  const QuantTable& quant(int index) const { return quants_.at(static_cast<size_t>(index)); }
  const HuffmanSpec& dc(int index) const { return dc_.at(static_cast<size_t>(index)); }
  const HuffmanSpec& ac(int index) const { return ac_.at(static_cast<size_t>(index)); }

 private:
  using Bytes = std::span<const uint8_t>;

  bool ReadSegment(int marker, Bytes segment);
  bool ReadQuants(Bytes segment);
  bool ReadHuffman(Bytes segment);
  bool ReadFrame(int marker, Bytes segment);
  bool ReadScan(Bytes segment);
  bool ReadApp14(Bytes segment);
  bool IsKnownColor() const;

  Bytes file_;
  size_t position_ = 0;
  bool has_frame_ = false;
  bool has_scan_ = false;
  Frame frame_;
  Scan scan_;
  int restart_interval_ = 0;
  std::array<QuantTable, 4> quants_;
  std::array<HuffmanSpec, 4> dc_;
  std::array<HuffmanSpec, 4> ac_;
};

}  // namespace photovec::decode::jpeg
