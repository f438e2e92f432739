// SPDX-License-Identifier: MIT
#include "fetch/bucket_list.h"

#include <utility>

#include "base/text/utf8.h"

namespace photovec::fetch {
namespace {

constexpr std::string_view kAnyBucket = "*";
constexpr size_t kMostNameBytes = 1024;

Status Malformed(std::string what) { return {Code::kInvalidRequest, std::move(what)}; }

}  // namespace

Result<BucketList> BucketList::Create(const BucketRules& rules, const std::vector<std::string>& allowed,
                                      const std::string& default_bucket) {
  const std::string option(rules.option);
  if (allowed.empty() && default_bucket.empty()) return Malformed(option + ": no bucket is allowed");
  BucketList list(rules);
  for (const std::string& bucket : allowed) {
    if (bucket == kAnyBucket) {
      list.any_ = true;
      continue;
    }
    RETURN_IF_ERROR(rules.check_bucket(bucket).WithContext(option + " '" + bucket + "'"));
    list.buckets_.insert(bucket);
  }
  if (default_bucket.empty()) return list;
  RETURN_IF_ERROR(
      rules.check_bucket(default_bucket)
          .WithContext("default-bucket '" + std::string(rules.prefix) + "://" + default_bucket + "'"));
  list.buckets_.insert(default_bucket);
  list.default_bucket_ = default_bucket;
  return list;
}

Result<BucketList::Object> BucketList::Find(std::string_view reference) const {
  const auto write = [&] {
    return "write " + std::string(rules_.prefix) + "://BUCKET/" + std::string(rules_.object);
  };
  std::string_view bucket = default_bucket_;
  std::string_view name = reference;
  if (SchemeOf(reference) == rules_.scheme) {
    constexpr std::string_view kSeparator = "://";
    name.remove_prefix(rules_.prefix.size());
    const size_t slash = name.find('/', kSeparator.size());
    if (!name.starts_with(kSeparator) || slash == std::string_view::npos) return Malformed(write());
    bucket = name.substr(kSeparator.size(), slash - kSeparator.size());
    name.remove_prefix(slash + 1);
  } else if (bucket.empty()) {
    return Malformed("there is no default bucket; " + write());
  }
  RETURN_IF_ERROR(rules_.check_bucket(bucket));
  RETURN_IF_ERROR(rules_.check_object(name));
  if (!any_ && !buckets_.contains(bucket)) {
    return Status(Code::kSourceNotAllowed, "the server may not read this bucket; --" +
                                               std::string(rules_.option) + " NAME would allow it");
  }
  return Object{std::string(bucket), name};
}

Status CheckObjectName(std::string_view name, const std::string& what) {
  if (name.empty()) return Malformed(what + " is missing");
  if (name.size() > kMostNameBytes) return Malformed(what + " is longer than 1024 bytes");
  if (!IsValidUtf8(name)) return Malformed(what + " is not UTF-8");
  if (name.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    return Malformed(what + " has a line break or NUL");
  }
  return Status::Ok();
}

}  // namespace photovec::fetch
