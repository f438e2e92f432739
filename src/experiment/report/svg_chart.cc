// SPDX-License-Identifier: MIT
#include "experiment/report/svg_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "experiment/report/format.h"

namespace photovec::experiment {
namespace {

// Units of the view box; on the page it is as wide as its card, so text scales little between 300 and 500 px.
constexpr double kWidth = 420;
constexpr double kHeight = 220;
constexpr double kLeft = 44;
constexpr double kRight = 14;
constexpr double kTop = 10;
constexpr double kBottom = 28;
constexpr double kCharWidth = 6.6;  // of 12 px text, for deciding what fits

std::string Number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", value);
  return text.data();
}

// "250", "1.5", "0.02": as short as an axis needs.
std::string TickLabel(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return value >= 10'000 ? FormatCount(static_cast<size_t>(value)) : text.data();
}

std::string OpenSvg(double width, double height, const std::string& title) {
  return "<svg viewBox=\"0 0 " + Number(width) + " " + Number(height) + "\" role=\"img\" aria-label=\"" +
         EscapeHtml(title) + "\">";
}

std::string Percent(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f%%", value);
  return text.data();
}

std::string TextAt(const std::string& x, double y, std::string_view css_class, std::string_view anchor,
                   const std::string& text) {
  return "<text x=\"" + x + "\" y=\"" + Number(y) + "\" class=\"" + std::string(css_class) +
         "\" text-anchor=\"" + std::string(anchor) + "\">" + EscapeHtml(text) + "</text>";
}

std::string TextAt(double x, double y, std::string_view css_class, std::string_view anchor,
                   const std::string& text) {
  return TextAt(Number(x), y, css_class, anchor, text);
}

std::string LineAt(double x1, double y1, double x2, double y2, std::string_view css_class) {
  return "<line x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) + "\" x2=\"" + Number(x2) + "\" y2=\"" +
         Number(y2) + "\" class=\"" + std::string(css_class) + "\"/>";
}

struct Frame {
  const LineChart& chart;

  double X(double value) const {
    const double inside = kWidth - kLeft - kRight;
    if (!chart.log_x) return kLeft + inside * (value - chart.x_min) / (chart.x_max - chart.x_min);
    const double low = std::log(chart.x_min);
    return kLeft + inside * (std::log(std::max(value, chart.x_min)) - low) / (std::log(chart.x_max) - low);
  }
  double Y(double value) const {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * std::clamp(value / chart.y_max, 0.0, 1.0);
  }
};

std::string DrawAxes(const Frame& frame) {
  const LineChart& chart = frame.chart;
  std::string out;
  for (const double tick : LinearTicks(chart.y_max, 4)) {
    out += LineAt(kLeft, frame.Y(tick), kWidth - kRight, frame.Y(tick), "grid");
    const std::string label = chart.y_percent ? TickLabel(tick * 100) + "%" : TickLabel(tick);
    out += TextAt(kLeft - 6, frame.Y(tick) + 4, "tick", "end", label);
  }
  for (const double guide : chart.y_guides) {
    out += LineAt(kLeft, frame.Y(guide), kWidth - kRight, frame.Y(guide), "guide");
  }
  const auto ticks = chart.log_x ? LogTicks(chart.x_min, chart.x_max) : LinearTicks(chart.x_max, 5);
  for (size_t i = 0; i < ticks.size(); ++i) {
    const bool last = i + 1 == ticks.size();
    const double x = frame.X(ticks[i]);
    if (chart.log_x) out += LineAt(x, kTop, x, kHeight - kBottom, "grid");
    const bool at_edge = x > kWidth - kRight - 20;
    out += TextAt(at_edge ? kWidth - 2 : x, kHeight - 8, "tick", at_edge ? "end" : "middle",
                  TickLabel(ticks[i]) + (last ? " " + chart.x_unit : ""));
  }
  return out;
}

}  // namespace

std::vector<double> LinearTicks(double max, int wanted) {
  std::vector<double> ticks;
  if (!(max > 0) || wanted < 1) return ticks;
  const double raw = max / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double scaled = raw / power;
  const double step = power * (scaled <= 1 ? 1 : scaled <= 2 ? 2 : scaled <= 5 ? 5 : 10);
  for (int i = 0; i * step <= max * 1.0001; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<double> LogTicks(double min, double max) {
  std::vector<double> ticks;
  if (!(min > 0) || !(max > min)) return ticks;
  const bool many = std::log10(max / min) > 2;
  for (int power = static_cast<int>(std::floor(std::log10(min))); power <= 12; ++power) {
    for (const int digit : {1, 2, 5}) {
      if (many && digit != 1) continue;
      const double tick = digit * std::pow(10.0, power);
      if (tick >= min * 0.999 && tick <= max * 1.001) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string DrawLines(const LineChart& chart) {
  const Frame frame{chart};
  std::string out = OpenSvg(kWidth, kHeight, chart.title) + DrawAxes(frame);
  for (const Series& series : chart.series) {
    if (series.points.empty()) continue;
    out += "<polyline class=\"line s" + std::to_string(series.color) + "\" points=\"";
    for (const auto& [x, y] : series.points) out += Number(frame.X(x)) + "," + Number(frame.Y(y)) + " ";
    out.pop_back();
    out += "\"><title>" + EscapeHtml(series.name) + "</title></polyline>";
  }
  return out + "</svg>";
}

// Not scaled by a view box: places are percentages, so bars are as wide as the page and text stays its size.
std::string DrawStackedBars(const std::string& title, const std::vector<StackedBar>& bars) {
  constexpr double kBarHeight = 30;
  constexpr double kRow = 62;
  constexpr double kNarrowest = 320;  // pixels that a phone gives the chart: labels must fit there
  double longest = 0;
  for (const StackedBar& bar : bars) {
    double sum = 0;
    for (const BarSegment& segment : bar.segments) sum += segment.value;
    longest = std::max(longest, sum);
  }
  std::string out = "<svg width=\"100%\" height=\"" + Number(kRow * static_cast<double>(bars.size())) +
                    "\" class=\"fixed\" role=\"img\" aria-label=\"" + EscapeHtml(title) + "\">";
  if (longest <= 0) return out + "</svg>";
  double y = 0;
  for (const StackedBar& bar : bars) {
    out += TextAt("0", y + 15, "name", "start", bar.name) + TextAt("100%", y + 15, "value", "end", bar.total);
    double x = 0;
    for (const BarSegment& segment : bar.segments) {
      const double width = 100 * segment.value / longest;
      if (width < 0.05) continue;
      out += "<rect x=\"" + Percent(x) + "\" y=\"" + Number(y + 22) + "\" width=\"" + Percent(width) +
             "\" height=\"" + Number(kBarHeight) + "\" class=\"part p" + std::to_string(segment.color) +
             "\"><title>" + EscapeHtml(segment.name + ": " + segment.label) + "</title></rect>";
      if (width / 100 * kNarrowest > static_cast<double>(segment.label.size()) * kCharWidth + 6) {
        out += TextAt(Percent(x + width / 2), y + 22 + kBarHeight / 2 + 4,
                      "inside q" + std::to_string(segment.color), "middle", segment.label);
      }
      x += width;
    }
    y += kRow;
  }
  return out + "</svg>";
}

std::string DrawBars(const BarChart& chart) {
  double highest = 0;
  for (const auto& [label, height] : chart.bars) highest = std::max(highest, height);
  std::string out = OpenSvg(kWidth, kHeight, chart.title);
  if (highest <= 0) return out + "</svg>";
  const double base = kHeight - kBottom;
  for (const double tick : LinearTicks(highest, 4)) {
    const double y = base - (base - kTop) * tick / highest;
    out += LineAt(kLeft, y, kWidth - kRight, y, "grid");
    out += TextAt(kLeft - 6, y + 4, "tick", "end", TickLabel(tick * 100) + "%");
  }
  const double step = (kWidth - kLeft - kRight) / static_cast<double>(chart.bars.size());
  double label_free_from = 0;  // labels left out where they would touch
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const auto& [label, height] = chart.bars[i];
    const double x = kLeft + step * static_cast<double>(i);
    const double size = (base - kTop) * height / highest;
    const double width = std::min(step * 0.8, 40.0);
    out += "<rect x=\"" + Number(x + (step - width) / 2) + "\" y=\"" + Number(base - size) + "\" width=\"" +
           Number(width) + "\" height=\"" + Number(size) + "\" rx=\"1.5\" class=\"bar s" +
           std::to_string(chart.color) + "\"><title>" +
           EscapeHtml(i < chart.hints.size() ? chart.hints[i] : label) + "</title></rect>";
    const double half = static_cast<double>(label.size()) * kCharWidth / 2;
    const double middle = x + step / 2;
    if (middle - half < label_free_from) continue;
    out += TextAt(middle, kHeight - 8, "tick", "middle", label);
    label_free_from = middle + half + 6;
  }
  return out + "</svg>";
}

}  // namespace photovec::experiment
