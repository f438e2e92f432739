// SPDX-License-Identifier: MIT
#pragma once

#include <future>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/environment.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// An environment of these variables alone.
inline EnvironmentLookup OnlyVariables(std::map<std::string, std::string> set = {}) {
  return [set = std::move(set)](const std::string& name) -> std::optional<std::string> {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  };
}

/// The headers that an object's request is sent with. Waits for them.
inline SourceObject::Headers Sign(SourceObject& object) {
  std::promise<SourceObject::Headers> promise;
  auto future = promise.get_future();
  object.Sign([&](SourceObject::Headers headers) { promise.set_value(std::move(headers)); });
  return future.get();
}

}  // namespace photovec::fetch
