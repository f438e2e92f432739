// SPDX-License-Identifier: MIT
#include "preprocess/spec.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "base/json/reader.h"
#include "preprocess/spec_keys.h"

namespace photovec::preprocess {
namespace {

namespace bjson = boost::json;
namespace fs = std::filesystem;

std::string Number(float value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

std::string Triple(const float values[3]) {
  return Number(values[0]) + "," + Number(values[1]) + "," + Number(values[2]);
}

std::string_view FilterName(Filter filter) {
  switch (filter) {
    case Filter::kLanczos:
      return "lanczos";
    case Filter::kBilinear:
      return "bilinear";
    case Filter::kBicubic:
      return "bicubic";
  }
  return "unknown";
}

std::string_view ModeName(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::kShortestEdge:
      return "shortest_edge";
    case ResizeMode::kFixed:
      return "fixed";
    case ResizeMode::kLongestEdge:
      return "longest_edge";
    case ResizeMode::kSquash:
      return "squash";
  }
  return "unknown";
}

/// nullopt when there is no such file.
Result<std::optional<std::string>> ReadConfig(const fs::path& path) {
  constexpr std::size_t kMaxFileBytes = 1U << 20;  // real files have 1 KiB
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::optional<std::string>();
  Result<std::string> text = ReadFile(path.string(), kMaxFileBytes);
  if (text.ok()) return std::optional<std::string>(std::move(*text));
  if (text.status().code() == Code::kBodyTooLarge) {
    return Status(Code::kInvalidRequest, path.string() + ": larger than 1 MiB, so no config of a model");
  }
  return Status(Code::kNotFound, path.string() + ": cannot be read (" + text.status().message() + ")");
}

/// config.json's model_type, or nothing: whoever loads the weights says what is wrong with that file.
std::string ModelType(const fs::path& dir) {
  const Result<std::optional<std::string>> text = ReadConfig(dir / "config.json");
  if (!text.ok() || !text->has_value()) return {};
  const Result<bjson::object> config = json::ParseObject(**text);
  if (!config.ok()) return {};
  const bjson::value* type = FindNotNull(*config, "model_type");
  return type != nullptr && type->is_string() ? std::string(std::string_view(type->get_string())) : "";
}

/// transformers' own file, if there is one: its path and text.
struct ConfigFile {
  fs::path path;
  std::string text;
};
Result<std::optional<ConfigFile>> FindProcessorConfig(const fs::path& dir) {
  fs::path path = dir / "processor_config.json";
  ASSIGN_OR_RETURN(std::optional<std::string> text, ReadConfig(path));
  if (text.has_value()) {
    const Result<bjson::object> config = json::ParseObject(*text);
    if (!config.ok()) return config.status().WithContext(path.string());
    // Without one it is about the text only; before transformers 5 always.
    if (FindNotNull(*config, "image_processor") != nullptr) {
      return std::optional<ConfigFile>({std::move(path), std::move(*text)});
    }
  }
  path = dir / "preprocessor_config.json";
  ASSIGN_OR_RETURN(text, ReadConfig(path));
  if (!text.has_value()) return std::optional<ConfigFile>();
  return std::optional<ConfigFile>({std::move(path), std::move(*text)});
}

/// Whether transformers' weights lie there.
bool HasModelSafetensors(const fs::path& dir) {
  std::error_code ignored;
  return fs::exists(dir / "model.safetensors", ignored) ||
         fs::exists(dir / "model.safetensors.index.json", ignored);
}

}  // namespace

Result<Spec> LoadSpec(const std::string& model_dir) {
  const fs::path dir = model_dir;
  ASSIGN_OR_RETURN(const std::optional<ConfigFile> processor, FindProcessorConfig(dir));
  const fs::path open_clip = dir / "open_clip_config.json";
  ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadConfig(open_clip));
  if (text.has_value() && (!processor.has_value() || !HasModelSafetensors(dir))) {
    const Result<Spec> spec = ParseOpenClipSpec(*text);
    if (!spec.ok()) return spec.status().WithContext(open_clip.string());
    return spec;
  }
  if (!processor.has_value()) {
    return Status(Code::kNotFound, model_dir +
                                       ": no preprocessor_config.json (nor processor_config.json with an "
                                       "\"image_processor\", nor open_clip_config.json); a model directory "
                                       "needs one, as downloaded from HuggingFace");
  }
  const Result<Spec> spec = ParseSpec(processor->text, ModelType(dir));
  if (!spec.ok()) return spec.status().WithContext(processor->path.string());
  return spec;
}

Spec SquashVariant(const Spec& spec) {
  Spec squash = spec;
  squash.mode = ResizeMode::kSquash;
  squash.filter = Filter::kBicubic;
  squash.resize_short = spec.crop;
  squash.rounding = CropRounding::kDown;
  return squash;
}

std::string Describe(const Spec& spec) {
  std::string text;
  if (spec.mode == ResizeMode::kSquash) {
    text = "mode=squash filter=cubic";
  } else {
    text = "mode=" + std::string(ModeName(spec.mode)) + " filter=" + std::string(FilterName(spec.filter)) +
           " resize_short=" + std::to_string(spec.resize_short);
  }
  text += " crop=" + std::to_string(spec.crop) + " rescale=" + Number(spec.normalization.rescale);
  // Only where it is another: vectors from before keep their fingerprint.
  if (spec.rounding == CropRounding::kHalfEven) text += " crop_rounding=half_even";
  text += " mean=" + Triple(spec.normalization.mean) + " std=" + Triple(spec.normalization.std);
  return text;
}

}  // namespace photovec::preprocess
