// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/input.h"
#include "base/status.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// What a string of `input` is, where nothing around it says so.
enum class Modality : uint8_t {
  kAuto,   ///< an image by IsImage(), else text; of a model without a text tower, an image or an error
  kImage,  ///< an image by LooksLikeImage(), or an error
  kText,   ///< text, whatever it looks like: for words of strangers
};

/// Gathers the images and texts of an OpenAI-style request in their order. Borrows the document and the
/// model. Not thread-safe.
class InputCollector {
 public:
  InputCollector(const pipeline::ModelView& model, Modality modality) : model_(model), modality_(modality) {}

  /// `input`: an element, or a list of them that are one image or text each. An element is a string,
  /// {"text": s}, {"image": s}, {"url": s}, {"type":"image_url","image_url":{"url": s} or s}, or
  /// {"content": such an element or a list of them}.
  /// Errors: kInvalidRequest (a text for a model that takes none, token ids, a wrong type, nothing that names
  /// an image or a text), all naming the field.
  Status AddInput(const boost::json::value& input);
  /// vLLM's `messages`: one conversation, or a list of them; each is embedded as its one image or text.
  Status AddMessages(const boost::json::array& messages);

  size_t size() const { return found_.size(); }
  /// Decodes base64.
  std::vector<Input> Make() const;

 private:
  struct Found {
    std::string_view text;
    bool is_text = false;
  };

  Status Add(const boost::json::value& element, const std::string& path);
  Status AddString(std::string_view text, const std::string& path);
  Status AddText(const boost::json::value& text, const std::string& path);
  Status AddImageUrl(const boost::json::value& image_url, const std::string& path);
  Status AddObject(const boost::json::object& object, const std::string& path);

  const pipeline::ModelView& model_;
  const Modality modality_;
  std::vector<Found> found_;
};

}  // namespace photovec::api
