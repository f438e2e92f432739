// SPDX-License-Identifier: MIT
#include "api/openai_request.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/json/reader.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

Status OneImageEach(const std::string& path, size_t found) {
  if (found == 1) return Status::Ok();
  return {Code::kInvalidRequest,
          "field \"" + path + "\" names " + std::to_string(found) +
              " images; each conversation gives one vector, so it must name exactly one"};
}

/// vLLM: `messages` is one conversation, or a list of conversations; each is embedded as its one image.
Status CollectMessages(const bjson::array& messages, std::vector<std::string_view>& images) {
  const bool batched = !messages.empty() && messages[0].is_array();
  const size_t conversations = batched ? messages.size() : 1;
  for (size_t i = 0; i < conversations; ++i) {
    const std::string path = batched ? "messages[" + std::to_string(i) + "]" : "messages";
    const bjson::array* conversation = batched ? messages[i].if_array() : &messages;
    if (conversation == nullptr) {
      return {Code::kInvalidRequest, "field \"" + path + "\" must be a list of messages, as the others are"};
    }
    const size_t before = images.size();
    size_t index = 0;
    for (const bjson::value& message : *conversation) {
      RETURN_IF_ERROR(CollectImages(message, path + "[" + std::to_string(index++) + "]", images));
    }
    RETURN_IF_ERROR(OneImageEach(path, images.size() - before));
  }
  return Status::Ok();
}

Status CollectInput(const bjson::value& input, std::vector<std::string_view>& images) {
  const bjson::array* list = input.if_array();
  if (list == nullptr) return CollectImages(input, "input", images);
  size_t index = 0;
  for (const bjson::value& element : *list) {
    const std::string path = "input[" + std::to_string(index++) + "]";
    const size_t before = images.size();
    RETURN_IF_ERROR(CollectImages(element, path, images));
    RETURN_IF_ERROR(OneImageEach(path, images.size() - before));
  }
  return Status::Ok();
}

void ReadFormat(json::FieldReader& fields, EmbeddingsCall& call) {
  const std::string_view format = fields.String("encoding_format");
  call.base64 = format == "base64";
  if (!format.empty() && format != "base64" && format != "float") {
    fields.Fail("encoding_format", "must be \"float\" or \"base64\"");
  }
  const std::string_view modality = fields.String("modality");
  if (!modality.empty() && modality != "image") {
    fields.Fail("modality", "must be \"image\": this server embeds images only");
  }
  call.dimensions = fields.Int("dimensions");
  if (call.dimensions == 0) call.dimensions = std::nullopt;
}

}  // namespace

Result<EmbeddingsCall, ApiError> ParseEmbeddings(std::string_view text, int max_images) {
  const auto document = ParseObject(text, "");
  if (!document.ok()) return document.error();
  json::FieldReader fields(document->get_object());
  EmbeddingsCall call;
  call.model = fields.String("model");
  ReadFormat(fields, call);
  const bjson::value* input = fields.Find("input");
  const bjson::array* messages = fields.Array("messages");
  if (input == nullptr && messages == nullptr) fields.Fail("input", "is missing");
  if (input != nullptr && messages != nullptr) fields.Fail("messages", "and \"input\" exclude each other");
  if (!fields.ok()) return FieldError(fields);

  std::vector<std::string_view> images;
  const Status collected =
      input != nullptr ? CollectInput(*input, images) : CollectMessages(*messages, images);
  const std::string_view source = input != nullptr ? "input" : "messages";
  if (!collected.ok()) return ApiError{collected, std::string(source)};
  if (images.empty()) fields.Fail(source, "must name at least one image");
  if (images.size() > static_cast<size_t>(max_images)) {
    fields.Fail(source, "names " + std::to_string(images.size()) + " images; a request may name " +
                            std::to_string(max_images));
  }
  if (!fields.ok()) return FieldError(fields);
  call.images.reserve(images.size());
  for (const std::string_view image : images) call.images.push_back(MakeImageInput(image));
  return call;
}

}  // namespace photovec::api
