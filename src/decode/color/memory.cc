// SPDX-License-Identifier: MIT
#include "decode/color/memory.h"

#include <lcms2_plugin.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace photovec::decode {

/// What lies before each piece of memory; as large as malloc's alignment demands.
struct alignas(std::max_align_t) ColorMemory::Block {
  ColorMemory* owner = nullptr;  ///< null: taken while the context was being made
  Block* previous = nullptr;
  Block* next = nullptr;
  size_t size = 0;

  static Block* Of(void* memory) { return static_cast<Block*>(memory) - 1; }
};

namespace {

void Silent(cmsContext /*context*/, cmsUInt32Number /*code*/, const char* /*text*/) {}

}  // namespace

ColorMemory::ColorMemory(size_t limit) : limit_(limit) {
  cmsPluginMemHandler memory{};
  memory.base.Magic = cmsPluginMagicNumber;
  memory.base.ExpectedVersion = 2000;
  memory.base.Type = cmsPluginMemHandlerSig;
  memory.MallocPtr = Take;
  memory.FreePtr = Give;
  memory.ReallocPtr = TakeAgain;
  context_ = cmsCreateContext(&memory, this);
  if (context_ != nullptr) cmsSetLogErrorHandlerTHR(context_, Silent);
}

ColorMemory::~ColorMemory() {
  if (context_ != nullptr) cmsDeleteContext(context_);
  while (blocks_ != nullptr) {  // of a step that was left
    Block* block = blocks_;
    Unlink(block);
    std::free(block);
  }
}

bool ColorMemory::Run(void (*step)(void*), void* argument) {
  if (setjmp(escape_) != 0) {
    armed_ = false;
    return false;
  }
  armed_ = true;
  step(argument);
  armed_ = false;
  return true;
}

void* ColorMemory::Take(cmsContext context, cmsUInt32Number size) {
  auto* owner = static_cast<ColorMemory*>(cmsGetContextUserData(context));
  const bool armed = owner != nullptr && owner->armed_;
  const bool affordable = !armed || size <= owner->limit_ - std::min(owner->used_, owner->limit_);
  auto* block = affordable ? static_cast<Block*>(std::malloc(sizeof(Block) + size)) : nullptr;
  if (block == nullptr) {
    if (armed) std::longjmp(owner->escape_, 1);
    return nullptr;
  }
  *block = Block{};
  block->owner = owner;
  block->size = size;
  if (owner != nullptr) owner->Link(block);
  return block + 1;
}

void ColorMemory::Give(cmsContext /*context*/, void* memory) {
  if (memory == nullptr) return;
  Block* block = Block::Of(memory);
  if (block->owner != nullptr) block->owner->Unlink(block);
  std::free(block);
}

void* ColorMemory::TakeAgain(cmsContext context, void* memory, cmsUInt32Number size) {
  void* moved = Take(context, size);
  if (moved == nullptr || memory == nullptr) return moved;
  std::memcpy(moved, memory, std::min<size_t>(size, Block::Of(memory)->size));
  Give(context, memory);
  return moved;
}

void ColorMemory::Link(Block* block) {
  block->next = blocks_;
  if (blocks_ != nullptr) blocks_->previous = block;
  blocks_ = block;
  used_ += block->size;
}

void ColorMemory::Unlink(Block* block) {
  (block->previous == nullptr ? blocks_ : block->previous->next) = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
  used_ -= block->size;
}

}  // namespace photovec::decode
