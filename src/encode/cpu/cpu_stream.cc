// SPDX-License-Identifier: MIT
#include "encode/cpu/cpu_stream.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>

#include "encode/text_batch.h"

namespace photovec::encode::cpu {
namespace {

constexpr size_t kScratchAlignment = 64;
// Texts are dealt out to threads when each gets at least so many rows: below, reading the weights takes
// longer than computing with them, and threads that share a group read them once.
constexpr size_t kAloneRows = 64;

void* Aligned(uint8_t* memory) {
  const auto at = reinterpret_cast<uintptr_t>(memory);
  return reinterpret_cast<void*>((at + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment);
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

CpuStream::CpuStream(const StreamModel& model, std::vector<int> cpus, bool pin)
    : model_(model),
      any_(model.images != nullptr ? *model.images : *model.texts),
      team_(std::move(cpus), pin),
      threads_(static_cast<size_t>(team_.size())) {}

// On the thread that will use it, so that its pages lie near its core.
void CpuStream::PrepareThread(int rank) {
  ThreadState& thread = threads_[static_cast<size_t>(rank)];
  thread.status = Guarded([&]() -> Status {
    std::vector<const PackedTower*> towers;
    for (const PackedTower* tower : {model_.images, model_.texts}) {
      if (tower != nullptr) towers.push_back(tower);
    }
    ASSIGN_OR_RETURN(thread.memory, ThreadMemory::Create(towers));
    thread.stream = std::make_unique<dnnl::stream>(any_.engine());
    if (model_.images != nullptr) {
      const int most = std::min(model_.images->group_sequences, model_.info->max_batch / team_.size());
      if (most > 0) thread.images = MakePlans(*model_.images, most, {&thread.memory});
    }
    if (model_.texts != nullptr) {
      thread.texts = MakePlans(*model_.texts, model_.texts->group_sequences, {&thread.memory});
    }
    return Status::Ok();
  });
}

void CpuStream::PrepareShared() {
  if (team_.size() > 1) {
    std::vector<ThreadMemory*> memories;
    for (ThreadState& thread : threads_) memories.push_back(&thread.memory);
    if (model_.images != nullptr) {
      const int most = std::min({model_.images->group_sequences, model_.info->max_batch, team_.size() - 1});
      shared_images_ = MakePlans(*model_.images, most, memories);
    }
    if (model_.texts != nullptr) {
      shared_texts_ = MakePlans(*model_.texts, model_.texts->group_sequences, memories);
    }
  }
  // One piece a thread for all plans: their calls never run at the same time.
  for (int rank = 0; rank < team_.size(); ++rank) {
    ThreadState& thread = threads_[static_cast<size_t>(rank)];
    size_t bytes = 0;
    const auto visit = [&](Plans& plans, int rank_in_plan, bool bind) {
      if (plans.tails.empty()) return;
      if (bind) {
        plans.BindScratch(any_.engine(), rank_in_plan, Aligned(thread.scratch.get()));
      } else {
        bytes = std::max(bytes, plans.ScratchBytes(rank_in_plan));
      }
    };
    for (const bool bind : {false, true}) {
      if (bind) thread.scratch = std::make_unique<uint8_t[]>(bytes + kScratchAlignment);
      visit(thread.images, 0, bind);
      visit(thread.texts, 0, bind);
      visit(shared_images_, rank, bind);
      visit(shared_texts_, rank, bind);
    }
  }
  if (model_.images != nullptr) {
    const int tokens = model_.images->patches->config.tokens();
    for (int i = 0; i < model_.images->group_sequences; ++i) image_rows_.push_back({i * tokens, tokens});
  }
  if (model_.info->text) {
    for (ThreadState& thread : threads_)
      thread.text_rows.resize(static_cast<size_t>(model_.info->text->max_batch));
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
void CpuStream::DealImages(int rank, int images, Visit visit) {
  // [first, first + count) in groups of about equal size.
  const auto groups_of = [&](const Plans& plans, SpinBarrier* barrier, int first, int count) {
    const auto most = static_cast<int>(plans.bodies.size());
    const int groups = count == 0 ? 0 : (count + most - 1) / most;
    for (int i = 0; i < groups; ++i) {
      const Range part = Share(count, 1, i, groups);
      Group group;
      group.body = &plans.bodies[static_cast<size_t>(part.count() - 1)];
      group.tail = &plans.tail(part.count());
      group.barrier = barrier;
      group.rank = barrier == nullptr ? 0 : rank;
      group.first = static_cast<size_t>(first) + static_cast<size_t>(part.first);
      group.sequences = std::span(image_rows_).first(static_cast<size_t>(part.count()));
      visit(group);
    }
  };
  const int each = images / team_.size();
  const int alone = each * team_.size();
  if (alone < images) {
    groups_of(shared_images_, &team_.barrier(), alone, images - alone);
    // The shared buffers are those of rank 0, which needs them for itself now.
    team_.barrier().Wait();
  }
  groups_of(threads_[static_cast<size_t>(rank)].images, nullptr, rank * each, each);
}

template <typename Visit>
void CpuStream::GroupTexts(const Plans& plans, int rank, Group group, std::span<const TokenIds> texts,
                           size_t last, Visit visit) {
  std::vector<Sequence>& text_rows = threads_[static_cast<size_t>(rank)].text_rows;
  int left = 0;
  for (size_t i = group.first; i < last; ++i) left += static_cast<int>(texts[i].size());
  const int most_rows = plans.bodies.back().rows;
  const auto most = static_cast<size_t>(model_.texts->group_sequences);
  while (group.first < last) {
    // Of about equal size: no group so small that the weights are read for little.
    const int even = left / std::max(1, (left + most_rows - 1) / most_rows);
    size_t end = group.first;
    int rows = 0;
    while (end < last && end - group.first < most && (rows < even || end == group.first)) {
      const auto more = static_cast<int>(texts[end].size());
      if (rows + more > most_rows) break;
      text_rows[end++] = {rows, more};
      rows += more;
    }
    left -= rows;
    group.body = &plans.body(rows);
    group.tail = &plans.tail(static_cast<int>(end - group.first));
    group.sequences = std::span(text_rows).subspan(group.first, end - group.first);
    visit(group);
    group.first = end;
  }
}

template <typename Visit>
void CpuStream::DealTexts(int rank, std::span<const TokenIds> texts, Visit visit) {
  size_t rows = 0;
  for (const TokenIds ids : texts) rows += ids.size();
  const auto size = static_cast<size_t>(team_.size());
  if (size > 1 && rows < size * kAloneRows) {
    Group group;
    group.barrier = &team_.barrier();
    group.rank = rank;
    GroupTexts(shared_texts_, rank, group, texts, texts.size(), visit);
    return;
  }
  // Whole texts to each thread, as even as they come: those whose first row lies in its share of the rows.
  const auto mine = static_cast<size_t>(rank);
  Group group;
  size_t last = texts.size();
  size_t before = 0;
  for (size_t i = 0; i < texts.size(); before += texts[i++].size()) {
    if (before < rows * mine / size) group.first = i + 1;
    if (before >= rows * (mine + 1) / size) {
      last = i;
      break;
    }
  }
  GroupTexts(threads_[mine].texts, rank, group, texts, last, visit);
}

template <typename Deal>
bool CpuStream::RunBare(Deal deal, Products products) {
  failed_.store(false, std::memory_order_relaxed);
  auto work = [&](int rank) {
    deal(rank, [&](const Group& group) {
      const auto in_plan = static_cast<size_t>(group.rank);
      if (!products(group.body->ranks[in_plan], group.tail->ranks[in_plan],
                    *threads_[static_cast<size_t>(rank)].stream)) {
        failed_.store(true, std::memory_order_relaxed);
      }
    });
  };
  team_.Run(work);
  return !failed_.load(std::memory_order_relaxed);
}

bool CpuStream::RunBareImages(int images, Products products) {
  return RunBare([&](int rank, auto visit) { DealImages(rank, images, visit); }, products);
}

bool CpuStream::RunBareTexts(std::span<const TokenIds> texts, Products products) {
  return RunBare([&](int rank, auto visit) { DealTexts(rank, texts, visit); }, products);
}

Status CpuStream::Runnable() const {
  if (pending_ticket_ == 0) return Status::Ok();
  return {Code::kInternal, "the stream's last batch was not waited for"};
}

Ticket CpuStream::Done() {
  pending_status_ = failed_.load(std::memory_order_relaxed)
                        ? Status(Code::kInternal, "oneDNN could not run a matrix product: it had no memory")
                        : Status::Ok();
  pending_ticket_ = next_ticket_++;
  return Ticket{pending_ticket_};
}

Result<Ticket> CpuStream::Submit(std::span<const PixelSlot> slots, std::span<float> out) {
  if (model_.images == nullptr) return Status(Code::kInternal, "images on a stream for texts alone");
  const auto dim = static_cast<size_t>(model_.images->embedding_dim);
  const auto most = static_cast<size_t>(model_.info->max_batch);
  if (slots.empty() || slots.size() > most || out.size() != slots.size() * dim) {
    return Status(Code::kInternal, "a batch of " + std::to_string(slots.size()) + " images with room for " +
                                       std::to_string(out.size()) + " floats; the stream takes 1 to " +
                                       std::to_string(most) + " images, " + std::to_string(dim) +
                                       " floats each");
  }
  RETURN_IF_ERROR(Runnable());
  for (const PixelSlot& slot : slots) {
    if (slot.device != PixelSlot::kHost)
      return Status(Code::kInternal, "the CPU encoder got pixels of a GPU");
  }
  RETURN_IF_ERROR(Prepare());
  failed_.store(false, std::memory_order_relaxed);
  auto work = [&](int rank) {
    DealImages(rank, static_cast<int>(slots.size()), [&](const Group& group) {
      GroupRun run{.tower = model_.images,
                   .body = group.body,
                   .tail = group.tail,
                   .barrier = group.barrier,
                   .sequences = group.sequences,
                   .slots = slots.subspan(group.first, group.sequences.size()),
                   .texts = {},
                   .out = out.data() + group.first * dim,
                   .failed = &failed_};
      Forward(run, group.rank, *threads_[static_cast<size_t>(rank)].stream);
    });
  };
  team_.Run(work);
  return Done();
}

Result<Ticket> CpuStream::SubmitTexts(std::span<const TokenIds> texts, std::span<float> out) {
  const int vocabulary = model_.texts == nullptr ? 0 : model_.texts->tokens->config.vocabulary_size;
  RETURN_IF_ERROR(CheckTextBatch(*model_.info, vocabulary, texts, out));
  RETURN_IF_ERROR(Runnable());
  RETURN_IF_ERROR(Prepare());
  failed_.store(false, std::memory_order_relaxed);
  const auto dim = static_cast<size_t>(model_.texts->embedding_dim);
  auto work = [&](int rank) {
    DealTexts(rank, texts, [&](const Group& group) {
      GroupRun run{.tower = model_.texts,
                   .body = group.body,
                   .tail = group.tail,
                   .barrier = group.barrier,
                   .sequences = group.sequences,
                   .slots = {},
                   .texts = texts.subspan(group.first, group.sequences.size()),
                   .out = out.data() + group.first * dim,
                   .failed = &failed_};
      Forward(run, group.rank, *threads_[static_cast<size_t>(rank)].stream);
    });
  };
  team_.Run(work);
  return Done();
}

Status CpuStream::Wait(Ticket ticket) {
  if (ticket.id == 0 || ticket.id != pending_ticket_) {
    return {Code::kInternal, "waited for ticket " + std::to_string(ticket.id) + ", which is not in flight"};
  }
  pending_ticket_ = 0;
  return std::move(pending_status_);
}

// Most and least of what it takes.
Status CpuStream::WarmupImages() {
  const auto size = static_cast<size_t>(model_.info->image_size);
  const std::vector<uint8_t> pixels(size * size * 3, 128);
  const std::vector<PixelSlot> slots(static_cast<size_t>(model_.info->max_batch),
                                     PixelSlot{pixels.data(), PixelSlot::kHost});
  const auto dim = static_cast<size_t>(model_.info->embedding_dim);
  std::vector<float> out(slots.size() * dim);
  for (const size_t batch : {slots.size(), size_t{1}}) {
    ASSIGN_OR_RETURN(const Ticket ticket,
                     Submit(std::span(slots).first(batch), std::span(out).first(batch * dim)));
    RETURN_IF_ERROR(Wait(ticket));
  }
  return Status::Ok();
}

Status CpuStream::WarmupTexts() {
  const TextInfo& info = *model_.info->text;
  const std::vector<int32_t> ids(static_cast<size_t>(info.max_tokens));
  const int batch = std::min(info.max_batch, info.max_batch_tokens / info.max_tokens);
  const auto dim = static_cast<size_t>(model_.info->embedding_dim);
  std::vector<TokenIds> texts(static_cast<size_t>(batch), ids);
  std::vector<float> out(texts.size() * dim);
  ASSIGN_OR_RETURN(const Ticket most, SubmitTexts(texts, out));
  RETURN_IF_ERROR(Wait(most));
  if (info.causal) texts[0] = texts[0].first(1);
  ASSIGN_OR_RETURN(const Ticket least, SubmitTexts(std::span(texts).first(1), std::span(out).first(dim)));
  return Wait(least);
}

Status CpuStream::Warmup() {
  Status status;
  // A thread of its own, because the caller is not the one that will use the stream and must not be pinned.
  std::thread thread([&] {
    if (model_.images != nullptr) status = WarmupImages();
    if (status.ok() && model_.texts != nullptr) status = WarmupTexts();
  });
  thread.join();
  team_.ForgetCaller();
  return status;
}

}  // namespace photovec::encode::cpu
