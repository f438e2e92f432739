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
#include "model/fold/fold.h"

namespace photovec::encode {
namespace cpu {
namespace {

// The products of a whole batch, in order, with oneDNN's own threads.
class WholeBatch {
 public:
  // Call on the thread that will run it, with oneDNN's threads set. Throws dnnl::error.
  WholeBatch(const PackedModel& model, int batch) : stream_(model.engine()) {
    const auto& config = model.config();
    const auto images = static_cast<size_t>(std::max(batch, kLeastRows));
    const size_t rows = images * static_cast<size_t>(config.tokens());
    const size_t pixels = static_cast<size_t>(config.image_size) * static_cast<size_t>(config.image_size) * 3;
    const size_t widest = std::max({rows * static_cast<size_t>(config.mlp_size),
                                    rows * static_cast<size_t>(config.hidden_size) * 3, images * pixels});
    auto memory = Arena::Create(Arena::Rounded(widest * 4) * 3);
    if (!memory.ok()) throw std::bad_alloc();
    memory_ = std::move(memory).value();
    narrow_ = memory_.Take(widest * 4);
    wide_ = memory_.Take(widest * 4);
    float* product = memory_.TakeArray<float>(widest);
    const int all = batch * config.tokens();
    Add(model, model.patch, batch * config.patches(), wide_, product);
    for (size_t i = 0; i < model.blocks.size(); ++i) {
      const PackedBlock& block = model.blocks[i];
      const bool last = i + 1 == model.blocks.size();
      const int tail = last ? batch : all;
      Add(model, block.qkv, all, narrow_, product);
      if (last) Add(model, block.q, batch, narrow_, product);
      Add(model, block.out, tail, narrow_, product);
      Add(model, block.fc1, tail, narrow_, product);
      Add(model, block.fc2, tail, wide_, product);
    }
    if (config.projection_dim > 0) Add(model, model.projection, batch, narrow_, product);
    size_t scratch = 0;
    for (const MatmulCall& call : calls_) scratch = std::max(scratch, call.scratch_bytes());
    auto scratch_arena = Arena::Create(scratch + 1);
    if (!scratch_arena.ok()) throw std::bad_alloc();
    scratch_ = std::move(scratch_arena).value();
    void* at = scratch_.Take(scratch);
    for (MatmulCall& call : calls_) call.BindScratch(model.engine(), at);
  }

  bool Run() const {
    return std::all_of(calls_.begin(), calls_.end(),
                       [&](const MatmulCall& call) { return call.Run(stream_); });
  }

 private:
  void Add(const PackedModel& model, const WeightMatrix& weight, int rows, const void* in, float* out) {
    calls_.emplace_back(model.engine(), weight, Columns{0, weight.layout().columns()}, rows, in, out);
  }

  dnnl::stream stream_;
  Arena memory_;
  Arena scratch_;
  void* narrow_ = nullptr;
  void* wide_ = nullptr;
  std::vector<MatmulCall> calls_;
};

bool RunProducts(const RankPlan& plan, const dnnl::stream& stream) {
  bool ok = true;
  const auto run = [&](const MatmulCall& call) { ok = call.Run(stream) && ok; };
  const auto all = [&](const std::vector<MatmulCall>& calls) {
    std::for_each(calls.begin(), calls.end(), run);
  };
  all(plan.patch);
  for (const BlockCalls& block : plan.blocks) {
    for (const HeadsCall& call : block.qkv) run(call.product);
    all(block.query);
    all(block.out);
    all(block.fc1);
    all(block.fc2);
  }
  all(plan.projection);
  return ok;
}

class Probe final : public CeilingProbe {
 public:
  Probe(CpuEncoder& encoder, int batch)
      : encoder_(encoder), batch_(batch), whole_(static_cast<size_t>(encoder.stream_count())) {}

  Status RunBatch(int index, Kind kind) override {
    CpuStream& stream = encoder_.cpu_stream(index);
    bool ok = true;
    if (kind == Kind::kDealt) {
      RETURN_IF_ERROR(stream.Prepare());
      ok = stream.RunBare(batch_, RunProducts);
    } else {
      RETURN_IF_ERROR(PrepareWhole(index));
      omp_set_num_threads(stream.team().size());
      ok = whole_[static_cast<size_t>(index)]->Run();
      omp_set_num_threads(1);
    }
    return ok ? Status::Ok()
              : Status(Code::kUnavailable, "oneDNN had no memory for the bare matrix products");
  }

  double flops_per_batch() const override { return batch_ * model::ProductFlops(encoder_.model().config()); }

  int threads_per_stream() const override { return encoder_.cpu_stream(0).team().size(); }

  double RunPeak(int index, int steps) override {
    const bool bf16 = encoder_.model().element() == model::Element::kBF16;
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
      whole = std::make_unique<WholeBatch>(encoder_.model(), batch_);
    } catch (const dnnl::error& error) {
      status = Status(Code::kInternal, std::string("oneDNN refused a bare matrix product: ") + error.what());
    } catch (const std::bad_alloc&) {
      status = Status(Code::kUnavailable, "not enough memory for the bare matrix products");
    }
    omp_set_num_threads(1);
    return status;
  }

  CpuEncoder& encoder_;
  const int batch_;
  // Where there is AMX, this is not what products are made of.
  const bool has_bf16_ = ProbeMachine().has_avx512_bf16 && !ProbeMachine().has_amx_bf16;
  std::vector<std::unique_ptr<WholeBatch>> whole_;  // one per stream
};

}  // namespace
}  // namespace cpu

Result<std::unique_ptr<CeilingProbe>> CeilingProbe::Create(Encoder& encoder, int batch) {
  auto* cpu_encoder = dynamic_cast<cpu::CpuEncoder*>(&encoder);
  if (cpu_encoder == nullptr) {
    return Status(Code::kInvalidRequest,
                  "the ceiling is measured for the cpu backend only, not for " + encoder.info().backend);
  }
  if (batch < 1 || batch > encoder.info().max_batch) {
    return Status(Code::kInvalidRequest, "batch must be 1 to " + std::to_string(encoder.info().max_batch) +
                                             ", not " + std::to_string(batch));
  }
  return std::unique_ptr<CeilingProbe>(std::make_unique<cpu::Probe>(*cpu_encoder, batch));
}

}  // namespace photovec::encode
