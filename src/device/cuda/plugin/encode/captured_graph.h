// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "device/cuda/plugin/cuda_check.h"

namespace photovec::device {

/// An executable CUDA graph. Move-only; ends on the device that it was made for.
class CapturedGraph {
 public:
  CapturedGraph() = default;
  CapturedGraph(CapturedGraph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  CapturedGraph& operator=(CapturedGraph&& other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }
  ~CapturedGraph() {
    if (graph_ != nullptr) (void)cudaGraphExecDestroy(graph_);
  }

  /// What `body`, a function that returns Status, launches on `stream`; nothing of it runs.
  template <typename Body>
  static Result<CapturedGraph> Of(cudaStream_t stream, Body body) {
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    const Status captured = body();
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, decltype(&cudaGraphDestroy)> owner(
        graph, &cudaGraphDestroy);
    RETURN_IF_ERROR(captured);
    CUDA_OK(ended);
    CapturedGraph made;
    CUDA_OK(cudaGraphInstantiate(&made.graph_, graph, 0));
    return made;
  }

  cudaGraphExec_t get() const { return graph_; }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

/// Times launches of a graph by CUDA events.
class GraphTimer {
 public:
  GraphTimer() = default;
  GraphTimer(const GraphTimer&) = delete;
  GraphTimer& operator=(const GraphTimer&) = delete;
  ~GraphTimer() {
    for (const cudaEvent_t event : {begin_, end_}) {
      if (event != nullptr) (void)cudaEventDestroy(event);
    }
  }
  Status Create() {
    CUDA_OK(cudaEventCreate(&begin_));
    CUDA_OK(cudaEventCreate(&end_));
    return Status::Ok();
  }
  /// Of so many launches together. Blocks until they are done.
  Result<float> Milliseconds(const CapturedGraph& graph, int launches, cudaStream_t stream) const {
    CUDA_OK(cudaEventRecord(begin_, stream));
    for (int i = 0; i < launches; ++i) CUDA_OK(cudaGraphLaunch(graph.get(), stream));
    CUDA_OK(cudaEventRecord(end_, stream));
    CUDA_OK(cudaEventSynchronize(end_));
    float milliseconds = 0;
    CUDA_OK(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return milliseconds;
  }

 private:
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace photovec::device
