// SPDX-License-Identifier: MIT
#include "engine/verify/verify.h"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/machine.h"
#include "bulk/walker.h"
#include "cli/exit.h"
#include "commands/commands.h"

namespace photovec::commands {
namespace {

using engine::Finding;

const char* Word(Finding::Outcome outcome) {
  switch (outcome) {
    case Finding::Outcome::kAgrees:
      return "ok      ";
    case Finding::Outcome::kDiffers:
      return "DIFFERS ";
    case Finding::Outcome::kNotCompared:
      return "not done";
    case Finding::Outcome::kNote:
      break;
  }
  return "        ";
}

class VerifyCommand : public cli::Command {
 public:
  std::string path() const override { return "verify"; }
  std::string summary() const override {
    return "Check a downloaded model: weights, tokenizer, published numbers, precisions on your photos";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
    flags.Positional("MODEL", &options_.dir, "a model's folder, as downloaded from HuggingFace");
    flags.List(
        "image", &images_, "FILE",
        "a photo to compare with; 000000039769.jpg of COCO is the one that published numbers are about");
    flags.List("images", &folders_, "DIR", "photos to compare with: a folder, searched recursively");
    flags.Integer("max-images", &max_images_, 1, 10'000,
                  "so many photos at most, in the order of their names");
    flags.Text("device", &options_.device, "DEVICE",
               "whose precisions are compared with the CPU's f32: auto, cpu, cuda or cuda:N");
  }

  int Run() override {
    std::vector<std::string> inputs = images_;
    inputs.insert(inputs.end(), folders_.begin(), folders_.end());
    bulk::PathWalker walker(std::move(inputs), false);
    while (options_.photos.size() < static_cast<size_t>(max_images_)) {
      std::optional<bulk::Found> found = walker.Next();
      if (!found) break;
      if (!found->status.ok()) return cli::ReportFailure(found->status.WithContext(found->path));
      options_.photos.push_back(std::move(found->path));
    }
    if (options_.photos.empty() && (!images_.empty() || !folders_.empty())) {
      return cli::ReportUsage({Code::kInvalidRequest, "no photos in what --image and --images name"});
    }
    std::printf("%s\n", options_.dir.c_str());
    std::vector<std::string> agreed;
    std::vector<std::string> missing;
    std::vector<std::string> differing;
    const auto tell = [&](const Finding& finding) {
      std::printf("  %s  %-27s %s\n", Word(finding.outcome), finding.part.c_str(), finding.text.c_str());
      std::fflush(stdout);
      if (finding.outcome == Finding::Outcome::kAgrees) agreed.push_back(finding.part);
      if (finding.outcome == Finding::Outcome::kDiffers) differing.push_back(finding.part);
      if (finding.outcome == Finding::Outcome::kNotCompared) missing.push_back(finding.part);
    };
    const Result<bool> good = engine::VerifyModel(ProbeMachine(), options_, tell);
    if (!good.ok()) return cli::ReportFailure(good.status());
    PrintVerdict(agreed, differing, missing);
    return *good ? cli::kExitOk : cli::kExitFailure;
  }

 private:
  static void PrintVerdict(const std::vector<std::string>& agreed, const std::vector<std::string>& differing,
                           const std::vector<std::string>& missing) {
    const auto join = [](const std::vector<std::string>& parts) {
      std::string text;
      for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
      return text.empty() ? "nothing" : text;
    };
    std::printf("Verdict: %s\n", differing.empty() ? "what was compared agrees" : "something DIFFERS");
    if (!differing.empty()) std::printf("  differs       %s\n", join(differing).c_str());
    std::printf("  agrees        %s\n", join(agreed).c_str());
    std::printf("  not compared  %s\n", join(missing).c_str());
  }

  engine::VerifyOptions options_;
  std::vector<std::string> images_;
  std::vector<std::string> folders_;
  int max_images_ = 500;
};

}  // namespace

std::unique_ptr<cli::Command> MakeVerifyCommand() { return std::make_unique<VerifyCommand>(); }

}  // namespace photovec::commands
