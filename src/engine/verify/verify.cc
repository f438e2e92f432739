// SPDX-License-Identifier: MIT
#include "engine/verify/verify.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/enum_names.h"
#include "encode/factory.h"
#include "engine/device_choice.h"
#include "engine/text_setup.h"
#include "engine/verify/agreement.h"
#include "engine/verify/photos.h"
#include "engine/verify/published.h"
#include "model/model_folder.h"
#include "model/vision_model.h"
#include "preprocess/spec.h"

namespace photovec::engine {
namespace {

using Outcome = Finding::Outcome;
using encode::Backend;
using model::Precision;

// What texts of all kinds look like, for comparing precisions.
constexpr std::string_view kTexts[] = {"a photo of a cat",
                                       "a photo of a dog",
                                       "sunset over the sea",
                                       "a birthday party with many children",
                                       "Zürich",
                                       "two people on bicycles in the rain",
                                       "a red car",
                                       "日本の山",
                                       "a screenshot of a bill, 2024",
                                       "snow",
                                       "the view through the window of an old house",
                                       "my grandmother's garden",
                                       "food"};

/// The plain loops do about 1 GFLOP/s; a check by them may take some seconds.
constexpr double kPlainFlops = 3e9;
constexpr int kDepths = 6;
constexpr size_t kDepthPhotos = 4;

/// printf into a string.
template <typename... Args>
std::string Format(const char* format, Args... args) {
  std::array<char, 400> text{};
  std::snprintf(text.data(), text.size(), format, args...);
  return text.data();
}

/// As `bench encode` and the parity tests have it.
double LeastCosine(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return 0.9999999;
    case Precision::kF16:
      return 0.9999;
    case Precision::kFp8:
      return 0.995;
    case Precision::kAuto:
    case Precision::kBF16:
      break;
  }
  return 0.9995;
}

class Verifier {
 public:
  Verifier(const Machine& machine, const VerifyOptions& options,
           const std::function<void(const Finding&)>& tell)
      : machine_(machine), options_(options), tell_(tell) {}

  Result<bool> Run() {
    EngineOptions engine;
    engine.device = options_.device;
    ASSIGN_OR_RETURN(plan_, PlanFor(machine_, engine));
    ASSIGN_OR_RETURN(const std::string dir, model::ModelFolder(options_.dir));
    ASSIGN_OR_RETURN(spec_, preprocess::LoadSpec(dir));
    ASSIGN_OR_RETURN(image_, model::LoadVisionModel(dir, spec_.crop));
    if (spec_.crop != image_.config.image_size) {
      return Status(Code::kInvalidRequest, options_.dir + ": the preprocessing gives " +
                                               std::to_string(spec_.crop) + " pixels, the model takes " +
                                               std::to_string(image_.config.image_size));
    }
    ASSIGN_OR_RETURN(text_, LoadTextSetup(dir, engine));
    ASSIGN_OR_RETURN(photos_, LoadPhotos(options_.photos, spec_));
    CheckWeights();
    CheckTokenizer();
    TellPhotos();
    ASSIGN_OR_RETURN(f32_, Make(image_, tower(), Backend::kCpu, Precision::kF32));
    ASSIGN_OR_RETURN(f32_vectors_, Encode(*f32_, photos_.views()));
    RETURN_IF_ERROR(CheckAgainstPlainLoops());
    RETURN_IF_ERROR(CheckPublished());
    RETURN_IF_ERROR(CheckPrecisions());
    return !differs_;
  }

 private:
  void Tell(Outcome outcome, std::string part, std::string text) {
    differs_ = differs_ || outcome == Outcome::kDiffers;
    tell_({outcome, std::move(part), std::move(text)});
  }
  void Judge(bool agrees, std::string part, std::string text) {
    Tell(agrees ? Outcome::kAgrees : Outcome::kDiffers, std::move(part), std::move(text));
  }

  const model::TextModel* tower() const { return text_.tower ? &*text_.tower : nullptr; }

  Result<std::unique_ptr<encode::Encoder>> Make(const model::VisionModel& image, const model::TextModel* text,
                                                Backend backend, Precision precision) const {
    encode::EncoderOptions options;
    options.precision = precision;
    options.streams = 1;
    options.max_batch = 8;
    options.pin_threads = false;
    options.normalization = spec_.normalization;
    if (backend == Backend::kCuda) options.devices = {plan_.devices.front()};
    if (backend == Backend::kCpu) options.threads_per_stream = std::clamp(machine_.physical_cores, 1, 16);
    ASSIGN_OR_RETURN(auto encoder, encode::CreateEncoder(backend, image, text, options));
    RETURN_IF_ERROR(encoder->Warmup());
    return encoder;
  }

  static Result<std::vector<float>> Encode(encode::Encoder& encoder, std::span<const PixelSlot> slots) {
    const auto dim = static_cast<size_t>(encoder.info().embedding_dim);
    const auto most = static_cast<size_t>(encoder.info().max_batch);
    std::vector<float> out(slots.size() * dim);
    for (size_t i = 0; i < slots.size(); i += most) {
      const size_t count = std::min(most, slots.size() - i);
      const auto rows = std::span(out).subspan(i * dim, count * dim);
      ASSIGN_OR_RETURN(const encode::Ticket ticket, encoder.stream(0).Submit(slots.subspan(i, count), rows));
      RETURN_IF_ERROR(encoder.stream(0).Wait(ticket));
    }
    return out;
  }

  /// One after the other: how many fit into a batch is the encoder's affair.
  Result<std::vector<float>> EncodeTexts(encode::Encoder& encoder,
                                         std::span<const std::string_view> texts) const {
    const auto dim = static_cast<size_t>(encoder.info().embedding_dim);
    std::vector<float> out(texts.size() * dim);
    for (size_t i = 0; i < texts.size(); ++i) {
      ASSIGN_OR_RETURN(const tokenize::Tokens tokens, text_.tokenizer->Encode(texts[i]));
      const encode::TokenIds ids[] = {tokens.ids};
      ASSIGN_OR_RETURN(const encode::Ticket ticket,
                       encoder.stream(0).SubmitTexts(ids, std::span(out).subspan(i * dim, dim)));
      RETURN_IF_ERROR(encoder.stream(0).Wait(ticket));
    }
    return out;
  }

  void CheckWeights() {
    const WeightScan scan = ScanWeights(image_, tower());
    for (const std::string& broken : scan.broken) Tell(Outcome::kDiffers, "weights", broken);
    if (!scan.broken.empty()) return;
    Tell(Outcome::kAgrees, "weights",
         Format("%zu tensors, %.1f million values, all finite, no matrix empty", scan.tensors,
                static_cast<double>(scan.values) / 1e6));
    Tell(Outcome::kNote, "weights",
         Format("largest value %.4g in %s; furthest out %.0f x the root mean square, in %s",
                scan.largest_value, scan.largest.c_str(), scan.widest_ratio, scan.widest.c_str()));
  }

  void CheckTokenizer() {
    if (text_.tokenizer == nullptr) {
      Tell(Outcome::kNotCompared, "tokenizer",
           text_.no_texts.empty() ? "the folder has no text tower" : text_.no_texts);
      return;
    }
    const tokenize::TokenizerInfo& info = text_.tokenizer->info();
    const KnownVocabulary* known = FindVocabulary(info);
    if (known == nullptr) {
      Tell(Outcome::kNotCompared, "tokenizer",
           Format("no published ids for rule %s with %lld tokens", info.rule.c_str(),
                  static_cast<long long>(info.vocabulary_size)));
      return;
    }
    size_t equal = 0;
    for (const TokenVector& vector : known->vectors) {
      const std::string wrong = FirstDifference(vector);
      if (wrong.empty()) ++equal;
      if (!wrong.empty()) Tell(Outcome::kDiffers, "tokenizer", wrong);
    }
    Judge(
        equal == known->vectors.size(), "tokenizer",
        Format("%zu of %zu published texts have their ids (vocabulary: %s; source: %s)", equal,
               known->vectors.size(), std::string(known->name).c_str(), std::string(known->source).c_str()));
  }

  /// What is wrong with one text's ids; empty: nothing.
  std::string FirstDifference(const TokenVector& vector) const {
    const tokenize::TokenizerInfo& info = text_.tokenizer->info();
    const Result<tokenize::Tokens> tokens = text_.tokenizer->Encode(vector.text);
    const std::string quoted = "'" + std::string(vector.text) + "'";
    if (!tokens.ok()) return quoted + ": " + tokens.status().message();
    std::vector<int32_t> want = vector.ids;
    if (info.bos_id >= 0) want.insert(want.begin(), info.bos_id);
    want.push_back(info.eos_id);
    if (info.pads) want.resize(static_cast<size_t>(info.max_length), info.pad_id);
    if (tokens->ids == want) return "";
    const auto at = std::mismatch(tokens->ids.begin(), tokens->ids.end(), want.begin(), want.end());
    const auto shown = [](auto it, auto end) { return it == end ? "nothing" : std::to_string(*it); };
    return quoted + ": token " + std::to_string(at.first - tokens->ids.begin()) + " is " +
           shown(at.first, tokens->ids.end()) + ", published is " + shown(at.second, want.end());
  }

  void TellPhotos() {
    constexpr size_t kShown = 5;
    for (size_t i = 0; i < std::min(kShown, photos_.refused.size()); ++i) {
      Tell(Outcome::kNote, "photos", photos_.refused[i].first + ": " + photos_.refused[i].second.message());
    }
    if (photos_.made_up) {
      Tell(Outcome::kNotCompared, "photos",
           Format("none given (--image, --images): %zu made-up pictures stand in for them, which says little "
                  "about photos",
                  photos_.slots.size()));
      return;
    }
    Tell(Outcome::kNote, "photos",
         Format("%zu decoded, %zu left out", photos_.slots.size(), photos_.refused.size()));
  }

  Status CheckAgainstPlainLoops() {
    const double block = image_.config.FlopsPerImage() / image_.config.layers;
    const int layers = std::clamp(static_cast<int>(kPlainFlops / block), 1, image_.config.layers);
    const model::VisionModel shorter = FirstBlocks(image_, layers);
    encode::EncoderOptions options;
    options.precision = Precision::kF32;
    options.normalization = spec_.normalization;
    ASSIGN_OR_RETURN(const auto plain, encode::CreateEncoder(Backend::kReference, shorter, nullptr, options));
    ASSIGN_OR_RETURN(const auto fast, Make(shorter, nullptr, Backend::kCpu, Precision::kF32));
    const std::vector<PixelSlot> one = {photos_.slots.front().view()};
    ASSIGN_OR_RETURN(const std::vector<float> want, Encode(*plain, one));
    ASSIGN_OR_RETURN(const std::vector<float> got, Encode(*fast, one));
    const Agreement agreement = Compare(want, got, want.size());
    Judge(agreement.least_cosine >= LeastCosine(Precision::kF32), "arithmetic",
          Format("cpu f32 against plain loops on the first %d of %d blocks: cosine %.9f", layers,
                 image_.config.layers, agreement.least_cosine));
    return Status::Ok();
  }

  Status CheckPublished() {
    const PublishedNumbers* known = FindPublished(image_.config, tower() ? &tower()->config : nullptr);
    if (known == nullptr) {
      Tell(Outcome::kNotCompared, "published numbers", "none are known for a model of these shapes");
      return Status::Ok();
    }
    const std::string name(known->checkpoint);
    if (!photos_.cats) {
      Tell(Outcome::kNotCompared, "published numbers",
           "for " + name + ", which has these shapes, they are about " + std::string(kCatsUrl) +
               ": download it and give it by --image");
      return Status::Ok();
    }
    ASSIGN_OR_RETURN(const std::vector<float> got, OwnNumbers(*known));
    std::string text = "if this is " + name + ":";
    double off = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      text += Format(" %.4f (published %.4f)", got[i], known->numbers[i]);
      off = std::max(off, std::abs(static_cast<double>(got[i]) - known->numbers[i]));
    }
    text += Format("; %.4f off at most, %.2f allowed; source: ", off, known->tolerance) +
            std::string(known->source);
    if (!(off <= known->tolerance)) text += ". Another checkpoint of these shapes has other numbers";
    Judge(off <= known->tolerance, "published numbers", text);
    return Status::Ok();
  }

  /// photovec's own for the picture that the published ones are about.
  Result<std::vector<float>> OwnNumbers(const PublishedNumbers& known) const {
    const auto dim = static_cast<size_t>(f32_->info().embedding_dim);
    const auto picture = std::span(f32_vectors_).subspan(*photos_.cats * dim, dim);
    if (known.texts.empty()) {
      return std::vector<float>(picture.begin(),
                                picture.begin() + static_cast<std::ptrdiff_t>(known.numbers.size()));
    }
    ASSIGN_OR_RETURN(const std::vector<float> texts, EncodeTexts(*f32_, known.texts));
    std::vector<float> logits;
    for (size_t i = 0; i < known.texts.size(); ++i) {
      const Agreement pair = Compare(picture, std::span(texts).subspan(i * dim, dim), dim);
      logits.push_back(static_cast<float>(pair.least_cosine) * tower()->score.scale + tower()->score.bias);
    }
    return logits;
  }

  Status CheckPrecisions() {
    const bool gpu = plan_.backend == Backend::kCuda;
    std::vector<Precision> precisions = {Precision::kBF16};
    if (gpu) precisions = {Precision::kF32, Precision::kBF16, Precision::kF16, Precision::kFp8};
    for (const Precision precision : precisions) {
      const std::string part = std::string(NameOf(plan_.backend)) + " " + std::string(NameOf(precision));
      const auto encoder = Make(image_, tower(), plan_.backend, precision);
      if (!encoder.ok()) {
        Tell(Outcome::kNotCompared, part, encoder.status().message());
        continue;
      }
      ASSIGN_OR_RETURN(const std::vector<float> vectors, Encode(**encoder, photos_.views()));
      CheckAgreement(part + (photos_.made_up ? ", made-up pictures" : ", photos"), precision, f32_vectors_,
                     vectors);
      if (text_.tokenizer != nullptr) {
        ASSIGN_OR_RETURN(const std::vector<float> want, EncodeTexts(*f32_, kTexts));
        ASSIGN_OR_RETURN(const std::vector<float> got, EncodeTexts(**encoder, kTexts));
        CheckAgreement(part + ", texts", precision, want, got);
      }
      RETURN_IF_ERROR(LookAtDepths(part, precision));
    }
    return Status::Ok();
  }

  void CheckAgreement(const std::string& part, Precision precision, std::span<const float> want,
                      std::span<const float> got) {
    const Agreement agreement = Compare(want, got, static_cast<size_t>(f32_->info().embedding_dim));
    std::string text = Format("against cpu f32: cosine min %.6f, median %.6f (%zu vectors)",
                              agreement.least_cosine, agreement.median_cosine, agreement.count);
    if (agreement.count > 1) {
      text += Format("; error %.2f%% of the median distance between different ones",
                     100 * agreement.error_over_distance);
    }
    text += agreement.overlap_at_10 >= 0
                ? Format("; %.1f%% of the ten nearest are the same", 100 * agreement.overlap_at_10)
                : "; rank overlap needs 12 of them";
    Judge(agreement.least_cosine >= LeastCosine(precision), part, text);
  }

  /// Where a precision loses what it loses, and how large values grow on the way.
  Status LookAtDepths(const std::string& part, Precision precision) {
    const bool bare = image_.config.pooling == model::Pooling::kClassToken;
    std::vector<PixelSlot> slots = photos_.views();
    slots.resize(std::min(slots.size(), kDepthPhotos));
    std::string text;
    for (const int depth : Depths(image_.config.layers, kDepths)) {
      const model::VisionModel part_model = bare ? BareBlocks(image_, depth) : FirstBlocks(image_, depth);
      ASSIGN_OR_RETURN(const auto exact, Make(part_model, nullptr, Backend::kCpu, Precision::kF32));
      ASSIGN_OR_RETURN(const auto rough, Make(part_model, nullptr, plan_.backend, precision));
      ASSIGN_OR_RETURN(const std::vector<float> want, Encode(*exact, slots));
      ASSIGN_OR_RETURN(const std::vector<float> got, Encode(*rough, slots));
      const Agreement agreement = Compare(want, got, want.size() / slots.size());
      text += Format("%s%d: cosine %.6f", text.empty() ? "" : "; ", depth, agreement.least_cosine);
      if (bare)
        text += Format(" norm %.3g largest %.3g", Norm(want) / std::sqrt(slots.size()), Largest(want));
    }
    Tell(Outcome::kNote, part + ", depths",
         (bare ? "class token behind block " : "vector made by the first blocks alone, ") + text);
    return Status::Ok();
  }

  static double Norm(std::span<const float> values) {
    return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
  }
  static double Largest(std::span<const float> values) {
    double largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(static_cast<double>(value)));
    return largest;
  }

  const Machine& machine_;
  const VerifyOptions& options_;
  const std::function<void(const Finding&)>& tell_;
  MachinePlan plan_;
  preprocess::Spec spec_;
  model::VisionModel image_;
  TextSetup text_;
  ModelPhotos photos_;
  std::unique_ptr<encode::Encoder> f32_;
  std::vector<float> f32_vectors_;
  bool differs_ = false;
};

}  // namespace

Result<bool> VerifyModel(const Machine& machine, const VerifyOptions& options,
                         const std::function<void(const Finding&)>& tell) {
  return Verifier(machine, options, tell).Run();
}

}  // namespace photovec::engine
