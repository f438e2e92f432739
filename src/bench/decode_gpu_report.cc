// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>
#include <vector>

#include "bench/decode_gpu.h"
#include "bench/table.h"

namespace photovec::bench {
namespace {

constexpr const char* kLegend = R"(
  CPUs: times the CPU threads alone. CPU ms: of this process, an image.
  submit, decode, resize: ms of a batch. on CPU: images that a CPU decoded after all.
  alloc: how often nvJPEG took memory from the driver once warm.
  PSNR: dB, the worst photo beside the CPU's exact pixels.
)";

void AddRow(Table& table, const GpuDecodeRow& row) {
  if (!row.missing.empty()) return table.AddRow({row.name}, "not measured: " + row.missing);
  std::vector<Table::Cell> cells = {row.name, row.images_per_s, row.times_cpu, row.cpu_ms};
  if (row.batch > 0) {  // not the CPU threads alone
    cells.insert(cells.end(), {row.batch, row.submit_ms, row.decode_ms, row.resize_ms, 100 * row.on_cpu,
                               Table::Cell(row.allocations)});
    if (row.least_psnr_db > 0) cells.emplace_back(row.least_psnr_db);
  }
  table.AddRow(cells);
}

void WriteRow(json::Writer& json, const GpuDecodeRow& row) {
  json.BeginObject().Field("name", row.name).Key("missing");
  if (row.missing.empty()) {
    json.Null();
  } else {
    json.Value(row.missing);
  }
  json.Field("images_per_s", row.images_per_s, 2)
      .Field("times_cpu", row.times_cpu, 4)
      .Field("cpu_ms", row.cpu_ms, 4)
      .Field("batch", row.batch, 2)
      .Field("submit_ms", row.submit_ms, 4)
      .Field("decode_ms", row.decode_ms, 4)
      .Field("resize_ms", row.resize_ms, 4)
      .Field("on_cpu", row.on_cpu, 4)
      .Field("allocations", row.allocations)
      .Field("least_psnr_db", row.least_psnr_db, 2)
      .EndObject();
}

}  // namespace

std::string ToText(const BenchGpuDecode& bench) {
  std::string text = "\n  JPEGs on " + bench.device + ": " + std::to_string(bench.photos) +
                     " plain JPEGs of " + Fixed(bench.megapixels, 2) + " MP and " +
                     Fixed(bench.kilobytes, 0) + " kB on average, medians of " +
                     std::to_string(bench.passes) + " passes";
  if (bench.left_out > 0) text += "; " + std::to_string(bench.left_out) + " other photos left out";
  text += "\n";
  for (const std::string& lanes : bench.lanes) text += "  " + lanes + "\n";
  Table table({{"decoded by", 0, "", true},
               {"img/s", 1},
               {"CPUs", 2, "x"},
               {"CPU ms", 2},
               {"batch", 1},
               {"submit", 2},
               {"decode", 2},
               {"resize", 2},
               {"on CPU", 1, "%"},
               {"alloc"},
               {"PSNR", 1}},
              2);
  for (const GpuDecodeRow& row : bench.rows) AddRow(table, row);
  const auto best = std::max_element(
      bench.rows.begin(), bench.rows.end(),
      [](const GpuDecodeRow& a, const GpuDecodeRow& b) { return a.images_per_s < b.images_per_s; });
  return text + "\n" + table.Text() + kLegend + "  fastest: " + best->name + "\n";
}

void WriteJson(json::Writer& json, const BenchGpuDecode& bench) {
  json.BeginObject()
      .Field("device", bench.device)
      .Field("photos", bench.photos)
      .Field("left_out", bench.left_out)
      .Field("kilobytes", bench.kilobytes, 1)
      .Field("megapixels", bench.megapixels, 3)
      .Field("passes", bench.passes)
      .Key("lanes")
      .BeginArray();
  for (const std::string& lanes : bench.lanes) json.Value(lanes);
  json.EndArray().Key("rows").BeginArray();
  for (const GpuDecodeRow& row : bench.rows) WriteRow(json, row);
  json.EndArray().EndObject();
}

}  // namespace photovec::bench
