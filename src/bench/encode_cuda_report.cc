// SPDX-License-Identifier: MIT
#include <string>

#include "base/json/writer.h"
#include "bench/encode_cuda.h"
#include "bench/table.h"

namespace photovec::bench {
namespace {

constexpr const char* kLegend = R"(
Each stream has two batches in flight. ceiling: cuBLASLt's bare products of this batch size, one after the other in one
CUDA graph, same process and plans; share: executed FLOPs over it. busy: the union of all batches' compute on the device
(CUDA events) over wall time. device: median compute of one batch. loaded and alone: from Submit to the end of Wait,
under this load and with nothing else running.
)";

void WriteRow(json::Writer& json, const BenchCudaRow& row) {
  const auto number = [&](const char* key, double value) { json.Key(key).Raw(Significant(value, 5)); };
  json.BeginObject()
      .Field("precision", row.precision)
      .Field("input", row.input)
      .Field("batch", row.batch)
      .Field("streams", row.streams);
  number("images_per_s", row.images_per_s);
  number("tflops", row.tflops);
  number("ceiling_tflops", row.ceiling_tflops);
  json.Field("share_of_ceiling", row.share_of_ceiling, 4).Field("busy", row.busy, 4);
  number("device_us", row.device_us);
  number("loaded_p50_us", row.loaded_p50_us);
  number("loaded_p95_us", row.loaded_p95_us);
  number("alone_p50_us", row.alone_p50_us);
  number("alone_p95_us", row.alone_p95_us);
  json.EndObject();
}

}  // namespace

std::string ToText(const BenchCudaReport& report) {
  Table table({{"precision", 0, "", true},
               {"input", 0, "", true},
               {"batch"},
               {"streams"},
               {"img/s"},
               {"TFLOP/s", 1},
               {"ceiling", 1},
               {"share", 3},
               {"busy", 0, "%"},
               {"device us"},
               {"loaded us p50"},
               {"p95"},
               {"alone us p50"},
               {"p95"}});
  for (const BenchCudaRow& row : report.rows) {
    table.AddRow({row.precision, row.input, row.batch, row.streams, row.images_per_s, row.tflops,
                  row.ceiling_tflops, row.share_of_ceiling, 100 * row.busy, row.device_us, row.loaded_p50_us,
                  row.loaded_p95_us, row.alone_p50_us, row.alone_p95_us});
  }
  return report.model + " on " + report.device.name + " (" + report.device.runtime + ")\n" +
         Fixed(report.flops_per_image * 1e-9, 2) + " GFLOP an image, " +
         Fixed(report.executed_flops_per_image * 1e-9, 2) + " executed; one 8192-cube product reaches " +
         Fixed(report.cube_tflops, 0) + " TFLOP/s\npredicted: from batches of " +
         std::to_string(report.predicted_batch) + " on (B*) one stream fills the GPU's " +
         std::to_string(report.device.multiprocessors) + " multiprocessors\nverified: " + report.verified +
         "\n\n" + table.Text() + kLegend;
}

std::string ToJson(const BenchCudaReport& report) {
  std::string out;
  json::Writer json(out);
  json.BeginObject()
      .Field("model", report.model)
      .Field("device", report.device.name)
      .Field("runtime", report.device.runtime)
      .Field("compute_capability",
             std::to_string(report.device.major) + "." + std::to_string(report.device.minor))
      .Field("multiprocessors", report.device.multiprocessors)
      .Field("memory_bytes", report.device.memory_bytes)
      .Field("flops_per_image", report.flops_per_image, 0)
      .Field("executed_flops_per_image", report.executed_flops_per_image, 0)
      .Field("predicted_batch", report.predicted_batch);
  json.Key("cube_tflops").Raw(Significant(report.cube_tflops, 5));
  json.Field("verified", report.verified).Key("measurements").BeginArray();
  for (const BenchCudaRow& row : report.rows) WriteRow(json, row);
  json.EndArray().EndObject();
  return out;
}

}  // namespace photovec::bench
