// SPDX-License-Identifier: MIT
#include "testing/raw_builder.h"

#include <string_view>

namespace photovec::test {
namespace {

using namespace std::string_view_literals;

struct Entry {
  uint16_t tag;
  uint16_t type;  // 1 byte, 3 short, 4 long, 7 bytes elsewhere
  uint32_t count;
  uint32_t value;
};
using Directory = std::vector<Entry>;

size_t SizeOf(const Directory& directory) { return 2 + 12 * directory.size() + 4; }

/// Numbers in the file's order.
class Writer {
 public:
  explicit Writer(bool little) : little_(little) {}
  void Number(uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      const int shift = 8 * (little_ ? i : bytes - 1 - i);
      out_.push_back(static_cast<uint8_t>(value >> shift));
    }
  }
  void Bytes(const Encoded& bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void Text(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }
  void Put(const Directory& directory, size_t next) {
    Number(static_cast<uint32_t>(directory.size()), 2);
    for (const Entry& entry : directory) {
      Number(entry.tag, 2);
      Number(entry.type, 2);
      Number(entry.count, 4);
      if (entry.type == 3) {
        Number(entry.value, 2);
        Number(0, 2);
      } else if (entry.type == 1) {
        Bytes({static_cast<uint8_t>(entry.value), 4, 0, 0});
      } else {
        Number(entry.value, 4);
      }
    }
    Number(static_cast<uint32_t>(next), 4);
  }
  size_t size() const { return out_.size(); }
  Encoded Take() { return std::move(out_); }

 private:
  bool little_;
  Encoded out_;
};

Encoded Noise(size_t bytes) {
  Encoded noise(bytes);
  uint32_t state = 7;
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return noise;
}

Directory JpegStrip(uint32_t offset, const Encoded& jpeg, uint16_t compression) {
  return {{0x0103, 3, 1, compression},
          {0x0106, 3, 1, 6},
          {0x0111, 4, 1, offset},
          {0x0117, 4, 1, static_cast<uint32_t>(jpeg.size())}};
}
Directory JpegInterchange(uint32_t offset, const Encoded& jpeg) {
  return {{0x0103, 3, 1, 6}, {0x0201, 4, 1, offset}, {0x0202, 4, 1, static_cast<uint32_t>(jpeg.size())}};
}

/// The four directories of a file: the first, the chained, the sensor's and that of a SubIFD's preview.
struct Directories {
  Directory first;
  Directory chained;
  Directory sensor;
  Directory sub;
};

Directories Fill(const RawOptions& options, const Encoded& preview, const Encoded& sensor,
                 uint32_t preview_at, uint32_t thumbnail_at, uint32_t sensor_at, uint32_t subs_at) {
  Directories all;
  const auto bytes = static_cast<uint32_t>(preview.size());
  if (options.place == RawPlace::kJpgFromRaw) all.first.push_back({0x002E, 7, bytes, preview_at});
  if (options.place == RawPlace::kStrip) all.first = JpegStrip(preview_at, preview, 6);
  if (options.place == RawPlace::kFirst) all.first = JpegInterchange(preview_at, preview);
  if (options.orientation != 0)
    all.first.push_back({0x0112, 3, 1, static_cast<uint32_t>(options.orientation)});
  all.first.push_back({0x014A, 4, 2, subs_at});
  if (options.dng) all.first.push_back({0xC612, 1, 4, 1});
  if (!options.thumbnail.empty()) all.chained = JpegInterchange(thumbnail_at, options.thumbnail);
  if (options.place == RawPlace::kChained) all.chained = JpegInterchange(preview_at, preview);
  if (all.chained.empty()) all.chained = {{0x0103, 3, 1, 1}};
  all.sensor = {{0x0100, 4, 1, static_cast<uint32_t>(options.sensor_width)},
                {0x0101, 4, 1, static_cast<uint32_t>(options.sensor_height)},
                {0x0103, 3, 1, 7},
                {0x0106, 3, 1, options.sensor_photometric},
                {0x0111, 4, 1, sensor_at},
                {0x0117, 4, 1, static_cast<uint32_t>(sensor.size())}};
  all.sub = {{0x0103, 3, 1, 1}};
  if (options.place == RawPlace::kSubIfd) all.sub = JpegInterchange(preview_at, preview);
  if (options.place == RawPlace::kSubIfdStrip) all.sub = JpegStrip(preview_at, preview, 7);
  return all;
}

void PutBox(Encoded* out, std::string_view type, const Encoded& data) {
  const auto size = static_cast<uint32_t>(data.size() + 8);
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<uint8_t>(size >> shift));
  out->insert(out->end(), type.begin(), type.end());
  out->insert(out->end(), data.begin(), data.end());
}

}  // namespace

Encoded MakeRaw(const Encoded& preview, const RawOptions& options) {
  const Encoded sensor = options.sensor.empty() ? Noise(5000) : options.sensor;
  const size_t head = options.cr2 ? 16 : 8;
  // Directories have the same size wherever they point to.
  const Directories sizes = Fill(options, preview, sensor, 0, 0, 0, 0);
  const size_t chained_at = head + SizeOf(sizes.first);
  const size_t sensor_ifd_at = chained_at + SizeOf(sizes.chained);
  const size_t sub_at = sensor_ifd_at + SizeOf(sizes.sensor);
  const size_t subs_at = sub_at + SizeOf(sizes.sub);
  const size_t thumbnail_at = subs_at + 8;
  const size_t sensor_at = thumbnail_at + options.thumbnail.size();
  const size_t preview_at = sensor_at + sensor.size();
  const Directories all =
      Fill(options, preview, sensor, static_cast<uint32_t>(preview_at), static_cast<uint32_t>(thumbnail_at),
           static_cast<uint32_t>(sensor_at), static_cast<uint32_t>(subs_at));
  Writer writer(options.little_endian);
  writer.Text(options.little_endian ? "II" : "MM");
  writer.Number(options.magic, 2);
  writer.Number(static_cast<uint32_t>(head), 4);
  if (options.cr2) writer.Text("CR\x02\0\0\0\0\0"sv);
  writer.Put(all.first, chained_at);
  writer.Put(all.chained, 0);
  writer.Put(all.sensor, 0);
  writer.Put(all.sub, 0);
  writer.Number(static_cast<uint32_t>(sensor_ifd_at), 4);
  writer.Number(static_cast<uint32_t>(sub_at), 4);
  writer.Bytes(options.thumbnail);
  writer.Bytes(sensor);
  writer.Bytes(preview);
  return writer.Take();
}

Encoded MakeRaf(const Encoded& preview) {
  constexpr uint32_t kPreviewAt = 148;
  Writer writer(false);
  writer.Text("FUJIFILMCCD-RAW 0201FF119501X-T1\0\0"sv);
  while (writer.size() < 84) writer.Number(0, 1);
  writer.Number(kPreviewAt, 4);
  writer.Number(static_cast<uint32_t>(preview.size()), 4);
  while (writer.size() < kPreviewAt) writer.Number(0, 1);
  writer.Bytes(preview);
  writer.Bytes(Noise(5000));
  return writer.Take();
}

Encoded MakeCr3(const Encoded& preview, int orientation, const Encoded& thumbnail) {
  Writer uuid(false);
  uuid.Text("\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48"sv);
  Encoded canon = uuid.Take();
  PutBox(&canon, "CNCV", Encoded(30, 'x'));
  PutBox(&canon, "CMT1", ExifBlock(orientation));
  Encoded small(16, 0);
  small.insert(small.end(), thumbnail.begin(), thumbnail.end());
  PutBox(&canon, "THMB", small);
  Encoded moov;
  PutBox(&moov, "uuid", canon);
  Encoded data = Noise(300);
  data.insert(data.end(), preview.begin(), preview.end());
  const Encoded noise = Noise(5000);
  data.insert(data.end(), noise.begin(), noise.end());
  Encoded file;
  PutBox(&file, "ftyp", {'c', 'r', 'x', ' ', 0, 0, 0, 1, 'c', 'r', 'x', ' ', 'i', 's', 'o', 'm'});
  PutBox(&file, "moov", moov);
  PutBox(&file, "mdat", data);
  return file;
}

}  // namespace photovec::test
