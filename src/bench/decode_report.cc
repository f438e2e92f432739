// SPDX-License-Identifier: MIT
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/json_text.h"
#include "bench/decode.h"
#include "engine/machine_report.h"

namespace photovec::bench {
namespace {

std::string Number(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string Field(std::string_view name, std::string_view value) {
  return JsonString(name) + ":" + std::string(value);
}

std::string_view ScalingName(decode::JpegScaling scaling) {
  return scaling == decode::JpegScaling::kFast ? "fast" : "exact";
}

std::string_view ColorName(decode::ColorMode color) {
  return color == decode::ColorMode::kSrgb ? "srgb" : "ignore";
}

std::string ClassRow(const BenchDecodeClass& one) {
  std::array<char, 256> row{};
  const bool jpeg = one.libjpeg_full_ms > 0;
  const double total_ms = one.decode_ms + one.preprocess_ms;
  std::snprintf(row.data(), row.size(),
                "  %-17s %-9s %6d %7.2f %8.0f %5.2f %9.2f %9.2f %9.1f %8.0f %10s %8s\n", one.format.c_str(),
                one.size_class.c_str(), one.images, one.megapixels, one.kilobytes, one.bits_per_pixel,
                one.decode_ms, one.preprocess_ms, one.images_per_s, one.source_mp_per_s,
                jpeg ? Number(one.libjpeg_full_ms, 2).c_str() : "-",
                jpeg ? (Number(one.libjpeg_full_ms / total_ms, 2) + "x").c_str() : "-");
  return row.data();
}

std::string ClassJson(const BenchDecodeClass& one) {
  return "{" + Field("format", JsonString(one.format)) + "," +
         Field("size_class", JsonString(one.size_class)) + "," + Field("images", std::to_string(one.images)) +
         "," + Field("megapixels", Number(one.megapixels, 3)) + "," +
         Field("kilobytes", Number(one.kilobytes, 1)) + "," +
         Field("bits_per_pixel", Number(one.bits_per_pixel, 3)) + "," +
         Field("decode_ms", Number(one.decode_ms, 4)) + "," +
         Field("preprocess_ms", Number(one.preprocess_ms, 4)) + "," +
         Field("images_per_s_per_core", Number(one.images_per_s, 2)) + "," +
         Field("source_mp_per_s_per_core", Number(one.source_mp_per_s, 2)) + "," +
         Field("libjpeg_full_ms", one.libjpeg_full_ms > 0 ? Number(one.libjpeg_full_ms, 4) : "null") + "}";
}

template <typename Items, typename ToItem>
std::string JsonList(const Items& items, ToItem to_item) {
  std::string list = "[";
  for (const auto& item : items) list += (list.size() > 1 ? "," : "") + to_item(item);
  return list + "]";
}

}  // namespace

std::string ToText(const BenchDecodeReport& report) {
  std::string text =
      "decode + preprocess to " + std::to_string(report.crop) + " x " + std::to_string(report.crop) +
      ", --jpeg-scaling=" + std::string(ScalingName(report.jpeg_scaling)) +
      ", --color=" + std::string(ColorName(report.color)) + ", " + std::to_string(report.images) +
      " photos, medians of " + std::to_string(report.repetitions) +
      " repetitions, CPU time of one thread on " + report.machine.cpu_model + "\n\n";
  text +=
      "  format            size      photos      MP       kB   bpp decode ms  prep. ms   img/s/c  MP/s/c  "
      "libjpeg ms"
      "  vs it\n";
  for (const BenchDecodeClass& one : report.classes) text += ClassRow(one);
  text += "\n  one core:   " + Number(report.images_per_s_per_core, 1) + " img/s, " +
          Number(report.source_mp_per_s_per_core, 0) + " MP/s of source\n";
  text += "  " + std::to_string(report.threads) + (report.threads == 1 ? " thread:   " : " threads:  ") +
          Number(report.images_per_s, 1) + " img/s\n";
  if (report.jpeg_total_ms > 0) {
    text += "  JPEG:       " + Number(report.jpeg_total_ms, 2) +
            " ms a photo, all included; libjpeg-turbo's full decode alone " +
            Number(report.libjpeg_full_ms, 2) + " ms\n";
  }
  if (report.skipped > 0) {
    text +=
        "  " + std::to_string(report.skipped) + " files were left out to keep to the time; raise --seconds\n";
  }
  for (const std::string& failure : report.failures) text += "  not measured: " + failure + "\n";
  return text;
}

std::string ToJson(const BenchDecodeReport& report) {
  return "{" + Field("benchmark", JsonString("decode")) + "," +
         Field("images_per_s", Number(report.images_per_s, 2)) + "," +
         Field("images_per_s_per_core", Number(report.images_per_s_per_core, 2)) + "," +
         Field("source_mp_per_s_per_core", Number(report.source_mp_per_s_per_core, 2)) + "," +
         Field("threads", std::to_string(report.threads)) + "," +
         Field("images", std::to_string(report.images)) + "," +
         Field("repetitions", std::to_string(report.repetitions)) + "," +
         Field("jpeg_scaling", JsonString(ScalingName(report.jpeg_scaling))) + "," +
         Field("color", JsonString(ColorName(report.color))) + "," +
         Field("crop", std::to_string(report.crop)) + "," +
         Field("jpeg_total_ms", Number(report.jpeg_total_ms, 4)) + "," +
         Field("libjpeg_full_ms", Number(report.libjpeg_full_ms, 4)) + "," +
         Field("skipped", std::to_string(report.skipped)) + "," +
         Field("classes", JsonList(report.classes, ClassJson)) + "," +
         Field("failures",
               JsonList(report.failures, [](const std::string& text) { return JsonString(text); })) +
         "," + Field("machine", engine::MachineJson(report.machine)) + "}";
}

}  // namespace photovec::bench
