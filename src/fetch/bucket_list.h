// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fetch/reference.h"

namespace photovec::fetch {

/// What sets the references of one kind of object store apart from those of another. Constants.
struct BucketRules {
  Scheme scheme;
  std::string_view prefix;                        ///< "gs"
  std::string_view option;                        ///< "gcs-bucket", for messages
  std::string_view object;                        ///< "OBJECT", what messages call it in "gs://BUCKET/OBJECT"
  Status (*check_bucket)(std::string_view name);  ///< kInvalidRequest saying what is wrong with it
  Status (*check_object)(std::string_view name);  ///< the same
};

/// The buckets that clients may name, and what their references mean: "gs://bucket/object", and bare names in
/// the default bucket. Whatever follows the bucket's slash is the object's name as it is: nothing is decoded.
/// Immutable; thread-safe.
class BucketList {
 public:
  struct Object {
    std::string bucket;
    std::string_view name;  ///< a part of the reference
  };

  /// \param allowed names, or "*" for any.
  /// \param default_bucket where bare names are looked up; counts as allowed. Empty: there is none.
  /// Errors: kInvalidRequest naming the option that is wrong, or when no bucket is allowed.
  static Result<BucketList> Create(const BucketRules& rules, const std::vector<std::string>& allowed,
                                   const std::string& default_bucket);

  /// The object that a reference names: bucket and name fit the rules, the bucket is allowed.
  /// Errors: kInvalidRequest, kSourceNotAllowed.
  Result<Object> Find(std::string_view reference) const;

 private:
  explicit BucketList(const BucketRules& rules) : rules_(rules) {}

  BucketRules rules_;
  std::string default_bucket_;
  bool any_ = false;
  std::set<std::string, std::less<>> buckets_;
};

/// What the names of objects have in common in all stores: 1 to 1024 bytes of UTF-8 without what no URL
/// carries back unharmed (NUL, line breaks).
/// \param what begins the message: "the object's name".
/// Errors: kInvalidRequest saying what is wrong with it.
Status CheckObjectName(std::string_view name, const std::string& what);

}  // namespace photovec::fetch
