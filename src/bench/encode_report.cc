// SPDX-License-Identifier: MIT
#include <string>

#include "base/json/writer.h"
#include "bench/encode.h"
#include "bench/table.h"
#include "engine/machine_report.h"

namespace photovec::bench {
namespace {

constexpr const char* kLegend = R"(
ceiling: oneDNN's bare products of the model (no bias, no post-ops, the encoder's own prepacked weights) in the same
process, precision and threads, in turns with the encoder; whole: the batch at once on oneDNN's threads; dealt: cut as
in the encoder; the better one counts. share: median over rounds of encoder / ceiling, executed FLOPs on both sides; by
CPU time: of the work done in a second of it, for machines that are busy. ms: one batch; floor: its bare products.
peak: fused multiply-adds in registers. CPU: time that the encoder's threads got; below 100% others used the machine.
)";

void WriteRow(json::Writer& json, const BenchEncodeRow& row, int tokens) {
  json.Field("precision", row.precision)
      .Field("streams", row.streams)
      .Field("threads_per_stream", row.threads)
      .Field("batch", row.batch);
  json.Key(tokens > 0 ? "texts_per_s" : "images_per_s").Raw(Significant(row.items_per_s, 4));
  if (tokens > 0) json.Key("tokens_per_s").Raw(Significant(row.items_per_s * tokens, 4));
  json.Key("batch_ms").Raw(Significant(row.batch_ms, 4));
  json.Key("floor_ms").Raw(Significant(row.floor_ms, 4));
  json.Key("gflops").Raw(Significant(row.gflops, 5));
  json.Key("ceiling_gflops").Raw(Significant(row.ceiling_gflops, 5));
  json.Key("ceiling_whole_gflops").Raw(Significant(row.ceiling_whole_gflops, 5));
  json.Key("ceiling_dealt_gflops").Raw(Significant(row.ceiling_dealt_gflops, 5));
  json.Field("share_of_ceiling", row.share_of_ceiling, 4)
      .Field("share_by_cpu_time", row.share_by_cpu_time, 4);
  json.Key("peak_gflops").Raw(Significant(row.peak_gflops, 5));
  json.Field("cpu_share", row.cpu_share, 3).Field("encoder", row.detail);
}

}  // namespace

std::string ToText(const BenchEncodeReport& report) {
  const bool texts = report.tokens > 0;
  Table table({{"precision", 0, "", true},
               {"streams x threads"},
               {"batch"},
               {texts ? "texts/s" : "img/s", 2},
               {"tokens/s", 0},
               {"ms", 2},
               {"floor ms", 2},
               {"GFLOP/s", 1},
               {"ceiling", 1},
               {"whole", 1},
               {"dealt", 1},
               {"peak", 1},
               {"share", 3},
               {"by CPU time", 3},
               {"CPU", 0, "%"}});
  for (const BenchEncodeRow& row : report.rows) {
    table.AddRow({row.precision, std::to_string(row.streams) + " x " + std::to_string(row.threads), row.batch,
                  row.items_per_s, texts ? Table::Cell(row.items_per_s * report.tokens) : Table::Cell(""),
                  row.batch_ms, row.floor_ms, row.gflops, row.ceiling_gflops, row.ceiling_whole_gflops,
                  row.ceiling_dealt_gflops, row.peak_gflops, row.share_of_ceiling, row.share_by_cpu_time,
                  100 * row.cpu_share});
  }
  return report.model + " on " + report.machine.cpu_model + " (" + report.machine.isa + ")\n" +
         Fixed(report.flops_per_item * 1e-9, 2) + " GFLOP " +
         (texts ? "a text of " + std::to_string(report.tokens) + " tokens" : "an image") + ", " +
         Fixed(report.executed_flops_per_item * 1e-9, 2) + " executed\nverified: " + report.verified +
         "\n\n" + table.Text() + kLegend;
}

std::string ToJson(const BenchEncodeReport& report) {
  std::string out;
  json::Writer json(out);
  json.BeginObject().Field("model", report.model);
  if (!report.rows.empty()) WriteRow(json, report.rows.front(), report.tokens);
  const std::string item = report.tokens > 0 ? "text" : "image";
  if (report.tokens > 0) json.Field("tokens", report.tokens);
  json.Field("flops_per_" + item, report.flops_per_item, 0)
      .Field("executed_flops_per_" + item, report.executed_flops_per_item, 0)
      .Field("verified", report.verified);
  engine::WriteMachine(json.Key("machine"), report.machine);
  json.Key("measurements").BeginArray();
  for (const BenchEncodeRow& row : report.rows) {
    json.BeginObject();
    WriteRow(json, row, report.tokens);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return out;
}

}  // namespace photovec::bench
