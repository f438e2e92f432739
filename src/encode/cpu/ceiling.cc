// SPDX-License-Identifier: MIT
#include "encode/cpu/ceiling.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "base/machine.h"
#include "encode/cpu/cpu_encoder_impl.h"
#include "encode/cpu/kernels.h"
#include "encode/text_batch.h"
#include "model/fold/fold.h"

namespace photovec::encode {
namespace cpu {
namespace {

// The products of a whole batch, in order, with oneDNN's own threads.
class WholeBatch {
 public:
  // Call on the thread that will run it, with oneDNN's threads set. Throws dnnl::error.
  WholeBatch(const PackedTower& tower, const CeilingBatch& batch) : stream_(tower.engine()) {
    const auto& config = tower.config();
    const int sequences = std::max(batch.images, batch.texts);
    const int all = sequences * (tower.patches ? tower.patches->config.tokens() : batch.tokens);
    const auto rows = static_cast<size_t>(std::max(all, kLeastRows));
    size_t widest = rows * static_cast<size_t>(std::max(config.mlp_size, config.hidden_size * 3));
    if (tower.patches) {
      const auto side = static_cast<size_t>(tower.patches->config.image_size);
      widest = std::max(widest, rows * side * side * 3);
    }
    widest = std::max(widest, rows * static_cast<size_t>(tower.embedding_dim));
    auto memory = Arena::Create(Arena::Rounded(widest * 4) * 3);
    if (!memory.ok()) throw std::bad_alloc();
    memory_ = std::move(memory).value();
    narrow_ = memory_.Take(widest * 4);
    wide_ = memory_.Take(widest * 4);
    float* product = memory_.TakeArray<float>(widest);
    if (tower.patches) {
      Add(tower, tower.patches->patch, batch.images * tower.patches->config.patches(), wide_, product);
    }
    for (size_t i = 0; i < tower.blocks.size(); ++i) {
      const PackedBlock& block = tower.blocks[i];
      const bool last = i + 1 == tower.blocks.size();
      const int tail = last ? sequences : all;
      Add(tower, block.qkv, all, narrow_, product);
      if (last && tower.tail != TailRow::kConstant) Add(tower, block.q, sequences, narrow_, product);
      Add(tower, block.out, tail, narrow_, product);
      Add(tower, block.fc1, tail, narrow_, product);
      if (block.up_bias != nullptr) Add(tower, block.up, tail, narrow_, product);
      Add(tower, block.fc2, tail, wide_, product);
    }
    if (tower.projection_bias != nullptr) Add(tower, tower.projection, sequences, narrow_, product);
    size_t scratch = 0;
    for (const MatmulCall& call : calls_) scratch = std::max(scratch, call.scratch_bytes());
    auto scratch_arena = Arena::Create(scratch + 1);
    if (!scratch_arena.ok()) throw std::bad_alloc();
    scratch_ = std::move(scratch_arena).value();
    void* at = scratch_.Take(scratch);
    for (MatmulCall& call : calls_) call.BindScratch(tower.engine(), at);
  }

  bool Run() const {
    return std::all_of(calls_.begin(), calls_.end(),
                       [&](const MatmulCall& call) { return call.Run(stream_); });
  }

 private:
  void Add(const PackedTower& tower, const WeightMatrix& weight, int rows, const void* in, float* out) {
    calls_.emplace_back(tower.engine(), weight, Columns{0, weight.layout().columns()}, rows, in, out);
  }

  dnnl::stream stream_;
  Arena memory_;
  Arena scratch_;
  void* narrow_ = nullptr;
  void* wide_ = nullptr;
  std::vector<MatmulCall> calls_;
};

bool RunProducts(const BodyPlan::Rank& body, const TailCalls& tail, const dnnl::stream& stream) {
  bool ok = true;
  const auto run = [&](const MatmulCall& call) { ok = call.Run(stream) && ok; };
  const auto all = [&](const std::vector<MatmulCall>& calls) {
    std::for_each(calls.begin(), calls.end(), run);
  };
  const auto wide = [&](const std::vector<WideCall>& calls) {
    for (const WideCall& call : calls) {
      run(call.product);
      all(call.up);
    }
  };
  all(body.patch);
  for (const BlockCalls& block : body.blocks) {
    for (const HeadsCall& call : block.qkv) run(call.product);
    all(block.out);
    wide(block.fc1);
    all(block.fc2);
  }
  all(tail.query);
  all(tail.out);
  wide(tail.fc1);
  all(tail.fc2);
  all(tail.projection);
  return ok;
}

class Probe final : public CeilingProbe {
 public:
  Probe(CpuEncoder& encoder, const CeilingBatch& batch)
      : encoder_(encoder),
        batch_(batch),
        ids_(static_cast<size_t>(batch.tokens)),
        texts_(static_cast<size_t>(batch.texts), ids_),
        whole_(static_cast<size_t>(encoder.stream_count())) {}

  Status RunBatch(int index, Kind kind) override {
    CpuStream& stream = encoder_.cpu_stream(index);
    bool ok = true;
    if (kind == Kind::kDealt) {
      RETURN_IF_ERROR(stream.Prepare());
      ok = batch_.images > 0 ? stream.RunBareImages(batch_.images, RunProducts)
                             : stream.RunBareTexts(texts_, RunProducts);
    } else {
      RETURN_IF_ERROR(PrepareWhole(index));
      omp_set_num_threads(stream.team().size());
      ok = whole_[static_cast<size_t>(index)]->Run();
      omp_set_num_threads(1);
    }
    return ok ? Status::Ok()
              : Status(Code::kUnavailable, "oneDNN had no memory for the bare matrix products");
  }

  double flops_per_batch() const override {
    if (batch_.images > 0) return batch_.images * model::ProductFlops(encoder_.images().patches->config);
    return batch_.texts * model::ProductFlops(encoder_.texts()->tokens->config, batch_.tokens);
  }

  int threads_per_stream() const override { return encoder_.cpu_stream(0).team().size(); }

  double RunPeak(int index, int steps) override {
    const bool bf16 = encoder_.images().element() == model::Element::kBF16;
    if (bf16 && !has_bf16_) return 0;
    std::atomic<double> flops{0};
    auto work = [&](int) {
      float sink = 0;
      const double done = bf16 ? PeakBf16(steps, &sink) : PeakF32(steps, &sink);
      double seen = flops.load();
      while (!flops.compare_exchange_weak(seen, seen + done)) {
      }
    };
    encoder_.cpu_stream(index).team().Run(work);
    return flops.load();
  }

 private:
  Status PrepareWhole(int index) {
    auto& whole = whole_[static_cast<size_t>(index)];
    if (whole != nullptr) return Status::Ok();
    Team& team = encoder_.cpu_stream(index).team();
    auto nothing = [](int) {};
    team.Run(nothing);  // pins this thread, if threads are pinned
    const std::vector<int>& cpus = team.cpus();
    const bool pin = team.pinned();
    omp_set_num_threads(team.size());
    if (team.size() > 1) {
#pragma omp parallel num_threads(team.size())
      {
        // New threads inherit the caller's one CPU.
        if (pin) PinThread(cpus[static_cast<size_t>(omp_get_thread_num())]);
      }
    }
    Status status;
    try {
      whole = std::make_unique<WholeBatch>(batch_.images > 0 ? encoder_.images() : *encoder_.texts(), batch_);
    } catch (const dnnl::error& error) {
      status = Status(Code::kInternal, std::string("oneDNN refused a bare matrix product: ") + error.what());
    } catch (const std::bad_alloc&) {
      status = Status(Code::kUnavailable, "not enough memory for the bare matrix products");
    }
    omp_set_num_threads(1);
    return status;
  }

  CpuEncoder& encoder_;
  const CeilingBatch batch_;
  const std::vector<int32_t> ids_;
  const std::vector<TokenIds> texts_;
  // Where there is AMX, this is not what products are made of.
  const bool has_bf16_ = ProbeMachine().has_avx512_bf16 && !ProbeMachine().has_amx_bf16;
  std::vector<std::unique_ptr<WholeBatch>> whole_;  // one per stream
};

}  // namespace
}  // namespace cpu

Result<std::unique_ptr<CeilingProbe>> CeilingProbe::Create(Encoder& encoder, const CeilingBatch& batch) {
  auto* cpu_encoder = dynamic_cast<cpu::CpuEncoder*>(&encoder);
  const EncoderInfo& info = encoder.info();
  if (cpu_encoder == nullptr) {
    return Status(Code::kInvalidRequest,
                  "the ceiling is measured for the cpu backend only, not for " + info.backend);
  }
  if (batch.texts == 0 && (batch.images < 1 || batch.images > info.max_batch)) {
    return Status(Code::kInvalidRequest, "batch must be 1 to " + std::to_string(info.max_batch) + ", not " +
                                             std::to_string(batch.images));
  }
  if (batch.texts != 0) {
    if (batch.images != 0) return Status(Code::kInvalidRequest, "a batch is of images or of texts");
    const std::vector<int32_t> ids(static_cast<size_t>(std::max(0, batch.tokens)));
    const std::vector<TokenIds> texts(static_cast<size_t>(std::max(0, batch.texts)), ids);
    const std::vector<float> out(texts.size() * static_cast<size_t>(info.embedding_dim));
    const Status fits = CheckTextBatch(info, 1, texts, out);
    if (!fits.ok()) return Status(Code::kInvalidRequest, fits.message());
  }
  return std::unique_ptr<CeilingProbe>(std::make_unique<cpu::Probe>(*cpu_encoder, batch));
}

}  // namespace photovec::encode
