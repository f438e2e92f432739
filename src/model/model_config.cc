// SPDX-License-Identifier: MIT
#include "model/model_config.h"

#include <sys/stat.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/files.h"
#include "base/json/reader.h"
#include "model/config_section.h"
#include "model/families/clip.h"
#include "model/families/dino.h"
#include "model/families/open_clip.h"
#include "model/families/siglip.h"

namespace photovec::model {
namespace {

namespace bjson = boost::json;

struct ArchitectureRow {
  std::string_view name;        ///< in "architectures"
  std::string_view model_type;  ///< what AutoModel makes of the "model_type" alone; empty: another class
  std::string_view family;      ///< the other "model_type" that may stand beside the name
  Result<ModelConfig> (*parse)(const Section& root, std::string_view architecture);
};
constexpr std::array kArchitectures = {
    ArchitectureRow{"CLIPModel", "clip", "clip", ParseClip},
    ArchitectureRow{"CLIPVisionModel", "clip_vision_model", "clip", ParseClip},
    ArchitectureRow{"CLIPVisionModelWithProjection", "", "clip", ParseClip},
    ArchitectureRow{"CLIPTextModelWithProjection", "", "clip", ParseClip},
    ArchitectureRow{"SiglipModel", "siglip", "siglip", ParseSiglip},
    ArchitectureRow{"SiglipVisionModel", "siglip_vision_model", "siglip", ParseSiglip},
    ArchitectureRow{"Dinov2Model", "dinov2", "dinov2", ParseDinoV2},
    ArchitectureRow{"Dinov2WithRegistersModel", "dinov2_with_registers", "dinov2_with_registers",
                    ParseDinoV2},
    ArchitectureRow{"DINOv3ViTModel", "dinov3_vit", "dinov3_vit", ParseDinoV3},
    ArchitectureRow{"Tipsv2Model", "tipsv2", "tipsv2", ParseTipsV2},
    ArchitectureRow{"Tipsv2VisionModel", "tipsv2_vision_model", "tipsv2", ParseTipsV2},
};

/// Models that people try, and what to take instead. `name` begins the architecture or the model type.
struct RefusedRow {
  std::string_view name;
  std::string_view advice;
};
constexpr std::array kRefused = {
    RefusedRow{"Siglip2",
               "SigLIP 2 NaFlex cuts each photo into patches of its own number; take the checkpoint of the "
               "same name with a fixed size, such as google/siglip2-base-patch16-224"},
    RefusedRow{"siglip2",
               "SigLIP 2 NaFlex cuts each photo into patches of its own number; take the checkpoint of the "
               "same name with a fixed size, such as google/siglip2-base-patch16-224"},
    RefusedRow{"JinaCLIP", "jina-clip's image tower is EVA-02, which is not supported"},
    RefusedRow{"jina_clip", "jina-clip's image tower is EVA-02, which is not supported"},
    RefusedRow{"EVA", "EVA-02 is not supported"},
    RefusedRow{"eva", "EVA-02 is not supported"},
    RefusedRow{"MetaClip2", "MetaCLIP 2 is not supported"},
    RefusedRow{"metaclip_2", "MetaCLIP 2 is not supported"},
    RefusedRow{"DINOv3ConvNext",
               "of DINOv3 the vision transformers are supported, such as "
               "facebook/dinov3-vitb16-pretrain-lvd1689m"},
    RefusedRow{"dinov3_convnext",
               "of DINOv3 the vision transformers are supported, such as "
               "facebook/dinov3-vitb16-pretrain-lvd1689m"},
    RefusedRow{"CLIPTextModel", "a text tower alone: take the folder of the whole model"},
    RefusedRow{"SiglipTextModel", "a text tower alone: take the folder of the whole model"},
    RefusedRow{"Qwen", "language models that look at pictures are not supported"},
    RefusedRow{"qwen", "language models that look at pictures are not supported"},
    RefusedRow{"Llava", "language models that look at pictures are not supported"},
    RefusedRow{"llava", "language models that look at pictures are not supported"},
};

std::string Supported(bool types, std::string_view found) {
  std::string list;
  for (const ArchitectureRow& row : kArchitectures) {
    const std::string_view name = types ? row.model_type : row.name;
    if (name.empty()) continue;
    if (!list.empty()) list += ", ";
    list += name;
  }
  for (const RefusedRow& row : kRefused) {
    if (found.starts_with(row.name)) return list + " (" + std::string(row.advice) + ")";
  }
  return list;
}

/// A "model_type" beside "architectures" must be of the same family.
Status CheckFamily(const Section& root, const ArchitectureRow& row) {
  const bjson::value* type = root.Find("model_type");
  const std::string_view name =
      type != nullptr && type->is_string() ? std::string_view(type->get_string()) : "";
  const bool tower =
      name == std::string(row.family) + "_vision_model" || name == std::string(row.family) + "_text_model";
  if (type == nullptr || tower || name == row.family || name == row.model_type) return Status::Ok();
  return Unsupported("model_type", *type,
                     std::string(row.family) + ", as \"architectures\" is " + std::string(row.name));
}

/// The first of "architectures", or what transformers' AutoModel would take for the "model_type".
Result<const ArchitectureRow*> Architecture(const Section& root) {
  if (const bjson::value* listed = root.Find("architectures")) {
    const bjson::array* array = listed->if_array();
    const bool usable = array != nullptr && !array->empty() && array->front().is_string();
    const std::string_view name = usable ? std::string_view(array->front().get_string()) : "";
    for (const ArchitectureRow& row : kArchitectures) {
      if (name != row.name) continue;
      RETURN_IF_ERROR(CheckFamily(root, row));
      return &row;
    }
    return Unsupported("architectures", *listed, Supported(false, name));
  }
  const bjson::value* type = root.Find("model_type");
  if (type == nullptr && root.Find("architecture") != nullptr) {
    return Unsupported("architecture", *root.Find("architecture"),
                       "no folders of timm; take the same model as transformers or open_clip publish it");
  }
  if (type == nullptr) {
    return Status(Code::kInvalidRequest,
                  "neither \"architectures\" nor \"model_type\" is present: not a HuggingFace model config?");
  }
  const std::string_view name = type->is_string() ? std::string_view(type->get_string()) : "";
  for (const ArchitectureRow& row : kArchitectures) {
    if (!name.empty() && name == row.model_type) return &row;
  }
  return Unsupported("model_type", *type, Supported(true, name));
}

constexpr std::string_view kConfigFile = "config.json";
constexpr std::string_view kOpenClipFile = "open_clip_config.json";
constexpr uint64_t kLargestConfig = uint64_t{16} << 20;  // real ones have a few KB

bool Exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

Result<std::string> ReadConfig(const std::string& path) {
  Result<std::string> text = ReadFile(path, kLargestConfig);
  if (text.ok()) return text;
  const Code code =
      text.status().code() == Code::kBodyTooLarge ? Code::kInvalidRequest : text.status().code();
  return Status(code, path + ": " + text.status().message());
}

Result<ModelConfig> Named(std::string_view file, const std::string& path, Result<ModelConfig> parsed) {
  if (!parsed.ok()) return parsed.status().WithContext(path);
  parsed->file = file;
  return parsed;
}

/// Keys as vLLM reads them in a config.json; config classes of transformers know none.
Status ReadShorter(const Section& root, ModelConfig& config) {
  constexpr std::string_view kKey = "matryoshka_dimensions";
  ASSIGN_OR_RETURN(config.any_shorter, root.Bool("is_matryoshka", false));
  const bjson::value* found = root.Find(kKey);
  if (found == nullptr) return Status::Ok();
  const bjson::array* list = found->if_array();
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const int64_t* size = (*list)[i].if_int64();
    if (size == nullptr || *size < 1 || *size > kMaxWidth)
      return Unsupported(kKey, *found, "a list of sizes");
    config.shorter.push_back(static_cast<int>(*size));
  }
  if (config.shorter.empty()) return Unsupported(kKey, *found, "a list of sizes");
  config.any_shorter = false;
  return Status::Ok();
}

}  // namespace

Result<ModelConfig> ParseModelConfig(std::string_view json_text) {
  ASSIGN_OR_RETURN(const bjson::object document, json::ParseObject(json_text));
  const Section root(document, "");
  ASSIGN_OR_RETURN(const ArchitectureRow* row, Architecture(root));
  ASSIGN_OR_RETURN(ModelConfig config, row->parse(root, row->name));
  RETURN_IF_ERROR(ReadShorter(root, config));
  return config;
}

Result<ModelConfig> ParseOpenClipConfig(std::string_view json_text) {
  ASSIGN_OR_RETURN(const bjson::object document, json::ParseObject(json_text));
  return ParseOpenClip(Section(document, ""));
}

Result<ModelConfig> LoadModelConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/" + std::string(kConfigFile);
  const std::string open_clip = model_dir + "/" + std::string(kOpenClipFile);
  const bool has_open_clip = Exists(open_clip);
  const auto load_open_clip = [&]() -> Result<ModelConfig> {
    ASSIGN_OR_RETURN(const std::string text, ReadConfig(open_clip));
    return Named(kOpenClipFile, open_clip, ParseOpenClipConfig(text));
  };
  if (has_open_clip && !Exists(path)) return load_open_clip();
  ASSIGN_OR_RETURN(const std::string text, ReadConfig(path));
  if (has_open_clip) {
    const Result<bjson::object> document = json::ParseObject(text);
    const bool huggingface =
        document.ok() && (document->contains("architectures") || document->contains("model_type"));
    const bool weights =
        Exists(model_dir + "/model.safetensors") || Exists(model_dir + "/model.safetensors.index.json");
    if (!huggingface || !weights) return load_open_clip();
  }
  return Named(kConfigFile, path, ParseModelConfig(text));
}

}  // namespace photovec::model
