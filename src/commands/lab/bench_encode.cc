// SPDX-License-Identifier: MIT

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "bench/encode_cuda.h"
#include "cli/exit.h"
#include "commands/lab/commands.h"
#include "device/cuda/loader.h"
#include "encode/factory.h"
#include "engine/device_choice.h"
#include "engine/model_setup.h"

namespace photovec::commands {
namespace {

// A whole number from 1 on at the front of [begin, end); the place behind it, or null.
const char* ParseCount(const char* begin, const char* end, int* value) {
  const auto [rest, error] = std::from_chars(begin, end, *value);
  return error == std::errc() && *value >= 1 ? rest : nullptr;
}

// What a list flag was given, repeated or with commas.
std::vector<std::string> Words(const std::vector<std::string>& texts) {
  std::vector<std::string> words;
  for (const std::string& text : texts) {
    for (size_t at = 0; at <= text.size();) {
      const size_t end = std::min(text.find(',', at), text.size());
      words.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }
  return words;
}

// "1", "8" or "1,8,32", each a whole number from 1 on.
Result<std::vector<int>> ParseCounts(const std::string& flag, const std::vector<std::string>& texts) {
  std::vector<int> counts;
  for (const std::string& text : Words(texts)) {
    int count = 0;
    const char* const end = text.data() + text.size();
    if (ParseCount(text.data(), end, &count) != end) {
      return Status(Code::kInvalidRequest,
                    "--" + flag + " '" + text + "' must be a whole number from 1 on, or several with commas");
    }
    counts.push_back(count);
  }
  return counts;
}

class BenchEncodeCommand : public cli::Command {
 public:
  std::string path() const override { return "bench.encode"; }
  std::string summary() const override {
    return "Run the encoder beside the bare matrix products of the same shapes";
  }
  LogLevel default_log_level() const override { return LogLevel::kWarn; }

  void Declare(cli::FlagSet& flags) override {
    flags.Group("Benchmark");
    flags.List("model", &models_, "DIR|PRESET", "model folder, or a preset for random weights in memory");
    flags.List("precision", &precisions_, "auto|f32|bf16|f16|fp8", "repeatable, or f32,bf16");
    flags.Text("device", &device_, "DEVICE", "cpu, cuda or cuda:N");
    flags.List("streams", &streams_, "N", "on a GPU: CUDA streams; repeatable, or 1,2,4,8");
    flags.List("input", &inputs_, "pinned|pageable|device",
               "on a GPU: where pixels lie; pinned as in serve, pageable, or on the GPU already; "
               "repeatable, or with commas");
    flags.List("layout", &layouts_, "SxT",
               "S streams of T threads, such as 2x1; repeatable, or with commas; none: as serve");
    flags.List("batch", &batches_, "N",
               "images or texts in a batch of one stream, 1 to 64 (on a GPU 1024); repeatable, or 1,8,32");
    flags.Integer("texts", &bench_.tokens, 0, 100'000,
                  "texts of so many tokens instead of images, by the model's text tower; on a CPU");
    flags.Number("seconds", &seconds_, 0, 3600,
                 "about how long to measure in all; 0: as --rounds says, on a GPU 0.5 s a row");
    flags.Integer("rounds", &bench_.rounds, 1, 10'000, "encoder and ceiling take turns this often");
    flags.Number("slice", &bench_.slice_seconds, 0.001, 60,
                 "seconds that each lasts within a round, at least");
    flags.Switch("pin", &bench_.pin_threads, "pin threads to CPUs");
    flags.Switch("json", &json_, "print one JSON object");
  }

  int Run() override {
    const Status parsed = ParseLists();
    if (!parsed.ok()) return cli::ReportUsage(parsed);
    if (device_ != "cpu" && bench_.tokens > 0) {
      return cli::ReportUsage({Code::kInvalidRequest, "--texts is measured with --device cpu"});
    }
    if (device_ != "cpu") return RunCuda();
    bench_.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    const auto report = bench::RunBenchEncode(bench_);
    if (!report.ok()) return cli::ReportFailure(report.status());
    const std::string text = json_ ? bench::ToJson(*report) : bench::ToText(*report);
    std::printf("%s%s", text.c_str(), text.ends_with('\n') ? "" : "\n");
    return cli::kExitOk;
  }

 private:
  Status ParseLists() {
    if (models_.size() != 1) return {Code::kInvalidRequest, "bench takes one --model"};
    // As everywhere, a folder may stand behind a name: NAME=DIR.
    ASSIGN_OR_RETURN(const engine::ModelChoice choice, engine::ParseModelChoice(models_[0]));
    bench_.model = choice.dir;
    bench_.precisions.clear();
    for (const std::string& text : Words(precisions_)) {
      ASSIGN_OR_RETURN(const encode::Precision precision, encode::ParsePrecision(text));
      bench_.precisions.push_back(precision);
    }
    if (!layouts_.empty()) bench_.layouts.clear();
    for (const std::string& text : Words(layouts_)) {
      ASSIGN_OR_RETURN(const bench::BenchLayout layout, ParseLayout(text));
      bench_.layouts.push_back(layout);
    }
    ASSIGN_OR_RETURN(bench_.batches, ParseCounts("batch", batches_));
    ASSIGN_OR_RETURN(cuda_.streams, ParseCounts("streams", streams_));
    cuda_.inputs.clear();
    for (const std::string& text : Words(inputs_)) {
      if (text != "pinned" && text != "pageable" && text != "device") {
        return {Code::kInvalidRequest, "--input '" + text + "'; there are: pinned, pageable, device"};
      }
      cuda_.inputs.push_back(text == "pinned"     ? bench::PixelSource::kPinned
                             : text == "pageable" ? bench::PixelSource::kPageable
                                                  : bench::PixelSource::kDevice);
    }
    if (seconds_ > 0) bench_.rounds = RoundsFor(seconds_);
    return Status::Ok();
  }

  int RunCuda() {
    const auto choice = engine::ChooseDevice(device_ == "auto" ? "cuda" : device_);
    if (!choice.ok()) {
      return choice.status().code() == Code::kInvalidRequest ? cli::ReportUsage(choice.status())
                                                             : cli::ReportFailure(choice.status());
    }
    cuda_.model = bench_.model;
    cuda_.device = choice->devices.front();
    cuda_.precisions = bench_.precisions;
    cuda_.batches = bench_.batches;
    if (seconds_ > 0) {
      cuda_.seconds = seconds_ / static_cast<double>(cuda_.precisions.size() * cuda_.batches.size() *
                                                     cuda_.streams.size() * cuda_.inputs.size());
    }
    cuda_.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
    const auto platform = device::LoadPlugin();
    if (!platform.ok()) return cli::ReportFailure(platform.status());
    const auto report = bench::RunBenchCuda(**platform, cuda_);
    if (!report.ok()) return cli::ReportFailure(report.status());
    std::printf("%s\n", (json_ ? bench::ToJson(*report) : bench::ToText(*report)).c_str());
    return cli::kExitOk;
  }

  // Each round of each row runs the encoder and its two ceilings. Medians need a few rounds.
  int RoundsFor(double seconds) const {
    const auto rows =
        static_cast<double>(bench_.precisions.size() * bench_.layouts.size() * bench_.batches.size());
    return std::max(3, static_cast<int>(seconds / (rows * 3 * bench_.slice_seconds)));
  }

  bench::BenchEncodeOptions bench_;
  double seconds_ = 0;
  std::vector<std::string> models_ = {"clip-vit-b-32"};
  std::vector<std::string> precisions_ = {"auto"};
  std::vector<std::string> layouts_;
  std::vector<std::string> batches_ = {"1", "8", "32"};
  std::string device_ = "cpu";
  std::vector<std::string> streams_ = {"1", "2", "4", "8"};
  std::vector<std::string> inputs_ = {"pinned"};
  bench::BenchCudaOptions cuda_;
  bool json_ = false;
};

}  // namespace

Result<bench::BenchLayout> ParseLayout(const std::string& text) {
  bench::BenchLayout layout;
  const char* end = text.data() + text.size();
  const char* next = ParseCount(text.data(), end, &layout.streams);
  if (next != nullptr && next != end && *next == 'x' && ParseCount(next + 1, end, &layout.threads) == end) {
    return layout;
  }
  return Status(Code::kInvalidRequest,
                "--layout '" + text + "' must look like 2x1: streams x threads of each");
}

std::unique_ptr<cli::Command> MakeBenchEncodeCommand() { return std::make_unique<BenchEncodeCommand>(); }

}  // namespace photovec::commands
