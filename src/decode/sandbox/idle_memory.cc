// SPDX-License-Identifier: MIT
#include "decode/sandbox/idle_memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace photovec::decode {
namespace {

/// Of one loaded file, the segments that were never writable: their pages are those of the file.
int DropCode(dl_phdr_info* info, size_t /*size*/, void* /*unused*/) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
    const uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_filesz) / page * page;
    // Advice: where it is not taken (the vdso), nothing is lost.
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void GiveIdleMemoryBack() {
  malloc_trim(0);
  dl_iterate_phdr(DropCode, nullptr);
}

}  // namespace photovec::decode
