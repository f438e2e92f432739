// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "base/machine.h"
#include "encode/cpu/cpu_stream.h"
#include "encode/cpu/packed_model.h"
#include "encode/encoder.h"

namespace photovec::encode::cpu {

/// What CreateCpuEncoder() returns. Only the ceiling measurement and tests look inside.
class CpuEncoder final : public Encoder {
 public:
  CpuEncoder(std::unique_ptr<PackedModel> model, const Machine& machine, int streams, int threads,
             int max_batch, bool pin);

  const EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return static_cast<int>(streams_.size()); }
  EncoderStream& stream(int index) override { return *streams_[static_cast<size_t>(index)]; }
  Status Warmup() override;

  CpuStream& cpu_stream(int index) { return *streams_[static_cast<size_t>(index)]; }
  const PackedModel& model() const { return *model_; }

 private:
  std::unique_ptr<PackedModel> model_;
  std::vector<std::unique_ptr<CpuStream>> streams_;
  EncoderInfo info_;
};

}  // namespace photovec::encode::cpu
