// SPDX-License-Identifier: MIT
// Encodes raw pixels, or texts as ids, with a model directory, for the parity tests:
//   encode_probe MODEL_DIR BACKEND PRECISION STREAMS BATCH images|texts INPUT OUT
// INPUT: [N,S,S,3] u8, or a text in each line, its ids in decimal. OUT: [N,D] f32, not normalised. Prints one
// line: precision, then the backend's detail.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "encode/factory.h"
#include "model/text_model.h"
#include "model/vision_model.h"
#include "preprocess/spec.h"

namespace {

using namespace photovec;

struct Job {
  std::string model_dir, backend, precision;
  int streams = 1;
  int batch = 1;
  bool texts = false;
  std::string input, out;
};

Result<std::unique_ptr<encode::Encoder>> Open(const Job& job) {
  ASSIGN_OR_RETURN(const preprocess::Spec spec, preprocess::LoadSpec(job.model_dir));
  ASSIGN_OR_RETURN(const model::VisionModel model, model::LoadVisionModel(job.model_dir, spec.crop));
  std::optional<model::TextModel> text;
  if (job.texts) {
    ASSIGN_OR_RETURN(text, model::LoadTextModel(job.model_dir));
    if (!text) return Status(Code::kInvalidRequest, job.model_dir + " has no text tower");
  }
  encode::EncoderOptions options;
  ASSIGN_OR_RETURN(options.precision, encode::ParsePrecision(job.precision));
  options.streams = job.streams;
  options.threads_per_stream = 1;
  options.max_batch = job.batch;
  options.pin_threads = false;  // tests share the machine
  options.normalization = spec.normalization;
  const auto backend = ParseEnum<encode::Backend>(job.backend);
  if (!backend) return Status(Code::kInvalidRequest, "there are: " + JoinNames<encode::Backend>(", "));
  return encode::CreateEncoder(*backend, model, text ? &*text : nullptr, options);
}

/// What is encoded: pictures, or texts; the storage lives elsewhere.
struct Work {
  std::vector<PixelSlot> slots;
  std::vector<encode::TokenIds> texts;
  size_t size() const { return slots.size() + texts.size(); }
};

Status EncodeBatch(encode::EncoderStream& stream, const Work& work, size_t begin, size_t count,
                   std::span<float> rows) {
  const auto submitted = work.texts.empty() ? stream.Submit({work.slots.data() + begin, count}, rows)
                                            : stream.SubmitTexts({work.texts.data() + begin, count}, rows);
  if (!submitted.ok()) return submitted.status();
  return stream.Wait(*submitted);
}

/// Batches first, first + step, first + 2 * step, ... of the work on one stream. A batch of texts holds as
/// many as fit.
Status Encode(const Job& job, encode::Encoder& encoder, int index, const Work& work,
              std::vector<float>& out) {
  const auto dim = static_cast<size_t>(encoder.info().embedding_dim);
  auto batch = static_cast<size_t>(job.batch);
  if (job.texts) batch = std::min(batch, static_cast<size_t>(encoder.info().text->max_batch));
  const auto streams = static_cast<size_t>(encoder.stream_count());
  for (size_t begin = static_cast<size_t>(index) * batch; begin < work.size(); begin += streams * batch) {
    const size_t end = std::min(begin + batch, work.size());
    for (size_t at = begin; at < end;) {
      size_t count = end - at;
      if (job.texts) {
        auto room = static_cast<size_t>(encoder.info().text->max_batch_tokens);
        count = 0;
        while (at + count < end && work.texts[at + count].size() <= room) {
          room -= work.texts[at + count++].size();
        }
        if (count == 0) return {Code::kInvalidRequest, "a text of more ids than a batch takes"};
      }
      RETURN_IF_ERROR(EncodeBatch(encoder.stream(index), work, at, count,
                                  std::span<float>(out.data() + at * dim, count * dim)));
      at += count;
    }
  }
  return Status::Ok();
}

Status EncodeAll(const Job& job, encode::Encoder& encoder, const Work& work) {
  std::vector<float> out(work.size() * static_cast<size_t>(encoder.info().embedding_dim));
  std::vector<Status> results(static_cast<size_t>(encoder.stream_count()));
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < results.size(); ++i) {
      threads.emplace_back([&, i] { results[i] = Encode(job, encoder, static_cast<int>(i), work, out); });
    }
  }
  for (const Status& result : results) RETURN_IF_ERROR(result);
  std::ofstream(job.out, std::ios::binary)
      .write(reinterpret_cast<const char*>(out.data()),
             static_cast<std::streamsize>(out.size() * sizeof(float)));
  std::printf("%s %s\n", encoder.info().precision.c_str(), encoder.info().detail.c_str());
  return Status::Ok();
}

Status EncodeTexts(const Job& job, encode::Encoder& encoder, const std::string& input) {
  std::vector<std::vector<int32_t>> rows;
  std::istringstream lines(input);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    rows.emplace_back();
    for (int32_t id = 0; words >> id;) rows.back().push_back(id);
  }
  return EncodeAll(job, encoder, {{}, {rows.begin(), rows.end()}});
}

Status EncodePixels(const Job& job, encode::Encoder& encoder, const std::string& pixels) {
  const auto side = static_cast<size_t>(encoder.info().image_size);
  const size_t slot_bytes = side * side * 3;
  if (pixels.empty() || pixels.size() % slot_bytes != 0) {
    return {Code::kInvalidRequest,
            job.input + ": not a multiple of " + std::to_string(slot_bytes) + " bytes"};
  }
  auto pool = SlotPool::Create(slot_bytes, static_cast<int>(pixels.size() / slot_bytes));
  if (!pool.ok()) return pool.status();
  Work work;
  std::vector<SlotRef> held;
  for (size_t at = 0; at < pixels.size(); at += slot_bytes) {
    held.push_back(*(*pool)->TryAcquire());
    std::copy_n(pixels.data() + at, slot_bytes, reinterpret_cast<char*>(held.back().pixels().data()));
    work.slots.push_back(held.back().view());
  }
  return EncodeAll(job, encoder, work);
}

Status Run(const Job& job) {
  ASSIGN_OR_RETURN(const auto encoder, Open(job));
  RETURN_IF_ERROR(encoder->Warmup());
  ASSIGN_OR_RETURN(const std::string input, ReadFile(job.input, uint64_t{1} << 32));
  return job.texts ? EncodeTexts(job, *encoder, input) : EncodePixels(job, *encoder, input);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::fputs("usage: encode_probe MODEL_DIR BACKEND PRECISION STREAMS BATCH images|texts INPUT OUT\n",
               stderr);
    return 2;
  }
  const Status status = Run({argv[1], argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]),
                             std::string_view(argv[6]) == "texts", argv[7], argv[8]});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
