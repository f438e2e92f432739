// SPDX-License-Identifier: MIT
#include "experiment/analyse/critical_path.h"

#include <algorithm>

namespace photovec::experiment {
namespace {

// Walks along the time of one request and gives each piece of it to a part.
class Walk {
 public:
  explicit Walk(int64_t total_us) : total_us_(total_us) {}

  int64_t at() const { return at_; }
  // The part takes everything from here until `until_us`; what lies behind us or beyond the end is clipped.
  void Until(std::string_view name, int64_t until_us) {
    const int64_t end = std::min(until_us, total_us_);
    if (end <= at_) return;
    Add(name, end - at_);
    at_ = end;
  }
  void For(std::string_view name, int64_t us) { Until(name, at_ + us); }
  std::vector<PathPart> Finish() {
    Until(kOtherPart, total_us_);
    parts_.push_back({kOtherPart, other_us_});
    return std::move(parts_);
  }

 private:
  void Add(std::string_view name, int64_t us) {
    if (name == kOtherPart) {
      other_us_ += us;
      return;
    }
    const auto same =
        std::find_if(parts_.begin(), parts_.end(), [&](const PathPart& part) { return part.name == name; });
    if (same != parts_.end()) {
      same->us += us;
    } else {
      parts_.push_back({name, us});
    }
  }

  const int64_t total_us_;
  int64_t at_ = 0;
  int64_t other_us_ = 0;
  std::vector<PathPart> parts_;
};

// The image that the request waited for; null when none was collected.
const request_log::ItemRecord* LastCollected(const request_log::Record& record) {
  const request_log::ItemRecord* last = nullptr;
  for (const request_log::ItemRecord& item : record.items) {
    const int64_t collected = item.At(Border::kCollected);
    if (collected >= 0 && (last == nullptr || collected > last->At(Border::kCollected))) last = &item;
  }
  return last;
}

}  // namespace

std::vector<PathPart> CriticalPath(const request_log::Record& record) {
  if (record.total_us < 0) return {};
  Walk walk(record.total_us);
  const int64_t serialise_us = std::max<int64_t>(0, record.serialise_us);
  if (record.MeasuredBySteps()) {
    walk.For("receive", record.receive_us);
    walk.For("parse", record.parse_us);
    walk.For("load_decode", record.load_decode_us);
    walk.For("pool_wait", record.pool_wait_us);
    walk.For("preprocess", record.preprocess_us);
    walk.For("embed", record.embed_us);
    walk.For("serialise", serialise_us);
    return walk.Finish();
  }
  const int64_t reply_us = record.total_us - serialise_us;
  const request_log::ItemRecord* item = LastCollected(record);
  const int64_t admitted_us = item != nullptr ? std::max<int64_t>(0, item->At(Border::kAdmitted)) : reply_us;
  walk.Until("receive", std::min(record.receive_us, admitted_us));
  walk.Until("parse", std::min(walk.at() + record.parse_us, admitted_us));
  if (item != nullptr) {
    walk.Until(kOtherPart, record.opened_us >= 0 ? std::min(record.opened_us, admitted_us) : admitted_us);
    walk.Until(kOpenPart, admitted_us);
    for (const request_log::StageSpan& span : item->Spans()) walk.Until(StageName(span.stage), span.end_us);
  }
  walk.Until("receive", std::min(record.receive_us, reply_us));
  walk.Until(item != nullptr ? kHandOverPart : kOtherPart, reply_us);
  walk.Until("serialise", record.total_us);
  return walk.Finish();
}

}  // namespace photovec::experiment
