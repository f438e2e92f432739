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

std::string_view HttpStageName(HttpStage stage) {
  constexpr std::array<std::string_view, kHttpStageCount> kNames = {"receive", "parse", "serialise",
                                                                    "http_total"};
  return kNames[static_cast<size_t>(stage)];
}

std::string ServerTiming(const RequestTiming& timing, const pipeline::RequestResult& result) {
  std::string out;
  out.reserve(320);
  const auto own = [&](HttpStage stage) { AppendEntry(out, HttpStageName(stage), timing.Micros(stage)); };
  own(HttpStage::kReceive);
  own(HttpStage::kParse);
  for (int i = 0; i < kStageCount; ++i) {
    const auto stage = static_cast<Stage>(i);
    int64_t slowest = -1;
    for (const pipeline::ItemResult& item : result.items) {
      slowest = std::max(slowest, item.times.Micros(stage));
    }
    if (slowest >= 0) AppendEntry(out, StageName(stage), slowest);
  }
  own(HttpStage::kSerialise);
  own(HttpStage::kTotal);
  return out;
}

}  // namespace photovec::api
