// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/options.h"

namespace photovec::commands {

/// What `photovec embed` is asked to do.
struct EmbedOptions {
  std::vector<std::string> inputs;  ///< folders and files; empty with a list
  std::string from;                 ///< the list: a path, "-" for stdin, or empty
  std::string texts;                ///< the same of texts
  bool null_separated = false;      ///< of the list
  bool all_files = false;
  std::string output = "vectors.npy";
  bool resume = false;
  int64_t checkpoint_images = 100'000;
  double checkpoint_seconds = 30;
  engine::EngineOptions engine;

  bool is_list() const { return inputs.empty(); }
  /// What a line of the result calls what it is about: "path", "text" or "id".
  std::string NameKey() const;
  /// "images" or "texts".
  const char* Noun() const { return texts.empty() ? "images" : "texts"; }
};

/// Embeds, or goes on with what was interrupted, and puts the result in place; prints a summary to stdout and
/// what went wrong to stderr. Returns the exit code (cli/exit.h); ends the process itself when the compute
/// device cannot be waited for. Call it on the main thread, before there is any other.
int RunEmbed(const EmbedOptions& options);

/// `photovec embed --check`: whether the three files belong together. Prints what it found.
int RunEmbedCheck(const std::string& npy_path);

}  // namespace photovec::commands
