// SPDX-License-Identifier: MIT
#include "bulk/run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/result.h"

namespace photovec::bulk {

EmbedRun::EmbedRun(pipeline::Pipeline& pipeline, Source& source, PartialResult& output, Options options,
                   Hooks hooks)
    : pipeline_(pipeline), source_(source), output_(output), options_(options), hooks_(std::move(hooks)) {}

size_t EmbedRun::UnfinishedFor(int slots) {
  const auto photos = static_cast<size_t>(slots) * 3;
  return std::clamp<size_t>((photos + kChunk - 1) / kChunk, 2, kMaxHeld);
}

Status EmbedRun::Run() {
  while (true) {
    if (!stopped_ && (hooks_.stop() || pipeline_.device_failed())) stopped_ = true;
    if (MayTakeMore()) {
      RETURN_IF_ERROR(TakeMore());
      continue;
    }
    if (held_.empty() && (input_ended_ || stopped_)) break;
    if (const std::shared_ptr<Chunk> oldest = WaitForOldest()) RETURN_IF_ERROR(Write(*oldest));
    RETURN_IF_ERROR(SaveIfDue());
    hooks_.progress(summary_.images(), summary_.failed());
  }
  // A list's end may be that of its writer, which the same Ctrl-C ended.
  if (hooks_.stop()) stopped_ = true;
  return output_.lines() > output_.checkpoint().lines ? output_.SaveCheckpoint(milliseconds()) : Status::Ok();
}

Status EmbedRun::TakeMore() {
  const std::shared_ptr<Chunk> chunk = NextChunk();
  if (chunk == nullptr) {
    input_ended_ = true;
    return source_.status();
  }
  const Status submitted = Submit(chunk);
  if (submitted.code() != Code::kDeviceFailed) return submitted;
  stopped_ = true;  // the chunk was not taken; what is in flight is still written
  return Status::Ok();
}

Status EmbedRun::SaveIfDue() {
  const int64_t images = output_.lines() - output_.checkpoint().lines;
  if (images == 0) return Status::Ok();
  const int64_t waited_ms = MicrosBetween(saved_at_, Clock::now()) / 1000;
  const bool due = (options_.checkpoint_images > 0 && images >= options_.checkpoint_images) ||
                   (options_.checkpoint_ms > 0 && waited_ms >= options_.checkpoint_ms);
  if (!due) return Status::Ok();
  saved_at_ = Clock::now();
  return output_.SaveCheckpoint(milliseconds());
}

bool EmbedRun::MayTakeMore() {
  if (input_ended_ || stopped_ || held_.size() >= kMaxHeld || !source_.Ready()) return false;
  std::scoped_lock lock(shared_->mutex);
  return shared_->unfinished < options_.max_unfinished;
}

std::shared_ptr<EmbedRun::Chunk> EmbedRun::NextChunk() {
  auto chunk = std::make_shared<Chunk>();
  while (chunk->files.size() < kChunk && (chunk->files.empty() || source_.Ready())) {
    auto found = source_.Next();
    if (!found) break;
    chunk->files.push_back(std::move(*found));
  }
  return chunk->files.empty() ? nullptr : chunk;
}

Status EmbedRun::Submit(const std::shared_ptr<Chunk>& chunk) {
  auto done = [chunk, shared = shared_](pipeline::RequestResult result) {
    std::scoped_lock lock(shared->mutex);
    chunk->result = std::move(result);
    chunk->finished = true;
    --shared->unfinished;
    shared->changed.notify_one();
  };
  ASSIGN_OR_RETURN(const std::unique_ptr<pipeline::Request> request, pipeline_.Open({}, std::move(done)));
  {
    std::scoped_lock lock(shared_->mutex);
    ++shared_->unfinished;
  }
  held_.push_back(chunk);
  for (const Found& file : chunk->files) {
    if (file.kept) continue;
    if (!file.status.ok()) {
      request->AddFailed(file.status);
    } else if (file.words) {
      request->Add(pipeline::Text{*file.words});
    } else {
      request->Add(pipeline::Reference{file.path});
    }
  }
  request->Finish();
  return Status::Ok();
}

// Waits until the oldest request is finished or a place for another is free, 100 ms at most.
std::shared_ptr<EmbedRun::Chunk> EmbedRun::WaitForOldest() {
  const std::shared_ptr<Chunk> oldest = held_.empty() ? nullptr : held_.front();
  const bool wants_more = !input_ended_ && !stopped_ && held_.size() < kMaxHeld && source_.Ready();
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, std::chrono::milliseconds(100), [&] {
    return (oldest != nullptr && oldest->finished) ||
           (wants_more && shared_->unfinished < options_.max_unfinished);
  });
  if (oldest == nullptr || !oldest->finished) return nullptr;
  held_.pop_front();
  return oldest;
}

Status EmbedRun::Write(Chunk& chunk) {
  size_t computed = 0;
  for (Found& file : chunk.files) {
    const pipeline::ItemResult& item = file.kept ? *file.kept : chunk.result.items[computed++];
    // What a broken device left undone is not that image's fault: a resumed run computes it.
    cut_ = cut_ || (item.status.code() == Code::kDeviceFailed && pipeline_.device_failed());
    if (cut_) return Status::Ok();
    summary_.Add(item.status, item.times);
    summary_.AddDamaged(item.damaged() ? 1 : 0);
    RETURN_IF_ERROR(output_.Add(file, item));
  }
  return Status::Ok();
}

}  // namespace photovec::bulk
