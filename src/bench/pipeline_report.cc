// SPDX-License-Identifier: MIT
#include <string>

#include "base/json/writer.h"
#include "bench/decode.h"
#include "bench/pipeline.h"
#include "bench/table.h"
#include "engine/machine_report.h"

namespace photovec::bench {
namespace {

std::string Percent(double share) { return Fixed(share * 100, 1) + "%"; }

std::string Kinds(const BenchPipelineReport& report) {
  Table table({{"kind", 0, "", true}, {"img/s", 1}, {"CPU ms", 2}}, 2);
  table.AddRow({"decode alone", report.decode.rate, report.decode.cpu_ms});
  table.AddRow({"encode alone", report.encode.rate, report.encode.cpu_ms});
  table.AddRow({"bound", report.bound, report.decode.cpu_ms + report.encode.cpu_ms},
               report.shared_cpus ? "1/(1/decode + 1/encode): both use the same CPUs"
                                  : "the slower of the two: they run side by side");
  table.AddRow(
      {"end to end", report.pipeline.rate, report.pipeline.cpu_ms},
      Percent(report.share) + " of the bound (target 90%); by CPU time " + Percent(report.cpu_share));
  if (report.options.http) {
    table.AddRow({"through HTTP", report.http.rate, report.http.cpu_ms},
                 Percent(report.http_cost) + " less; by CPU time " + Percent(report.http_cpu_cost) +
                     ", without the client's own " + Fixed(report.client_cpu_ms, 2) + " ms (target 4%)");
  }
  return table.Text();
}

void WriteHttp(json::Writer& json, const BenchPipelineReport& report) {
  json.Key("http")
      .BeginObject()
      .Field("images_per_s", report.http.rate, 3)
      .Field("cost", report.http_cost, 4)
      .Field("cost_by_cpu_time", report.http_cpu_cost, 4)
      .Field("cpu_ms_per_image", report.http.cpu_ms, 4)
      .Field("client_cpu_ms_per_image", report.client_cpu_ms, 4)
      .EndObject();
}

void WriteFigures(json::Writer& json, const BenchPipelineReport& report) {
  const double gflop = report.model.encoder.executed_flops_per_image / 1e9;
  json.Field("images_per_s", report.pipeline.rate, 3)
      .Field("decode_images_per_s", report.decode.rate, 3)
      .Field("encode_images_per_s", report.encode.rate, 3)
      .Field("bound_images_per_s", report.bound, 3)
      .Field("share_of_bound", report.share, 4)
      .Field("share_of_ceiling", report.share, 4)
      .Field("gflops", report.pipeline.rate * gflop, 3)
      .Field("ceiling_gflops", report.bound * gflop, 3)
      .Field("cpus_busy", report.busy, 4)
      .Key("cpu_ms_per_image")
      .BeginObject()
      .Field("decode", report.decode.cpu_ms, 4)
      .Field("encode", report.encode.cpu_ms, 4)
      .Field("pipeline", report.pipeline.cpu_ms, 4)
      .EndObject()
      .Field("share_of_bound_by_cpu_time", report.cpu_share, 4);
}

}  // namespace

std::string ToText(const BenchPipelineReport& report) {
  const BenchPipelineOptions& options = report.options;
  std::string text = "\n" + report.model.name + ", " + report.model.encoder.precision + ", " +
                     std::to_string(report.model.streams) + " streams, batches of up to " +
                     std::to_string(report.model.encoder.max_batch) + ", " + std::to_string(report.decoders) +
                     " decoders; " + std::to_string(report.photos.photos.size()) + " photos of " +
                     Fixed(report.photos.mean_megapixels, 2) + " MP and " +
                     Fixed(report.photos.mean_bytes / 1e3, 0) + " KB";
  if (report.photos.refused > 0) text += " (" + std::to_string(report.photos.refused) + " files refused)";
  text += "\nmedians of " + std::to_string(options.passes) + " passes:\n" + Kinds(report);
  if (report.busy < 0.9) {
    text +=
        "note: this process had " + Fixed(report.busy * 100, 0) +
        "% of the CPUs' time end to end; if other programs took the rest, trust the figures by CPU time\n";
  }
  return text + "\nstages of the last end-to-end pass (" + std::to_string(options.clients) + " requests of " +
         std::to_string(options.images_per_request) + " images at a time):\n" + report.stages.Table();
}

std::string ToJson(const BenchPipelineReport& report) {
  const BenchPipelineOptions& options = report.options;
  std::string out;
  json::Writer json(out);
  json.BeginObject()
      .Field("benchmark", "pipeline")
      .Field("model", report.model.name)
      .Field("fingerprint", report.model.fingerprint)
      .Field("precision", report.model.encoder.precision)
      .Field("batch", report.model.encoder.max_batch)
      .Field("streams", report.model.streams)
      .Field("threads_per_stream", report.threads_per_stream)
      .Field("decoders", report.decoders)
      .Field("jpeg_scaling", NameOf(options.decode.jpeg_scaling))
      .Field("color", NameOf(options.decode.color));
  WriteFigures(json, report);
  if (options.http) WriteHttp(json, report);
  json.Key("photos")
      .BeginObject()
      .Field("count", report.photos.photos.size())
      .Field("mean_megapixels", report.photos.mean_megapixels, 3)
      .Field("mean_bytes", report.photos.mean_bytes, 0)
      .EndObject()
      .Field("lanes", options.clients)
      .Field("images_per_request", options.images_per_request)
      .Field("passes", options.passes)
      .Field("seconds", options.seconds, 3);
  json.Key("stages").Raw(report.stages.Json());
  engine::WriteMachine(json.Key("machine"), report.machine);
  json.EndObject();
  return out;
}

}  // namespace photovec::bench
