// SPDX-License-Identifier: MIT
#include "unit/cuda_encode/emulated/device.h"

#include <setjmp.h>  // NOLINT(modernize-deprecated-headers): _setjmp
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <vector>

namespace photovec::device::emulated {
namespace {

constexpr size_t kStackBytes = size_t{128} << 10;
constexpr size_t kSharedBytes = size_t{228} << 10;  // of an SM of an H100

struct Fiber {
  ucontext_t context{};
  jmp_buf at{};  // where it goes on: unlike swapcontext, no system call
  bool started = false;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
  ThreadState state{};
  bool done = true;
};

struct Warp {
  size_t arrived = 0;
  uint64_t generation = 0;
  alignas(16) uint8_t slots[2][32 * kMostExchanged] = {};
};

class Machine {
 public:
  static Machine& Get() {
    static Machine machine;
    return machine;
  }

  const ThreadState& state() const { return *state_; }
  void* shared() { return shared_.get(); }

  void Run(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes,
           const std::function<void()>& body) {
    if (shared_bytes > kSharedBytes) Die("a kernel asks for more shared memory than a GPU has");
    const size_t threads = size_t{block.x} * block.y * block.z;
    if (threads == 0 || threads > 1024) Die("a block must have 1 to 1024 threads");
    body_ = &body;
    bool fibers = !plain_.contains(kernel);
    for (unsigned z = 0; z < grid.z; ++z) {
      for (unsigned y = 0; y < grid.y; ++y) {
        for (unsigned x = 0; x < grid.x; ++x) {
          // What other blocks left must not be relied upon.
          std::memset(shared_.get(), 0xFF, std::min(kSharedBytes, shared_bytes + 64));
          used_barriers_ = false;
          if (fibers) {
            RunBlock({x, y, z}, grid, block, threads);
          } else {
            RunPlainBlock({x, y, z}, grid, block, threads);
          }
          // A kernel whose first block needs no barriers never will: its threads run as plain calls.
          if (fibers && !used_barriers_ && !barriers_.contains(kernel)) {
            plain_.insert(kernel);
            fibers = false;
          }
          if (used_barriers_) barriers_.insert(kernel);
        }
      }
    }
  }

  void BlockBarrier() {
    Meet();
    const uint64_t mine = block_generation_;
    if (++block_arrived_ == alive_) {
      block_arrived_ = 0;
      ++block_generation_;
    }
    while (block_generation_ == mine) Yield();
  }

  const uint8_t* Exchange(const void* value, size_t bytes) {
    Meet();
    const ThreadState& self = *state_;
    const size_t index = self.thread.x + size_t{self.block_size.x} * self.thread.y;
    Warp& warp = warps_[index / 32];
    const uint64_t mine = warp.generation;
    uint8_t* slots = warp.slots[mine % 2];
    std::memcpy(slots + index % 32 * kMostExchanged, value, bytes);
    if (++warp.arrived == 32) {
      warp.arrived = 0;
      ++warp.generation;
    }
    while (warp.generation == mine) Yield();
    return slots;
  }

 private:
  Machine() : shared_(static_cast<char*>(std::aligned_alloc(256, kSharedBytes)), &std::free), fibers_(1024) {}

  [[noreturn]] static void Die(const char* why) {
    std::fprintf(stderr, "emulated GPU: %s\n", why);
    std::abort();
  }

  void Meet() {
    if (running_ == nullptr) Die("a kernel whose first block had no barrier has one now");
    used_barriers_ = true;
  }

  void Place(ThreadState& state, uint3 at, dim3 grid, dim3 block, size_t index) const {
    state.block = at;
    state.grid_size = grid;
    state.block_size = block;
    state.thread = {static_cast<unsigned>(index % block.x), static_cast<unsigned>(index / block.x % block.y),
                    static_cast<unsigned>(index / block.x / block.y)};
  }

  void RunPlainBlock(uint3 at, dim3 grid, dim3 block, size_t threads) {
    ThreadState state;
    state_ = &state;
    running_ = nullptr;
    for (size_t i = 0; i < threads; ++i) {
      Place(state, at, grid, block, i);
      (*body_)();
    }
  }

  void RunBlock(uint3 at, dim3 grid, dim3 block, size_t threads) {
    warps_.assign((threads + 31) / 32, Warp());
    alive_ = threads;
    block_arrived_ = 0;
    for (size_t i = 0; i < threads; ++i) {
      Fiber& fiber = fibers_[i];
      Place(fiber.state, at, grid, block, i);
      fiber.done = false;
      fiber.started = false;
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack.get();
      fiber.context.uc_stack.ss_size = kStackBytes;
      fiber.context.uc_link = nullptr;
      makecontext(&fiber.context, &Machine::Main, 0);
    }
    size_t idle_rounds = 0;
    while (alive_ > 0) {
      const uint64_t before = progress_;
      for (size_t i = 0; i < threads; ++i) {
        if (fibers_[i].done) continue;
        running_ = &fibers_[i];
        state_ = &running_->state;
        Resume(*running_);
      }
      ++progress_;
      idle_rounds = progress_ == before + 1 ? idle_rounds + 1 : 0;
      if (idle_rounds > 1'000'000) Die("a barrier is not reached by all threads");
    }
  }

  static void Main() {
    Machine& machine = Get();
    (*machine.body_)();
    machine.running_->done = true;
    --machine.alive_;
    _longjmp(machine.back_, 1);
  }

  void Resume(Fiber& fiber) {
    if (_setjmp(back_) != 0) return;
    if (fiber.started) _longjmp(fiber.at, 1);
    fiber.started = true;
    setcontext(&fiber.context);
  }

  void Yield() {
    if (_setjmp(running_->at) == 0) _longjmp(back_, 1);
  }

  std::unique_ptr<char, decltype(&std::free)> shared_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  jmp_buf back_{};
  const std::function<void()>* body_ = nullptr;
  const ThreadState* state_ = nullptr;
  Fiber* running_ = nullptr;
  size_t alive_ = 0;
  size_t block_arrived_ = 0;
  uint64_t block_generation_ = 0;
  uint64_t progress_ = 0;
  bool used_barriers_ = false;
  std::set<const void*> plain_;
  std::set<const void*> barriers_;
};

}  // namespace

const ThreadState& This() { return Machine::Get().state(); }
void BlockBarrier() { Machine::Get().BlockBarrier(); }
const uint8_t* ExchangeInWarp(const void* mine, size_t bytes) { return Machine::Get().Exchange(mine, bytes); }
void RunGrid(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes,
             const std::function<void()>& body) {
  Machine::Get().Run(kernel, grid, block, shared_bytes, body);
}
void* DynamicSharedMemory() { return Machine::Get().shared(); }

}  // namespace photovec::device::emulated
