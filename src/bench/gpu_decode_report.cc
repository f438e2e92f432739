// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "base/json_text.h"
#include "bench/gpu_decode.h"

namespace photovec::bench {
namespace {

constexpr const char* kHead =
    "\n  decoded by                                       img/s     CPUs   CPU ms   batch   submit"
    "   decode   resize on CPU  alloc   PSNR\n";
constexpr const char* kLegend =
    "\n  CPUs: times the CPU threads alone. CPU ms: of this process, an image.\n"
    "  submit, decode, resize: ms of a batch. on CPU: images that a CPU decoded after all.\n"
    "  alloc: how often nvJPEG took memory from the driver once warm.\n"
    "  PSNR: dB, the worst photo beside the CPU's exact pixels.\n";

std::string TextRow(const GpuDecodeRow& row) {
  std::array<char, 320> text{};
  if (!row.missing.empty()) {
    return "  " + row.name + std::string(row.name.size() < 45 ? 45 - row.name.size() : 1, ' ') +
           "not measured: " + row.missing + "\n";
  }
  if (row.batch == 0) {  // CPU threads alone
    std::snprintf(text.data(), text.size(), "  %-44s %9.1f %7.2fx %8.2f\n", row.name.c_str(),
                  row.images_per_s, row.times_cpu, row.cpu_ms);
    return text.data();
  }
  std::snprintf(text.data(), text.size(), "  %-44s %9.1f %7.2fx %8.2f %7.1f %8.2f %8.2f %8.2f %6.1f%% %6lld",
                row.name.c_str(), row.images_per_s, row.times_cpu, row.cpu_ms, row.batch, row.submit_ms,
                row.decode_ms, row.resize_ms, 100 * row.on_cpu, static_cast<long long>(row.allocations));
  std::string line = text.data();
  if (row.least_psnr_db > 0) {
    std::snprintf(text.data(), text.size(), " %6.1f", row.least_psnr_db);
    line += text.data();
  }
  return line + "\n";
}

std::string JsonRow(const GpuDecodeRow& row) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(),
                ",\"images_per_s\":%.2f,\"times_cpu\":%.4f,\"cpu_ms\":%.4f,\"batch\":%.2f,\"submit_ms\":%.4f,"
                "\"decode_ms\":%.4f,\"resize_ms\":%.4f,\"on_cpu\":%.4f,\"allocations\":%lld,"
                "\"least_psnr_db\":%.2f}",
                row.images_per_s, row.times_cpu, row.cpu_ms, row.batch, row.submit_ms, row.decode_ms,
                row.resize_ms, row.on_cpu, static_cast<long long>(row.allocations), row.least_psnr_db);
  return "{\"name\":" + JsonString(row.name) +
         ",\"missing\":" + (row.missing.empty() ? "null" : JsonString(row.missing)) + text.data();
}

}  // namespace

std::string ToText(const BenchGpuDecode& bench) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(),
                ": %d plain JPEGs of %.2f MP and %.0f kB on average, medians of %d passes", bench.photos,
                bench.megapixels, bench.kilobytes, bench.passes);
  std::string all = "\n  JPEGs on " + bench.device + text.data();
  if (bench.left_out > 0) all += "; " + std::to_string(bench.left_out) + " other photos left out";
  all += "\n";
  for (const std::string& lanes : bench.lanes) all += "  " + lanes + "\n";
  all += kHead;
  for (const GpuDecodeRow& row : bench.rows) all += TextRow(row);
  const auto best = std::max_element(
      bench.rows.begin(), bench.rows.end(),
      [](const GpuDecodeRow& a, const GpuDecodeRow& b) { return a.images_per_s < b.images_per_s; });
  return all + kLegend + "  fastest: " + best->name + "\n";
}

std::string ToJson(const BenchGpuDecode& bench) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(),
                ",\"photos\":%d,\"left_out\":%d,\"kilobytes\":%.1f,\"megapixels\":%.3f,\"passes\":%d",
                bench.photos, bench.left_out, bench.kilobytes, bench.megapixels, bench.passes);
  std::string lanes;
  for (const std::string& one : bench.lanes) lanes += (lanes.empty() ? "" : ",") + JsonString(one);
  std::string rows;
  for (const GpuDecodeRow& row : bench.rows) rows += (rows.empty() ? "" : ",") + JsonRow(row);
  return "{\"device\":" + JsonString(bench.device) + text.data() + ",\"lanes\":[" + lanes + "],\"rows\":[" +
         rows + "]}";
}

}  // namespace photovec::bench
