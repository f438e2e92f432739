// SPDX-License-Identifier: MIT
#include "encode/factory.h"

#include <string>

#include "encode/cpu/cpu_encoder.h"
#include "encode/cuda/cuda_encoder.h"
#include "encode/reference/reference_encoder.h"

namespace photovec::encode {

Result<std::unique_ptr<Encoder>> CreateEncoder(Backend backend, const model::VisionModel& model,
                                               const model::TextModel* text, const EncoderOptions& options) {
  switch (backend) {
    case Backend::kCpu:
      return CreateCpuEncoder(model, text, options);
    case Backend::kCuda:
      return cuda::CreateCudaEncoder(model, text, options);
    case Backend::kReference:
      return CreateReferenceEncoder(model, text, options);
  }
  return Status(Code::kInternal, "no such encoder backend");
}

Result<Precision> ParsePrecision(const std::string& text) {
  if (const auto precision = ParseEnum<Precision>(text)) return *precision;
  return Status(Code::kInvalidRequest,
                "precision \"" + text + "\"; there are: " + JoinNames<Precision>(", "));
}

}  // namespace photovec::encode
