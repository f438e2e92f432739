// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stage_times.h"

namespace photovec::request_log {

/// A stage of one image or text. Microseconds, relative to Record::started_us.
struct StageSpan {
  Stage stage{};
  int64_t begin_us = 0;
  int64_t end_us = 0;
};

/// What the request log says of one image or text. Microseconds are relative to Record::started_us; -1: not
/// reached, or not known (a baseline server may know fewer borders).
struct ItemRecord {
  std::string code = "ok";  ///< or the error's name
  ItemKind kind = ItemKind::kImage;
  bool by_reference = false;  ///< fetched by the server; else it came with the request
  int64_t bytes = 0;          ///< encoded size; 0: the photo never was here
  /// By Border.
  std::array<int64_t, kBorderCount> at_us = {-1, -1, -1, -1, -1, -1, -1, -1, -1};
  int decoder = -1;  ///< which decode worker; -1: none took it
  std::string
      jpeg_by;      ///< who made the pixels of a JPEG: "own", "own_pair", "libjpeg_turbo", "gpu"; else empty
  int stream = -1;  ///< which encoder stream; -1: none took it
  int64_t batch = -1;  ///< number of the batch on that stream
  int batch_size = 0;
  bool cached = false;  ///< its vector came from the result cache
  int rows_ok = -1;     ///< of a photo that was read although it is damaged: its sound rows; -1: it is whole
  /// By Stage; read only. Set by a server whose stages do not follow each other as photovec's do: replaces
  /// the derived duration.
  std::array<int64_t, kStageCount> stage_us = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

  int64_t At(Border border) const { return at_us[static_cast<size_t>(border)]; }
  /// Microseconds spent in the stage; -1: not known. For an upload admit_wait and fetch are -1,
  /// and so are the stages that items of its kind do not go through.
  int64_t Micros(Stage stage) const;
  /// What it went through from its admission until it was collected, one after the other without a gap. An
  /// image that failed ends in the stage in which it failed. Empty when its borders are not known.
  std::vector<StageSpan> Spans() const;
};

/// One request as the server saw it: one line of the request log (docs/metrics.md, "Request log"), which
/// writer.h writes and reader.h reads.
struct Record {
  uint64_t id = 0;           ///< given by the writer
  std::string model;         ///< empty: not known
  std::string route;         ///< the path: "/embed"
  int status = 0;            ///< HTTP
  int64_t started_us = 0;    ///< CLOCK_MONOTONIC: the end of the request's HTTP header
  int64_t opened_us = -1;    ///< relative: the pipeline request was opened
  int64_t finished_us = -1;  ///< relative: its last result lies in it
  int64_t receive_us = -1;   ///< durations of the server's own stages
  int64_t parse_us = -1;
  int64_t serialise_us = -1;
  int64_t total_us = -1;  ///< "http_total"
  /// Read only. Set by a server that preprocesses or embeds whole requests: replace what is derived from the
  /// items.
  int64_t preprocess_us = -1;
  int64_t embed_us = -1;
  int64_t load_decode_us = -1;
  int64_t pool_wait_us = -1;  ///< between its steps, for a thread to run the next one
  std::string request_id;     ///< X-Request-Id; empty: not known
  std::string traceparent;    ///< W3C Trace Context; empty: the client sent none
  std::vector<ItemRecord> items;

  /// The server measures whole steps of a request, of which only the lengths are known.
  bool MeasuredBySteps() const { return load_decode_us >= 0 || preprocess_us >= 0 || embed_us >= 0; }
};

/// The keys of a line, each with its member, in the order in which they are written: calls field(key, member)
/// with a member that is an integer, a text, a bool, or at_us. The writer and the reader both go by these
/// lists.
template <typename RecordType, typename Field>  // Record or const Record
void VisitRequest(RecordType& record, Field&& field) {
  field("id", record.id);
  field("model", record.model);
  field("route", record.route);
  field("status", record.status);
  field("started", record.started_us);
  field("opened", record.opened_us);
  field("finished", record.finished_us);
  field("receive", record.receive_us);
  field("parse", record.parse_us);
  field("serialise", record.serialise_us);
  field("total", record.total_us);
}
template <typename ItemType, typename Field>
void VisitItem(ItemType& item, Field&& field) {
  field("code", item.code);
  field("ref", item.by_reference);
  field("bytes", item.bytes);
  field("at", item.at_us);
  field("decoder", item.decoder);
  field("stream", item.stream);
  field("batch", item.batch);
  field("batch_size", item.batch_size);
}
/// Behind those of VisitRequest, where there is one.
inline constexpr const char* kRequestIdKey = "request_id";
inline constexpr const char* kTraceparentKey = "traceparent";
/// Behind these: the list of images.
inline constexpr const char* kItemsKey = "items";
/// Behind those of VisitItem: there when it is true.
inline constexpr const char* kCachedKey = "cached";
/// There for a photo that was read although it is damaged.
inline constexpr const char* kRowsOkKey = "rows_ok";
/// There when it is not empty.
inline constexpr const char* kJpegByKey = "jpeg_by";
inline constexpr const char* kTextKey = "text";

/// Reads a request log. A last line without an end (the server was killed) is left out.
/// Errors: kNotFound; kInvalidRequest naming file and line.
Result<std::vector<Record>> ReadRequestLog(const std::string& path);

}  // namespace photovec::request_log
