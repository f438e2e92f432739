// SPDX-License-Identifier: MIT
#include "experiment/analyse/findings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "experiment/report/format.h"

namespace photovec::experiment {
namespace {

using Kind = Finding::Kind;

double PartMs(const VariantFacts& facts, std::string_view name) {
  for (const PathMean& part : facts.path) {
    if (part.name == name) return part.ms;
  }
  return 0;
}

// One candidate: the stages that do its work, and where images wait for it.
struct Candidate {
  Wall wall;
  std::array<std::string_view, 6> work;
};
constexpr std::array<Candidate, 6> kCandidates = {{
    {Wall::kStore, {"fetch"}},
    {Wall::kDecoders, {"decode", "preprocess"}},
    {Wall::kEncoder, {"encode", "embed"}},
    {Wall::kServer, {"receive", "parse", "open", "collect", "hand_over", "serialise"}},
    {Wall::kLoadDecode, {"load_decode"}},
    {Wall::kPreprocess, {"preprocess"}},
}};

// What images wait for in a stage that waits. Queues fill backwards: an image waits for a decoder also when
// all slots are with the encoder, and for a download slot also when those who hold one wait to be decoded. So
// a wait counts to what is full behind it; with the CPU full nothing is gained by having more photos here.
struct WaitTarget {
  std::string_view stage;
  Wall wall;
};
std::array<WaitTarget, 4> WaitTargets(const VariantFacts& facts) {
  const bool cpu_full = facts.machine_cpu >= kFull;
  const bool encoder_full =
      facts.streams_busy > facts.decoders_busy && (cpu_full || facts.streams_busy >= kFull);
  const Wall behind = encoder_full ? Wall::kEncoder : Wall::kDecoders;
  const bool store_holds = facts.loading_share >= 0.5 && !cpu_full;
  return {{{"admit_wait", store_holds ? Wall::kStore : behind},
           {"decode_wait", behind},
           {"batch_wait", Wall::kEncoder},
           {"pool_wait", Wall::kEncoder}}};
}

const Cell& CellOf(const std::vector<TableRow>& rows, std::string_view key, size_t variant) {
  static const Cell kEmpty;
  const TableRow* row = FindRow(rows, key);
  return row != nullptr && variant < row->cells.size() ? row->cells[variant] : kEmpty;
}

bool IsFull(const Analysis& analysis, std::string_view key, size_t variant) {
  const Cell& cell = CellOf(analysis.usage, key, variant);
  return cell.samples > 0 && cell.value >= kFull;
}

bool Measured(const Analysis& analysis, size_t variant) {
  return CellOf(analysis.stages[kP95], "http_total", variant).samples > 0 ||
         CellOf(analysis.stages[kP95], "client_total", variant).samples > 0;
}

// The row by which variants are ranked: the server's own total, or the clients' when its log has none.
std::string_view RankingRow(const Analysis& analysis) {
  const TableRow* row = FindRow(analysis.stages[kP95], "http_total");
  return row != nullptr && HasFigures(*row) ? "http_total" : "client_total";
}

// The variant with the lowest total among those that are faster than the first for sure; else the first.
// -1: nothing was measured.
int BestVariant(const Analysis& analysis) {
  const TableRow* row = FindRow(analysis.stages[kP95], RankingRow(analysis));
  if (row == nullptr || !HasFigures(*row)) return -1;
  if (row->cells[0].samples == 0) {
    int best = -1;
    for (size_t v = 0; v < row->cells.size(); ++v) {
      const bool better = row->cells[v].samples > 0 &&
                          (best < 0 || row->cells[v].value < row->cells[static_cast<size_t>(best)].value);
      if (better) best = static_cast<int>(v);
    }
    return best;
  }
  size_t best = 0;
  for (size_t v = 1; v < row->cells.size(); ++v) {
    const Cell& cell = row->cells[v];
    const bool sure = cell.change && cell.change->verdict == Verdict::kLower;
    if (sure && cell.value < row->cells[best].value) best = v;
  }
  return static_cast<int>(best);
}

class Writer {
 public:
  Writer(const ExperimentData& data, const Analysis& analysis) : data_(data), analysis_(analysis) {}

  std::vector<Finding> Write() {
    Headline();
    for (size_t v = 0; v < analysis_.variants.size(); ++v) WriteWall(v);
    if (const int best = BestVariant(analysis_); best >= 0) NextStep(static_cast<size_t>(best));
    for (size_t v = 0; v < analysis_.variants.size(); ++v) WriteFullness(v);
    for (size_t v = 1; v < analysis_.variants.size(); ++v) WriteChanges(v);
    for (size_t v = 0; v < analysis_.variants.size(); ++v) WriteTroubles(v);
    if (data_.interrupted) Add("interrupted", Kind::kWarning, -1, {});
    const bool one = std::any_of(analysis_.facts.begin(), analysis_.facts.end(),
                                 [](const VariantFacts& facts) { return facts.whole_runs == 1; });
    if (one) Add("one_repetition", Kind::kInfo, -1, {});
    return std::move(findings_);
  }

 private:
  void Add(std::string key, Kind kind, int variant, std::vector<std::string> values) {
    findings_.push_back({std::move(key), kind, variant, std::move(values)});
  }
  std::string Name(size_t v) const { return analysis_.variants[v]; }

  void Headline() {
    const int best = BestVariant(analysis_);
    if (best < 0) {
      Add("headline_none", Kind::kBad, -1, {});
      return;
    }
    const auto v = static_cast<size_t>(best);
    const std::string_view row = RankingRow(analysis_);
    const Cell& total = CellOf(analysis_.stages[kP95], row, v);
    const std::string rate = FormatNumber(CellOf(analysis_.rates, "images_per_s", v).value);
    const std::string p95 = FormatNumber(total.value);
    if (v > 0 && total.change && total.change->interval) {
      Add("headline_better", Kind::kGood, best,
          {Name(v), p95, FormatRate(total.change->rate), Name(0), FormatInterval(*total.change->interval),
           rate});
      return;
    }
    size_t slower = 0;
    size_t others = 0;
    for (size_t i = 1; i < analysis_.variants.size(); ++i) {
      const Cell& cell = CellOf(analysis_.stages[kP95], row, i);
      if (cell.samples == 0) continue;
      ++others;
      if (cell.change && cell.change->verdict == Verdict::kHigher) ++slower;
    }
    if (others == 0) {
      Add("headline_single", Kind::kInfo, best, {Name(v), p95, rate});
    } else {
      Add(slower == others ? "headline_first" : "headline_same", Kind::kInfo, best, {Name(v), p95, rate});
    }
  }

  void WriteWall(size_t v) {
    const WallShare wall = FindWall(analysis_.facts[v]);
    const std::vector<std::string> values = {Name(v),
                                             FormatPercent(wall.share),
                                             FormatNumber(analysis_.facts[v].path_total_ms),
                                             FormatNumber(wall.ms),
                                             FormatNumber(wall.wait_ms),
                                             "$row_" + std::string(wall.stage)};
    const auto variant = static_cast<int>(v);
    switch (wall.wall) {
      case Wall::kNone:
        return;
      case Wall::kStore:
        return Add("wall_store", Kind::kInfo, variant, values);
      case Wall::kDecoders:
        return Add(wall.stage == "preprocess" ? "wall_preprocess" : "wall_decode", Kind::kInfo, variant,
                   values);
      case Wall::kEncoder:
        return Add(wall.stage == "embed" ? "wall_embed" : "wall_encoder", Kind::kInfo, variant, values);
      case Wall::kServer:
        return Add("wall_server", Kind::kInfo, variant, values);
      case Wall::kPreprocess:
        return Add("wall_preprocess_request", Kind::kInfo, variant, values);
      case Wall::kLoadDecode:
        return WriteLoadDecodeWall(v, values);
    }
  }

  // Its parts overlap within a request, so p50 per image says which of them is the slow one.
  void WriteLoadDecodeWall(size_t v, std::vector<std::string> values) {
    values.resize(4);
    for (const std::string_view key : {"fetch", "decode_wait", "decode"}) {
      values.push_back(FormatCell(CellOf(analysis_.stages[0], key, v), Unit::kMilliseconds));
    }
    Add("wall_load_decode", Kind::kInfo, static_cast<int>(v), std::move(values));
  }

  void NextStep(size_t v) {
    const bool cpu_full = IsFull(analysis_, "cpu", v);
    const bool gpu_full = IsFull(analysis_, "gpu", v);
    const bool gpu = CellOf(analysis_.usage, "gpu", v).samples > 0;
    const Cell& streams = CellOf(analysis_.usage, "streams", v);
    const auto add = [&](std::string key, std::vector<std::string> values) {
      values.insert(values.begin(), Name(v));
      Add("next_" + std::move(key), Kind::kInfo, static_cast<int>(v), std::move(values));
    };
    switch (FindWall(analysis_.facts[v]).wall) {
      case Wall::kNone:
        return;
      case Wall::kEncoder:
        if (gpu && gpu_full) return add("encoder_gpu_full", {});
        if (IsFull(analysis_, "streams", v)) {
          return add(cpu_full ? "encoder_full" : "encoder_streams_full", {FormatPercent(streams.value)});
        }
        return add("encoder_room", {});
      case Wall::kStore:
        return add("store", {});
      case Wall::kDecoders:
        return add(cpu_full ? "decoders_cpu_full" : "decoders", {});
      case Wall::kPreprocess:
        return add("preprocess_request", {});
      case Wall::kServer:
        return add("server", {});
      case Wall::kLoadDecode:
        return add("load_decode", {});
    }
  }

  // One sentence a variant: what is full, and what has room.
  void WriteFullness(size_t v) {
    const std::string words = "$$";  // text.h: {key} is a word there
    std::string full = words;
    std::string room = words;
    for (const std::string_view key : {"cpu", "gpu", "streams"}) {
      const Cell& cell = CellOf(analysis_.usage, key, v);
      if (cell.samples == 0) continue;
      std::string& list = cell.value >= kFull ? full : room;
      if (list != words) list += ", ";
      list += "{row_" + std::string(key) + "} " + FormatPercent(cell.value);
    }
    const auto variant = static_cast<int>(v);
    if (full != words && room != words) {
      Add("use_mixed", Kind::kInfo, variant, {Name(v), full, room});
    } else if (full != words) {
      Add("use_full", Kind::kInfo, variant, {Name(v), full});
    } else if (room != words) {
      Add("use_room", Kind::kInfo, variant, {Name(v), room});
    }
  }

  // What differs from the first variant for sure, and what was not shown to.
  void WriteChanges(size_t v) {
    if (!Measured(analysis_, v) || !Measured(analysis_, 0)) return;
    const std::string words = "$$";  // text.h: {key} is a word there
    std::string differs = words;
    std::string same = words;
    std::vector<const TableRow*> rows = MainTable(analysis_);
    rows.push_back(FindRow(analysis_.rates, "images_per_s"));
    for (const TableRow* row : rows) {
      const Cell& cell = row->cells[v];
      if (!cell.change || !cell.change->interval) continue;
      const bool equal = cell.change->verdict == Verdict::kSame;
      std::string& list = equal ? same : differs;
      if (list != words) list += ", ";
      list += "{row_" + std::string(row->key) + "}";
      if (!equal) list += " " + FormatRate(cell.change->rate);
    }
    const auto variant = static_cast<int>(v);
    if (differs != words) Add("differs", Kind::kInfo, variant, {Name(v), Name(0), differs});
    if (same != words) Add("same", Kind::kInfo, variant, {Name(v), Name(0), same});
  }

  void WriteTroubles(size_t v) {
    const VariantFacts& facts = analysis_.facts[v];
    const auto variant = static_cast<int>(v);
    for (const Run& run : data_.variants[v].runs) {
      if (run.failure.empty()) continue;
      Add("run_failed", Kind::kBad, variant, {Name(v), std::to_string(run.repetition + 1), run.failure});
    }
    if (facts.whole_runs == 0) {
      Add("no_run", Kind::kBad, variant, {Name(v)});
      return;
    }
    if (facts.failed_images > 0 || facts.failed_requests > 0) {
      Add("failures", Kind::kBad, variant,
          {Name(v), FormatCount(facts.failed_requests), FormatCount(facts.requests),
           FormatCount(facts.failed_images), FormatCount(facts.images)});
    }
    if (facts.load_share > kGeneratorHeavy) {
      Add("generator_heavy", Kind::kWarning, variant,
          {Name(v), FormatPercent(facts.load_share), FormatPercent(kGeneratorHeavy)});
    }
    if (facts.spread > kNoisy) {
      Add("noisy", Kind::kWarning, variant, {Name(v), FormatPercent(facts.spread)});
    }
    if (facts.path_total_ms > 0 && facts.accounted < kAccounted) {
      Add("unaccounted", Kind::kWarning, variant,
          {Name(v), FormatPercent(facts.accounted), FormatPercent(kAccounted)});
    }
    if (facts.loop_lag.p99_ms > kLoopLagMs) {
      Add("loop_lag", Kind::kWarning, variant, {Name(v), FormatNumber(facts.loop_lag.p99_ms)});
    }
    if (facts.requests > 0 && facts.requests < kMinGroups) {
      Add("few", Kind::kWarning, variant, {Name(v), std::to_string(facts.requests)});
    }
  }

  const ExperimentData& data_;
  const Analysis& analysis_;
  std::vector<Finding> findings_;
};

}  // namespace

WallShare FindWall(const VariantFacts& facts) {
  WallShare best;
  if (facts.path_total_ms <= 0) return best;
  const auto targets = WaitTargets(facts);
  // Where decode workers exist they preprocess too; elsewhere preprocessing is a step of its own.
  const bool workers = PartMs(facts, "decode") > 0 || PartMs(facts, "decode_wait") > 0;
  for (const Candidate& candidate : kCandidates) {
    if (candidate.wall == (workers ? Wall::kPreprocess : Wall::kDecoders)) continue;
    WallShare share;
    share.wall = candidate.wall;
    for (const WaitTarget& target : targets) {
      if (target.wall == candidate.wall) share.wait_ms += PartMs(facts, target.stage);
    }
    share.ms = share.wait_ms;
    double longest = -1;
    for (const std::string_view stage : candidate.work) {
      if (stage.empty()) break;
      const double ms = PartMs(facts, stage);
      share.ms += ms;
      if (ms > longest) {
        longest = ms;
        share.stage = stage;
      }
    }
    share.share = share.ms / facts.path_total_ms;
    if (share.ms > best.ms) best = share;
  }
  return best;
}

std::vector<Finding> MakeFindings(const ExperimentData& data, const Analysis& analysis) {
  return Writer(data, analysis).Write();
}

}  // namespace photovec::experiment
