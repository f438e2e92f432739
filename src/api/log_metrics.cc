// SPDX-License-Identifier: MIT
#include "api/log_metrics.h"

#include <string>
#include <utility>

#include "base/log.h"
#include "metrics/names.h"

namespace photovec::api {
namespace {

metrics::Counter* Dropped(metrics::Registry& registry, std::string_view log, std::string_view reason) {
  return registry.GetCounter(
      metrics::name::kLogLinesDropped, "Lines that a log lost",
      {{metrics::label::kLog, std::string(log)}, {metrics::label::kReason, std::string(reason)}});
}

struct FileCounters {
  std::function<LostLines()> lost;
  metrics::Counter* full;
  metrics::Counter* failed;
};

}  // namespace

LogMetrics::LogMetrics(metrics::Registry& registry, std::vector<Source> sources) : registry_(registry) {
  std::vector<FileCounters> files;
  sources.push_back({"stderr", [] {
                       const log::Stats stats = log::GetStats();
                       return LostLines{stats.dropped_full, stats.dropped_failed};
                     }});
  for (Source& source : sources) {
    files.push_back({std::move(source.lost), Dropped(registry, source.log, "full"),
                     Dropped(registry, source.log, "failed")});
  }
  metrics::Counter* const suppressed = Dropped(registry, "stderr", "suppressed");
  sampler_ = registry.AddSampler([files = std::move(files), suppressed] {
    for (const FileCounters& file : files) {
      const LostLines lost = file.lost();
      file.full->RaiseTo(static_cast<double>(lost.full));
      file.failed->RaiseTo(static_cast<double>(lost.failed));
    }
    suppressed->RaiseTo(static_cast<double>(log::GetStats().suppressed));
  });
}

}  // namespace photovec::api
