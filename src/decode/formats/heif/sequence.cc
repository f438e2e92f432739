// SPDX-License-Identifier: MIT
#include "decode/formats/heif/sequence.h"

#include <algorithm>
#include <utility>

#include "decode/formats/heif/properties.h"

namespace photovec::decode {
namespace {

/// Files with more are no photos.
constexpr size_t kMaxTracks = 64;

/// What is needed of one track.
struct Track {
  uint32_t id = 0;
  uint32_t handler = 0;   ///< 'pict', 'vide', 'auxv', ...
  uint32_t alpha_of = 0;  ///< a track's id
  uint32_t premultiplied_by = 0;
  HeifBox entry;        ///< the first sample entry
  uint64_t offset = 0;  ///< of sample 1 in the file
  uint64_t bytes = 0;
  bool has_offset = false;

  bool IsAv1() const { return entry.type == FourCc("av01"); }
  bool IsHevc() const { return entry.type == FourCc("hvc1") || entry.type == FourCc("hev1"); }
};

/// The first box of that type; an empty one of type 0 when there is none.
HeifBox Child(std::span<const uint8_t> boxes, std::string_view type) {
  ByteReader reader(boxes);
  HeifBox box;
  while (NextBox(&reader, &box)) {
    if (box.type == FourCc(type)) return box;
  }
  return {};
}

uint64_t U64Be(ByteReader* reader) {
  const uint64_t high = reader->U32Be();
  return high << 32 | reader->U32Be();
}

void ReadReferences(std::span<const uint8_t> tref, Track* track) {
  ByteReader reader(tref);
  HeifBox box;
  while (NextBox(&reader, &box)) {
    const uint32_t to = ByteReader(box.data).U32Be();
    if (box.type == FourCc("auxl")) track->alpha_of = to;
    if (box.type == FourCc("prem")) track->premultiplied_by = to;
  }
}

/// Sizes (`stsz`, `stz2`) and chunks (`stco`, `co64`): sample 1 begins the first chunk.
void ReadFirstSample(std::span<const uint8_t> stbl, Track* track) {
  const HeifBox stsz = Child(stbl, "stsz");
  const HeifBox stz2 = Child(stbl, "stz2");
  ByteReader sizes(stsz.type != 0 ? stsz.data : stz2.data);
  ReadFullBox(&sizes);
  const uint32_t common = sizes.U32Be();
  const uint32_t count = sizes.U32Be();
  if (count > 0 && !sizes.failed()) {
    if (stsz.type != 0) {
      track->bytes = common != 0 ? common : sizes.U32Be();
    } else {
      const uint32_t bits = common & 0xFF;
      track->bytes = bits == 16 ? sizes.U16Be() : bits == 8 ? sizes.U8() : sizes.U8() >> 4;
    }
  }
  const HeifBox stco = Child(stbl, "stco");
  const HeifBox co64 = Child(stbl, "co64");
  ByteReader chunks(stco.type != 0 ? stco.data : co64.data);
  ReadFullBox(&chunks);
  const uint32_t chunk_count = chunks.U32Be();
  track->offset = stco.type != 0 ? chunks.U32Be() : U64Be(&chunks);
  track->has_offset = chunk_count > 0 && !chunks.failed() && !sizes.failed() && track->bytes > 0;
}

Track ReadTrack(std::span<const uint8_t> trak) {
  Track track;
  const HeifBox tkhd = Child(trak, "tkhd");
  ByteReader head(tkhd.data);
  head.Skip(ReadFullBox(&head) == 1 ? 16 : 8);
  track.id = head.U32Be();
  ReadReferences(Child(trak, "tref").data, &track);
  const HeifBox mdia = Child(trak, "mdia");
  ByteReader handler(Child(mdia.data, "hdlr").data);
  handler.Skip(8);
  track.handler = handler.U32Be();
  const HeifBox stbl = Child(Child(mdia.data, "minf").data, "stbl");
  ByteReader entries(Child(stbl.data, "stsd").data);
  entries.Skip(8);
  if (!NextBox(&entries, &track.entry)) track.entry = {};
  ReadFirstSample(stbl.data, &track);
  return track;
}

class SequencePlanner {
 public:
  SequencePlanner(std::span<const uint8_t> file, const std::string& name) : file_(file), name_(name) {}

  Result<HeifPlan> Run(std::span<const uint8_t> moov) {
    ByteReader reader(moov);
    HeifBox box;
    std::vector<Track> tracks;
    while (tracks.size() < kMaxTracks && NextBox(&reader, &box)) {
      if (box.type == FourCc("trak")) tracks.push_back(ReadTrack(box.data));
    }
    const auto shown = std::find_if(tracks.begin(), tracks.end(), [](const Track& track) {
      const bool pictures = track.handler == FourCc("pict") || track.handler == FourCc("vide");
      return pictures && track.alpha_of == 0 && (track.IsAv1() || track.IsHevc());
    });
    if (shown == tracks.end()) {
      return Status(
          Code::kUnsupportedFormat,
          "the " + name_ + " is a sequence without a still image, and none of its tracks is HEVC or AV1");
    }
    HeifPlan plan;
    ASSIGN_OR_RETURN(HeifNode node, Picture(*shown));
    FindIcc(*shown, &plan);
    plan.nodes.push_back(std::move(node));
    const auto alpha = std::find_if(tracks.begin(), tracks.end(), [&](const Track& track) {
      return track.alpha_of == shown->id && track.id != shown->id && (track.IsAv1() || track.IsHevc());
    });
    if (alpha != tracks.end()) plan.alpha_status = AddAlpha(*shown, *alpha, &plan);
    return plan;
  }

 private:
  Status Corrupt(const std::string& what) const { return {Code::kImageCorrupt, "the " + name_ + " " + what}; }

  /// The boxes inside of a visual sample entry.
  static std::span<const uint8_t> Boxes(const Track& track) {
    constexpr size_t kFields = 78;
    return track.entry.data.size() < kFields ? std::span<const uint8_t>() : track.entry.data.subspan(kFields);
  }

  Result<HeifNode> Picture(const Track& track) const {
    HeifNode node;
    ByteReader fields(track.entry.data);
    fields.Skip(24);
    node.size.width = fields.U16Be();
    node.size.height = fields.U16Be();
    if (node.size.width == 0 || node.size.height == 0) return Corrupt("has a track of size 0");
    node.shown = node.size;
    node.av1 = track.IsAv1();
    const HeifBox config = Child(Boxes(track), node.av1 ? "av1C" : "hvcC");
    if (config.type == 0) return Corrupt("has a track without its parameters (hvcC or av1C)");
    node.config = config.data;
    if (!track.has_offset) {
      return Status(
          Code::kUnsupportedFormat,
          "the " + name_ + " is a sequence whose pictures lie in fragments, which is not supported");
    }
    if (track.offset > file_.size() || track.bytes > file_.size() - track.offset) {
      return Corrupt("is truncated: the data of its first picture lies outside of the file");
    }
    node.data = {file_.subspan(static_cast<size_t>(track.offset), static_cast<size_t>(track.bytes))};
    RETURN_IF_ERROR(ReadHeifStream(name_, &node));
    node.colour = node.stream.colour;
    ByteReader boxes(Boxes(track));
    HeifBox box;
    while (NextBox(&boxes, &box)) {
      if (box.type != FourCc("colr")) continue;
      if (const std::optional<ColourCode> code = ReadNclx(box.data)) node.colour = *code;
    }
    return node;
  }

  static void FindIcc(const Track& track, HeifPlan* plan) {
    ByteReader boxes(Boxes(track));
    HeifBox box;
    while (NextBox(&boxes, &box)) {
      if (box.type != FourCc("colr") || (!HasAt(box.data, 0, "prof") && !HasAt(box.data, 0, "rICC")))
        continue;
      plan->has_icc = true;
      plan->icc = box.data.subspan(4);
    }
  }

  Status AddAlpha(const Track& shown, const Track& track, HeifPlan* plan) const {
    ASSIGN_OR_RETURN(HeifNode node, Picture(track));
    plan->nodes.push_back(std::move(node));
    plan->nodes[plan->root].alpha = plan->nodes.size() - 1;
    plan->nodes[plan->root].premultiplied = shown.premultiplied_by == track.id;
    return Status::Ok();
  }

  std::span<const uint8_t> file_;
  const std::string& name_;
};

}  // namespace

std::optional<Result<HeifPlan>> ReadHeifSequence(std::span<const uint8_t> file, const std::string& name) {
  const HeifBox moov = Child(file, "moov");
  if (moov.type == 0) return std::nullopt;
  return SequencePlanner(file, name).Run(moov.data);
}

}  // namespace photovec::decode
