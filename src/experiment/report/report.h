// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/result.h"
#include "experiment/run_data.h"

namespace photovec::experiment {

enum class Language : uint8_t { kEnglish, kKorean };

/// Everything as JSON, raw figures included (columns of integers, microseconds), with the computed tables and
/// findings. Reads back with ReadReport.
std::string ReportJson(const ExperimentData& data);
/// Errors: kNotFound; kInvalidRequest naming the file and what is wrong with it.
Result<ExperimentData> ReadReport(const std::string& path);

/// The tables and findings as Markdown, for terminals, tickets and pull requests.
std::string ReportMarkdown(const ExperimentData& data, Language language);
/// One self-contained page: no request to anywhere.
std::string ReportHtml(const ExperimentData& data, Language language);

/// The short form that the command prints at its end: table, findings.
std::string ReportText(const ExperimentData& data, Language language);

}  // namespace photovec::experiment
