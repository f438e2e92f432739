// SPDX-License-Identifier: MIT
#include "commands/embed_report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/json/writer.h"
#include "base/text/base64.h"
#include "base/text/utf8.h"
#include "cli/progress.h"

namespace photovec::commands {
namespace {

// Facts are JSON text, which must be UTF-8 and still tell any two names apart.
std::string AsText(const std::string& name) {
  return IsValidUtf8(name) ? name : "base64:" + Base64Encode(AsBytes(name));
}

bool IsRelative(const std::string& path) { return !path.starts_with('/'); }

}  // namespace

bulk::RunFacts FactsOf(const EmbedOptions& options, const engine::ModelSummary& model) {
  const engine::EngineOptions& engine = options.engine;
  const decode::Limits& limits = engine.decode.limits;
  std::string inputs;
  json::Writer names(inputs);
  names.BeginArray();
  for (const std::string& input : options.inputs) names.Value(AsText(input));
  names.EndArray();
  bulk::RunFacts facts = {
      {"model's fingerprint", model.fingerprint},
      {"model's weights (SHA-256)", model.weights_sha256},
      {"dimensions", std::to_string(model.encoder.embedding_dim)},
      {"--precision", model.encoder.precision},
      {"--device", model.encoder.backend},
      {"--decode-device", std::string(NameOf(engine.decode_device))},
      {"--jpeg-scaling", std::string(NameOf(engine.decode.jpeg_scaling))},
      {"--damaged", std::string(NameOf(engine.decode.damaged))},
      {"--alpha", std::string(NameOf(engine.decode.alpha))},
      {"--color", std::string(NameOf(engine.decode.color))},
      {"--max-pixels", std::to_string(limits.max_pixels)},
      {"--max-side", std::to_string(limits.max_side)},
      {"--max-image-bytes", std::to_string(limits.max_file_bytes)},
      {"--max-decoder-bytes", std::to_string(limits.max_decoder_bytes)},
      {"--max-decode-cpu", std::to_string(limits.max_cpu_s)},
      {"--max-jpeg-scans", std::to_string(limits.max_jpeg_scans)},
      {"--all-files", options.all_files ? "on" : "off"},
      {"INPUT", inputs},
      {"--from", options.from.empty() ? "off" : "on"},
      {"--null", options.null_separated ? "on" : "off"},
  };
  // Not where it is off: a run of an earlier version has no word for it.
  if (!options.texts.empty()) {
    facts["--texts"] = options.NameKey() == "id" ? "JSON lines" : "lines";
    facts["text tower's fingerprint"] = model.text_fingerprint;
  }
  if (!options.from.empty() || std::any_of(options.inputs.begin(), options.inputs.end(), IsRelative)) {
    std::error_code ignored;  // a working directory that was removed has no name, in both runs
    facts["working directory"] = AsText(std::filesystem::current_path(ignored).string());
  }
  return facts;
}

Status SameFacts(const bulk::RunFacts& before, const bulk::RunFacts& now) {
  std::string differences;
  const auto differs = [&](const std::string& name, const std::string& was, const std::string& is) {
    differences += (differences.empty() ? "" : "; ") + name + " was " + was + " and is " + is;
  };
  for (const auto& [name, value] : now) {
    const auto found = before.find(name);
    if (found == before.end()) {
      differs(name, "not given", value);
    } else if (found->second != value) {
      differs(name, found->second, value);
    }
  }
  for (const auto& [name, value] : before) {
    if (!now.contains(name)) differs(name, value, "not given");
  }
  if (differences.empty()) return Status::Ok();
  return {Code::kInvalidRequest, "the interrupted run cannot be resumed with this command: " + differences +
                                     "; repeat the command of then with --resume, or begin anew without it"};
}

std::string MetaJson(const EmbedOptions& options, const engine::ModelSummary& model,
                     const bulk::ResultDigests& digests, const bulk::StageSummary& summary,
                     const bulk::PassedOver& passed_over, int64_t milliseconds) {
  std::string out;
  json::Writer writer(out);
  const auto add = [&](std::string_view key, const auto& value) { writer.Line(2).Field(key, value); };
  const auto add_file = [&](std::string_view key, const bulk::FileDigest& digest) {
    writer.Line(4)
        .Key(key)
        .BeginObject()
        .Field("bytes", digest.bytes)
        .Field("sha256", digest.sha256)
        .EndObject();
  };
  writer.BeginObject();
  add("photovec", PHOTOVEC_VERSION);
  add("generation", digests.Generation());
  writer.Line(2).Key("files").BeginObject();
  add_file("npy", digests.npy);
  add_file("jsonl", digests.jsonl);
  writer.Line(2).EndObject();
  add("model", model.name);
  add("model_dir", model.dir);
  add("fingerprint", model.fingerprint);
  add("weights_sha256", model.weights_sha256);
  add("dimensions", model.encoder.embedding_dim);
  add("normalized", true);
  add("precision", model.encoder.precision);
  add("jpeg_scaling", NameOf(options.engine.decode.jpeg_scaling));
  add("damaged", NameOf(options.engine.decode.damaged));
  add("alpha", NameOf(options.engine.decode.alpha));
  add("color", NameOf(options.engine.decode.color));
  if (!options.texts.empty()) {
    add("input", options.Noun());
    add("text_rule", model.text_rule);
    add("text_fingerprint", model.text_fingerprint);
  }
  add("complete", true);
  add("inputs", summary.images());
  add("vectors", summary.images() - summary.failed());
  add("failed", summary.failed());
  add("damaged_vectors", summary.damaged());
  writer.Line(2).Key("failures").BeginObject();
  for (const auto& [code, count] : summary.failures()) writer.Field(code, count);
  writer.EndObject();
  writer.Line(2).Key("passed_over").BeginObject().Field("by_name", passed_over.by_name);
  writer.Field("not_files", passed_over.not_files).Field("loops", passed_over.loops);
  writer.Field("seen_folders", passed_over.seen_folders).Field("vanished", passed_over.vanished);
  writer.Field("empty_lines", passed_over.empty_lines).Key("kinds").BeginObject();
  for (const auto& [kind, count] : passed_over.kinds) writer.Field(kind, count);
  writer.EndObject().EndObject();
  writer.Line(2).Field("seconds", static_cast<double>(milliseconds) / 1e3, 3);
  writer.Line(2).Key("stages").Raw(summary.Json());
  writer.Line(0).EndObject();
  return out += '\n';
}

void PrintSummary(const EmbedOptions& options, const std::string& output, const bulk::StageSummary& summary,
                  const bulk::PassedOver& passed_over, int64_t earlier, double session_seconds) {
  const int64_t vectors = summary.images() - summary.failed();
  const auto now = static_cast<double>(summary.images() - earlier);
  std::printf("%s of %s %s embedded in %.1f s, %.1f %s/s -> %s\n", cli::Grouped(vectors).c_str(),
              cli::Grouped(summary.images()).c_str(), options.Noun(), session_seconds,
              session_seconds > 0 ? now / session_seconds : 0, options.Noun(), output.c_str());
  if (earlier > 0) {
    std::printf("%s of them by earlier runs; time, rate and the table below are without these\n",
                cli::Grouped(earlier).c_str());
  }
  std::printf("%s", summary.Table().c_str());
  std::printf("failures: %s\n", summary.FailuresText().c_str());
  if (summary.damaged() > 0) {
    std::printf(
        "damaged, and embedded nevertheless: %s (rows_ok in the .jsonl; --damaged=strict makes them "
        "errors)\n",
        cli::Grouped(summary.damaged()).c_str());
  }
  if (passed_over.by_name > 0) {
    std::printf("%s (--all-files takes them)\n", passed_over.KindsText().c_str());
  }
  const std::pair<int64_t, const char*> rows[] = {
      {passed_over.not_files, "devices, sockets and pipes"},
      {passed_over.loops, "links to a folder that they lie in"},
      {passed_over.seen_folders, "links to folders that other links led to before"},
      {passed_over.vanished, "files that were removed before they were looked at"},
      {passed_over.empty_lines, "empty lines of the list"},
  };
  for (const auto& [count, what] : rows) {
    if (count > 0) std::printf("passed over: %s %s\n", cli::Grouped(count).c_str(), what);
  }
}

void PrintResumed(const EmbedOptions& options, const bulk::ResumedSource::Counts& counts, int64_t lines) {
  std::printf(
      "resumed after %s %s: %s kept, %s changed since and embedded anew, %s new among them, %s gone\n",
      cli::Grouped(lines).c_str(), options.Noun(), cli::Grouped(counts.kept).c_str(),
      cli::Grouped(counts.changed).c_str(), cli::Grouped(counts.added).c_str(),
      cli::Grouped(counts.gone).c_str());
}

}  // namespace photovec::commands
