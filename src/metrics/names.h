// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

/// Every metric, label and bucket border that photovec exports, and nowhere else. Meanings: docs/metrics.md.
namespace photovec::metrics {

namespace name {
inline constexpr std::string_view kImageStageSeconds = "photovec_image_stage_seconds";      ///< model, stage
inline constexpr std::string_view kRequestStageSeconds = "photovec_request_stage_seconds";  ///< model, stage
inline constexpr std::string_view kImagesTotal = "photovec_images_total";                   ///< model, code
inline constexpr std::string_view kImagesDamaged = "photovec_images_damaged_total";         ///< model
inline constexpr std::string_view kJpegs = "photovec_jpegs_total";                    ///< model, decoded_by
inline constexpr std::string_view kTextStageSeconds = "photovec_text_stage_seconds";  ///< model, stage
inline constexpr std::string_view kTextsTotal = "photovec_texts_total";               ///< model, code
inline constexpr std::string_view kTextTokens = "photovec_text_tokens_total";         ///< model
inline constexpr std::string_view kTextBatchSize = "photovec_text_batch_size";        ///< model
inline constexpr std::string_view kTextsDropped = "photovec_texts_dropped_total";     ///< model, queue
inline constexpr std::string_view kRequestsTotal = "photovec_http_requests_total";    ///< route, status
inline constexpr std::string_view kBatchSize = "photovec_batch_size";                 ///< model
inline constexpr std::string_view kQueueDepth = "photovec_queue_depth";               ///< model, queue
inline constexpr std::string_view kSlotsFree = "photovec_slots_free";                 ///< model
inline constexpr std::string_view kStreamBusySeconds =
    "photovec_stream_busy_seconds_total";                                           ///< model, stream
inline constexpr std::string_view kStreamBusyRatio = "photovec_stream_busy_ratio";  ///< model, stream
inline constexpr std::string_view kLoopLagSeconds = "photovec_event_loop_lag_seconds";
inline constexpr std::string_view kBudgetUsedBytes = "photovec_memory_budget_used_bytes";
inline constexpr std::string_view kBudgetLimitBytes = "photovec_memory_budget_limit_bytes";
inline constexpr std::string_view kDecodeMemoryUsedBytes = "photovec_decode_memory_used_bytes";
inline constexpr std::string_view kDecodeMemoryLimitBytes = "photovec_decode_memory_limit_bytes";
inline constexpr std::string_view kCacheHits = "photovec_cache_hits_total";      ///< model
inline constexpr std::string_view kCacheMisses = "photovec_cache_misses_total";  ///< model
inline constexpr std::string_view kCacheBytes = "photovec_cache_bytes";
inline constexpr std::string_view kCacheLimitBytes = "photovec_cache_limit_bytes";
inline constexpr std::string_view kCacheEntries = "photovec_cache_entries";
inline constexpr std::string_view kCacheEvictions = "photovec_cache_evictions_total";
inline constexpr std::string_view kConnections = "photovec_http_connections";
inline constexpr std::string_view kConnectionsEvicted = "photovec_http_connections_evicted_total";
inline constexpr std::string_view kConnectionsRefused = "photovec_http_connections_refused_total";
inline constexpr std::string_view kAcceptErrors = "photovec_accept_errors_total";
inline constexpr std::string_view kTlsHandshakes = "photovec_tls_handshakes_total";  ///< result
inline constexpr std::string_view kTlsCertificateExpiry = "photovec_tls_certificate_expiry_timestamp_seconds";
inline constexpr std::string_view kRequestsInFlight = "photovec_requests_in_flight";
inline constexpr std::string_view kRequestsByState = "photovec_requests";  ///< model, priority, state
inline constexpr std::string_view kRequestsRefused = "photovec_requests_refused_total";  ///< model, reason
inline constexpr std::string_view kImagesDropped = "photovec_images_dropped_total";      ///< model, queue
inline constexpr std::string_view kAdmissionWait = "photovec_admission_wait_seconds";    ///< model, priority
inline constexpr std::string_view kAdmissionMaxWait =
    "photovec_admission_max_wait_seconds";  ///< model, priority
inline constexpr std::string_view kAdmissionRate = "photovec_admission_images_per_second";  ///< model
inline constexpr std::string_view kAdmissionTextWait =
    "photovec_admission_text_wait_seconds";  ///< model, priority
inline constexpr std::string_view kAdmissionTextRate = "photovec_admission_texts_per_second";  ///< model
inline constexpr std::string_view kResidentBytes = "process_resident_memory_bytes";
inline constexpr std::string_view kCpuSeconds = "process_cpu_seconds_total";
inline constexpr std::string_view kCpuRatio = "photovec_process_cpu_ratio";         ///< CPUs' worth in use
inline constexpr std::string_view kMachineCpuRatio = "photovec_machine_cpu_ratio";  ///< 0..1, all CPUs
inline constexpr std::string_view kThreads = "process_threads";
inline constexpr std::string_view kOpenFds = "process_open_fds";
inline constexpr std::string_view kMaxFds = "process_max_fds";
inline constexpr std::string_view kFetchAttempts = "photovec_fetch_attempts_total";         ///< source, code
inline constexpr std::string_view kFetchRetries = "photovec_fetch_retries_total";           ///< source, code
inline constexpr std::string_view kFetchHedges = "photovec_fetch_hedges_total";             ///< source, code
inline constexpr std::string_view kFetchBytes = "photovec_fetch_bytes_total";               ///< source
inline constexpr std::string_view kFetchShared = "photovec_fetch_shared_total";             ///< source
inline constexpr std::string_view kFetchAttemptSeconds = "photovec_fetch_attempt_seconds";  ///< source
inline constexpr std::string_view kDecoderDeaths = "photovec_decoder_deaths_total";         ///< reason
inline constexpr std::string_view kDecoderRestarts = "photovec_decoder_restarts_total";
inline constexpr std::string_view kDecoderCpuSeconds = "photovec_decoder_cpu_seconds_total";
inline constexpr std::string_view kDecoderAlive = "photovec_decoder_alive";
inline constexpr std::string_view kReady = "photovec_ready";
inline constexpr std::string_view kSelfTests = "photovec_self_tests_total";  ///< model, code
inline constexpr std::string_view kDecoderQuarantined = "photovec_decoder_quarantined";
inline constexpr std::string_view kSandboxViolations = "photovec_sandbox_violations_total";
inline constexpr std::string_view kGpuDecodeImages = "photovec_gpu_decode_images_total";  ///< decoded_by
inline constexpr std::string_view kGpuDecodeBatches = "photovec_gpu_decode_batches_total";
inline constexpr std::string_view kGpuDecodeSeconds = "photovec_gpu_decode_seconds_total";  ///< stage
inline constexpr std::string_view kGpuDecodeAllocations = "photovec_gpu_decode_allocations_total";
inline constexpr std::string_view kAuthFailures = "photovec_auth_failures_total";         ///< reason
inline constexpr std::string_view kKeyRequests = "photovec_key_requests_total";           ///< key
inline constexpr std::string_view kKeyImages = "photovec_key_images_total";               ///< key
inline constexpr std::string_view kKeyRefused = "photovec_key_refused_total";             ///< key
inline constexpr std::string_view kLogLinesDropped = "photovec_log_lines_dropped_total";  ///< log, reason
inline constexpr std::string_view kBuildInfo = "photovec_build_info";                     ///< version
}  // namespace name

namespace label {
inline constexpr std::string_view kModel = "model";
inline constexpr std::string_view kStage = "stage";
inline constexpr std::string_view kCode = "code";
inline constexpr std::string_view kRoute = "route";
inline constexpr std::string_view kStatus = "status";
inline constexpr std::string_view kQueue = "queue";
inline constexpr std::string_view kStream = "stream";
inline constexpr std::string_view kSource = "source";
inline constexpr std::string_view kVersion = "version";
inline constexpr std::string_view kReason = "reason";
inline constexpr std::string_view kResult = "result";
inline constexpr std::string_view kKey = "key";
inline constexpr std::string_view kLog = "log";
inline constexpr std::string_view kPriority = "priority";
inline constexpr std::string_view kState = "state";
inline constexpr std::string_view kDecodedBy = "decoded_by";
}  // namespace label

/// Seconds; a factor of 2 to 2.5 apart from 50 us to 30 s.
inline constexpr std::array kSecondsBuckets = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                               0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                               0.5,     1.0,    2.5,     5.0,    10.0,  30.0};
inline constexpr std::array kBatchBuckets = {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0};

}  // namespace photovec::metrics
