// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "bulk/line_reader.h"
#include "bulk/source.h"

namespace photovec::bulk {

/// The files that a list names, one a line, as they come: nothing of it is held. A relative name is relative
/// to the working directory. Names that cannot be looked at, and folders, are error lines. Empty lines are
/// passed over. A list that cannot be read to its end, or has a line that is no path, ends with an error.
class ListSource : public Source {
 public:
  /// \param path "-": stdin.
  /// \param separator '\n' or '\0'.
  /// Errors: kNotFound, kUnavailable.
  static Result<std::unique_ptr<ListSource>> Open(const std::string& path, char separator);

  std::optional<Found> Next() override;
  bool Ready() override { return !status_.ok() || reader_.Ready(); }
  Status status() const override { return status_; }
  const PassedOver& passed_over() const override { return passed_over_; }

 private:
  explicit ListSource(LineReader reader) : reader_(std::move(reader)) {}
  LineReader reader_;
  Status status_;
  PassedOver passed_over_;
};

}  // namespace photovec::bulk
