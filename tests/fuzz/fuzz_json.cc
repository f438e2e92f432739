// SPDX-License-Identifier: MIT
// The JSON of a request: the parser, and the reader of fields on what it gives.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>
#include <string_view>

#include "base/json/checker.h"
#include "base/json/reader.h"
#include "fuzz/fuzz_target.h"

namespace photovec::fuzz {
namespace {

namespace bjson = boost::json;

size_t Depth(const bjson::value& value) {
  size_t deepest = 0;
  if (const bjson::array* array = value.if_array()) {
    for (const bjson::value& item : *array) deepest = std::max(deepest, Depth(item));
    return deepest + 1;
  }
  if (const bjson::object* object = value.if_object()) {
    for (const auto& member : *object) deepest = std::max(deepest, Depth(member.value()));
    return deepest + 1;
  }
  return 0;
}

void ReadFields(const bjson::object& object) {
  json::FieldReader reader(object);
  reader.Bool("normalize", true);
  reader.String("model");
  reader.Int("dimensions");
  reader.Array("input");
  reader.RejectUnknown({"normalize", "model", "dimensions", "input"});
  Check(reader.ok() == reader.status().ok(), "a reader has one state");
  Check(reader.ok() || reader.status().code() == Code::kInvalidRequest, "a wrong field is the client's");
}

/// The checker that judges bodies as they arrive agrees with the parser of whole ones.
void CheckStream(std::string_view text, const Result<bjson::value>& document) {
  const size_t piece = text.size() < 2 ? 1 : 1 + static_cast<unsigned char>(text.back()) % text.size();
  json::Limits limits;
  limits.values = text.size() + 1;
  json::Checker checker(limits);
  Status status;
  for (size_t at = 0; at < text.size() && status.ok(); at += piece)
    status = checker.Feed(text.substr(at, piece));
  if (status.ok()) status = checker.Finish();
  Check(status.ok() == document.ok(), "whole or as it comes, a document is JSON or not");
  if (document.ok()) Check(checker.string_bytes() <= text.size() * 2, "strings are counted once");
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<bjson::value> document = json::Parse(text);
  CheckStream(text, document);
  if (!document.ok()) {
    Check(document.status().code() == Code::kInvalidRequest, "a wrong document is the client's");
    return Check(!document.status().message().empty(), "errors say what is wrong");
  }
  Check(Depth(*document) <= json::kMaxDepth, "depth is bounded");
  Check(json::Parse(bjson::serialize(*document)).ok(), "what was read can be written and read again");
  if (document->is_object()) ReadFields(document->get_object());
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (
      const std::string_view text :
      {R"({"model":"clip","input":["data:image/png;base64,AAAA",{"image":"a\u00e9\ud83d\ude00"}],"dimensions":512})",
       R"({"normalize":false,"messages":[{"content":[{"type":"image_url","image_url":{"url":"http://x/y.jpg"}}]}]})",
       R"([1,-0.5e10,true,null,18446744073709551615,[[[[]]]]])", R"({"a":1,"a":2})"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}

}  // namespace photovec::fuzz
