// SPDX-License-Identifier: MIT
#include "api/access_keys.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/checksum/digest.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text/ascii.h"
#include "base/text/base64.h"

namespace photovec::api {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxIdLength = 64;
constexpr size_t kMaxKeyLength = 512;

Status Invalid(std::string message) { return {Code::kInvalidRequest, std::move(message)}; }

std::string_view TakeField(std::string_view& rest) {
  const size_t colon = std::min(rest.find(':'), rest.size());
  const std::string_view field = rest.substr(0, colon);
  rest.remove_prefix(std::min(colon + 1, rest.size()));
  return TrimAscii(field);
}

bool ParseHash(std::string_view text, std::array<uint8_t, 32>* hash) {
  if (text.size() != 2 * hash->size()) return false;
  for (size_t i = 0; i < hash->size(); ++i) {
    const int high = HexValue(text[2 * i]);
    const int low = HexValue(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    (*hash)[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

// A message never quotes the third field: whoever mixes up hash and key must not find the key in a log.
Result<ApiKey> ParseLine(std::string_view line) {
  ApiKey key;
  key.id = TakeField(line);
  RETURN_IF_ERROR(CheckKeyId(key.id));
  ASSIGN_OR_RETURN(key.scopes, ParseScopes(TakeField(line)));
  if (!ParseHash(TakeField(line), &key.hash)) {
    return Invalid("the third field of key \"" + key.id +
                   "\" is no SHA-256 hash of 64 hexadecimal digits; photovec api-key makes such a line");
  }
  if (!line.empty()) {
    const auto quota = ParseQuota(TrimAscii(line));
    if (!quota.ok()) return quota.status();
    key.quota = *quota;
  }
  return key;
}

Result<std::vector<ApiKey>> ReadKeys(const std::string& path) {
  const auto text = ReadFile(path, kMaxFileBytes);
  if (!text.ok()) return text.status().WithContext("the API keys " + path);
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    log::warn("the API keys {} may be read or changed by every user of this machine: chmod o= it", path);
  }
  auto keys = ParseApiKeys(*text);
  if (!keys.ok()) return keys.status().WithContext(path);
  return keys;
}

}  // namespace

Result<Scopes> ParseScopes(std::string_view text) {
  Scopes scopes;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view word = TrimAscii(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (word != "embed" && word != "admin") {
      return Invalid("\"" + std::string(word.substr(0, 32)) + "\" is no scope; there are embed and admin");
    }
    (word == "embed" ? scopes.embed : scopes.admin) = true;
  }
  if (!scopes.embed && !scopes.admin) return Invalid("a key needs a scope: embed, admin or embed,admin");
  return scopes;
}

Result<std::string> MakeApiKey() {
  std::array<uint8_t, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return Status(Code::kUnavailable,
                  std::string("the kernel gives no random numbers: ") + std::strerror(errno));
  }
  std::string text = Base64Encode(bytes);
  text.resize(text.find('='));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return "pv_" + text;
}

Result<std::string> HashApiKey(std::string_view key) {
  Sha256 hasher;
  hasher.Update(key);
  const auto digest = hasher.Digest();
  if (!digest) return Status(Code::kUnavailable, "OpenSSL does not offer SHA-256 here");
  return HexEncode(*digest);
}

Status CheckKeyId(std::string_view id) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  if (!id.empty() && id.size() <= kMaxIdLength && id.find_first_not_of(kAllowed) == std::string_view::npos) {
    return Status::Ok();
  }
  return Invalid("a key's id has 1 to 64 letters, digits, dots, dashes and underscores");
}

Result<std::vector<ApiKey>> ParseApiKeys(std::string_view text) {
  std::vector<ApiKey> keys;
  std::set<std::string> ids;
  std::set<std::array<uint8_t, 32>> hashes;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = TrimAscii(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;
    const std::string where = "line " + std::to_string(number);
    auto key = ParseLine(line);
    if (!key.ok()) return key.status().WithContext(where);
    if (!ids.insert(key->id).second) {
      return Invalid("there is another key of the id \"" + key->id + "\"").WithContext(where);
    }
    if (!hashes.insert(key->hash).second) {
      return Invalid("key \"" + key->id + "\" has the hash of another").WithContext(where);
    }
    if (keys.size() == kMaxApiKeys) return Invalid("there are more than 1000 keys").WithContext(where);
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) {
    return Invalid("there is no key; photovec api-key ID makes one, and prints the line for this file");
  }
  return keys;
}

Result<std::unique_ptr<KeyRing>> KeyRing::Load(const std::string& path) {
  ASSIGN_OR_RETURN(std::vector<ApiKey> keys, ReadKeys(path));
  return std::make_unique<KeyRing>(path, std::move(keys));
}

KeyRing::KeyRing(std::string path, std::vector<ApiKey> keys) : path_(std::move(path)) {
  auto shared = std::make_shared<Keys>();
  for (ApiKey& key : keys) {
    key.use = std::make_shared<QuotaUse>();
    shared->push_back(std::make_shared<const ApiKey>(std::move(key)));
  }
  keys_ = std::move(shared);
}

Status KeyRing::Reload() {
  ASSIGN_OR_RETURN(std::vector<ApiKey> keys, ReadKeys(path_));
  std::scoped_lock lock(mutex_);
  std::map<std::string_view, std::shared_ptr<QuotaUse>> uses;
  for (const auto& key : *keys_) uses.emplace(key->id, key->use);
  auto shared = std::make_shared<Keys>();
  for (ApiKey& key : keys) {
    const auto known = uses.find(key.id);
    key.use = known != uses.end() ? known->second : std::make_shared<QuotaUse>();
    shared->push_back(std::make_shared<const ApiKey>(std::move(key)));
  }
  keys_ = std::move(shared);
  return Status::Ok();
}

std::shared_ptr<const ApiKey> KeyRing::Find(std::string_view key) const {
  if (key.size() > kMaxKeyLength) return nullptr;
  Sha256 hasher;
  hasher.Update(key);
  const auto digest = hasher.Digest();
  if (!digest) return nullptr;  // fails closed
  const auto text = [](const std::array<uint8_t, 32>& hash) {
    return std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size());
  };
  std::shared_ptr<const Keys> keys;
  {
    std::scoped_lock lock(mutex_);
    keys = keys_;
  }
  std::shared_ptr<const ApiKey> found;
  for (const auto& known : *keys) {
    if (EqualInConstantTime(text(known->hash), text(*digest))) found = known;
  }
  return found;
}

size_t KeyRing::size() const {
  std::scoped_lock lock(mutex_);
  return keys_->size();
}

}  // namespace photovec::api
