// SPDX-License-Identifier: MIT
// Encodes raw pixels with a model directory, for test_encoder.py:
//   encode_probe MODEL_DIR BACKEND PRECISION STREAMS BATCH PIXELS OUT
// PIXELS: [N,S,S,3] u8. OUT: [N,D] f32, not normalised. Prints one line: precision, then the backend's
// detail.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "encode/factory.h"
#include "model/vision_model.h"
#include "preprocess/spec.h"

namespace {

using namespace photovec;

struct Job {
  std::string model_dir, backend, precision;
  int streams = 1;
  int batch = 1;
  std::string pixels, out;
};

Result<std::unique_ptr<encode::Encoder>> Open(const Job& job) {
  ASSIGN_OR_RETURN(const preprocess::Spec spec, preprocess::LoadSpec(job.model_dir));
  ASSIGN_OR_RETURN(const model::VisionModel model, model::LoadVisionModel(job.model_dir));
  encode::EncoderOptions options;
  ASSIGN_OR_RETURN(options.precision, encode::ParsePrecision(job.precision));
  options.streams = job.streams;
  options.threads_per_stream = 1;
  options.max_batch = job.batch;
  options.pin_threads = false;  // tests share the machine
  options.normalization = spec.normalization;
  const auto backend = ParseEnum<encode::Backend>(job.backend);
  if (!backend) return Status(Code::kInvalidRequest, "there are: " + JoinNames<encode::Backend>(", "));
  return encode::CreateEncoder(*backend, model, nullptr, options);
}

/// Batches first, first + step, first + 2 * step, ... of `slots` on one stream.
Status Encode(encode::EncoderStream& stream, const std::vector<PixelSlot>& slots, size_t batch, size_t first,
              size_t step, size_t dim, std::vector<float>& out) {
  for (size_t begin = first * batch; begin < slots.size(); begin += step * batch) {
    const size_t count = std::min(batch, slots.size() - begin);
    const std::span<float> rows(out.data() + begin * dim, count * dim);
    ASSIGN_OR_RETURN(const encode::Ticket ticket, stream.Submit({slots.data() + begin, count}, rows));
    RETURN_IF_ERROR(stream.Wait(ticket));
  }
  return Status::Ok();
}

Status Run(const Job& job) {
  ASSIGN_OR_RETURN(const auto encoder, Open(job));
  RETURN_IF_ERROR(encoder->Warmup());
  const auto side = static_cast<size_t>(encoder->info().image_size);
  const size_t slot_bytes = side * side * 3;
  ASSIGN_OR_RETURN(const std::string pixels, ReadFile(job.pixels, uint64_t{1} << 32));
  if (pixels.empty() || pixels.size() % slot_bytes != 0) {
    return {Code::kInvalidRequest,
            job.pixels + ": not a multiple of " + std::to_string(slot_bytes) + " bytes"};
  }
  std::vector<PixelSlot> slots;
  auto pool = SlotPool::Create(slot_bytes, static_cast<int>(pixels.size() / slot_bytes));
  if (!pool.ok()) return pool.status();
  std::vector<SlotRef> held;
  for (size_t at = 0; at < pixels.size(); at += slot_bytes) {
    held.push_back(*(*pool)->TryAcquire());
    std::copy_n(pixels.data() + at, slot_bytes, reinterpret_cast<char*>(held.back().pixels().data()));
    slots.push_back(held.back().view());
  }
  const auto dim = static_cast<size_t>(encoder->info().embedding_dim);
  std::vector<float> out(slots.size() * dim);
  const auto streams = static_cast<size_t>(encoder->stream_count());
  std::vector<Status> results(streams);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < streams; ++i) {
      threads.emplace_back([&, i] {
        results[i] = Encode(encoder->stream(static_cast<int>(i)), slots, static_cast<size_t>(job.batch), i,
                            streams, dim, out);
      });
    }
  }
  for (const Status& result : results) RETURN_IF_ERROR(result);
  std::ofstream(job.out, std::ios::binary)
      .write(reinterpret_cast<const char*>(out.data()),
             static_cast<std::streamsize>(out.size() * sizeof(float)));
  std::printf("%s %s\n", encoder->info().precision.c_str(), encoder->info().detail.c_str());
  return Status::Ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fputs("usage: encode_probe MODEL_DIR BACKEND PRECISION STREAMS BATCH PIXELS OUT\n", stderr);
    return 2;
  }
  const Status status =
      Run({argv[1], argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]), argv[6], argv[7]});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
