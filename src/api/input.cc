// SPDX-License-Identifier: MIT
#include "api/input.h"

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
#include "base/text/ascii.h"
#include "base/text/base64.h"
#include "base/text/image_names.h"
#include "net/media_type.h"

namespace photovec::api {
namespace {

namespace bjson = boost::json;

constexpr size_t kShortestBareBase64 = 32;
// Longer than any name of a file may be.
constexpr size_t kLongestName = 8 * 1024;

std::string_view View(const bjson::string& text) { return {text.data(), text.size()}; }

/// Base64 of a picture begins with a letter for each six bits of its first bytes. '?' stands for any.
constexpr std::array kBase64Heads = std::to_array<std::string_view>({
    "/9j/",                // JPEG
    "iVBORw0KGgo",         // PNG
    "UklGR",               // WebP (RIFF)
    "R0lGOD",              // GIF
    "AAAA??Z0eXB",         // HEIC, AVIF, CR3: a box 'ftyp' of less than 256 bytes
    "SUkqA",               // TIFF, and RAWs that are TIFFs
    "TU0AK",               // the same, big endian; BigTIFF
    "SUkrA",               // BigTIFF
    "Qk??????AAAAA???AA",  // BMP: what is reserved in its header is 0
    "AAAADEpYTCANCocK",    // JPEG XL in boxes
    "AAAADGpQICANCocK",    // JPEG 2000 in boxes
    "/0//UQ",              // JPEG 2000, bare
    "cW9pZ",               // QOI
    "RlVKSUZJTE",          // RAF
});
// A bare JPEG XL has two such bytes only: "/world/photo" begins like one.
constexpr std::array kShortHeads = std::to_array<std::string_view>({"/wo", "/wp", "/wq", "/wr"});

bool BeginsLike(std::string_view text, std::string_view head) {
  if (text.size() < head.size()) return false;
  return std::equal(head.begin(), head.end(), text.begin(),
                    [](char h, char c) { return h == '?' || h == c; });
}

/// Whether `text` begins with so many characters of base64.
bool BeginsWithBase64(std::string_view text, size_t count) {
  const std::string_view begin = text.substr(0, count);
  return begin.size() == count && std::all_of(begin.begin(), begin.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
                  c == '/' || c == '-' || c == '_' || c == '=';
         });
}

bool IsBareBase64(std::string_view text) {
  const auto begins = [&](std::string_view head) { return BeginsLike(text, head); };
  const bool known =
      std::any_of(kBase64Heads.begin(), kBase64Heads.end(), begins) ||
      (text.size() > kLongestName && std::any_of(kShortHeads.begin(), kShortHeads.end(), begins));
  return known && BeginsWithBase64(text, kShortestBareBase64) &&
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

Input FromBase64(std::string_view base64) {
  Result<std::string> bytes = Base64Decode(base64);
  if (!bytes.ok()) return {bytes.status().WithContext("data URL"), {}};
  if (bytes->empty())
    return {Status(Code::kUnsupportedFormat, "the data URL is empty: it holds no image"), {}};
  return {Status::Ok(), Bytes::Own(*std::move(bytes))};
}

/// "s3://...": letters, digits, + - and . before "://". "data: a history" is text: no URL has a blank there.
bool HasScheme(std::string_view text) {
  const std::string head = net::LowerAscii(text.substr(0, 5));
  if (head == "data:" || head == "file:") return text.size() > 5 && text[5] != ' ';
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  });
}

}  // namespace

bool IsImage(std::string_view text) {
  text = TrimAscii(text);
  return HasScheme(text) || ImgTagSource(text) || IsBareBase64(text);
}

bool LooksLikeImage(std::string_view text) {
  if (IsImage(text) || HasImageName(text)) return true;
  const bool blank = text.find_first_of(" \t\r\n") != std::string_view::npos;
  return !blank && text.find_first_of("/.") != std::string_view::npos;
}

Input MakeImageInput(std::string_view text) {
  if (const auto src = ImgTagSource(text)) text = *src;
  // A file may be called " cat.jpg", but nothing else begins with a blank.
  const std::string_view trimmed = TrimAscii(text);
  if (HasScheme(trimmed) || IsBareBase64(trimmed)) {
    text.remove_prefix(static_cast<size_t>(trimmed.data() - text.data()));
  }
  if (text.empty()) return {Status(Code::kInvalidRequest, "the image reference is an empty string"), {}};
  if (IsBareBase64(text)) return FromBase64(text);
  if (net::LowerAscii(text.substr(0, 5)) == "data:") {
    const size_t comma = text.find(',');
    const std::string head = net::LowerAscii(text.substr(0, std::min<size_t>(comma, 256)));
    const std::string_view data = text.substr(std::min(comma, text.size() - 1) + 1);
    // What has escapes or a fragment, or writes its parameters in another order, is for fetch/.
    if (head.ends_with(";base64") && data.find_first_of("%#") == std::string_view::npos)
      return FromBase64(data);
  }
  return {Status::Ok(), pipeline::Reference{std::string(text)}};
}

Input MakeTextInput(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos) {
    return {
        Status(Code::kInvalidRequest, text.empty() ? "the text is empty" : "the text is only white space"),
        {}};
  }
  return {Status::Ok(), pipeline::Text{std::string(text)}};
}

Status CheckTakesText(const pipeline::ModelView& model, std::string_view what) {
  if (model.text != nullptr) return Status::Ok();
  std::string message =
      std::string(what) + " is text, and the model \"" + std::string(model.name) + "\" embeds images only";
  if (!model.no_texts.empty()) message += " (" + std::string(model.no_texts) + ")";
  return {Code::kInvalidRequest,
          message +
              ": send a data URL (data:image/jpeg;base64,...), an http(s) URL or the name of a configured "
              "image such as cat.jpg; a file whose name looks like text: {\"image\": \"my cat\"}"};
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

std::vector<std::string_view> ReadStrings(json::FieldReader& fields, const std::string& name,
                                          std::string_view accepts) {
  std::vector<std::string_view> strings;
  const bjson::array* list = fields.Array(name);
  if (!fields.ok() || list == nullptr) return strings;
  strings.reserve(list->size());
  for (const bjson::value& element : *list) {
    const bjson::string* text = element.if_string();
    if (text == nullptr) {
      fields.Fail(
          name + "[" + std::to_string(strings.size()) + "]",
          "must be a string" + std::string(accepts) + ", not " + std::string(json::TypeName(element)));
      return {};
    }
    strings.push_back(View(*text));
  }
  return strings;
}

void CheckCount(json::FieldReader& fields, std::string_view name, std::string_view what, size_t count,
                int max_items) {
  if (count == 0) fields.Fail(name, "must list at least one " + std::string(what));
  if (count > static_cast<size_t>(max_items)) {
    fields.Fail(
        name, "lists " + std::to_string(count) + " entries; a request may name " + std::to_string(max_items));
  }
}

std::vector<Input> ListedInputs::Make() const {
  std::vector<Input> inputs;
  inputs.reserve(images.size() + texts.size());
  for (const std::string_view image : images) inputs.push_back(MakeImageInput(image));
  for (const std::string_view text : texts) inputs.push_back(MakeTextInput(text));
  return inputs;
}

ListedInputs ReadListed(json::FieldReader& fields) {
  ListedInputs listed;
  listed.images = ReadStrings(fields, "images", " (a data URL, an http(s) URL or a file name)");
  listed.texts = ReadStrings(fields, "texts");
  return listed;
}

}  // namespace photovec::api
