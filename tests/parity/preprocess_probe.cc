// SPDX-License-Identifier: MIT
// Runs the preprocessor on raw pixels, for tests/parity/test_preprocess.py.
//
//   preprocess_probe [--wrong=filter] [--repeat=N] < jobs
//
// Each line of standard input is one job, separated by blanks:
//   PIXELS FULL_WIDTH FULL_HEIGHT DENOMINATOR ORIENTATION MODE FILTER RESIZE_SHORT CROP OUT
// PIXELS is a file of tight RGB rows of the size that the denominator leaves; MODE is shortest_edge or
// squash, or folder:DIR for the spec of a model's folder, which then counts for the rest, too; FILTER is
// Pillow's number; OUT receives [CROP, CROP, 3] bytes. Each line of standard output answers
// one job with the median time in microseconds. --wrong=filter resizes with another filter than asked, so
// that tests can show that they would notice.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/quantile.h"
#include "preprocess/resize.h"
#include "preprocess/spec.h"

namespace photovec::preprocess {
namespace {

struct Options {
  bool wrong_filter = false;
  int repeat = 1;
};

struct Job {
  std::string pixels, mode, out;
  DecodedPhoto source;
  Spec spec;
};

constexpr std::string_view kFolder = "folder:";

bool ParseJob(const std::string& line, Job& job) {
  std::istringstream in(line);
  int filter = 0;
  in >> job.pixels >> job.source.full_width >> job.source.full_height >> job.source.scale_denominator >>
      job.source.orientation >> job.mode >> filter >> job.spec.resize_short >> job.spec.crop >> job.out;
  job.spec.filter = static_cast<Filter>(filter);
  job.spec.mode = job.mode == "squash" ? ResizeMode::kSquash : ResizeMode::kShortestEdge;
  return !in.fail() && job.source.scale_denominator > 0;
}

int Fail(const std::string& why) {
  std::cerr << "preprocess_probe: " << why << "\n";
  return 1;
}

int RunJob(Job& job, const Options& options, Preprocessor& preprocessor) {
  if (job.mode.starts_with(kFolder)) {
    const Result<Spec> spec = LoadSpec(job.mode.substr(kFolder.size()));
    if (!spec.ok()) return Fail(spec.status().ToString());
    job.spec = *spec;
  }
  const int d = job.source.scale_denominator;
  const int width = (job.source.full_width + d - 1) / d;
  const int height = (job.source.full_height + d - 1) / d;
  const Result<std::string> bytes = ReadFile(job.pixels, uint64_t{1} << 30);
  if (!bytes.ok()) return Fail(job.pixels + ": " + bytes.status().message());
  const size_t stride = static_cast<size_t>(width) * 3;
  if (bytes->size() != stride * static_cast<size_t>(height)) return Fail(job.pixels + " has a wrong size");
  job.source.pixels = {reinterpret_cast<const uint8_t*>(bytes->data()), width, height, stride};
  if (options.wrong_filter) {
    job.spec.filter = job.spec.filter == Filter::kBilinear ? Filter::kBicubic : Filter::kBilinear;
    if (job.spec.mode == ResizeMode::kSquash) {
      job.spec.mode = ResizeMode::kShortestEdge;
      job.spec.resize_short = job.spec.crop;
    }
  }
  std::vector<uint8_t> out(job.spec.slot_bytes());
  std::vector<double> micros;
  for (int i = 0; i < options.repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Status status = preprocessor.Run(job.source, job.spec, out);
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    if (!status.ok()) return Fail(status.ToString());
    micros.push_back(spent.count());
  }
  std::ofstream result(job.out, std::ios::binary);
  result.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size()));
  result.close();
  if (!result.good()) return Fail("cannot write " + job.out);
  std::cout << Median(std::move(micros)) << std::endl;
  return 0;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--wrong=filter") {
      options.wrong_filter = true;
    } else if (argument.starts_with("--repeat=")) {
      options.repeat = std::max(1, std::atoi(argv[i] + 9));
    } else {
      return Fail("unknown argument " + std::string(argument));
    }
  }
  Preprocessor preprocessor;
  std::string line;
  while (std::getline(std::cin, line)) {
    Job job;
    if (!ParseJob(line, job)) return Fail("cannot parse the job: " + line);
    if (const int failed = RunJob(job, options, preprocessor); failed != 0) return failed;
  }
  return 0;
}

}  // namespace
}  // namespace photovec::preprocess

int main(int argc, char** argv) { return photovec::preprocess::Main(argc, argv); }
