// SPDX-License-Identifier: MIT
#include "net/media_type.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace photovec::net {
namespace {

constexpr std::string_view kBlanks = " \t";

/// Reads a quoted string whose opening quote is at text[at - 1]; moves `at` behind the closing one.
/// nullopt when it does not close.
std::optional<std::string> ReadQuoted(std::string_view text, size_t& at) {
  std::string value;
  while (at < text.size()) {
    const char c = text[at++];
    if (c == '"') return value;
    // Only \" and \\ are escapes here: browsers of old send Windows paths with bare backslashes.
    if (c == '\\' && at < text.size() && (text[at] == '"' || text[at] == '\\')) {
      value += text[at++];
    } else {
      value += c;
    }
  }
  return std::nullopt;
}

/// How exactly an Accept range names a type: 0 not at all, 1 "*/*", 2 "image/*", 3 by name.
int Specificity(std::string_view range, std::string_view essence) {
  if (range == essence) return 3;
  if (range == "*/*") return 1;
  if (range.ends_with("/*") && essence.starts_with(range.substr(0, range.size() - 1))) return 2;
  return 0;
}

double Quality(const ParameterisedValue& range) {
  const std::string* q = range.Find("q");
  if (q == nullptr) return 1.0;
  double value = 0;
  const auto [end, error] = std::from_chars(q->data(), q->data() + q->size(), value);
  return error == std::errc() && value >= 0 && value <= 1 ? value : 1.0;
}

}  // namespace

std::string_view TrimBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string LowerAscii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

const std::string* ParameterisedValue::Find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

ParameterisedValue ParseParameterised(std::string_view text) {
  ParameterisedValue result;
  size_t at = std::min(text.find(';'), text.size());
  result.value = LowerAscii(TrimBlanks(text.substr(0, at)));
  while (at < text.size()) {
    ++at;  // the semicolon
    at = std::min(text.find_first_not_of(kBlanks, at), text.size());
    const size_t name_end = std::min(text.find_first_of("=;", at), text.size());
    std::string name = LowerAscii(TrimBlanks(text.substr(at, name_end - at)));
    at = name_end;
    if (at == text.size() || text[at] == ';') {
      if (!name.empty()) result.parameters.emplace_back(std::move(name), "");
      continue;
    }
    at = std::min(text.find_first_not_of(kBlanks, at + 1), text.size());
    if (name.empty()) result.well_formed = false;
    if (at < text.size() && text[at] == '"') {
      std::optional<std::string> value = ReadQuoted(text, ++at);
      if (!value) {
        result.well_formed = false;
        return result;
      }
      result.parameters.emplace_back(std::move(name), *std::move(value));
      at = std::min(text.find(';', at), text.size());
    } else {
      const size_t end = std::min(text.find(';', at), text.size());
      result.parameters.emplace_back(std::move(name), TrimBlanks(text.substr(at, end - at)));
      at = end;
    }
  }
  return result;
}

bool IsJson(std::string_view essence) {
  return essence == "application/json" || essence == "text/json" ||
         (essence.starts_with("application/") && essence.ends_with("+json"));
}

ReplyForm NegotiateReply(std::string_view accept, std::span<const ReplyOffer> offers) {
  const ReplyOffer* best = &offers[0];
  double best_quality = 0;
  int best_exactness = 0;
  for (const ReplyOffer& offer : offers) {
    // The most exact range decides an offer's q (RFC 9110 §12.5.1).
    double quality = 0;
    int exactness = 0;
    for (size_t at = 0; at < accept.size();) {
      const size_t end = std::min(accept.find(',', at), accept.size());
      const ParameterisedValue range = ParseParameterised(accept.substr(at, end - at));
      at = end + 1;
      const int fit = Specificity(range.value, offer.essence);
      if (fit > exactness) {
        exactness = fit;
        quality = Quality(range);
      }
    }
    if (quality > best_quality || (quality == best_quality && quality > 0 && exactness > best_exactness)) {
      best = &offer;
      best_quality = quality;
      best_exactness = exactness;
    }
  }
  return best->form;
}

}  // namespace photovec::net
