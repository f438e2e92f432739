// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "request_log/record.h"

namespace photovec::experiment {

/// One request as its client saw it. Microseconds of CLOCK_MONOTONIC.
struct ClientSample {
  int64_t intended_us = 0;  ///< when it was to start: open loop, its arrival; closed loop, = sent_us
  int64_t sent_us = 0;      ///< its first byte went out
  int64_t done_us = 0;      ///< the whole reply is here, or it failed
  int images = 0;
  int failed_images = 0;  ///< images that came back with an error; all of them when the request failed
  int status = 0;         ///< HTTP; 0: no reply
  std::string error;      ///< why status is 0, or the beginning of a reply that is no success
};

/// What the server and the machine used in one moment: means since the sample before.
struct ResourceSample {
  int64_t at_us = 0;                  ///< CLOCK_MONOTONIC
  double server_cpus = 0;             ///< CPUs' worth of time; 1.5 is one and a half
  double load_cpus = 0;               ///< the load generator
  double store_cpus = 0;              ///< the object-store simulator
  double machine_cpu = 0;             ///< 0..1, all CPUs
  double rss_bytes = 0;               ///< of the server
  double threads = 0;                 ///< of the server
  double context_switches_per_s = 0;  ///< of the server, voluntary and not
  double network_bytes_per_s = 0;     ///< received and sent, all interfaces of the server's network namespace
  double gpu_busy = -1;               ///< 0..1, mean over GPUs; -1: there is none
  double gpu_memory_bytes = -1;
  double gpu_power_watts = -1;
};

/// Distribution of the server's event-loop lag over its life, from /stats; -1: it has no such metric.
struct LoopLag {
  double p50_ms = -1;
  double p99_ms = -1;
  double max_ms = -1;
};

/// One variant, run once.
struct Run {
  int repetition = 0;                         ///< from 0
  double seconds = 0;                         ///< measured time, without warm-up
  int64_t began_us = 0;                       ///< CLOCK_MONOTONIC, of the measured time
  std::string failure;                        ///< why it is not whole; "" when it is
  std::vector<std::string> log_tail;          ///< the server's last lines, when it failed
  std::vector<request_log::Record> requests;  ///< those that began within the measured time
  std::vector<ClientSample> client;           ///< the same, as clients saw them
  std::vector<ResourceSample> resources;
  int64_t images_completed = 0;    ///< within the measured time, whenever their request began: the throughput
  int64_t requests_completed = 0;  ///< the same of requests
  LoopLag loop_lag;
  double load_cpu_seconds = 0;   ///< within the measured time, of the load generator
  double store_cpu_seconds = 0;  ///< of the object-store simulator
  double server_cpu_seconds = 0;
};

/// The result of a search for the highest rate that keeps an objective.
struct Capacity {
  std::string objective;      ///< "p95<800ms"
  double requests_per_s = 0;  ///< the highest rate that kept it; 0: none did
  struct Trial {
    double requests_per_s = 0;
    double value_ms = 0;
    bool kept = false;
  };
  std::vector<Trial> trials;
};

/// One way to run the server, and what came of it.
struct Variant {
  std::string name;  ///< "streams=1", "streams=1 decode=thread", or what --server called it
  std::vector<std::pair<std::string, std::string>> settings;  ///< in the order of --vary
  std::vector<std::string> command;                           ///< the server's, whole
  std::vector<Run> runs;
  std::vector<Capacity> capacity;  ///< empty or one
};

/// A whole experiment: everything that its report is made from.
struct ExperimentData {
  std::string created;  ///< UTC, ISO 8601
  std::string version;  ///< photovec's
  uint64_t seed = 0;
  std::vector<std::string> command;             ///< as it was typed
  std::string machine_json;                     ///< engine/machine_report.h's MachineJson
  double cpus = 0;                              ///< CPUs' worth that everything on this machine shares
  std::map<std::string, std::string> versions;  ///< libraries, kernel, photovec
  std::vector<std::pair<std::string, std::string>> options;  ///< load, store, durations: name and value
  bool interrupted = false;                                  ///< Ctrl-C: what follows is what had run
  std::vector<Variant> variants;  ///< the first is the one that others are compared with
};

}  // namespace photovec::experiment
