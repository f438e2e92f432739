// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photovec::experiment {

/// Charts as inline SVG. Colours are the page's CSS variables --s0 .. --s7 (series) and --p0 .. (parts), text
/// and lines follow the page, so light and dark need one drawing. Labels may hold text from outside: it is
/// escaped.

struct Series {
  std::string name;
  size_t color = 0;
  std::vector<std::pair<double, double>> points;
};

struct LineChart {
  std::string title;  ///< read aloud, and shown above
  std::vector<Series> series;
  bool log_x = false;
  double x_min = 0;
  double x_max = 1;
  double y_max = 1;  ///< the lowest is 0
  bool y_percent = false;
  std::vector<double> y_guides;  ///< dotted lines
  std::string x_unit;            ///< behind the last label of the axis: "ms"
};
std::string DrawLines(const LineChart& chart);

struct BarSegment {
  std::string name;
  size_t color = 0;
  double value = 0;
  std::string label;  ///< shown inside where it fits, and on hover
};
struct StackedBar {
  std::string name;
  std::string total;
  std::vector<BarSegment> segments;
};
/// Horizontal bars on one scale from 0.
std::string DrawStackedBars(const std::string& title, const std::vector<StackedBar>& bars);

struct BarChart {
  std::string title;
  size_t color = 0;
  std::vector<std::pair<std::string, double>> bars;  ///< label and height
  std::vector<std::string> hints;                    ///< on hover, by bar
};
std::string DrawBars(const BarChart& chart);

/// Values for the labels of an axis: about `wanted` round numbers from 0 to `max`.
std::vector<double> LinearTicks(double max, int wanted);
/// 1, 2, 5 and their powers of ten between min and max; only powers of ten over more than two decades.
std::vector<double> LogTicks(double min, double max);

}  // namespace photovec::experiment
