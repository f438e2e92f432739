// SPDX-License-Identifier: MIT
#include "experiment/report/json_columns.h"

namespace photovec::experiment {
namespace {

constexpr auto kRequestColumns = std::to_array<JsonColumn<request_log::Record>>({
    {"id", 0, [](const request_log::Record& e) { return static_cast<int64_t>(e.id); },
     [](request_log::Record& e, int64_t v) { e.id = static_cast<uint64_t>(v); }},
    {"status", 0, [](const request_log::Record& e) { return static_cast<int64_t>(e.status); },
     [](request_log::Record& e, int64_t v) { e.status = static_cast<int>(v); }},
    {"started_us", 0, [](const request_log::Record& e) { return e.started_us; },
     [](request_log::Record& e, int64_t v) { e.started_us = v; }},
    {"opened_us", -1, [](const request_log::Record& e) { return e.opened_us; },
     [](request_log::Record& e, int64_t v) { e.opened_us = v; }},
    {"finished_us", -1, [](const request_log::Record& e) { return e.finished_us; },
     [](request_log::Record& e, int64_t v) { e.finished_us = v; }},
    {"receive_us", -1, [](const request_log::Record& e) { return e.receive_us; },
     [](request_log::Record& e, int64_t v) { e.receive_us = v; }},
    {"parse_us", -1, [](const request_log::Record& e) { return e.parse_us; },
     [](request_log::Record& e, int64_t v) { e.parse_us = v; }},
    {"serialise_us", -1, [](const request_log::Record& e) { return e.serialise_us; },
     [](request_log::Record& e, int64_t v) { e.serialise_us = v; }},
    {"total_us", -1, [](const request_log::Record& e) { return e.total_us; },
     [](request_log::Record& e, int64_t v) { e.total_us = v; }},
    {"preprocess_us", -1, [](const request_log::Record& e) { return e.preprocess_us; },
     [](request_log::Record& e, int64_t v) { e.preprocess_us = v; }},
    {"embed_us", -1, [](const request_log::Record& e) { return e.embed_us; },
     [](request_log::Record& e, int64_t v) { e.embed_us = v; }},
    {"load_decode_us", -1, [](const request_log::Record& e) { return e.load_decode_us; },
     [](request_log::Record& e, int64_t v) { e.load_decode_us = v; }},
    {"pool_wait_us", -1, [](const request_log::Record& e) { return e.pool_wait_us; },
     [](request_log::Record& e, int64_t v) { e.pool_wait_us = v; }},
});

constexpr auto kItemColumns = std::to_array<JsonColumn<request_log::ItemRecord>>({
    {"by_reference", 0, [](const request_log::ItemRecord& e) { return static_cast<int64_t>(e.by_reference); },
     [](request_log::ItemRecord& e, int64_t v) { e.by_reference = v != 0; }},
    {"text", 0, [](const request_log::ItemRecord& e) { return int64_t{e.kind == ItemKind::kText}; },
     [](request_log::ItemRecord& e, int64_t v) { e.kind = v != 0 ? ItemKind::kText : ItemKind::kImage; }},
    {"bytes", 0, [](const request_log::ItemRecord& e) { return e.bytes; },
     [](request_log::ItemRecord& e, int64_t v) { e.bytes = v; }},
    {"decoder", -1, [](const request_log::ItemRecord& e) { return static_cast<int64_t>(e.decoder); },
     [](request_log::ItemRecord& e, int64_t v) { e.decoder = static_cast<int>(v); }},
    {"stream", -1, [](const request_log::ItemRecord& e) { return static_cast<int64_t>(e.stream); },
     [](request_log::ItemRecord& e, int64_t v) { e.stream = static_cast<int>(v); }},
    {"batch", -1, [](const request_log::ItemRecord& e) { return e.batch; },
     [](request_log::ItemRecord& e, int64_t v) { e.batch = v; }},
    {"batch_size", 0, [](const request_log::ItemRecord& e) { return static_cast<int64_t>(e.batch_size); },
     [](request_log::ItemRecord& e, int64_t v) { e.batch_size = static_cast<int>(v); }},
});

constexpr auto kClientColumns = std::to_array<JsonColumn<ClientSample>>({
    {"intended_us", 0, [](const ClientSample& e) { return e.intended_us; },
     [](ClientSample& e, int64_t v) { e.intended_us = v; }},
    {"sent_us", 0, [](const ClientSample& e) { return e.sent_us; },
     [](ClientSample& e, int64_t v) { e.sent_us = v; }},
    {"done_us", 0, [](const ClientSample& e) { return e.done_us; },
     [](ClientSample& e, int64_t v) { e.done_us = v; }},
    {"images", 0, [](const ClientSample& e) { return static_cast<int64_t>(e.images); },
     [](ClientSample& e, int64_t v) { e.images = static_cast<int>(v); }},
    {"failed_images", 0, [](const ClientSample& e) { return static_cast<int64_t>(e.failed_images); },
     [](ClientSample& e, int64_t v) { e.failed_images = static_cast<int>(v); }},
    {"status", 0, [](const ClientSample& e) { return static_cast<int64_t>(e.status); },
     [](ClientSample& e, int64_t v) { e.status = static_cast<int>(v); }},
});

constexpr auto kResourceColumns = std::to_array<JsonColumn<ResourceSample>>({
    {"at_us", 0, [](const ResourceSample& e) { return e.at_us; },
     [](ResourceSample& e, int64_t v) { e.at_us = v; }},
    {"server_cpus", 0, [](const ResourceSample& e) { return ToMicro(e.server_cpus); },
     [](ResourceSample& e, int64_t v) { e.server_cpus = FromMicro(v); }},
    {"load_cpus", 0, [](const ResourceSample& e) { return ToMicro(e.load_cpus); },
     [](ResourceSample& e, int64_t v) { e.load_cpus = FromMicro(v); }},
    {"store_cpus", 0, [](const ResourceSample& e) { return ToMicro(e.store_cpus); },
     [](ResourceSample& e, int64_t v) { e.store_cpus = FromMicro(v); }},
    {"machine_cpu", 0, [](const ResourceSample& e) { return ToMicro(e.machine_cpu); },
     [](ResourceSample& e, int64_t v) { e.machine_cpu = FromMicro(v); }},
    {"rss_bytes", 0, [](const ResourceSample& e) { return static_cast<int64_t>(std::llround(e.rss_bytes)); },
     [](ResourceSample& e, int64_t v) { e.rss_bytes = static_cast<double>(v); }},
    {"threads", 0, [](const ResourceSample& e) { return ToMicro(e.threads); },
     [](ResourceSample& e, int64_t v) { e.threads = FromMicro(v); }},
    {"context_switches_per_s", 0, [](const ResourceSample& e) { return ToMicro(e.context_switches_per_s); },
     [](ResourceSample& e, int64_t v) { e.context_switches_per_s = FromMicro(v); }},
    {"network_bytes_per_s", 0,
     [](const ResourceSample& e) { return static_cast<int64_t>(std::llround(e.network_bytes_per_s)); },
     [](ResourceSample& e, int64_t v) { e.network_bytes_per_s = static_cast<double>(v); }},
    {"gpu_busy", -1000000, [](const ResourceSample& e) { return ToMicro(e.gpu_busy); },
     [](ResourceSample& e, int64_t v) { e.gpu_busy = FromMicro(v); }},
    {"gpu_memory_bytes", -1,
     [](const ResourceSample& e) { return static_cast<int64_t>(std::llround(e.gpu_memory_bytes)); },
     [](ResourceSample& e, int64_t v) { e.gpu_memory_bytes = static_cast<double>(v); }},
    {"gpu_power_watts", -1000000, [](const ResourceSample& e) { return ToMicro(e.gpu_power_watts); },
     [](ResourceSample& e, int64_t v) { e.gpu_power_watts = FromMicro(v); }},
});

constexpr auto kTrialColumns = std::to_array<JsonColumn<Capacity::Trial>>({
    {"requests_per_s", 0, [](const Capacity::Trial& e) { return ToMicro(e.requests_per_s); },
     [](Capacity::Trial& e, int64_t v) { e.requests_per_s = FromMicro(v); }},
    {"value_ms", 0, [](const Capacity::Trial& e) { return ToMicro(e.value_ms); },
     [](Capacity::Trial& e, int64_t v) { e.value_ms = FromMicro(v); }},
    {"kept", 0, [](const Capacity::Trial& e) { return static_cast<int64_t>(e.kept); },
     [](Capacity::Trial& e, int64_t v) { e.kept = v != 0; }},
});

constexpr auto kRunFields = std::to_array<JsonColumn<Run>>({
    {"repetition", 0, [](const Run& e) { return static_cast<int64_t>(e.repetition); },
     [](Run& e, int64_t v) { e.repetition = static_cast<int>(v); }},
    {"seconds", 0, [](const Run& e) { return ToMicro(e.seconds); },
     [](Run& e, int64_t v) { e.seconds = FromMicro(v); }},
    {"began_us", 0, [](const Run& e) { return e.began_us; }, [](Run& e, int64_t v) { e.began_us = v; }},
    {"images_completed", 0, [](const Run& e) { return e.images_completed; },
     [](Run& e, int64_t v) { e.images_completed = v; }},
    {"requests_completed", 0, [](const Run& e) { return e.requests_completed; },
     [](Run& e, int64_t v) { e.requests_completed = v; }},
    {"load_cpu_seconds", 0, [](const Run& e) { return ToMicro(e.load_cpu_seconds); },
     [](Run& e, int64_t v) { e.load_cpu_seconds = FromMicro(v); }},
    {"store_cpu_seconds", 0, [](const Run& e) { return ToMicro(e.store_cpu_seconds); },
     [](Run& e, int64_t v) { e.store_cpu_seconds = FromMicro(v); }},
    {"server_cpu_seconds", 0, [](const Run& e) { return ToMicro(e.server_cpu_seconds); },
     [](Run& e, int64_t v) { e.server_cpu_seconds = FromMicro(v); }},
    {"loop_lag_p50_ms", -1000000, [](const Run& e) { return ToMicro(e.loop_lag.p50_ms); },
     [](Run& e, int64_t v) { e.loop_lag.p50_ms = FromMicro(v); }},
    {"loop_lag_p99_ms", -1000000, [](const Run& e) { return ToMicro(e.loop_lag.p99_ms); },
     [](Run& e, int64_t v) { e.loop_lag.p99_ms = FromMicro(v); }},
    {"loop_lag_max_ms", -1000000, [](const Run& e) { return ToMicro(e.loop_lag.max_ms); },
     [](Run& e, int64_t v) { e.loop_lag.max_ms = FromMicro(v); }},
});

}  // namespace

std::span<const JsonColumn<request_log::Record>> RequestColumns() { return kRequestColumns; }
std::span<const JsonColumn<request_log::ItemRecord>> ItemColumns() { return kItemColumns; }
std::span<const JsonColumn<ClientSample>> ClientColumns() { return kClientColumns; }
std::span<const JsonColumn<ResourceSample>> ResourceColumns() { return kResourceColumns; }
std::span<const JsonColumn<Capacity::Trial>> TrialColumns() { return kTrialColumns; }
std::span<const JsonColumn<Run>> RunFields() { return kRunFields; }

}  // namespace photovec::experiment
