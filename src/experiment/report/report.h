// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/enum_names.h"
#include "base/result.h"
#include "experiment/analyse/analysis.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

enum class Language : uint8_t { kEnglish, kKorean };
constexpr auto EnumNames(Language /*of*/) {
  return std::array{EnumName{Language::kEnglish, "en"}, EnumName{Language::kKorean, "ko"}};
}

// report.json, version 1. Times are integers, microseconds; -1: not known. Numbers that are no times stand as
// integers of a millionth ("seconds", "cpus", shares, rates), bytes as bytes. A column holds one figure for
// each entry; a column in which every entry has its default is left out.
//
//   {"format": "photovec-experiment", "version": 1,
//    "created": "", "photovec": "", "seed": 7, "interrupted": false, "command": [""], "cpus": 2000000,
//    "machine": {MachineJson} or "text", "versions": {"name": ""}, "options": [["name", "value"]],
//    "variants": [{
//      "name": "", "settings": [["name", "value"]], "command": [""],
//      "capacity": [{"objective": "", "requests_per_s": 0, "trials": {"requests_per_s": [], "value_ms": [],
//                    "kept": [0 or 1]}}],
//      "runs": [{
//        "repetition": 0, "seconds": 0, "began_us": 0, "failure": "", "log_tail": [""],
//        "images_completed": 0, "requests_completed": 0,
//        "load_cpu": 0, "store_cpu": 0, "server_cpu": 0 (CPU seconds), "loop_lag": [p50, p99, max] (us),
//        "requests": {"count": 0, "id": [], "status": [], "started_us": [], "opened_us": [], ...,
//                     "items": [how many items each request has]},
//        "items": {"count": 0, "code": [index into "codes"], "by_reference": [0 or 1], "bytes": [],
//        "decoder": [],
//                  "stream": [], "batch": [], "batch_size": [], "at_BORDER_us": [], "STAGE_us": []},
//        "codes": ["ok", ...],
//        "client": {"count": 0, "intended_us": [], "sent_us": [], "done_us": [], "images": [],
//                   "failed_images": [], "status": [], "error": [index into "errors"]},
//        "errors": ["", ...],
//        "resources": {"count": 0, "at_us": [], "server_cpus": [], ...}}]}],
//    "computed": {"tables": {"p50": {ROW: [{"samples": 0, "value": 0.0, "low": 0.0, "high": 0.0, "change":
//    0.0,
//                            "change_low": 0.0, "change_high": 0.0, "verdict": "same"}]}, ...},
//                 "findings": [{"key": "", "variant": "", "text": ""}], "path_ms": {...}, ...}}
//
// "computed" is for people and scripts; ReadReport leaves it out, since it follows from the rest.

/// Everything as JSON, raw figures included (columns of integers, microseconds), with the computed tables and
/// findings. Reads back with ReadReport.
std::string ReportJson(const ExperimentData& data);
/// Errors: kNotFound; kInvalidRequest naming the file and what is wrong with it.
Result<ExperimentData> ReadReport(const std::string& path);
/// The same of text that is in memory.
/// \param name what messages call it.
Result<ExperimentData> ParseReport(std::string_view text, const std::string& name);

/// The tables and findings as Markdown, for terminals, tickets and pull requests.
std::string ReportMarkdown(const ExperimentData& data, Language language);
/// One self-contained page: no request to anywhere.
std::string ReportHtml(const ExperimentData& data, Language language);

/// The short form that the command prints at its end: table, findings.
std::string ReportText(const ExperimentData& data, Language language);

/// The same of an analysis that was made before (Analyse takes a second or two for large experiments).
std::string ReportJson(const ExperimentData& data, const Analysis& analysis);
std::string ReportMarkdown(const ExperimentData& data, const Analysis& analysis, Language language);
std::string ReportHtml(const ExperimentData& data, const Analysis& analysis, Language language);
std::string ReportText(const ExperimentData& data, const Analysis& analysis, Language language);

/// A trace for Perfetto or chrome://tracing (Trace Event Format, JSON): one track per decode worker, one per
/// stream (each batch one slice, with its size and the requests in it) and one per request (its images'
/// stages as nested slices), so that overlap can be seen.
/// \param from_us, to_us CLOCK_MONOTONIC; requests that touch the window are shown, whole; time 0 is from_us, or when the first of them began.
std::string TraceJson(std::span<const request_log::Record> records, int64_t from_us, int64_t to_us);

}  // namespace photovec::experiment
