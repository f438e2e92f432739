// SPDX-License-Identifier: MIT
#include "model/random/model_files.h"

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

std::string_view TorchName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float32";
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
  }
  return "float32";
}

/// One key a line, as transformers writes it.
std::string Pretty(const bjson::object& object) {
  std::string text;
  const char* separator = "{\n";
  for (const auto& member : object) {
    text += separator;
    text += "  " + bjson::serialize(bjson::value(member.key())) + ": " + bjson::serialize(member.value());
    separator = ",\n";
  }
  return text + "\n}\n";
}

bjson::object ClipVision(const VisionConfig& config) {
  return {{"attention_dropout", 0.0},
          {"hidden_act", ActivationName(config.activation)},
          {"hidden_size", config.hidden_size},
          {"image_size", config.image_size},
          {"initializer_factor", 1.0},
          {"initializer_range", 0.02},
          {"intermediate_size", config.mlp_size},
          {"layer_norm_eps", 1e-5},
          {"model_type", "clip_vision_model"},
          {"num_attention_heads", config.heads},
          {"num_channels", 3},
          {"num_hidden_layers", config.layers},
          {"patch_size", config.patch_size},
          {"projection_dim", config.projection_dim}};
}

bjson::object Transformer(const TransformerConfig& config, std::string_view model_type) {
  return {{"hidden_act", ActivationName(config.activation)},
          {"hidden_size", config.hidden_size},
          {"intermediate_size", config.mlp_size},
          {"model_type", model_type},
          {"num_attention_heads", config.heads},
          {"num_hidden_layers", config.layers}};
}

bjson::object Text(const TextConfig& config, std::string_view model_type) {
  bjson::object object = Transformer(config, model_type);
  object["vocab_size"] = config.vocabulary_size;
  object["max_position_embeddings"] = config.max_tokens;
  const int last = config.vocabulary_size - 1;
  object["bos_token_id"] = config.causal ? last - 1 : 2;
  object["eos_token_id"] = config.causal ? last : 1;
  object["pad_token_id"] = config.causal ? last : 0;
  object[config.causal ? "projection_dim" : "projection_size"] = config.projection_dim;
  return object;
}

bjson::object SiglipVision(const VisionConfig& config) {
  bjson::object object = Transformer(config, "siglip_vision_model");
  object["image_size"] = config.image_size;
  object["patch_size"] = config.patch_size;
  return object;
}

bjson::object Dino(const VisionConfig& config) {
  const bool v3 = config.positions == Positions::kRotary;
  bjson::object object = Transformer(config, v3                           ? "dinov3_vit"
                                             : config.register_tokens > 0 ? "dinov2_with_registers"
                                                                          : "dinov2");
  object["image_size"] = config.image_size;
  object["patch_size"] = config.patch_size;
  object["layer_norm_eps"] = v3 ? 1e-5 : 1e-6;
  if (config.register_tokens > 0) object["num_register_tokens"] = config.register_tokens;
  if (v3) {
    object["rope_theta"] = config.rope_theta;
  } else {
    object.erase("intermediate_size");
    object["mlp_ratio"] = config.mlp_size / config.hidden_size;
  }
  return object;
}

bjson::object ConfigJson(const Preset& preset) {
  const VisionConfig& vision = preset.config;
  if (vision.architecture == "CLIPModel") {
    return {{"logit_scale_init_value", 2.6592},
            {"model_type", "clip"},
            {"projection_dim", vision.projection_dim},
            {"text_config", Text(*preset.text, "clip_text_model")},
            {"vision_config", ClipVision(vision)}};
  }
  if (vision.architecture == "SiglipModel") {
    return {{"model_type", "siglip"},
            {"text_config", Text(*preset.text, "siglip_text_model")},
            {"vision_config", SiglipVision(vision)}};
  }
  if (vision.architecture == "SiglipVisionModel") return SiglipVision(vision);
  return vision.has_layer_scale ? Dino(vision) : ClipVision(vision);
}

/// Everything that all image processors have.
bjson::object Processor(std::string_view type, std::array<double, 3> mean, std::array<double, 3> std,
                        int resample) {
  return {{"do_convert_rgb", true},
          {"do_normalize", true},
          {"do_rescale", true},
          {"do_resize", true},
          {"image_mean", bjson::array(mean.begin(), mean.end())},
          {"image_processor_type", type},
          {"image_std", bjson::array(std.begin(), std.end())},
          {"resample", resample},
          {"rescale_factor", 1.0 / 255.0}};
}

bjson::object Square(int side) { return {{"height", side}, {"width", side}}; }

/// Each family's own preprocessing.
bjson::object PreprocessorJson(const Preset& preset, int side) {
  constexpr int kBilinear = 2;
  constexpr int kBicubic = 3;
  constexpr std::array kImageNetMean = {0.485, 0.456, 0.406};
  constexpr std::array kImageNetStd = {0.229, 0.224, 0.225};
  const VisionConfig& config = preset.config;
  if (config.pooling == Pooling::kAttention) {
    constexpr std::array kHalf = {0.5, 0.5, 0.5};
    const bool second = preset.name.starts_with("siglip2");
    bjson::object object = Processor("SiglipImageProcessor", kHalf, kHalf, second ? kBilinear : kBicubic);
    object["size"] = Square(side);
    return object;
  }
  if (config.positions == Positions::kRotary) {
    bjson::object object = Processor("DINOv3ViTImageProcessorFast", kImageNetMean, kImageNetStd, kBilinear);
    object["size"] = Square(side);
    return object;
  }
  const bool dino = config.has_layer_scale;
  bjson::object object = dino ? Processor("BitImageProcessor", kImageNetMean, kImageNetStd, kBicubic)
                              : Processor("CLIPImageProcessor", {0.48145466, 0.4578275, 0.40821073},
                                          {0.26862954, 0.26130258, 0.27577711}, kBicubic);
  object["crop_size"] = Square(side);
  object["do_center_crop"] = true;
  object["size"] = {{"shortest_edge", dino ? side * 256 / 224 : side}};
  return object;
}

/// The character that stands for each byte in byte-level BPE, in the order of their ids: those that print
/// stand for themselves, the others are counted from U+0100. Source: openai/gpt-2, encoder.py,
/// bytes_to_unicode.
std::vector<std::string> ByteSymbols() {
  const auto utf8 = [](int character) {  // below U+0800
    if (character < 0x80) return std::string(1, static_cast<char>(character));
    return std::string{static_cast<char>(0xC0 | (character >> 6)),
                       static_cast<char>(0x80 | (character & 0x3F))};
  };
  const auto prints = [](int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  };
  std::vector<std::string> symbols;
  for (int byte = 0; byte < 256; ++byte) {
    if (prints(byte)) symbols.push_back(utf8(byte));
  }
  for (int next = 256; symbols.size() < 256; ++next) symbols.push_back(utf8(next));
  return symbols;
}

void AddClipTokenizer(const TextConfig& config, std::vector<ModelFile>& files) {
  bjson::object vocabulary;
  const auto add = [&](const std::string& token) { vocabulary[token] = vocabulary.size(); };
  const std::vector<std::string> symbols = ByteSymbols();
  for (const std::string& symbol : symbols) add(symbol);
  for (const std::string& symbol : symbols) add(symbol + "</w>");
  add("<|startoftext|>");
  add("<|endoftext|>");
  PHOTOVEC_CHECK(vocabulary.size() == kRandomClipVocabulary, "the vocabulary of presets");
  files.push_back({"vocab.json", bjson::serialize(vocabulary) + "\n"});
  files.push_back({"merges.txt", "#version: 0.2\n"});
  files.push_back({"tokenizer_config.json", Pretty({{"bos_token", "<|startoftext|>"},
                                                    {"eos_token", "<|endoftext|>"},
                                                    {"model_max_length", config.max_tokens},
                                                    {"pad_token", "<|endoftext|>"},
                                                    {"tokenizer_class", "CLIPTokenizer"},
                                                    {"unk_token", "<|endoftext|>"}})});
}

void AddSiglipTokenizer(const TextConfig& config, std::vector<ModelFile>& files) {
  bjson::object vocabulary;
  bjson::array added;
  for (const char* token : {"<pad>", "<eos>", "<bos>", "<unk>"}) {
    added.push_back({{"id", vocabulary.size()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
    vocabulary[token] = vocabulary.size();
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::array<char, 8> token{};
    std::snprintf(token.data(), token.size(), "<0x%02X>", byte);
    vocabulary[token.data()] = vocabulary.size();
  }
  vocabulary["\u2581"] = vocabulary.size();
  PHOTOVEC_CHECK(vocabulary.size() == kRandomSiglipVocabulary, "the vocabulary of presets");
  const bjson::object space = {{"String", " "}};
  const bjson::object model = {{"type", "BPE"},
                               {"dropout", nullptr},
                               {"unk_token", "<unk>"},
                               {"continuing_subword_prefix", nullptr},
                               {"end_of_word_suffix", nullptr},
                               {"fuse_unk", true},
                               {"byte_fallback", true},
                               {"vocab", vocabulary},
                               {"merges", bjson::array()}};
  files.push_back({"tokenizer.json",
                   Pretty({{"version", "1.0"},
                           {"truncation", nullptr},
                           {"padding", nullptr},
                           {"added_tokens", added},
                           {"normalizer", {{"type", "Replace"}, {"pattern", space}, {"content", "\u2581"}}},
                           {"pre_tokenizer", nullptr},
                           {"post_processor", nullptr},
                           {"decoder", nullptr},
                           {"model", model}})});
  files.push_back({"tokenizer_config.json", Pretty({{"add_bos_token", false},
                                                    {"add_eos_token", true},
                                                    {"bos_token", "<bos>"},
                                                    {"eos_token", "<eos>"},
                                                    {"model_max_length", config.max_tokens},
                                                    {"pad_token", "<pad>"},
                                                    {"tokenizer_class", "GemmaTokenizer"},
                                                    {"unk_token", "<unk>"}})});
}

}  // namespace

std::vector<ModelFile> ModelFiles(const Preset& trained, DType dtype) {
  std::vector<ModelFile> files;
  const int side = trained.trained_size > 0 ? 224 : trained.config.image_size;
  files.push_back({"preprocessor_config.json", Pretty(PreprocessorJson(trained, side))});
  if (trained.text && trained.text->causal) AddClipTokenizer(*trained.text, files);
  if (trained.text && !trained.text->causal) AddSiglipTokenizer(*trained.text, files);
  bjson::object config = {{"architectures", {trained.config.architecture}}};
  for (const auto& member : ConfigJson(trained)) config.insert(member);
  config["torch_dtype"] = TorchName(dtype);
  files.push_back({"config.json", Pretty(config)});
  return files;
}

}  // namespace photovec::model
