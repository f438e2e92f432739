// SPDX-License-Identifier: MIT
#include "decode/sandbox/worker_arguments.h"

#include <array>
#include <charconv>
#include <string_view>

namespace photovec::decode {

std::vector<std::string> WorkerArguments::Format() const {
  return {std::to_string(layout.output_bytes),
          std::to_string(layout.input_bytes),
          std::to_string(address_space_bytes),
          std::to_string(cpu_seconds),
          std::to_string(parent_pid),
          std::to_string(nice),
          std::to_string(name_violations ? 1 : 0)};
}

std::optional<WorkerArguments> WorkerArguments::Parse(std::span<char* const> arguments) {
  std::array<uint64_t, 7> numbers{};
  if (arguments.size() != numbers.size()) return std::nullopt;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const std::string_view text(arguments[i]);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), numbers.at(i));
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  }
  WorkerArguments parsed;
  parsed.layout = RegionLayout::For(numbers[0], numbers[1]);
  parsed.address_space_bytes = numbers[2];
  parsed.cpu_seconds = numbers[3];
  parsed.parent_pid = static_cast<int>(numbers[4]);
  parsed.nice = static_cast<int>(numbers[5]);
  parsed.name_violations = numbers[6] != 0;
  return parsed;
}

}  // namespace photovec::decode
