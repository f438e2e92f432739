// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "base/machine.h"
#include "encode/cpu/cpu_stream.h"
#include "encode/cpu/packed_tower.h"
#include "encode/encoder.h"

namespace photovec::encode::cpu {

/// What CreateCpuEncoder() returns. Only the ceiling measurement and tests look inside.
class CpuEncoder final : public Encoder {
 public:
  struct Lanes {
    int streams = 1;
    int text_streams = 0;  ///< more, at the end
    int threads = 1;       ///< of each
    bool pin = false;      ///< those that take images
    int max_batch = 1;
  };
  /// \param texts null: images alone.
  CpuEncoder(std::unique_ptr<PackedTower> images, std::unique_ptr<PackedTower> texts, const Machine& machine,
             const Lanes& lanes);

  const EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return static_cast<int>(streams_.size()); }
  int text_stream_count() const override { return lanes_.text_streams; }
  EncoderStream& stream(int index) override { return *streams_[static_cast<size_t>(index)]; }
  Status Warmup() override;

  CpuStream& cpu_stream(int index) { return *streams_[static_cast<size_t>(index)]; }
  const PackedTower& images() const { return *images_; }
  const PackedTower* texts() const { return texts_.get(); }

 private:
  const std::unique_ptr<PackedTower> images_;
  const std::unique_ptr<PackedTower> texts_;
  const Lanes lanes_;
  EncoderInfo info_;
  std::vector<std::unique_ptr<CpuStream>> streams_;
};

}  // namespace photovec::encode::cpu
