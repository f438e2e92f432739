// SPDX-License-Identifier: MIT
// A plug-in of another build: it knows no version that it is asked for.
extern "C" void* photovec_cuda_plugin(unsigned /*version*/, const char* /*photovec_version*/) {
  return nullptr;
}
