// SPDX-License-Identifier: MIT
#include "api/request_record.h"

#include <cstddef>
#include <cstdint>

namespace photovec::api {
namespace {

int64_t Relative(TimePoint started, TimePoint at) {
  return at == TimePoint{} ? -1 : MonotonicMicros(at) - MonotonicMicros(started);
}

request_log::ItemRecord ToItemRecord(const pipeline::ItemResult& item, TimePoint started) {
  request_log::ItemRecord record;
  record.code = item.status.name();
  record.kind = item.times.kind();
  record.by_reference = item.trail.by_reference;
  record.bytes = static_cast<int64_t>(item.trail.bytes);
  for (int i = 0; i < kBorderCount; ++i) {
    record.at_us[static_cast<size_t>(i)] = Relative(started, item.times.At(static_cast<Border>(i)));
  }
  record.decoder = item.trail.decoder;
  record.stream = item.trail.stream;
  record.batch = item.trail.batch;
  record.batch_size = item.trail.batch_size;
  record.cached = item.trail.cached;
  record.rows_ok = item.rows_ok;
  if (item.trail.jpeg_by != decode::JpegBy::kNobody) record.jpeg_by = NameOf(item.trail.jpeg_by);
  return record;
}

}  // namespace

request_log::Record ToRecord(const FinishedRequest& request) {
  const RequestTiming& timing = request.timing;
  request_log::Record record;
  record.model = request.model;
  record.route = request.route;
  record.status = request.status;
  record.request_id = request.request_id;
  record.traceparent = request.traceparent;
  record.started_us = MonotonicMicros(timing.started());
  record.opened_us = Relative(timing.started(), request.opened);
  record.receive_us = timing.Micros(HttpStage::kReceive);
  record.parse_us = timing.Micros(HttpStage::kParse);
  record.serialise_us = timing.Micros(HttpStage::kSerialise);
  record.total_us = timing.Micros(HttpStage::kTotal);
  if (request.result == nullptr) return record;
  record.finished_us = Relative(timing.started(), request.result->finished);
  record.items.reserve(request.result->items.size());
  for (const pipeline::ItemResult& item : request.result->items) {
    record.items.push_back(ToItemRecord(item, timing.started()));
  }
  return record;
}

}  // namespace photovec::api
