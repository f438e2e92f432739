// SPDX-License-Identifier: MIT

#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/exit.h"
#include "commands/lab/commands.h"
#include "experiment/analyse/compare.h"
#include "experiment/report/report.h"

namespace photovec::commands {
namespace {

class CompareCommand : public cli::Command {
 public:
  std::string path() const override { return "compare"; }
  std::string summary() const override {
    return "What changed between two experiments; exit code 4 when a stage or the throughput regressed";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
    flags.Group("Comparison");
    flags.Positional("BEFORE", &before_, "report.json of the experiment to compare with");
    flags.Positional("AFTER", &after_, "report.json of the experiment to judge");
    flags.Text("threshold", &threshold_, "SHARE",
               "how much worse a p95 or the throughput may become: 10%, or 0.1");
    flags.Text("variant", &options_.variant, "NAME", "compare only this variant; none: all that both have");
  }

  int Run() override {
    const auto threshold = ParseShare(threshold_);
    if (!threshold.ok()) return cli::ReportUsage(threshold.status().WithContext("--threshold"));
    options_.threshold = *threshold;
    const auto before = experiment::ReadReport(before_);
    if (!before.ok()) return cli::ReportFailure(before.status());
    const auto after = experiment::ReadReport(after_);
    if (!after.ok()) return cli::ReportFailure(after.status());
    const auto comparison = experiment::Compare(*before, *after, options_);
    if (!comparison.ok()) return cli::ReportFailure(comparison.status());
    std::printf("%s", experiment::ComparisonText(*comparison, options_).c_str());
    return comparison->regressed ? cli::kExitRegressed : cli::kExitOk;
  }

 private:
  std::string before_;
  std::string after_;
  std::string threshold_ = "10%";
  experiment::CompareOptions options_;
};

}  // namespace

Result<double> ParseShare(std::string_view text) {
  std::string_view number = text;
  const bool percent = number.ends_with('%');
  if (percent) number.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const bool read = error == std::errc() && end == number.data() + number.size() && std::isfinite(value);
  if (percent) value /= 100;
  if (!read || value < 0 || value > 100) {
    return Status{Code::kInvalidRequest,
                  "'" + std::string(text) + "' is no share; give a percentage such as 10%, or 0.1"};
  }
  return value;
}

std::unique_ptr<cli::Command> MakeCompareCommand() { return std::make_unique<CompareCommand>(); }

}  // namespace photovec::commands
