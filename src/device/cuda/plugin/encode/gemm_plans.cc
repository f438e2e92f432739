// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/encode/captured_graph.h"
#include "device/cuda/plugin/encode/gemm.h"
#include "device/cuda/plugin/kernels/kernels.h"

namespace photovec::device {
namespace {

constexpr int kMostCandidates = 12;
// A product is repeated until about this much work is in one graph, so that launches do not count.
constexpr double kFlopsPerTiming = 4e10;
constexpr int kLeastRepeats = 3;
constexpr int kMostRepeats = 24;

// Runs `body` as a captured graph: once to warm up, then timed. Milliseconds.
template <typename Body>
Result<float> TimedAsGraph(cudaStream_t stream, Body body) {
  ASSIGN_OR_RETURN(const CapturedGraph graph, CapturedGraph::Of(stream, body));
  GraphTimer timer;
  RETURN_IF_ERROR(timer.Create());
  CUDA_OK(cudaGraphLaunch(graph.get(), stream));
  return timer.Milliseconds(graph, 1, stream);
}

Status FillX(const GemmShape& shape, const GemmPlans::Scratch& scratch, cudaStream_t stream) {
  if (!shape.fp8) {
    CUDA_OK(FillEqualRows(scratch.x, shape.rows, shape.depth, shape.element, stream));
    return Status::Ok();
  }
  CUDA_OK(FillEqualFp8Rows(static_cast<uint8_t*>(scratch.x), shape.rows, shape.depth, stream));
  CUDA_OK(FillFp8Scales(scratch.x_scales, shape.rows, stream));
  return Status::Ok();
}

// Whether rows with the same values give the same bits wherever they stand.
Result<bool> RowsAreAlike(Gemm& gemm, const Gemm::Context& context, const GemmPlans::Scratch& scratch,
                          const cublasLtMatmulAlgo_t& algo) {
  const GemmShape& shape = gemm.shape();
  const size_t row_bytes =
      static_cast<size_t>(shape.columns) * (shape.out_f32 ? 4 : model::ElementBytes(shape.element));
  CUDA_OK(cudaMemsetAsync(scratch.counter, 0, sizeof(unsigned), context.stream));
  RETURN_IF_ERROR(gemm.Run(context, scratch.Operands(0), algo));
  CUDA_OK(CompareRows(scratch.y, shape.rows, row_bytes, scratch.counter, context.stream));
  unsigned different = 0;
  CUDA_OK(cudaMemcpyAsync(&different, scratch.counter, sizeof(different), cudaMemcpyDeviceToHost,
                          context.stream));
  CUDA_OK(cudaStreamSynchronize(context.stream));
  return different == 0;
}

// A line: rows columns depth element out_f32 bias fp8, then the algorithm's eight words.
std::string LineOf(const GemmShape& shape, const cublasLtMatmulAlgo_t& algo) {
  std::ostringstream line;
  line << shape.rows << ' ' << shape.columns << ' ' << shape.depth << ' ' << static_cast<int>(shape.element)
       << ' ' << shape.out_f32 << ' ' << shape.bias << ' ' << shape.fp8 << std::hex;
  for (const uint64_t word : algo.data) line << ' ' << word;
  return line.str();
}

}  // namespace

GemmPlans::GemmPlans(std::string file, std::string device, std::function<void(const std::string&)> log)
    : file_(std::move(file)), device_(std::move(device)), log_(std::move(log)) {
  if (!file_.empty()) Load();
}

void GemmPlans::Load() {
  std::ifstream in(file_);
  std::string line;
  if (!std::getline(in, line) || line != device_) return;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    GemmShape shape;
    int element = 0;
    cublasLtMatmulAlgo_t algo{};
    words >> shape.rows >> shape.columns >> shape.depth >> element >> shape.out_f32 >> shape.bias >>
        shape.fp8 >> std::hex;
    for (uint64_t& word : algo.data) words >> word;
    shape.element = static_cast<model::Element>(element);
    if (!words.fail()) known_.insert_or_assign(shape, algo);
  }
}

void GemmPlans::Save() {
  const std::scoped_lock lock(mutex_);
  if (!changed_ || file_.empty()) return;
  std::error_code error;
  const std::filesystem::path path(file_);
  std::filesystem::create_directories(path.parent_path(), error);
  const std::string partial = file_ + "." + std::to_string(reinterpret_cast<uintptr_t>(this)) + ".part";
  {
    std::ofstream out(partial);
    out << device_ << '\n';
    for (const auto& [shape, algo] : known_) out << LineOf(shape, algo) << '\n';
    if (!out.flush()) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) std::filesystem::rename(partial, path, error);
  if (error && log_) log_("the measured product plans cannot be kept in " + file_ + ": " + error.message());
  changed_ = static_cast<bool>(error);
}

Status GemmPlans::Plan(Gemm& gemm, const Gemm::Context& context, const Scratch& scratch) {
  const std::scoped_lock lock(mutex_);  // one measurement at a time
  auto found = known_.find(gemm.shape());
  if (found == known_.end()) {
    ASSIGN_OR_RETURN(const cublasLtMatmulAlgo_t algo, Measure(gemm, context, scratch));
    found = known_.emplace(gemm.shape(), algo).first;
    changed_ = true;
  }
  gemm.Choose(found->second);
  return Status::Ok();
}

Result<cublasLtMatmulAlgo_t> GemmPlans::Measure(Gemm& gemm, const Gemm::Context& context,
                                                const Scratch& scratch) {
  const GemmShape& shape = gemm.shape();
  RETURN_IF_ERROR(FillX(shape, scratch, context.stream));
  ASSIGN_OR_RETURN(const auto candidates, gemm.Candidates(context, scratch.Operands(0), kMostCandidates));
  const int repeats = static_cast<int>(
      std::clamp(kFlopsPerTiming / shape.flops(), double{kLeastRepeats}, double{kMostRepeats}));
  float best = std::numeric_limits<float>::infinity();
  cublasLtMatmulAlgo_t chosen = candidates.front();
  for (const cublasLtMatmulAlgo_t& algo : candidates) {
    ASSIGN_OR_RETURN(const bool alike, RowsAreAlike(gemm, context, scratch, algo));
    if (!alike) continue;
    if (candidates.size() == 1) return algo;
    ASSIGN_OR_RETURN(const float milliseconds, TimedAsGraph(context.stream, [&]() -> Status {
                       for (int i = 0; i < repeats; ++i) {
                         RETURN_IF_ERROR(gemm.Run(context, scratch.Operands(static_cast<size_t>(i)), algo));
                       }
                       return Status::Ok();
                     }));
    if (milliseconds < best) {
      best = milliseconds;
      chosen = algo;
    }
  }
  if (best == std::numeric_limits<float>::infinity() && log_) {
    log_("cuBLASLt's algorithms for [" + std::to_string(shape.rows) + ", " + std::to_string(shape.depth) +
         "] x [" + std::to_string(shape.depth) + ", " + std::to_string(shape.columns) +
         "] all let a row's place in the batch change its last bits");
  }
  return chosen;
}

}  // namespace photovec::device
