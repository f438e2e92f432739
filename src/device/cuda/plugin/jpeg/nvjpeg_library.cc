// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/jpeg/nvjpeg_library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace photovec::device {
namespace {

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<NvJpegLibrary> Open() {
  void* library = nullptr;
  std::string why;
  const char* named = std::getenv("PHOTOVEC_NVJPEG");
  for (const char* name : {named, "libnvjpeg.so.13", "libnvjpeg.so.12"}) {
    if (name == nullptr || library != nullptr) continue;
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr && why.empty()) why = dlerror();
  }
  if (library == nullptr) {
    return Status(Code::kUnavailable,
                  "decoding on the GPU needs NVIDIA's libnvjpeg, which does not load: " + why +
                      " (put its folder on LD_LIBRARY_PATH, or its path into PHOTOVEC_NVJPEG)");
  }
  NvJpegLibrary found;
  const bool complete = Find(library, "nvjpegGetProperty", found.get_property) &&
                        Find(library, "nvjpegCreateExV2", found.create) &&
                        Find(library, "nvjpegDestroy", found.destroy) &&
                        Find(library, "nvjpegJpegStateCreate", found.state_create) &&
                        Find(library, "nvjpegJpegStateDestroy", found.state_destroy) &&
                        Find(library, "nvjpegGetImageInfo", found.image_info) &&
                        Find(library, "nvjpegGetHardwareDecoderInfo", found.hardware_info) &&
                        Find(library, "nvjpegDecodeBatchedPreAllocate", found.batch_preallocate) &&
                        Find(library, "nvjpegDecodeBatchedInitialize", found.batch_initialize) &&
                        Find(library, "nvjpegDecodeBatched", found.batch_decode);
  if (!complete)
    return Status(Code::kUnavailable, "the libnvjpeg of this machine lacks functions of nvJPEG 12 and later");
  for (int part = 0; part < 3; ++part) {  // libraryPropertyType: major, minor, patch
    int value = 0;
    if (found.get_property(part, &value) != NvJpegLibrary::kSuccess) value = 0;
    found.version += (part == 0 ? "" : ".") + std::to_string(value);
  }
  return found;
}

}  // namespace

Result<const NvJpegLibrary*> NvJpegLibrary::Get() {
  static const Result<NvJpegLibrary> library = Open();
  if (!library.ok()) return library.status();
  return &*library;
}

}  // namespace photovec::device
