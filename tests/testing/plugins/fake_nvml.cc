// SPDX-License-Identifier: MIT
// A stand-in for NVIDIA's management library with two GPUs; FAKE_NVML_GPUS=0 takes them away.
#include <cstdlib>

extern "C" {
int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }
int nvmlDeviceGetCount_v2(unsigned* count) {
  const char* gpus = std::getenv("FAKE_NVML_GPUS");
  *count = gpus == nullptr ? 2 : static_cast<unsigned>(std::atoi(gpus));
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = reinterpret_cast<void*>(static_cast<unsigned long>(index) + 1);
  return 0;
}
int nvmlDeviceGetUtilizationRates(void* device, unsigned* rates) {
  if (std::getenv("FAKE_NVML_LOST") != nullptr) return 15;  // NVML_ERROR_GPU_IS_LOST
  rates[0] = device == reinterpret_cast<void*>(1) ? 90 : 30;
  rates[1] = 0;
  return 0;
}
int nvmlDeviceGetMemoryInfo(void*, unsigned long long* memory) {
  memory[0] = 1000;
  memory[1] = 400;
  memory[2] = 600;
  return 0;
}
int nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) {
  *milliwatts = 70'500;
  return 0;
}
}
