// SPDX-License-Identifier: MIT
#include "bulk/run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/result.h"

namespace photovec::bulk {

EmbedRun::EmbedRun(pipeline::Pipeline& pipeline, PathWalker& walker, EmbedOutput& output,
                   size_t max_unfinished, Hooks hooks)
    : pipeline_(pipeline),
      walker_(walker),
      output_(output),
      max_unfinished_(max_unfinished),
      hooks_(std::move(hooks)) {}

size_t EmbedRun::UnfinishedFor(int slots) {
  const auto photos = static_cast<size_t>(slots) * 3;
  return std::clamp<size_t>((photos + kChunk - 1) / kChunk, 2, kMaxHeld);
}

Status EmbedRun::Run() {
  while (true) {
    if (!input_ended_ && !stopped_ && (hooks_.stop() || pipeline_.device_failed())) stopped_ = true;
    if (MayTakeMore()) {
      const std::shared_ptr<Chunk> chunk = NextChunk();
      if (chunk == nullptr) {
        input_ended_ = true;
        continue;
      }
      const Status submitted = Submit(chunk);
      if (submitted.code() == Code::kDeviceFailed) {
        stopped_ = true;  // the chunk was not taken; what is in flight is still written
        continue;
      }
      RETURN_IF_ERROR(submitted);
      continue;
    }
    if (held_.empty()) return Status::Ok();
    if (const std::shared_ptr<Chunk> oldest = WaitForOldest()) RETURN_IF_ERROR(Write(*oldest));
    hooks_.progress(summary_.images(), summary_.failed());
  }
}

bool EmbedRun::MayTakeMore() {
  if (input_ended_ || stopped_ || held_.size() >= kMaxHeld) return false;
  std::scoped_lock lock(shared_->mutex);
  return shared_->unfinished < max_unfinished_;
}

std::shared_ptr<EmbedRun::Chunk> EmbedRun::NextChunk() {
  auto chunk = std::make_shared<Chunk>();
  while (chunk->paths.size() < kChunk) {
    auto found = walker_.Next();
    if (!found) break;
    chunk->paths.push_back(std::move(found->path));
    chunk->path_errors.push_back(std::move(found->status));
  }
  return chunk->paths.empty() ? nullptr : chunk;
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
  for (size_t i = 0; i < chunk->paths.size(); ++i) {
    if (chunk->path_errors[i].ok()) {
      request->Add(pipeline::Reference{chunk->paths[i]});
    } else {
      request->AddFailed(chunk->path_errors[i]);
    }
  }
  request->Finish();
  return Status::Ok();
}

// Waits until the oldest request is finished or a place for another is free, 100 ms at most.
std::shared_ptr<EmbedRun::Chunk> EmbedRun::WaitForOldest() {
  const std::shared_ptr<Chunk> oldest = held_.front();
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, std::chrono::milliseconds(100), [&] {
    return oldest->finished ||
           (!input_ended_ && !stopped_ && held_.size() < kMaxHeld && shared_->unfinished < max_unfinished_);
  });
  if (!oldest->finished) return nullptr;
  held_.pop_front();
  return oldest;
}

Status EmbedRun::Write(const Chunk& chunk) {
  for (size_t i = 0; i < chunk.paths.size(); ++i) {
    const pipeline::ItemResult& item = chunk.result.items[i];
    summary_.Add(item.status, item.times);
    RETURN_IF_ERROR(output_.Add(chunk.paths[i], item));
  }
  return Status::Ok();
}

}  // namespace photovec::bulk
