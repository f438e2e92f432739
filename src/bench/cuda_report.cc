// SPDX-License-Identifier: MIT
#include <cstdio>

#include "base/json_text.h"
#include "bench/cuda.h"

namespace photovec::bench {

std::string ToText(const BenchCudaReport& report) {
  char line[256];
  std::string text = report.model + " on " + report.device.name + " (" + report.device.runtime + ")\n";
  std::snprintf(line, sizeof(line),
                "%.2f GFLOP an image, %.2f executed; one 8192-cube product reaches %.0f TFLOP/s\n",
                report.flops_per_image * 1e-9, report.executed_flops_per_image * 1e-9, report.cube_tflops);
  text += line;
  std::snprintf(line, sizeof(line),
                "predicted: from batches of %d on (B*) one stream fills the GPU's %d multiprocessors\n",
                report.predicted_batch, report.device.multiprocessors);
  text += line;
  text += "verified: " + report.verified + "\n\n";
  text +=
      "precision  input     batch  streams     img/s  TFLOP/s  ceiling  share   busy  device us   under load "
      "us p50 / "
      "p95      alone us p50 / p95\n";
  for (const BenchCudaRow& row : report.rows) {
    std::snprintf(
        line, sizeof(line),
        "%-9s  %-8s  %5d  %7d  %8.0f  %7.1f  %7.1f  %5.3f  %4.0f%%  %9.0f  %13.0f / %-10.0f %9.0f / %-9.0f\n",
        row.precision.c_str(), row.input.c_str(), row.batch, row.streams, row.images_per_s, row.tflops,
        row.ceiling_tflops, row.share_of_ceiling, 100 * row.busy, row.device_us, row.loaded_p50_us,
        row.loaded_p95_us, row.alone_p50_us, row.alone_p95_us);
    text += line;
  }
  text +=
      "\nEach stream has two batches in flight. ceiling: cuBLASLt's bare products of this batch size, one "
      "after the "
      "other in one\nCUDA graph, same process and plans; share: executed FLOPs over it. busy: the union of "
      "all batches' "
      "compute on the device\n(CUDA events) over wall time. device: median compute of one batch. under load "
      "and alone: "
      "from Submit to the end of Wait,\nalone with nothing else running.\n";
  return text;
}

std::string ToJson(const BenchCudaReport& report) {
  char text[640];
  std::snprintf(text, sizeof(text),
                "\"compute_capability\":\"%d.%d\",\"multiprocessors\":%d,\"memory_bytes\":%llu,\"flops_per_"
                "image\":%.0f,"
                "\"executed_flops_per_image\":%.0f,\"predicted_batch\":%d,\"cube_tflops\":%.5g",
                report.device.major, report.device.minor, report.device.multiprocessors,
                static_cast<unsigned long long>(report.device.memory_bytes), report.flops_per_image,
                report.executed_flops_per_image, report.predicted_batch, report.cube_tflops);
  std::string json = "{\"model\":" + JsonString(report.model) +
                     ",\"device\":" + JsonString(report.device.name) +
                     ",\"runtime\":" + JsonString(report.device.runtime) + "," + text +
                     ",\"verified\":" + JsonString(report.verified) + ",\"measurements\":[";
  for (const BenchCudaRow& row : report.rows) {
    std::snprintf(
        text, sizeof(text),
        "{\"precision\":%s,\"input\":%s,\"batch\":%d,\"streams\":%d,\"images_per_s\":%.5g,\"tflops\":%.5g,"
        "\"ceiling_tflops\":%.5g,\"share_of_ceiling\":%.4f,\"busy\":%.4f,\"device_us\":%.5g,"
        "\"loaded_p50_us\":%.5g,\"loaded_p95_us\":%.5g,\"alone_p50_us\":%.5g,\"alone_p95_us\":%.5g}",
        JsonString(row.precision).c_str(), JsonString(row.input).c_str(), row.batch, row.streams,
        row.images_per_s, row.tflops, row.ceiling_tflops, row.share_of_ceiling, row.busy, row.device_us,
        row.loaded_p50_us, row.loaded_p95_us, row.alone_p50_us, row.alone_p95_us);
    json += (json.back() == '[' ? "" : ",") + std::string(text);
  }
  return json + "]}";
}

}  // namespace photovec::bench
