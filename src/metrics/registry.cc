// SPDX-License-Identifier: MIT
#include "metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <mutex>

#include "base/histogram.h"
#include "base/log.h"
#include "metrics/stats_json.h"

namespace photovec::metrics {
namespace {

using LabelMap = std::map<std::string, std::string>;

class CounterImpl final : public Counter {
 public:
  explicit CounterImpl(prometheus::Counter& counter) : counter_(counter) {}
  void Add(double amount) override { counter_.Increment(amount); }
  double Value() const override { return counter_.Value(); }

 private:
  prometheus::Counter& counter_;
};

class GaugeImpl final : public Gauge {
 public:
  explicit GaugeImpl(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void Set(double value) override { gauge_.Set(value); }
  void Add(double amount) override { gauge_.Increment(amount); }
  double Value() const override { return gauge_.Value(); }

 private:
  prometheus::Gauge& gauge_;
};

class DistributionImpl final : public Distribution {
 public:
  DistributionImpl(prometheus::Histogram& buckets, bool seconds) : buckets_(buckets), seconds_(seconds) {}
  void Observe(double value) override {
    if (!std::isfinite(value)) return;  // one NaN would spoil the sum for ever
    value = std::max(value, 0.0);       // a clock read on two cores may run back by a tick
    buckets_.Observe(value);
    fine_.Record(std::llround(std::min(seconds_ ? value * 1e6 : value, 1e18)));
  }
  Summary Summarise() const {
    // Seconds are recorded in microseconds and shown in milliseconds.
    const double scale = seconds_ ? 1e-3 : 1.0;
    return {.count = fine_.count(),
            .mean = fine_.mean() * scale,
            .p50 = fine_.Quantile(0.50) * scale,
            .p95 = fine_.Quantile(0.95) * scale,
            .p99 = fine_.Quantile(0.99) * scale,
            .max = static_cast<double>(fine_.max()) * scale,
            .milliseconds = seconds_};
  }

 private:
  prometheus::Histogram& buckets_;
  const bool seconds_;
  Histogram fine_;
};

LabelMap Sorted(const Labels& labels) {
  LabelMap map;
  for (const auto& [key, value] : labels) map.insert_or_assign(std::string(key), value);
  return map;
}

class RegistryImpl final : public Registry {
 public:
  Counter* GetCounter(std::string_view name, std::string_view help, const Labels& labels) override {
    return Get(counters_, name, labels, [&](const LabelMap& map) {
      return std::make_unique<CounterImpl>(
          Child<prometheus::Counter>(prometheus::BuildCounter(), name, help, map));
    });
  }
  Gauge* GetGauge(std::string_view name, std::string_view help, const Labels& labels) override {
    return Get(gauges_, name, labels, [&](const LabelMap& map) {
      return std::make_unique<GaugeImpl>(Child<prometheus::Gauge>(prometheus::BuildGauge(), name, help, map));
    });
  }
  Distribution* GetDistribution(std::string_view name, std::string_view help, std::span<const double> buckets,
                                const Labels& labels) override {
    const prometheus::Histogram::BucketBoundaries borders(buckets.begin(), buckets.end());
    return Get(distributions_, name, labels, [&](const LabelMap& map) {
      return std::make_unique<DistributionImpl>(
          Child<prometheus::Histogram>(prometheus::BuildHistogram(), name, help, map, borders),
          name.ends_with("_seconds"));
    });
  }

  int AddSampler(std::function<void()> sampler) override {
    std::scoped_lock lock(samplers_mutex_);
    samplers_.emplace(next_sampler_, std::move(sampler));
    return next_sampler_++;
  }
  void RemoveSampler(int id) override {
    std::scoped_lock lock(samplers_mutex_);  // held while samplers run, so none is running now
    samplers_.erase(id);
  }

  std::string PrometheusText() override {
    RunSamplers();
    return prometheus::TextSerializer().Serialize(prometheus_.Collect());
  }

  std::string StatsJson() override {
    RunSamplers();
    StatsWriter writer;
    std::scoped_lock lock(mutex_);
    for (const auto& [name, children] : counters_) {
      for (const auto& [labels, counter] : children) writer.Add(name, labels, counter->Value());
    }
    for (const auto& [name, children] : gauges_) {
      for (const auto& [labels, gauge] : children) writer.Add(name, labels, gauge->Value());
    }
    for (const auto& [name, children] : distributions_) {
      for (const auto& [labels, distribution] : children) writer.Add(name, labels, distribution->Summarise());
    }
    return writer.Finish();
  }

 private:
  template <typename T>
  using Families = std::map<std::string, std::map<LabelMap, std::unique_ptr<T>>, std::less<>>;

  /// The child of `name` with these labels, made by `make` when there is none.
  template <typename T, typename Make>
  T* Get(Families<T>& families, std::string_view name, const Labels& labels, Make make) {
    LabelMap map = Sorted(labels);
    std::scoped_lock lock(mutex_);
    auto& children = families[std::string(name)];
    if (const auto it = children.find(map); it != children.end()) return it->second.get();
    std::unique_ptr<T> child = make(map);
    T* pointer = child.get();
    children.emplace(std::move(map), std::move(child));
    return pointer;
  }

  /// The prometheus-cpp object. That library throws on a name or label that the format forbids, and on a name
  /// used for two types. Names are constants, so that is our bug: it is logged, and the metric works
  /// unexported rather than taking the server down.
  template <typename T, typename Builder, typename... Args>
  T& Child(Builder builder, std::string_view name, std::string_view help, const LabelMap& labels,
           const Args&... args) {
    try {
      return builder.Name(std::string(name))
          .Help(std::string(help))
          .Register(prometheus_)
          .Add(labels, args...);
    } catch (const std::exception& error) {
      log::error("metric {} is not exported: {}", name, error.what());
      return builder.Name("unexported").Register(unexported_.emplace_back()).Add({}, args...);
    }
  }

  void RunSamplers() {
    std::scoped_lock lock(samplers_mutex_);
    for (const auto& [id, sampler] : samplers_) sampler();
  }

  std::mutex mutex_;  // guards the maps; children are thread-safe by themselves
  prometheus::Registry prometheus_;
  std::list<prometheus::Registry> unexported_;
  Families<CounterImpl> counters_;
  Families<GaugeImpl> gauges_;
  Families<DistributionImpl> distributions_;

  std::mutex samplers_mutex_;
  std::map<int, std::function<void()>> samplers_;
  int next_sampler_ = 1;
};

}  // namespace

std::unique_ptr<Registry> Registry::Create() { return std::make_unique<RegistryImpl>(); }

}  // namespace photovec::metrics
