// SPDX-License-Identifier: MIT
#include "pipeline/tokenize_stage.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "base/checksum/digest.h"
#include "base/thread_pool.h"
#include "pipeline/model_runtime.h"

namespace photovec::pipeline {
namespace {

Result<tokenize::Tokens> RunTokenizer(const tokenize::Tokenizer& tokenizer, const std::string& text) {
  try {
    return tokenizer.Encode(text);
  } catch (const std::exception& error) {
    return Status(Code::kInternal, std::string("the tokenizer threw an exception: ") + error.what());
  } catch (...) {
    return Status(Code::kInternal, "the tokenizer threw an exception");
  }
}

// The ids that are worth computing. A causal tower gives the vector of the first end of text, as transformers
// does (5.24, clip/modeling_clip.py, CLIPTextTransformer.forward), and a user's text may contain that token.
Status Trim(const tokenize::TokenizerInfo& info, bool causal, std::vector<int32_t>& ids) {
  const auto wrong = [&](int32_t id) { return id < 0 || id >= info.vocabulary_size; };
  if (ids.empty() || std::any_of(ids.begin(), ids.end(), wrong)) {
    return {Code::kInternal, "the tokenizer gave an id outside of its vocabulary, or none"};
  }
  if (!causal || info.pads) return Status::Ok();
  const auto end = std::find(ids.begin(), ids.end(), info.eos_id);
  if (end != ids.end()) ids.erase(end + 1, ids.end());
  return Status::Ok();
}

}  // namespace

void TokenizeStage::Start() {
  if (!threads_.empty()) return;
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this, i] { Run(i); });
}

void TokenizeStage::Push(ItemPtr item) {
  item->model().tokenize_waiting.fetch_add(1, std::memory_order_relaxed);
  const Turn turn = item->turn();
  {
    std::scoped_lock lock(mutex_);
    queue_.Push(turn, std::move(item));
  }
  ready_.notify_one();
}

void TokenizeStage::Sweep() {
  const TimePoint now = Clock::now();
  std::vector<ItemPtr> given_up;
  {
    std::scoped_lock lock(mutex_);
    queue_.Extract([&](const ItemPtr& waiting) { return waiting->IsGivenUp(now); }, given_up);
  }
  for (const ItemPtr& item : given_up) {
    item->model().tokenize_waiting.fetch_sub(1, std::memory_order_relaxed);
    item->EndGivenUp(DropQueue::kTokenize);
  }
}

void TokenizeStage::Stop() {
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void TokenizeStage::Run(int index) {
  SetThreadName("tokenize-" + std::to_string(index));
  for (;;) {
    std::optional<ItemPtr> item;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
      item = queue_.Pop();
    }
    if (!item) return;
    Tokenize(std::move(*item));
  }
}

void TokenizeStage::Tokenize(ItemPtr item) {
  ModelRuntime& model = item->model();
  model.tokenize_waiting.fetch_sub(1, std::memory_order_relaxed);
  if (item->IsGivenUp(Clock::now())) return item->EndGivenUp(DropQueue::kTokenize);
  item->OnStarted();
  item->times().Mark(Border::kDecodeStart);
  const tokenize::Tokenizer& tokenizer = *model.tokenizer();
  Result<tokenize::Tokens> tokens = RunTokenizer(tokenizer, item->text);
  item->text = {};
  if (!tokens.ok()) return item->Fail(tokens.status());
  const Status trimmed = Trim(tokenizer.info(), model.view().info->text->causal, tokens->ids);
  if (!trimmed.ok()) return item->Fail(trimmed);
  item->set_tokens(static_cast<int>(std::min(tokens->used, tokens->ids.size())));
  item->times().Mark(Border::kPreprocessEnd);
  if (cache_ != nullptr && !item->request().self_test && AnswerFromCache(*item, tokens->ids)) return;
  next_(std::move(item), std::move(tokens->ids));
}

// Ends the text if its vector is known; else its vector will be kept.
bool TokenizeStage::AnswerFromCache(Item& item, const std::vector<int32_t>& ids) {
  Sha256 hash;
  hash.Update({reinterpret_cast<const uint8_t*>(ids.data()), ids.size() * sizeof(int32_t)});
  const auto digest = hash.Digest();
  if (!digest) return false;
  item.cache_key = {*digest, item.model().index(), ItemKind::kText};
  std::vector<float> embedding;
  item.trail().looked_up = true;
  const bool found = cache_->Find(item.cache_key, embedding);
  item.model().metrics().ObserveLookup(found);
  if (found) {
    item.AnswerFromCache(std::move(embedding));
  } else {
    item.keep_in = cache_;
  }
  return found;
}

}  // namespace photovec::pipeline
