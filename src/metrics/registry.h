// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photovec::metrics {

/// Label pairs, e.g. {{label::kModel, "clip"}, {label::kStage, "decode"}}.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Add(double amount = 1.0) = 0;
  virtual double Value() const = 0;
  /// For what is counted elsewhere, from a sampler: adds what is missing up to `total`, if anything is. One
  /// caller at a time for a counter.
  void RaiseTo(double total) {
    if (const double more = total - Value(); more > 0) Add(more);
  }
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double amount) = 0;
  virtual double Value() const = 0;
};

/// Observes a value both into Prometheus buckets and into a fine histogram for /stats quantiles.
class Distribution {
 public:
  virtual ~Distribution() = default;
  virtual void Observe(double value) = 0;
};

/// All metrics of a process. Families and children are made on first use; the pointers stay valid for the
/// registry's life. Thread-safe; Observe/Add/Set take no registry lock. Names and labels come from
/// metrics/names.h only.
class Registry {
 public:
  static std::unique_ptr<Registry> Create();
  virtual ~Registry() = default;

  virtual Counter* GetCounter(std::string_view name, std::string_view help, const Labels& labels) = 0;
  virtual Gauge* GetGauge(std::string_view name, std::string_view help, const Labels& labels) = 0;
  /// \param buckets upper borders, ascending, in the unit of the name.
  virtual Distribution* GetDistribution(std::string_view name, std::string_view help,
                                        std::span<const double> buckets, const Labels& labels) = 0;

  /// Called before each exposition, never two samplers at a time, to refresh what is sampled (RSS, queue
  /// depths). Keep it under 1 ms. Returns an id for RemoveSampler.
  virtual int AddSampler(std::function<void()> sampler) = 0;
  /// After this returns the sampler is not running and will not run again.
  virtual void RemoveSampler(int id) = 0;

  /// Prometheus text format 0.0.4.
  virtual std::string PrometheusText() = 0;
  /// The same as JSON, one object, keys sorted, so that two answers can be compared line by line:
  ///   {"photovec_images_total":[{"labels":{"code":"ok","model":"clip"},"value":12}],
  ///    "photovec_batch_size":[{"labels":{"model":"clip"},
  ///                            "count":3,"mean":5.3,"p50":4,"p95":8,"p99":8,"max":8}],
  ///    "photovec_image_stage_seconds":[{"labels":{"model":"clip","stage":"decode"},
  ///                                     "count":12,"mean_ms":8.1,"p50_ms":7.9,"p95_ms":...}]}
  /// Distributions whose name ends in _seconds are in milliseconds here, and their keys say so; quantiles are
  /// right to within 3.2% (to 1 us below 64 us) and cover the whole life of the process. A value that is not
  /// finite is null.
  virtual std::string StatsJson() = 0;
};

}  // namespace photovec::metrics
