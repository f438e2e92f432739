// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// Writers that append to one growing buffer, so that a reply is one allocation and no tree of values.
/// No locale, no exceptions but std::bad_alloc. Safe from any thread.
namespace photovec::api {

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the reply is
/// valid JSON whatever a file was called.
void AppendJsonString(std::string& out, std::string_view text);

/// `text` with each byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string ToValidUtf8(std::string_view text);

/// The shortest decimal that reads back as the same float; `null` for NaN and infinities, which JSON lacks.
void AppendFloat(std::string& out, float value);

/// "[0.1,-2,...]"
void AppendFloats(std::string& out, std::span<const float> values);

void AppendInt(std::string& out, int64_t value);

/// The bytes of `values` as little-endian f32 (this machine's own order: photovec builds for little endian).
std::string_view FloatBytes(std::span<const float> values);

/// Bytes that AppendFloats is expected to write for one value: what decides whether a reply is written on the
/// worker pool.
inline constexpr size_t kJsonBytesPerFloat = 13;

}  // namespace photovec::api
