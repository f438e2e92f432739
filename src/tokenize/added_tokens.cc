// SPDX-License-Identifier: MIT
#include "tokenize/added_tokens.h"

#include <algorithm>
#include <utility>

#include "tokenize/unicode.h"

namespace photovec::tokenize {

namespace {

unsigned char FirstByte(const AddedToken& token) { return static_cast<unsigned char>(token.content.front()); }

/// Where the white space that ends text[..end) begins, but not before `floor`.
size_t SpaceBefore(std::string_view text, size_t floor, size_t end) {
  size_t begin = end;
  for (size_t at = end; at > floor;) {
    do {
      --at;
    } while (at > floor && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
    size_t behind = at;
    if (!IsWhitespace(NextCharacter(text, behind))) break;
    begin = at;
  }
  return begin;
}

size_t SpaceBehind(std::string_view text, size_t begin) {
  for (size_t at = begin; at < text.size();) {
    if (!IsWhitespace(NextCharacter(text, at))) break;
    begin = at;
  }
  return begin;
}

}  // namespace

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return std::pair(FirstByte(a), b.content.size()) < std::pair(FirstByte(b), a.content.size());
  });
  for (const AddedToken& token : tokens_) ++first_[FirstByte(token) + size_t{1}];
  for (size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
}

const AddedToken* AddedTokenSplitter::FindAt(std::string_view text, size_t at) const {
  const auto byte = static_cast<unsigned char>(text[at]);
  for (size_t i = first_[byte]; i < first_[byte + size_t{1}]; ++i) {
    if (text.substr(at).starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

std::vector<TextPart> AddedTokenSplitter::Split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = tokens_.empty() ? nullptr : FindAt(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    const size_t end = at + token->content.size();
    const size_t begin = token->lstrip ? SpaceBefore(text, std::min(done, at), at) : at;
    if (done < begin) parts.push_back({text.substr(done, begin - done)});
    done = token->rstrip ? SpaceBehind(text, end) : end;
    parts.push_back({text.substr(begin, done - begin), token->id});
    at = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done)});
  return parts;
}

}  // namespace photovec::tokenize
