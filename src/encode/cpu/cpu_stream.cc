// SPDX-License-Identifier: MIT
#include "encode/cpu/cpu_stream.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>

namespace photovec::encode::cpu {
namespace {

constexpr size_t kScratchAlignment = 64;

// One piece for all plans: their calls never run at the same time.
std::unique_ptr<uint8_t[]> GiveScratch(std::vector<GroupPlan>& plans, const dnnl::engine& engine, int rank) {
  size_t bytes = 0;
  for (const GroupPlan& plan : plans) bytes = std::max(bytes, plan.ScratchBytes());
  auto scratch = std::make_unique<uint8_t[]>(bytes + kScratchAlignment);
  const auto at = reinterpret_cast<uintptr_t>(scratch.get());
  auto* aligned =
      reinterpret_cast<void*>((at + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment);
  for (GroupPlan& plan : plans) plan.BindScratch(engine, rank, aligned);
  return scratch;
}

// Runs `make`, which may throw what oneDNN and the allocator throw.
template <typename Make>
Status Guarded(Make make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_out_of_memory) {
      return {Code::kInternal, std::string("oneDNN refused a matrix product: ") + error.what()};
    }
  } catch (const std::bad_alloc&) {
  }
  return {Code::kUnavailable, "not enough memory for the CPU encoder's plans; use fewer streams"};
}

}  // namespace

CpuStream::CpuStream(const PackedModel& model, std::vector<int> cpus, bool pin, int max_batch)
    : model_(model),
      max_batch_(max_batch),
      team_(std::move(cpus), pin),
      threads_(static_cast<size_t>(team_.size())) {}

// On the thread that will use it, so that its pages lie near its core.
void CpuStream::PrepareThread(int rank) {
  ThreadState& thread = threads_[static_cast<size_t>(rank)];
  thread.status = Guarded([&]() -> Status {
    ASSIGN_OR_RETURN(thread.memory, ThreadMemory::Create(model_));
    thread.stream = std::make_unique<dnnl::stream>(model_.engine());
    const int most = std::min(model_.group_images(), max_batch_ / team_.size());
    for (int images = 1; images <= most; ++images) {
      thread.plans.push_back(MakeGroupPlan(model_, images, {&thread.memory}));
    }
    thread.scratch = GiveScratch(thread.plans, model_.engine(), 0);
    return Status::Ok();
  });
}

void CpuStream::PrepareShared() {
  std::vector<ThreadMemory*> memory;
  for (ThreadState& thread : threads_) memory.push_back(&thread.memory);
  const int most = std::min({model_.group_images(), max_batch_, team_.size() - 1});
  for (int images = 1; images <= most; ++images) {
    shared_plans_.push_back(MakeGroupPlan(model_, images, memory));
  }
  for (int rank = 0; rank < team_.size(); ++rank) {
    threads_[static_cast<size_t>(rank)].shared_scratch = GiveScratch(shared_plans_, model_.engine(), rank);
  }
}

Status CpuStream::Prepare() {
  if (prepared_) return Status::Ok();
  auto work = [this](int rank) { PrepareThread(rank); };
  team_.Run(work);
  for (const ThreadState& thread : threads_) RETURN_IF_ERROR(thread.status);
  RETURN_IF_ERROR(Guarded([this] {
    PrepareShared();
    return Status::Ok();
  }));
  prepared_ = true;
  return Status::Ok();
}

template <typename Visit>
void CpuStream::Deal(int rank, int images, Visit visit) {
  // [first, first + count) in groups of about equal size.
  const auto groups_of = [&](const std::vector<GroupPlan>& plans, SpinBarrier* barrier, int first,
                             int count) {
    const auto most = static_cast<int>(plans.size());
    const int groups = count == 0 ? 0 : (count + most - 1) / most;
    for (int group = 0; group < groups; ++group) {
      const Range part = Share(count, 1, group, groups);
      visit(plans[static_cast<size_t>(part.count() - 1)], barrier, barrier == nullptr ? 0 : rank,
            first + part.first);
    }
  };
  const int each = images / team_.size();
  const int alone = each * team_.size();
  if (alone < images) {
    groups_of(shared_plans_, &team_.barrier(), alone, images - alone);
    // The shared buffers are those of rank 0, which needs them for itself now.
    team_.barrier().Wait();
  }
  groups_of(threads_[static_cast<size_t>(rank)].plans, nullptr, rank * each, each);
}

bool CpuStream::RunBare(int images, bool (*products)(const RankPlan& plan, const dnnl::stream& stream)) {
  failed_.store(false, std::memory_order_relaxed);
  auto work = [&](int rank) {
    Deal(rank, images, [&](const GroupPlan& plan, SpinBarrier*, int rank_in_plan, int) {
      if (!products(plan.ranks[static_cast<size_t>(rank_in_plan)],
                    *threads_[static_cast<size_t>(rank)].stream)) {
        failed_.store(true, std::memory_order_relaxed);
      }
    });
  };
  team_.Run(work);
  return !failed_.load(std::memory_order_relaxed);
}

Result<Ticket> CpuStream::Submit(std::span<const PixelSlot> slots, std::span<float> out) {
  const auto dim = static_cast<size_t>(model_.config().embedding_dim());
  if (slots.empty() || slots.size() > static_cast<size_t>(max_batch_) || out.size() != slots.size() * dim) {
    return Status(Code::kInternal, "a batch of " + std::to_string(slots.size()) + " images with room for " +
                                       std::to_string(out.size()) + " floats; the stream takes 1 to " +
                                       std::to_string(max_batch_) + " images, " + std::to_string(dim) +
                                       " floats each");
  }
  if (pending_ticket_ != 0) return Status(Code::kInternal, "the stream's last batch was not waited for");
  for (const PixelSlot& slot : slots) {
    if (slot.device != PixelSlot::kHost)
      return Status(Code::kInternal, "the CPU encoder got pixels of a GPU");
  }
  RETURN_IF_ERROR(Prepare());
  failed_.store(false, std::memory_order_relaxed);
  auto work = [&](int rank) {
    Deal(rank, static_cast<int>(slots.size()),
         [&](const GroupPlan& plan, SpinBarrier* barrier, int rank_in_plan, int first) {
           GroupRun run;
           run.model = &model_;
           run.plan = &plan;
           run.barrier = barrier;
           run.slots = slots.subspan(static_cast<size_t>(first), static_cast<size_t>(plan.images));
           run.out = out.data() + static_cast<size_t>(first) * dim;
           run.failed = &failed_;
           Forward(run, rank_in_plan, *threads_[static_cast<size_t>(rank)].stream);
         });
  };
  team_.Run(work);
  pending_status_ = failed_.load(std::memory_order_relaxed)
                        ? Status(Code::kInternal, "oneDNN could not run a matrix product: it had no memory")
                        : Status::Ok();
  pending_ticket_ = next_ticket_++;
  return Ticket{pending_ticket_};
}

Status CpuStream::Wait(Ticket ticket) {
  if (ticket.id == 0 || ticket.id != pending_ticket_) {
    return {Code::kInternal, "waited for ticket " + std::to_string(ticket.id) + ", which is not in flight"};
  }
  pending_ticket_ = 0;
  return std::move(pending_status_);
}

Status CpuStream::Warmup() {
  Status status;
  // A thread of its own, because the caller is not the one that will use the stream and must not be pinned.
  std::thread thread([&] {
    const auto size = static_cast<size_t>(model_.config().image_size);
    const std::vector<uint8_t> pixels(size * size * 3, 128);
    const std::vector<PixelSlot> slots(static_cast<size_t>(max_batch_),
                                       PixelSlot{pixels.data(), PixelSlot::kHost});
    const auto dim = static_cast<size_t>(model_.config().embedding_dim());
    std::vector<float> out(slots.size() * dim);
    for (const size_t batch : {slots.size(), size_t{1}}) {
      const auto ticket = Submit(std::span(slots).first(batch), std::span(out).first(batch * dim));
      status = ticket.ok() ? Wait(*ticket) : ticket.status();
      if (!status.ok()) return;
    }
  });
  thread.join();
  team_.ForgetCaller();
  return status;
}

}  // namespace photovec::encode::cpu
