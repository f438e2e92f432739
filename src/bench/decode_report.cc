// SPDX-License-Identifier: MIT
#include <string>
#include <string_view>

#include "bench/decode.h"
#include "bench/table.h"
#include "engine/machine_report.h"

namespace photovec::bench {
namespace {

std::string ClassTable(const BenchDecodeReport& report) {
  Table table({{"format", 0, "", true},
               {"size", 0, "", true},
               {"photos"},
               {"MP", 2},
               {"kB"},
               {"bpp", 2},
               {"decode ms", 2},
               {"prep. ms", 2},
               {"img/s/c", 1},
               {"MP/s/c"},
               {"by turbo", 2},
               {"own is", 2, "x"},
               {"in pairs", 2, "x"},
               {"libjpeg ms", 2},
               {"vs it", 2, "x"}},
              2);
  for (const BenchDecodeClass& one : report.classes) {
    const bool jpeg = one.libjpeg_full_ms > 0;
    const bool own = one.own_images > 0;
    const double total_ms = one.decode_ms + one.preprocess_ms;
    table.AddRow({one.format, one.size_class, one.images, one.megapixels, one.kilobytes, one.bits_per_pixel,
                  one.decode_ms, one.preprocess_ms, one.images_per_s, one.source_mp_per_s,
                  own ? Table::Cell(one.turbo_ms) : "-", own ? Table::Cell(one.turbo_ms / one.own_ms) : "-",
                  one.pair_images > 1 ? Table::Cell(one.pair_turbo_ms / one.pair_ms) : "-",
                  jpeg ? Table::Cell(one.libjpeg_full_ms) : "-",
                  jpeg ? Table::Cell(one.libjpeg_full_ms / total_ms) : "-"});
  }
  return table.Text();
}

void WriteClass(json::Writer& json, const BenchDecodeClass& one) {
  json.BeginObject()
      .Field("format", one.format)
      .Field("size_class", one.size_class)
      .Field("images", one.images)
      .Field("megapixels", one.megapixels, 3)
      .Field("kilobytes", one.kilobytes, 1)
      .Field("bits_per_pixel", one.bits_per_pixel, 3)
      .Field("decode_ms", one.decode_ms, 4)
      .Field("preprocess_ms", one.preprocess_ms, 4)
      .Field("images_per_s_per_core", one.images_per_s, 2)
      .Field("source_mp_per_s_per_core", one.source_mp_per_s, 2)
      .Field("own_images", one.own_images)
      .Field("own_ms", one.own_ms, 4)
      .Field("turbo_ms", one.turbo_ms, 4)
      .Field("pair_images", one.pair_images)
      .Field("pair_ms", one.pair_ms, 4)
      .Field("pair_own_ms", one.pair_own_ms, 4)
      .Field("pair_turbo_ms", one.pair_turbo_ms, 4)
      .Key("libjpeg_full_ms");
  if (one.libjpeg_full_ms > 0) {
    json.Fixed(one.libjpeg_full_ms, 4);
  } else {
    json.Null();
  }
  json.EndObject();
}

}  // namespace

std::string ToText(const BenchDecodeReport& report) {
  const std::string side = std::to_string(report.crop);
  std::string text = "decode + preprocess to " + side + " x " + side +
                     ", --jpeg-scaling=" + std::string(NameOf(report.jpeg_scaling)) +
                     ", --color=" + std::string(NameOf(report.color)) + ", " + std::to_string(report.images) +
                     " photos, medians of " + std::to_string(report.repetitions) +
                     " repetitions, CPU time of one thread on " + report.machine.cpu_model + "\n\n" +
                     ClassTable(report);
  text += "\n  one core:   " + Fixed(report.images_per_s_per_core, 1) + " img/s, " +
          Fixed(report.source_mp_per_s_per_core, 0) + " MP/s of source\n";
  text += "  " + std::to_string(report.threads) + (report.threads == 1 ? " thread:   " : " threads:  ") +
          Fixed(report.images_per_s, 1) + " img/s\n";
  if (report.jpeg_total_ms > 0) {
    text += "  JPEG:       " + Fixed(report.jpeg_total_ms, 2) +
            " ms a photo, all included; libjpeg-turbo's full decode alone " +
            Fixed(report.libjpeg_full_ms, 2) + " ms\n";
  }
  if (report.skipped > 0) {
    text +=
        "  " + std::to_string(report.skipped) + " files were left out to keep to the time; raise --seconds\n";
  }
  for (const std::string& failure : report.failures) text += "  not measured: " + failure + "\n";
  return text;
}

void WriteMembers(json::Writer& json, const BenchDecodeReport& report) {
  json.Field("benchmark", "decode")
      .Field("images_per_s", report.images_per_s, 2)
      .Field("images_per_s_per_core", report.images_per_s_per_core, 2)
      .Field("source_mp_per_s_per_core", report.source_mp_per_s_per_core, 2)
      .Field("threads", report.threads)
      .Field("images", report.images)
      .Field("repetitions", report.repetitions)
      .Field("jpeg_scaling", NameOf(report.jpeg_scaling))
      .Field("color", NameOf(report.color))
      .Field("crop", report.crop)
      .Field("jpeg_total_ms", report.jpeg_total_ms, 4)
      .Field("libjpeg_full_ms", report.libjpeg_full_ms, 4)
      .Field("skipped", report.skipped)
      .Key("classes")
      .BeginArray();
  for (const BenchDecodeClass& one : report.classes) WriteClass(json, one);
  json.EndArray().Key("failures").BeginArray();
  for (const std::string& failure : report.failures) json.Value(failure);
  json.EndArray();
  engine::WriteMachine(json.Key("machine"), report.machine);
}

}  // namespace photovec::bench
