// SPDX-License-Identifier: MIT
#include "engine/model_setup.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>

#include "base/checksum/digest.h"
#include "base/deadline.h"
#include "base/slot_pool.h"
#include "encode/factory.h"
#include "engine/device_choice.h"
#include "engine/text_setup.h"
#include "model/model_config.h"
#include "model/model_folder.h"
#include "model/vision_model.h"

namespace photovec::engine {
namespace {

// Raise this when photovec itself starts to give a photo another vector (beyond rounding).
constexpr const char* kRecipe = "photovec vectors 1";
// Raise this when only --jpeg-scaling=fast does.
constexpr std::string_view kFastScaling = "fast 2";

std::string DescribeConfig(const model::VisionConfig& config) {
  char eps[32];
  std::snprintf(eps, sizeof(eps), "%.9g", static_cast<double>(config.layer_norm_eps));
  std::string out;
  for (const int number :
       {config.image_size, config.patch_size, config.hidden_size, config.layers, config.heads,
        config.mlp_size, config.projection_dim, static_cast<int>(config.pooling),
        static_cast<int>(config.has_class_token), static_cast<int>(config.has_patch_bias),
        static_cast<int>(config.has_pre_norm), static_cast<int>(config.has_layer_scale),
        static_cast<int>(config.has_post_norm)}) {
    out += std::to_string(number) + " ";
  }
  out += std::string(model::ActivationName(config.activation)) + " eps " + eps;
  // Only where they differ from what all models had once: those keep their fingerprint.
  if (config.gated_mlp) out += " gated";
  if (!config.has_key_bias) out += " no key bias";
  if (config.register_tokens > 0) out += " registers " + std::to_string(config.register_tokens);
  if (config.positions == model::Positions::kRotary) {
    char theta[32];
    std::snprintf(theta, sizeof(theta), "%.9g", static_cast<double>(config.rope_theta));
    out += std::string(" rotary ") + theta;
  }
  return out;
}

Status CheckSizes(const std::string& dir, const model::VisionConfig& config, const preprocess::Spec& spec) {
  if (spec.crop == config.image_size) return Status::Ok();
  const std::string crop = std::to_string(spec.crop);
  const std::string size = std::to_string(config.image_size);
  return {Code::kInvalidRequest, dir + ": preprocessor_config.json crops photos to " + crop + "x" + crop +
                                     ", but config.json says that the model takes " + size + "x" + size +
                                     "; the two files belong to different models"};
}

encode::EncoderOptions ToEncoderOptions(const EngineOptions& options, const MachinePlan& plan,
                                        const preprocess::Spec& spec, bool texts, bool pin_threads) {
  encode::EncoderOptions encoder;
  encoder.precision = options.precision;
  encoder.streams = plan.streams;
  encoder.text_streams = texts ? plan.text_streams : 0;
  encoder.threads_per_stream = plan.threads_per_stream;
  encoder.max_batch = options.max_batch;
  encoder.devices = plan.devices;
  if (plan.backend == encode::Backend::kCuda) encoder.plan_cache = PlanCacheFile();
  encoder.pin_threads = pin_threads;
  encoder.normalization = spec.normalization;
  return encoder;
}

// Items a second of all streams that take both kinds, by the faster of two batches: others may use this
// machine, too. 0 when one fails.
template <typename Submit>
double FasterOfTwo(encode::Encoder& encoder, size_t batch, Submit submit) {
  double seconds = std::numeric_limits<double>::max();
  for (int round = 0; round < 2; ++round) {
    const TimePoint begin = Clock::now();
    const Result<encode::Ticket> ticket = submit();
    if (!ticket.ok() || !encoder.stream(0).Wait(*ticket).ok()) return 0;
    seconds = std::min(seconds, std::max(1e-6, Seconds(Clock::now() - begin)));
  }
  return static_cast<double>(batch) * (encoder.stream_count() - encoder.text_stream_count()) / seconds;
}

// What the streams do together, by one small batch on one of them: enough to admit by until real photos were
// timed. 0 when it fails, which the first photos will tell in full.
double MeasureRate(encode::Encoder& encoder, size_t slot_bytes) {
  const auto batch = static_cast<size_t>(std::min(4, encoder.info().max_batch));
  const auto pixels = SlotPool::Create(slot_bytes, static_cast<int>(batch));
  if (!pixels.ok()) return 0;
  std::vector<SlotRef> slots;
  std::vector<PixelSlot> views;
  for (size_t i = 0; i < batch; ++i) {
    slots.push_back(*(*pixels)->TryAcquire());
    views.push_back(slots.back().view());
  }
  std::vector<float> out(batch * static_cast<size_t>(encoder.info().embedding_dim));
  return FasterOfTwo(encoder, batch, [&] { return encoder.stream(0).Submit(views, out); });
}

// The same of short texts.
double MeasureTextRate(encode::Encoder& encoder) {
  constexpr int kWords = 10;
  const encode::TextInfo& info = *encoder.info().text;
  const int tokens = info.causal ? std::min(kWords, info.max_tokens) : info.max_tokens;
  const std::vector<int32_t> ids(static_cast<size_t>(tokens));
  const auto batch =
      static_cast<size_t>(std::clamp(info.max_batch_tokens / tokens, 1, std::min(4, info.max_batch)));
  const std::vector<encode::TokenIds> texts(batch, ids);
  std::vector<float> out(batch * static_cast<size_t>(encoder.info().embedding_dim));
  return FasterOfTwo(encoder, batch, [&] { return encoder.stream(0).SubmitTexts(texts, out); });
}

}  // namespace

Result<ModelChoice> ParseModelChoice(const std::string& text) {
  ModelChoice choice;
  const size_t equals = text.find('=');
  std::error_code ignored;
  if (equals == std::string::npos || std::filesystem::is_directory(text, ignored)) {
    choice.dir = text;
    const auto path = std::filesystem::absolute(text.empty() ? "." : text, ignored).lexically_normal();
    choice.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  } else {
    choice.name = text.substr(0, equals);
    choice.dir = text.substr(equals + 1);
  }
  if (choice.name.empty() || choice.dir.empty()) {
    return Status(Code::kInvalidRequest, "--model '" + text + "': give a folder, or NAME=FOLDER");
  }
  return choice;
}

Result<std::vector<ModelChoice>> ParseModelChoices(const std::vector<std::string>& texts) {
  if (texts.empty()) {
    return Status(
        Code::kInvalidRequest,
        "no model: give --model DIR (a HuggingFace model folder; 'photovec init-model --help' makes "
        "one with random weights)");
  }
  std::vector<ModelChoice> choices;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(ModelChoice choice, ParseModelChoice(text));
    for (const ModelChoice& other : choices) {
      if (other.name == choice.name) {
        return Status(Code::kInvalidRequest,
                      "two models are called '" + choice.name + "'; name them apart with --model NAME=DIR");
      }
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::string Fingerprint(const FingerprintParts& parts) {
  const bool fast = parts.jpeg_scaling == decode::JpegScaling::kFast;
  std::vector<std::string> texts = {kRecipe,
                                    parts.weights_sha256,
                                    DescribeConfig(parts.config),
                                    preprocess::Describe(parts.spec),
                                    std::string(fast ? kFastScaling : NameOf(parts.jpeg_scaling)),
                                    std::string(NameOf(parts.alpha))};
  // Only where it changes pixels: vectors from before the option keep their fingerprint.
  if (parts.color != decode::ColorMode::kIgnore) {
    texts.push_back("color " + std::string(NameOf(parts.color)) + ", code points and HDR");
  }
  if (parts.decode_device != DecodeDevice::kCpu) {
    texts.push_back("decode device " + std::string(NameOf(parts.decode_device)));
  }
  Sha256 hash;
  for (const std::string& part : texts) {
    hash.Update(part);
    hash.Update(std::string_view("\0", 1));  // so that no two lists of parts run together alike
  }
  return hash.HexDigest().substr(0, 12);
}

Result<LoadedModel> SetUpModel(const ModelChoice& choice, const EngineOptions& options,
                               const MachinePlan& plan, bool pin_threads) {
  const TimePoint begin = Clock::now();
  LoadedModel loaded;
  loaded.choice = choice;
  ASSIGN_OR_RETURN(const std::string dir, model::ModelFolder(choice.dir));
  ASSIGN_OR_RETURN(const preprocess::Spec spec, preprocess::LoadSpec(dir));
  {
    ASSIGN_OR_RETURN(const model::ModelConfig config, model::LoadModelConfig(dir));
    loaded.setup.shortening = {options.allow_truncation || config.any_shorter, config.shorter};
    ASSIGN_OR_RETURN(const model::VisionModel vision, model::LoadVisionModel(dir, spec.crop));
    RETURN_IF_ERROR(CheckSizes(dir, vision.config, spec));
    ASSIGN_OR_RETURN(TextSetup text, LoadTextSetup(dir, options));
    const model::TextModel* tower = text.tower ? &*text.tower : nullptr;
    auto encoder = encode::CreateEncoder(
        plan.backend, vision, tower, ToEncoderOptions(options, plan, spec, tower != nullptr, pin_threads));
    if (!encoder.ok()) return encoder.status().WithContext(dir);
    loaded.setup.encoder = std::move(*encoder);
    loaded.config = vision.config;
    loaded.weights_sha256 = vision.weights_sha256;
    if (tower != nullptr) {
      loaded.setup.text_fingerprint = TextFingerprint(*tower, text.tokenizer->info().rule);
      loaded.setup.score = {tower->score.scale, tower->score.bias, tower->score.sigmoid};
    }
    loaded.setup.tokenizer = std::move(text.tokenizer);
    loaded.setup.no_texts = std::move(text.no_texts);
  }  // the checkpoint's files are unmapped here
  RETURN_IF_ERROR(loaded.setup.encoder->Warmup().WithContext(choice.dir + ": warm-up"));
  loaded.setup.images_per_second = MeasureRate(*loaded.setup.encoder, spec.slot_bytes());
  if (loaded.setup.tokenizer != nullptr) {
    loaded.setup.texts_per_second = MeasureTextRate(*loaded.setup.encoder);
  }
  malloc_trim(0);  // packing left large free blocks behind
  loaded.setup.name = choice.name;
  loaded.setup.spec = spec;
  loaded.setup.fingerprint =
      Fingerprint({loaded.weights_sha256, loaded.config, spec, options.decode.jpeg_scaling,
                   options.decode.alpha, options.decode.color, options.decode_device});
  loaded.load_seconds = static_cast<double>(MicrosBetween(begin, Clock::now())) / 1e6;
  return loaded;
}

}  // namespace photovec::engine
