// SPDX-License-Identifier: MIT
#pragma once

#include <lcms2.h>

#include <csetjmp>
#include <cstddef>

namespace photovec::decode {

/// An lcms2 context with memory of its own, bounded. Where lcms2 is refused memory it may go on with a null
/// pointer and crash (2.14 does), so it is never refused any: the step that asks for too
/// much is left by longjmp, and all that it took is freed with this object. Not thread-safe.
class ColorMemory {
 public:
  /// \param limit bytes, what lcms2 has at one time.
  explicit ColorMemory(size_t limit);
  ~ColorMemory();
  ColorMemory(const ColorMemory&) = delete;
  ColorMemory& operator=(const ColorMemory&) = delete;

  /// Null when there is no memory even for it.
  cmsContext context() const { return context_; }
  size_t used() const { return used_; }

  /// Calls step(argument). Nothing with a destructor may live in `step`, or between it and lcms2.
  /// \return whether it came to its end. If not, nothing that lcms2 made in this context may be used or
  /// closed any more.
  bool Run(void (*step)(void*), void* argument);

 private:
  struct Block;
  static void* Take(cmsContext context, cmsUInt32Number size);
  static void Give(cmsContext context, void* memory);
  static void* TakeAgain(cmsContext context, void* memory, cmsUInt32Number size);
  void Link(Block* block);
  void Unlink(Block* block);

  const size_t limit_;
  size_t used_ = 0;
  Block* blocks_ = nullptr;  // a list of all that lcms2 has
  bool armed_ = false;       // inside Run()
  std::jmp_buf escape_{};
  cmsContext context_ = nullptr;
};

}  // namespace photovec::decode
