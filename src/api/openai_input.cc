// SPDX-License-Identifier: MIT
#include "api/openai_input.h"

#include <boost/json/string.hpp>

#include "base/json/reader.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

std::string_view View(const bjson::string& text) { return {text.data(), text.size()}; }

std::string Field(const std::string& path) { return "field \"" + path + "\""; }
std::string At(const std::string& path, size_t index) { return path + "[" + std::to_string(index) + "]"; }

Status OneEach(const std::string& path, size_t found) {
  if (found == 1) return Status::Ok();
  return {Code::kInvalidRequest, Field(path) + " names " + std::to_string(found) +
                                     " images and texts; it gives one vector, so it must name exactly one"};
}

/// What clients send that cut texts themselves, by the vocabulary of another model.
Status TokensRefused(const std::string& path) {
  return {
      Code::kInvalidRequest,
      Field(path) +
          " is a token id or a list of them. They are of another model's vocabulary and mean nothing here: "
          "send the text itself (LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))"};
}

Status WrongType(const bjson::value& element, const std::string& path) {
  const bjson::array* list = element.if_array();
  if (element.is_number() || (list != nullptr && !list->empty() && list->front().is_number())) {
    return TokensRefused(path);
  }
  return {Code::kInvalidRequest, Field(path) +
                                     " must be a string or an object that names an image or a text, not " +
                                     std::string(json::TypeName(element))};
}

}  // namespace

Status InputCollector::AddInput(const bjson::value& input) {
  const bjson::array* list = input.if_array();
  if (list == nullptr) return Add(input, "input");
  size_t index = 0;
  for (const bjson::value& element : *list) {
    const std::string path = At("input", index++);
    const size_t before = size();
    RETURN_IF_ERROR(Add(element, path));
    RETURN_IF_ERROR(OneEach(path, size() - before));
  }
  return Status::Ok();
}

Status InputCollector::AddMessages(const bjson::array& messages) {
  const bool batched = !messages.empty() && messages[0].is_array();
  const size_t conversations = batched ? messages.size() : 1;
  for (size_t i = 0; i < conversations; ++i) {
    const std::string path = batched ? At("messages", i) : "messages";
    const bjson::array* conversation = batched ? messages[i].if_array() : &messages;
    if (conversation == nullptr) {
      return {Code::kInvalidRequest, Field(path) + " must be a list of messages, as the others are"};
    }
    const size_t before = size();
    size_t index = 0;
    for (const bjson::value& message : *conversation) RETURN_IF_ERROR(Add(message, At(path, index++)));
    RETURN_IF_ERROR(OneEach(path, size() - before));
  }
  return Status::Ok();
}

std::vector<Input> InputCollector::Make() const {
  std::vector<Input> inputs;
  inputs.reserve(found_.size());
  for (const Found& found : found_) {
    inputs.push_back(found.is_text ? MakeTextInput(found.text) : MakeImageInput(found.text));
  }
  return inputs;
}

Status InputCollector::Add(const bjson::value& element, const std::string& path) {
  if (const bjson::string* text = element.if_string()) return AddString(View(*text), path);
  if (const bjson::object* object = element.if_object()) return AddObject(*object, path);
  return WrongType(element, path);
}

Status InputCollector::AddString(std::string_view text, const std::string& path) {
  const bool only_images = model_.text == nullptr || modality_ == Modality::kImage;
  const bool is_image = modality_ != Modality::kText && (only_images ? LooksLikeImage(text) : IsImage(text));
  if (!is_image) {
    RETURN_IF_ERROR(CheckTakesText(model_, Field(path)));
    if (modality_ == Modality::kImage) {
      return {Code::kInvalidRequest,
              Field(path) + " is text, and \"modality\" says \"image\": send {\"text\": ...} or no modality"};
    }
  }
  found_.push_back({text, !is_image});
  return Status::Ok();
}

Status InputCollector::AddText(const bjson::value& text, const std::string& path) {
  if (!text.is_string()) {
    return {Code::kInvalidRequest,
            Field(path) + " must be a string, not " + std::string(json::TypeName(text))};
  }
  RETURN_IF_ERROR(CheckTakesText(model_, Field(path)));
  found_.push_back({View(text.get_string()), true});
  return Status::Ok();
}

/// {"type":"image_url","image_url": s | {"url": s}}
Status InputCollector::AddImageUrl(const bjson::value& image_url, const std::string& path) {
  const bjson::value* url = &image_url;
  if (const bjson::object* object = image_url.if_object()) {
    json::FieldReader fields(*object, path + ".");
    url = fields.Find("url");
  }
  if (url == nullptr || !url->is_string()) {
    return {Code::kInvalidRequest, Field(path + ".url") + " must be a string"};
  }
  found_.push_back({View(url->get_string()), false});
  return Status::Ok();
}

Status InputCollector::AddObject(const bjson::object& object, const std::string& path) {
  json::FieldReader fields(object, path + ".");
  const size_t before = size();
  if (const bjson::value* text = fields.Find("text")) RETURN_IF_ERROR(AddText(*text, path + ".text"));
  if (const bjson::value* url = fields.Find("image_url")) {
    RETURN_IF_ERROR(AddImageUrl(*url, path + ".image_url"));
  }
  for (const std::string_view name : {"image", "url"}) {
    if (fields.Find(name) == nullptr) continue;
    const std::string_view image = fields.String(name);
    RETURN_IF_ERROR(fields.status());
    found_.push_back({image, false});
  }
  if (size() > before) return OneEach(path, size() - before);
  const bjson::value* content = fields.Find("content");
  if (content == nullptr) {
    return {Code::kInvalidRequest,
            Field(path) +
                " names no image and no text: expected \"image\", \"image_url\", \"text\" or "
                "\"content\""};
  }
  const bjson::array* parts = content->if_array();
  if (parts == nullptr) return Add(*content, path + ".content");
  size_t index = 0;
  for (const bjson::value& part : *parts) RETURN_IF_ERROR(Add(part, At(path + ".content", index++)));
  return Status::Ok();
}

}  // namespace photovec::api
