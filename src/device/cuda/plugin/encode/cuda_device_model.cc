// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/cuda_device_model.h"

#include <string>
#include <utility>

#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/encode/cuda_device_stream.h"
#include "device/cuda/plugin/kernels/kernels.h"

namespace photovec::device {
namespace {

constexpr int kMostHidden = 2048;  // what the row kernels keep in registers

std::string Version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

Status NotHere(const std::string& what) {
  return {Code::kNotImplemented, "the CUDA encoder takes " + what + ": use --device cpu"};
}

// What both towers must be. \param tower "image" or "text".
Status CheckTower(const model::TransformerConfig& config, int projection_dim, int rows,
                  const std::string& tower, model::Precision precision) {
  if (config.hidden_size % 8 != 0 || config.hidden_size > kMostHidden || config.mlp_size % 8 != 0 ||
      config.head_dim() % 8 != 0 || config.head_dim() > kMostHead || projection_dim % 4 != 0 ||
      rows > kMostPlainKeys || config.layers < 1) {
    return NotHere(
        "hidden sizes up to 2048, heads of up to 256, up to 2048 tokens, and widths and heads in "
        "eights; this model's " +
        tower + " tower has hidden size " + std::to_string(config.hidden_size) + ", MLP " +
        std::to_string(config.mlp_size) + ", heads of " + std::to_string(config.head_dim()) + ", " +
        std::to_string(rows) + " tokens");
  }
  if (precision == model::Precision::kFp8 &&
      (config.hidden_size % 16 != 0 || config.mlp_size % 16 != 0 || config.mlp_size > kMostFp8Columns)) {
    return {Code::kNotImplemented, "fp8 takes widths in sixteens and MLPs up to 8192; this model's " + tower +
                                       " tower has hidden size " + std::to_string(config.hidden_size) +
                                       ", MLP " + std::to_string(config.mlp_size) + ": use --precision f16"};
  }
  return Status::Ok();
}

Status CheckModel(const model::VisionConfig& config, const model::TextModel* text,
                  model::Precision precision) {
  if (config.pooling == model::Pooling::kClassToken && !config.has_class_token) {
    return NotHere("models that pool a class token or by attention");
  }
  const bool rotary = config.positions == model::Positions::kRotary;
  if (rotary && config.head_dim() % 16 != 0) {
    return NotHere("rotary positions in heads of sixteens, not of " + std::to_string(config.head_dim()));
  }
  RETURN_IF_ERROR(CheckTower(config, config.projection_dim, config.tokens(), "image", precision));
  if (text == nullptr) return Status::Ok();
  return CheckTower(text->config, text->config.projection_dim, text->config.max_tokens, "text",
                    model::Precision::kF16);
}

Result<model::Element> ElementFor(model::Precision precision, const DeviceInfo& info) {
  switch (precision) {
    case model::Precision::kAuto:
    case model::Precision::kF16:
      return model::Element::kF16;
    case model::Precision::kF32:
      return model::Element::kF32;
    case model::Precision::kBF16:
      if (info.major >= 8) return model::Element::kBF16;
      return Status(Code::kInvalidRequest,
                    info.name + " has no bf16 (compute capability 8.0): use --precision f16");
    case model::Precision::kFp8:
      break;
  }
  // What the products are not in fp8 for: residual stream, attention, the class token's way out.
  if (info.major == 9 && info.minor == 0) return model::Element::kF16;
  return Status(Code::kInvalidRequest, info.name +
                                           " has no fp8 products with a scale a row (compute capability "
                                           "9.0): use --precision f16");
}

}  // namespace

Result<DeviceInfo> DescribeDevice(int index) {
  cudaDeviceProp properties{};
  int driver = 0;
  int runtime = 0;
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess ||
      cudaDriverGetVersion(&driver) != cudaSuccess || cudaRuntimeGetVersion(&runtime) != cudaSuccess) {
    return Status(Code::kUnavailable,
                  "CUDA device " + std::to_string(index) + ": " + cudaGetErrorString(cudaGetLastError()));
  }
  DeviceInfo info;
  info.index = index;
  info.name = properties.name;
  info.major = properties.major;
  info.minor = properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  info.memory_bytes = properties.totalGlobalMem;
  const size_t cublas = cublasLtGetVersion();
  info.runtime = "CUDA " + Version(runtime) + ", driver " + Version(driver) + ", cuBLASLt " +
                 std::to_string(cublas / 10000) + "." + std::to_string(cublas / 100 % 100) + "." +
                 std::to_string(cublas % 100);
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  if (cudaSetDevice(index) != cudaSuccess || cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) {
    return Status(Code::kUnavailable, "CUDA device " + std::to_string(index) + " (" + info.name +
                                          "): " + cudaGetErrorString(cudaGetLastError()));
  }
  info.free_bytes = free_bytes;
  return info;
}

Result<std::unique_ptr<CudaDeviceModel>> CudaDeviceModel::Create(int device, const model::VisionModel& model,
                                                                 const model::TextModel* text,
                                                                 const DeviceModelOptions& options) {
  RETURN_IF_ERROR(CheckModel(model.config, text, options.precision));
  ASSIGN_OR_RETURN(DeviceInfo info, DescribeDevice(device));
  ASSIGN_OR_RETURN(const model::Element element, ElementFor(options.precision, info));
  const std::string make = info.name + " | " + info.runtime;
  std::unique_ptr<CudaDeviceModel> made(new CudaDeviceModel(std::move(info)));
  CUBLAS_OK(cublasLtCreate(&made->handle_));
  CUDA_OK(cudaEventCreate(&made->clock_));
  const bool fp8 = options.precision == model::Precision::kFp8;
  ASSIGN_OR_RETURN(made->image_, ImageWeights::Create(model, options.normalization, element, fp8));
  if (text != nullptr) {
    ASSIGN_OR_RETURN(made->text_, TextWeights::Create(*text, element));
  }
  made->plans_ = std::make_unique<GemmPlans>(options.plan_cache, make, options.log);
  return made;
}

CudaDeviceModel::~CudaDeviceModel() {
  (void)cudaSetDevice(info_.index);
  if (clock_ != nullptr) (void)cudaEventDestroy(clock_);
  if (handle_ != nullptr) (void)cublasLtDestroy(handle_);
}

Result<std::unique_ptr<DeviceStream>> CudaDeviceModel::CreateStream(const DeviceStreamOptions& options) {
  ASSIGN_OR_RETURN(auto stream, CudaDeviceStream::Create(shared(), options));
  return std::unique_ptr<DeviceStream>(std::move(stream));
}

Status CudaDeviceModel::StartClock() {
  CUDA_OK(cudaSetDevice(info_.index));
  CUDA_OK(cudaDeviceSynchronize());
  CUDA_OK(cudaEventRecord(clock_, cudaStreamPerThread));
  CUDA_OK(cudaEventSynchronize(clock_));
  return Status::Ok();
}

Result<double> CudaDeviceModel::GemmCeiling(int batch) { return MeasureGemmCeiling(shared(), batch); }

Result<const uint8_t*> CudaDeviceModel::CopyToDevice(std::span<const uint8_t> host) {
  CUDA_OK(cudaSetDevice(info_.index));
  ASSIGN_OR_RETURN(DeviceArena arena, DeviceArena::Create(DeviceArena::Rounded(host.size())));
  auto* copy = arena.Take<uint8_t>(host.size());
  CUDA_OK(cudaMemcpy(copy, host.data(), host.size(), cudaMemcpyHostToDevice));
  const std::scoped_lock lock(mutex_);
  copies_.push_back(std::move(arena));
  return static_cast<const uint8_t*>(copy);
}

Status CudaDeviceModel::PinHost(std::span<uint8_t> memory) {
  CUDA_OK(cudaSetDevice(info_.index));
  const cudaError_t error = cudaHostRegister(memory.data(), memory.size(), cudaHostRegisterPortable);
  if (error == cudaSuccess || error == cudaErrorHostMemoryAlreadyRegistered) {
    (void)cudaGetLastError();
    return Status::Ok();
  }
  (void)cudaGetLastError();
  return {Code::kUnavailable, std::string("the pixel slots cannot be pinned: ") + cudaGetErrorString(error)};
}

void CudaDeviceModel::UnpinHost(std::span<uint8_t> memory) {
  (void)cudaHostUnregister(memory.data());  // once for all devices: a second one finds nothing
  (void)cudaGetLastError();
}

}  // namespace photovec::device
