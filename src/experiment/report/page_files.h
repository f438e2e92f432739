// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

/// The files that reports are made of, as they stand beside this header; CMake puts them into the binary.
namespace photovec::experiment {

/// page.html: report.html around its sections, with {lang}, {title}, {style}, {created}, {headline},
/// {sections} and {version} for what differs.
std::string_view PageHtml();
/// page.css: needs nothing from outside, no fonts and no images. Series colours are Okabe and Ito's, which
/// colour-blind people tell apart, lightened for the dark page; lines differ in their dashes too. Parts: one
/// hue a resource, pale for waiting and full for working.
std::string_view PageStyle();
/// texts.toml
std::string_view TextsToml();

}  // namespace photovec::experiment
