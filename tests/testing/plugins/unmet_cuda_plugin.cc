// SPDX-License-Identifier: MIT
// A plug-in whose library is missing (libcublas_nowhere.so), as the real one on a machine without cuBLASLt.
extern "C" int photovec_cublas_nowhere();

extern "C" void* photovec_cuda_plugin(unsigned /*version*/, const char* /*photovec_version*/) {
  return photovec_cublas_nowhere() == 0 ? nullptr : reinterpret_cast<void*>(&photovec_cublas_nowhere);
}
