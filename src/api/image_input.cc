// SPDX-License-Identifier: MIT
#include "api/image_input.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/json/reader.h"
#include "base/result.h"
#include "base/strings.h"
#include "net/media_type.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

/// How base64 of a JPEG, PNG, WebP (RIFF) and GIF begins.
constexpr std::array<std::string_view, 4> kBase64Heads = {"/9j/", "iVBORw0KGgo", "UklGR", "R0lGOD"};
constexpr size_t kShortestBareBase64 = 32;

std::string_view View(const bjson::string& text) { return {text.data(), text.size()}; }

bool IsBareBase64(std::string_view text) {
  return text.size() >= kShortestBareBase64 &&
         std::any_of(kBase64Heads.begin(), kBase64Heads.end(),
                     [&](std::string_view head) { return text.starts_with(head); }) &&
         text.find_first_of(".%?:") == std::string_view::npos;
}

/// The src of "<img src='...'/>", when `text` is such a tag and nothing else.
std::optional<std::string_view> ImgTagSource(std::string_view text) {
  text = net::TrimBlanks(text);
  if (net::LowerAscii(text.substr(0, 5)) != "<img " || !text.ends_with('>')) return std::nullopt;
  const size_t src = text.find("src=");
  if (src == std::string_view::npos || src + 5 >= text.size()) return std::nullopt;
  const char quote = text[src + 4];
  if (quote != '\'' && quote != '"') return std::nullopt;
  const size_t begin = src + 5;
  const size_t end = text.find(quote, begin);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view behind = net::TrimBlanks(text.substr(end + 1));
  if (behind != ">" && behind != "/>") return std::nullopt;
  return text.substr(begin, end - begin);
}

bool HasImageExtension(std::string_view text) {
  constexpr std::array<std::string_view, 12> kExtensions = {
      ".jpg", ".jpeg", ".png", ".webp", ".gif", ".heic", ".heif", ".avif", ".bmp", ".tif", ".tiff", ".jfif"};
  const std::string tail = net::LowerAscii(text.substr(text.size() - std::min<size_t>(text.size(), 5)));
  return std::any_of(kExtensions.begin(), kExtensions.end(),
                     [&](std::string_view extension) { return tail.ends_with(extension); });
}

ImageInput FromBase64(std::string_view base64) {
  Result<std::string> bytes = Base64Decode(base64);
  if (!bytes.ok()) return {bytes.status().WithContext("data URL"), {}};
  if (bytes->empty())
    return {Status(Code::kUnsupportedFormat, "the data URL is empty: it holds no image"), {}};
  return {Status::Ok(), Bytes::Own(*std::move(bytes))};
}

Status TextRefused(const std::string& path) {
  return {
      Code::kInvalidRequest,
      "field \"" + path +
          "\" is text, and this server embeds images only: send a data URL (data:image/jpeg;base64,...), an "
          "http(s) URL or the name of a configured image such as cat.jpg"};
}

/// {"type":"image_url","image_url": s | {"url": s}}
Status CollectImageUrl(const bjson::value& image_url, const std::string& path,
                       std::vector<std::string_view>& images) {
  const bjson::value* url = &image_url;
  if (const bjson::object* object = image_url.if_object()) {
    json::FieldReader fields(*object, path + ".image_url.");
    url = fields.Find("url");
  }
  if (url == nullptr || !url->is_string()) {
    return {Code::kInvalidRequest, "field \"" + path + ".image_url.url\" must be a string"};
  }
  images.push_back(View(url->get_string()));
  return Status::Ok();
}

}  // namespace

bool LooksLikeImage(std::string_view text) {
  if (ImgTagSource(text) || IsBareBase64(text)) return true;
  const std::string head = net::LowerAscii(text.substr(0, 8));
  for (const std::string_view scheme : {"data:", "http://", "https://", "file:", "gs://", "s3://"}) {
    if (head.starts_with(scheme)) return true;
  }
  if (HasImageExtension(text)) return true;
  const bool blank = text.find_first_of(" \t\r\n") != std::string_view::npos;
  return !blank && text.find_first_of("/.") != std::string_view::npos;
}

ImageInput MakeImageInput(std::string_view text) {
  if (const auto src = ImgTagSource(text)) text = *src;
  if (text.empty()) return {Status(Code::kInvalidRequest, "the image reference is an empty string"), {}};
  if (IsBareBase64(text)) return FromBase64(text);
  if (net::LowerAscii(text.substr(0, 5)) == "data:") {
    const size_t comma = text.find(',');
    const std::string head = net::LowerAscii(text.substr(0, std::min<size_t>(comma, 256)));
    if (comma != std::string_view::npos && head.ends_with(";base64"))
      return FromBase64(text.substr(comma + 1));
  }
  return {Status::Ok(), pipeline::Reference{std::string(text)}};
}

Status CollectImages(const bjson::value& element, const std::string& path,
                     std::vector<std::string_view>& images) {
  if (const bjson::string* text = element.if_string()) {
    if (!LooksLikeImage(View(*text))) return TextRefused(path);
    images.push_back(View(*text));
    return Status::Ok();
  }
  const bjson::object* object = element.if_object();
  if (object == nullptr) {
    return {Code::kInvalidRequest,
            "field \"" + path + "\" must be a string or an object that names an image, not " +
                std::string(json::TypeName(element)) + (element.is_number() ? " (token ids are text)" : "")};
  }
  json::FieldReader fields(*object, path + ".");
  if (fields.Find("text") != nullptr) return TextRefused(path + ".text");
  if (const bjson::value* image_url = fields.Find("image_url"))
    return CollectImageUrl(*image_url, path, images);
  for (const std::string_view name : {"image", "url"}) {
    if (fields.Find(name) == nullptr) continue;
    const std::string_view image = fields.String(name);
    RETURN_IF_ERROR(fields.status());
    images.push_back(image);
    return Status::Ok();
  }
  if (const bjson::value* content = fields.Find("content")) {
    if (!content->is_array()) return CollectImages(*content, path + ".content", images);
    size_t index = 0;
    for (const bjson::value& part : content->get_array()) {
      RETURN_IF_ERROR(CollectImages(part, path + ".content[" + std::to_string(index++) + "]", images));
    }
    return Status::Ok();
  }
  return {Code::kInvalidRequest,
          "field \"" + path + "\" names no image: expected \"image\", \"image_url\" or \"content\""};
}

Result<boost::json::value, ApiError> ParseObject(std::string_view text, std::string_view example) {
  Result<boost::json::value> document = json::Parse(text);
  if (!document.ok()) return ApiError{document.status()};
  if (!document->is_object()) {
    return ApiError{Status(Code::kInvalidRequest,
                           "the body must be a JSON object" + std::string(example.empty() ? "" : " ") +
                               std::string(example) + ", not " + std::string(json::TypeName(*document)))};
  }
  return *std::move(document);
}

std::vector<std::string_view> ReadImages(json::FieldReader& fields, int max_images, std::string_view what,
                                         std::string_view accepts) {
  std::vector<std::string_view> images;
  const boost::json::array* list = fields.Array("images");
  if (fields.ok() && (list == nullptr || list->empty())) {
    fields.Fail("images", "must list at least one " + std::string(what));
  }
  if (fields.ok() && list->size() > static_cast<size_t>(max_images)) {
    fields.Fail("images", "lists " + std::to_string(list->size()) + " images; a request may name " +
                              std::to_string(max_images));
  }
  if (!fields.ok()) return images;
  for (const boost::json::value& element : *list) {
    const boost::json::string* image = element.if_string();
    if (image == nullptr) {
      fields.Fail(
          "images[" + std::to_string(images.size()) + "]",
          "must be a string" + std::string(accepts) + ", not " + std::string(json::TypeName(element)));
      return {};
    }
    images.emplace_back(image->data(), image->size());
  }
  return images;
}

}  // namespace photovec::api
