// SPDX-License-Identifier: MIT
#include "encode/factory.h"

#include <string>

#include "encode/cpu/cpu_encoder.h"
#include "encode/cuda/cuda_encoder.h"
#include "encode/reference/reference_encoder.h"

namespace photovec::encode {

Result<std::unique_ptr<Encoder>> CreateEncoder(const std::string& backend, const model::VisionModel& model,
                                               const EncoderOptions& options) {
  if (backend == "cpu") return CreateCpuEncoder(model, options);
  if (backend == "cuda") return cuda::CreateCudaEncoder(model, options);
  if (backend == "reference") return CreateReferenceEncoder(model, options);
  return Status(Code::kNotImplemented,
                "no encoder backend \"" + backend + "\"; there are: cpu, cuda, reference");
}

Result<Precision> ParsePrecision(const std::string& text) {
  if (text == "auto") return Precision::kAuto;
  if (text == "f32") return Precision::kF32;
  if (text == "bf16") return Precision::kBF16;
  if (text == "f16") return Precision::kF16;
  if (text == "fp8") return Precision::kFp8;
  return Status(Code::kInvalidRequest, "precision \"" + text + "\"; there are: auto, f32, bf16, f16, fp8");
}

}  // namespace photovec::encode
