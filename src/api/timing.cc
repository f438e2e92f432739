// SPDX-License-Identifier: MIT
#include "api/timing.h"

#include <algorithm>
#include <charconv>

namespace photovec::api {
namespace {

void AppendEntry(std::string& out, std::string_view name, int64_t us) {
  if (!out.empty()) out += ", ";
  out += name;
  out += ";dur=";
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(),
                                          static_cast<double>(us) / 1000.0, std::chars_format::fixed, 3);
  out.append(text.data(), end);
}

}  // namespace

std::string_view RequestStageName(RequestStage stage) {
  constexpr std::array<std::string_view, kRequestStageCount> kNames = {"receive", "parse", "serialise",
                                                                       "http_total"};
  return kNames[static_cast<size_t>(stage)];
}

std::string ServerTiming(const RequestTiming& timing, const pipeline::RequestResult& result) {
  std::string out;
  out.reserve(320);
  const auto own = [&](RequestStage stage) {
    AppendEntry(out, RequestStageName(stage), timing.Micros(stage));
  };
  own(RequestStage::kReceive);
  own(RequestStage::kParse);
  for (int i = 0; i < kStageCount; ++i) {
    const auto stage = static_cast<Stage>(i);
    int64_t slowest = -1;
    for (const pipeline::ItemResult& item : result.items) {
      slowest = std::max(slowest, item.times.Micros(stage));
    }
    if (slowest >= 0) AppendEntry(out, StageName(stage), slowest);
  }
  own(RequestStage::kSerialise);
  own(RequestStage::kTotal);
  return out;
}

}  // namespace photovec::api
