// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "experiment/analyse/analysis.h"
#include "experiment/report/report.h"

namespace photovec::experiment {

/// Numbers as people read them. Milliseconds and rates: three to four figures that matter.
std::string FormatNumber(double value);
std::string FormatPercent(double share);  ///< "63.9%"
std::string FormatRate(double rate);      ///< "+3.2%", "–0.7%" (with a real minus sign)
std::string FormatCount(size_t count);    ///< "61,203"
std::string FormatBytes(double bytes);    ///< "1.5 GiB"
/// The figure of a cell in its unit, without the unit's name for milliseconds: "179.8", "63.9%"; "–" for
/// none.
std::string FormatCell(const Cell& cell, Unit unit);
/// "▲ +3.2%", "▼ –0.7%", "≈" and the words for no difference; "" for none.
std::string FormatChange(const Change& change, Language language);
/// "–10.1 … –7.2%"
std::string FormatInterval(const Interval& rates);

/// Text from outside, safe inside HTML text and double-quoted attributes. Bytes that are no UTF-8 and control
/// characters become U+FFFD.
std::string EscapeHtml(std::string_view text);
/// Inside a cell of a Markdown table.
std::string EscapeMarkdown(std::string_view text);
/// A command line as a shell would take it.
std::string JoinCommand(const std::vector<std::string>& words);

}  // namespace photovec::experiment
