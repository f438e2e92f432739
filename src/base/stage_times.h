// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/deadline.h"

namespace photovec {

/// What an item is made of: they go different ways to the encoder.
enum class ItemKind : uint8_t { kImage, kText };
inline constexpr int kItemKindCount = 2;

/// The moments at which an item (one image or text of one request) passes from one stage to the next.
enum class Border : uint8_t {
  kAdmitted,       ///< the item joined its request
  kFetchStart,     ///< its bytes were asked for (for an upload: at once)
  kFetchEnd,       ///< all of its encoded bytes are here
  kDecodeStart,    ///< a decode worker (of a text: a tokenizer) took it, or the result cache had its vector
  kDecodeEnd,      ///< pixels exist
  kPreprocessEnd,  ///< the [S,S,3] slot is full; of a text: its ids are known
  kEncodeStart,    ///< an encoder stream took it in a batch
  kEncodeEnd,      ///< its row of the batch is computed
  kCollected,      ///< its vector (or error) lies in the request
};
inline constexpr int kBorderCount = 9;

/// What lies between two borders. Docs: docs/metrics.md.
enum class Stage : uint8_t {
  kAdmitWait,
  kFetch,
  kDecodeWait,
  kDecode,
  kPreprocess,
  kTokenize,
  kBatchWait,
  kEncode,
  kEncodeText,
  kCollect,
};
inline constexpr int kStageCount = 10;

/// The name that metrics, logs, headers and reports use: "fetch", "decode_wait", ...
constexpr std::string_view StageName(Stage stage) {
  constexpr std::array<std::string_view, kStageCount> kNames = {
      "admit_wait", "fetch",      "decode_wait", "decode",      "preprocess",
      "tokenize",   "batch_wait", "encode",      "encode_text", "collect"};
  return kNames[static_cast<size_t>(stage)];
}

/// A stage and the borders that it lies between.
struct StageBorders {
  Stage stage;
  Border begin;
  Border end;
};

/// The stages that items of a kind go through, one after the other: each begins where the last one ended.
inline constexpr std::array<StageBorders, 8> kImageStages = {{
    {Stage::kAdmitWait, Border::kAdmitted, Border::kFetchStart},
    {Stage::kFetch, Border::kFetchStart, Border::kFetchEnd},
    {Stage::kDecodeWait, Border::kFetchEnd, Border::kDecodeStart},
    {Stage::kDecode, Border::kDecodeStart, Border::kDecodeEnd},
    {Stage::kPreprocess, Border::kDecodeEnd, Border::kPreprocessEnd},
    {Stage::kBatchWait, Border::kPreprocessEnd, Border::kEncodeStart},
    {Stage::kEncode, Border::kEncodeStart, Border::kEncodeEnd},
    {Stage::kCollect, Border::kEncodeEnd, Border::kCollected},
}};
inline constexpr std::array<StageBorders, 5> kTextStages = {{
    {Stage::kAdmitWait, Border::kAdmitted, Border::kDecodeStart},
    {Stage::kTokenize, Border::kDecodeStart, Border::kPreprocessEnd},
    {Stage::kBatchWait, Border::kPreprocessEnd, Border::kEncodeStart},
    {Stage::kEncodeText, Border::kEncodeStart, Border::kEncodeEnd},
    {Stage::kCollect, Border::kEncodeEnd, Border::kCollected},
}};
constexpr std::span<const StageBorders> StagesOf(ItemKind kind) {
  if (kind == ItemKind::kText) return kTextStages;
  return kImageStages;
}

/// Nothing where items of this kind do not go through the stage.
constexpr std::optional<StageBorders> BordersOf(ItemKind kind, Stage stage) {
  for (const StageBorders& row : StagesOf(kind)) {
    if (row.stage == stage) return row;
  }
  return std::nullopt;
}

/// Timestamps of one item. A border that was not reached (the item failed before it, its vector was in the
/// result cache and spared it the way, or it is a text and was never decoded) stays unset.
/// Written by whoever holds the item, one thread at a time; not thread-safe.
class StageTimes {
 public:
  ItemKind kind() const { return kind_; }
  void set_kind(ItemKind kind) { kind_ = kind; }
  void Mark(Border border) { MarkAt(border, Clock::now()); }
  void MarkAt(Border border, TimePoint at) { at_[static_cast<size_t>(border)] = at; }
  bool Has(Border border) const { return at_[static_cast<size_t>(border)] != TimePoint{}; }
  TimePoint At(Border border) const { return at_[static_cast<size_t>(border)]; }

  /// Microseconds spent in the stage, or -1 when one of its borders was not reached.
  int64_t Micros(Stage stage) const {
    const auto borders = BordersOf(kind_, stage);
    return borders && Has(borders->begin) && Has(borders->end)
               ? MicrosBetween(At(borders->begin), At(borders->end))
               : -1;
  }

 private:
  std::array<TimePoint, kBorderCount> at_{};
  ItemKind kind_ = ItemKind::kImage;
};

}  // namespace photovec
