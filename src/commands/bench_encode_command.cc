// SPDX-License-Identifier: MIT
#include "commands/bench_encode_command.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

#include "commands/exit_codes.h"
#include "commands/model_setup.h"
#include "commands/report.h"
#include "encode/factory.h"

namespace photovec::commands {
namespace {

// A whole number from 1 on at the front of [begin, end); the place behind it, or null.
const char* ParseCount(const char* begin, const char* end, int* value) {
  const auto [rest, error] = std::from_chars(begin, end, *value);
  return error == std::errc() && *value >= 1 ? rest : nullptr;
}

Result<int> ParseBatch(const std::string& text) {
  int batch = 0;
  const char* end = text.data() + text.size();
  if (ParseCount(text.data(), end, &batch) == end) return batch;
  return Status(Code::kInvalidRequest, "--batch '" + text + "' must be a whole number from 1 on");
}

class BenchEncodeCommand : public Command {
 public:
  std::string path() const override { return "bench.encode"; }
  std::string summary() const override {
    return "Run the encoder beside the bare matrix products of the same shapes";
  }
  std::string default_log_level() const override { return "warn"; }

  void Declare(FlagSet& flags) override {
    flags.Group("Benchmark");
    flags.List("model", &models_, "DIR|PRESET", "model folder, or a preset for random weights in memory");
    flags.List("precision", &precisions_, "auto|f32|bf16", "repeatable");
    flags.List("layout", &layouts_, "SxT", "S streams of T threads, such as 2x1; repeatable; none: as serve");
    flags.List("batch", &batches_, "N", "images in a batch of one stream, 1 to 64; repeatable");
    flags.Number("seconds", &seconds_, 0, 3600, "about how long to measure in all; 0: as --rounds says");
    flags.Integer("rounds", &bench_.rounds, 1, 10'000, "encoder and ceiling take turns this often");
    flags.Number("slice", &bench_.slice_seconds, 0.001, 60,
                 "seconds that each lasts within a round, at least");
    flags.Switch("pin", &bench_.pin_threads, "pin threads to CPUs");
    flags.Switch("json", &json_, "print one JSON object");
  }

  int Run() override {
    const Status parsed = ParseLists();
    if (!parsed.ok()) return ReportUsage(parsed);
    bench_.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    const auto report = RunBenchEncode(bench_);
    if (!report.ok()) return ReportFailure(report.status());
    const std::string text = json_ ? ToJson(*report) : ToText(*report);
    std::printf("%s%s", text.c_str(), text.ends_with('\n') ? "" : "\n");
    return kExitOk;
  }

 private:
  Status ParseLists() {
    if (models_.size() != 1) return {Code::kInvalidRequest, "bench takes one --model"};
    // As everywhere, a folder may stand behind a name: NAME=DIR.
    ASSIGN_OR_RETURN(const ModelChoice choice, ParseModelChoice(models_[0]));
    bench_.model = choice.dir;
    bench_.precisions.clear();
    for (const std::string& text : precisions_) {
      ASSIGN_OR_RETURN(const encode::Precision precision, encode::ParsePrecision(text));
      bench_.precisions.push_back(precision);
    }
    if (!layouts_.empty()) bench_.layouts.clear();
    for (const std::string& text : layouts_) {
      ASSIGN_OR_RETURN(const BenchLayout layout, ParseLayout(text));
      bench_.layouts.push_back(layout);
    }
    bench_.batches.clear();
    for (const std::string& text : batches_) {
      ASSIGN_OR_RETURN(const int batch, ParseBatch(text));
      bench_.batches.push_back(batch);
    }
    if (seconds_ > 0) bench_.rounds = RoundsFor(seconds_);
    return Status::Ok();
  }

  // Each round of each row runs the encoder and its two ceilings. Medians need a few rounds.
  int RoundsFor(double seconds) const {
    const auto rows =
        static_cast<double>(bench_.precisions.size() * bench_.layouts.size() * bench_.batches.size());
    return std::max(3, static_cast<int>(seconds / (rows * 3 * bench_.slice_seconds)));
  }

  BenchEncodeOptions bench_;
  double seconds_ = 0;
  std::vector<std::string> models_ = {"clip-vit-b-32"};
  std::vector<std::string> precisions_ = {"auto"};
  std::vector<std::string> layouts_;
  std::vector<std::string> batches_ = {"1", "8", "32"};
  bool json_ = false;
};

}  // namespace

Result<BenchLayout> ParseLayout(const std::string& text) {
  BenchLayout layout;
  const char* end = text.data() + text.size();
  const char* next = ParseCount(text.data(), end, &layout.streams);
  if (next != nullptr && next != end && *next == 'x' && ParseCount(next + 1, end, &layout.threads) == end) {
    return layout;
  }
  return Status(Code::kInvalidRequest,
                "--layout '" + text + "' must look like 2x1: streams x threads of each");
}

std::unique_ptr<Command> MakeBenchEncodeCommand() { return std::make_unique<BenchEncodeCommand>(); }

}  // namespace photovec::commands
