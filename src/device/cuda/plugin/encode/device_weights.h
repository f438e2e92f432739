// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/image.h"
#include "base/result.h"
#include "device/cuda/plugin/device_memory.h"
#include "device/cuda/plugin/encode/gemm.h"
#include "device/cuda/plugin/kernels/kernels.h"
#include "model/fold/element.h"
#include "model/vision_model.h"

namespace photovec::device {

/// Device pointers of one block. `e`: elements; biases that a product adds are elements, others f32. `m`:
/// elements too, or E4M3 with a scale a row where the weights are fp8.
struct DeviceBlock {
  DeviceMatrix qkv;                ///< m [3D, D] by head (fold.h); of the last block keys and values: [2D, D]
  const void* qkv_bias = nullptr;  ///< e [3D], zero for keys and values; null in the last block
  DeviceMatrix q;                  ///< e [D, D], last block only
  const void* q_bias = nullptr;    ///< e [D], last block only
  DeviceMatrix out;                ///< m [D, D]; e in the last block, as are
  DeviceMatrix fc1;                ///< m [F, D]
  DeviceMatrix fc2;                ///< m [D, F]
  const float* out_bias = nullptr;
  const float* fc1_bias = nullptr;
  const float* fc2_bias = nullptr;
};

/// The one copy of a model's weights on a device, folded (fold.h). Immutable; shared by all streams.
class DeviceWeights {
 public:
  /// On the current device. Refers to nothing of `model` afterwards. Errors: kDeviceOutOfMemory.
  /// \param fp8 the products over all rows of a batch but the first, of the patches, are in fp8; element is
  /// f16.
  static Result<std::unique_ptr<DeviceWeights>> Create(const model::VisionModel& model,
                                                       const PixelNormalization& normalization,
                                                       model::Element element, bool fp8);

  const model::VisionConfig& config() const { return config_; }
  model::Element element() const { return element_; }
  bool fp8() const { return fp8_; }
  uint64_t bytes() const { return arena_.bytes(); }
  /// P*P*3 up to a multiple of 64: rows of the patch product then start where tensor cores want them.
  int patch_depth() const { return patch_depth_; }

  DeviceMatrix patch;                ///< e [D, patch_depth]
  float pixel_scale = 1;             ///< what its inputs are: u8 * pixel_scale
  const float* position = nullptr;   ///< [patches, D]
  const float* class_row = nullptr;  ///< [D] or null
  Affine pre_norm;
  std::vector<DeviceBlock> blocks;
  DeviceMatrix projection;                 ///< e [E, D], post-norm folded in; null: none
  const float* projection_bias = nullptr;  ///< [E]
  Affine post_norm;                        ///< only where there is no projection

 private:
  DeviceWeights(const model::VisionConfig& config, model::Element element, bool fp8);
  size_t TotalBytes() const;
  Status Upload(const model::VisionModel& model, const PixelNormalization& normalization);
  Status UploadBlock(const model::Block& source, bool last, DeviceBlock& block);
  /// Converted to elements.
  Result<const void*> Elements(const std::vector<float>& values);
  Result<DeviceMatrix> Matrix(const std::vector<float>& values);
  /// As E4M3, a scale a row.
  Result<DeviceMatrix> Fp8Matrix(const std::vector<float>& values, int rows);
  Result<const float*> Floats(const std::vector<float>& values);
  Result<Affine> Norm(const model::Norm& norm);

  model::VisionConfig config_;
  model::Element element_;
  bool fp8_;
  int patch_depth_;
  DeviceArena arena_;
  std::vector<uint16_t> staging_;
};

}  // namespace photovec::device
