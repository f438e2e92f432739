// SPDX-License-Identifier: MIT
#include "experiment/report/text_table.h"

#include <array>

namespace photovec::experiment {
namespace {

constexpr auto kTexts = std::to_array<TextEntry>({
    // Rows.
    {"row_fetch", "image load", "이미지 로딩"},
    {"row_decode", "decode", "디코딩"},
    {"row_decode_wait", "decode wait", "디코딩 대기"},
    {"row_load_decode", "load + decode", "로딩 + 디코딩"},
    {"row_preprocess_request", "preprocess", "전처리"},
    {"row_embed", "embed", "임베딩"},
    {"row_http_total", "total", "총 시간"},
    {"row_client_total", "total, at the client", "총 시간 (클라이언트)"},
    {"row_admit_wait", "admission wait", "로딩 대기"},
    {"row_preprocess", "preprocess", "전처리"},
    {"row_batch_wait", "batch wait", "배치 대기"},
    {"row_encode", "encode", "인코딩"},
    {"row_collect", "collect", "결과 수집"},
    {"row_receive", "receive", "수신"},
    {"row_parse", "parse", "파싱"},
    {"row_open", "open", "요청 열기"},
    {"row_hand_over", "hand-over", "응답 전달"},
    {"row_pool_wait", "pool wait", "스레드 풀 대기"},
    {"row_first_vector", "first vector", "첫 벡터까지"},
    {"row_serialise", "serialise", "직렬화"},
    {"row_other", "other", "기타"},
    {"row_cpu", "machine CPU", "CPU (머신)"},
    {"row_cpu_server", "server CPU", "CPU (서버)"},
    {"row_gpu", "GPU", "GPU"},
    {"row_streams", "streams busy", "스트림 사용률"},
    {"row_images_per_s", "images/s", "이미지/초"},
    {"row_requests_per_s", "requests/s", "요청/초"},
    {"row_cpu_ms_per_image", "server CPU time per image (ms)", "이미지당 CPU 시간, 서버 (ms)"},
    // Words of the tables.
    {"stage", "stage", "단계"},
    {"resource", "resource", "리소스"},
    {"per", "per", "단위"},
    {"image", "image", "이미지"},
    {"request", "request", "요청"},
    {"change", "change", "변화율"},
    {"no_difference", "no difference", "차이 없음"},
    {"samples", "samples", "표본 수"},
    {"variant", "variant", "구성"},
    {"count", "{0} figures", "표본 {0}개"},
    // Headings.
    {"title", "photovec experiment", "photovec 실험 보고서"},
    {"main_table", "Time of the stages (ms, p95) and resource use", "소요 시간 (ms, p95)과 리소스 사용률"},
    {"all_stages", "All stages", "전체 단계"},
    {"throughput", "Throughput", "처리량"},
    {"capacity", "Capacity", "최대 처리 용량"},
    {"where", "Where a request's time goes", "요청 시간의 구성"},
    {"cdfs", "Distribution of each stage", "단계별 분포 (CDF)"},
    {"timelines", "Resources over time", "시간에 따른 리소스 사용"},
    {"batches", "Batch sizes", "배치 크기"},
    {"loop_lag", "Event-loop lag", "이벤트 루프 지연"},
    {"findings", "Findings", "분석"},
    {"method", "How it was measured", "측정 방법"},
    {"failures", "Failures", "실패"},
    {"machine", "Machine", "머신"},
    {"versions", "Versions", "버전"},
    {"options", "Options", "옵션"},
    {"command", "Command", "명령"},
    {"commands_servers", "Servers", "서버 실행 명령"},
    {"created", "made", "작성"},
    {"seed", "seed", "시드"},
    // Notes under tables and charts.
    {"main_note",
     "Changes are against {0}, with a 95% confidence interval below. ≈ no difference: the interval spans "
     "zero. Image "
     "load, decode and decode wait are per image, the others per request; resource use is a mean.",
     "변화율은 {0} 대비이며, 아래는 95% 신뢰구간입니다. ≈ 차이 없음: 신뢰구간이 0을 포함합니다. 이미지 로딩, "
     "디코딩, "
     "디코딩 대기는 이미지당, 나머지는 요청당 값이고 리소스 사용률은 평균입니다."},
    {"overlap_note",
     "Rows per request overlap: images flow one by one, so load + decode and embed run at the same time. "
     "They do not add "
     "up to the total.",
     "요청 단위 행은 서로 겹칩니다. 이미지가 하나씩 흐르므로 로딩 + 디코딩과 임베딩이 동시에 진행되며, "
     "더해도 총 시간이 "
     "되지 않습니다."},
    {"where_note",
     "Mean critical path of a request, ms: the chain of steps that decided when its last vector was there. "
     "Share of the "
     "total that its named parts account for: {0}.",
     "요청의 평균 임계 경로 (ms): 마지막 벡터가 완성되는 시점을 결정한 단계들의 연쇄입니다. 이름 있는 부분이 "
     "총 시간에서 "
     "차지하는 비율: {0}."},
    {"cdf_note",
     "Share of figures (vertical) up to a time in ms (horizontal, logarithmic). Dotted: 50% and 95%.",
     "가로축: 시간 (ms, 로그), 세로축: 그 이하인 표본의 비율. 점선: 50%와 95%."},
    {"timeline_note", "First whole repetition of each variant; seconds of measured time.",
     "각 구성의 첫 번째 완전한 반복; 측정 시작 후 경과 시간 (초)."},
    {"batches_note", "Batches by number of images: share of all batches (vertical).",
     "이미지 수별 배치: 전체 배치 중 비율 (세로축)."},
    {"mean_batch", "mean {0}", "평균 {0}"},
    {"timeline_cpu", "CPU, machine (%)", "CPU, 머신 (%)"},
    {"timeline_server", "CPU, server (CPUs)", "CPU, 서버 (CPU 수)"},
    {"timeline_rss", "Memory, server (MiB)", "메모리, 서버 (MiB)"},
    {"timeline_gpu", "GPU (%)", "GPU (%)"},
    {"timeline_gpu_memory", "GPU memory (MiB)", "GPU 메모리 (MiB)"},
    {"requests_total", "requests", "요청 수"},
    {"requests_failed", "failed", "실패"},
    {"images_total", "images", "이미지 수"},
    {"images_failed", "failed images", "실패한 이미지"},
    {"repetitions", "repetitions", "반복"},
    {"spread", "images/s, lowest … highest repetition", "이미지/초, 반복별 최저 … 최고"},
    {"tail", "total p99 / p50 (1 is perfectly predictable)", "전체 p99 / p50 (1이면 완전히 예측 가능)"},
    {"load_share", "load generator, of the machine", "부하 생성기 (머신 대비)"},
    {"store_share", "object store, of the machine", "오브젝트 스토어 (머신 대비)"},
    {"loop_lag_values", "event-loop lag p50 / p99 / max (ms)", "이벤트 루프 지연 p50 / p99 / 최대 (ms)"},
    {"capacity_result", "highest rate that keeps {0}", "{0}을(를) 지키는 최대 요청률"},
    {"capacity_none", "no rate that was tried kept it", "시도한 요청률 중 만족한 것이 없음"},
    {"trials", "trials", "시도"},
    {"log_tail", "last lines of the server's log", "서버 로그의 마지막 줄"},
    {"kept", "kept", "만족"},
    {"missed", "missed", "불만족"},
    {"none", "none", "없음"},
    {"no_figures", "No figures.", "데이터가 없습니다."},
    {"method_text",
     "Each variant ran as a server process of its own, the repetitions interleaved. Latencies are those that "
     "the server's "
     "request log holds, of requests that began in the measured time after warm-up; failed requests and "
     "images are "
     "counted and left out of latencies. Intervals: {0} bootstrap resamples of two levels, repetitions and "
     "then whole "
     "requests within them (the images of a request stay together), seed {1}. Throughput is what was "
     "completed in the "
     "measured time.",
     "각 구성을 별도의 서버 프로세스로 실행하고 반복을 교대로 배치했습니다. 지연 시간은 워밍업 이후 측정 "
     "시간에 시작된 "
     "요청에 대해 서버의 요청 로그가 기록한 값이며, 실패한 요청과 이미지는 따로 세고 지연 시간에서 "
     "제외했습니다. "
     "신뢰구간: 2단계 부트스트랩 {0}회 (반복을 먼저, 그 안에서 요청 전체를 재추출; 한 요청의 이미지는 함께 "
     "움직임), 시드 "
     "{1}. 처리량은 측정 시간 안에 완료된 양입니다."},
    // Findings. The headline comes first.
    {"finding_headline_none", "Nothing could be compared: no variant completed a request.",
     "비교할 결과가 없습니다: 요청을 완료한 구성이 없습니다."},
    {"finding_headline_single", "{0}: a request takes {1} ms (p95) at {2} images/s.",
     "{0}: 총 시간 p95 {1} ms, 처리량 {2} 이미지/초."},
    {"finding_headline_better",
     "{0} is fastest: total p95 {1} ms, {2} against {3} (95% interval {4}), at {5} images/s.",
     "{0}이(가) 가장 빠릅니다: 총 시간 p95 {1} ms, {3} 대비 {2} (95% 신뢰구간 {4}), {5} 이미지/초."},
    {"finding_headline_first",
     "{0} stays fastest: total p95 {1} ms at {2} images/s; every other variant is slower.",
     "{0}이(가) 여전히 가장 빠릅니다: 총 시간 p95 {1} ms, {2} 이미지/초. 다른 구성은 모두 더 느립니다."},
    {"finding_headline_same", "No variant was shown to be faster than {0}: total p95 {1} ms at {2} images/s.",
     "{0}보다 빠르다고 확인된 구성이 없습니다: 총 시간 p95 {1} ms, {2} 이미지/초."},
    {"finding_wall_store",
     "{0}: image load is the wall. Loading from the store takes {1} of a request's time on its critical path "
     "({3} of {2} "
     "ms), of which it waits {4} ms for a free download slot.",
     "{0}: 이미지 로딩이 병목입니다. 임계 경로에서 스토어로부터의 로딩이 요청 시간의 {1} ({2} ms 중 {3} "
     "ms)를 차지하며, 그중 "
     "{4} ms는 빈 다운로드 자리를 기다립니다."},
    {"finding_wall_decode",
     "{0}: decode is the wall. The decoders take {1} of a request's time on its critical path ({3} of {2} "
     "ms), of which it "
     "waits {4} ms for a free decoder.",
     "{0}: 디코딩이 병목입니다. 임계 경로에서 디코더가 요청 시간의 {1} ({2} ms 중 {3} ms)를 차지하며, 그중 "
     "{4} ms는 빈 "
     "디코더를 기다립니다."},
    {"finding_wall_preprocess",
     "{0}: preprocess is the wall. It takes longer than decode in the decode workers, which take {1} of a "
     "request's time on "
     "its critical path ({3} of {2} ms), of which it waits {4} ms for a free decoder.",
     "{0}: 전처리가 병목입니다. 디코드 워커에서 전처리가 디코딩보다 오래 걸리며, 워커가 임계 경로에서 요청 "
     "시간의 {1} ({2} ms "
     "중 {3} ms)를 차지합니다. 그중 {4} ms는 빈 디코더를 기다립니다."},
    {"finding_wall_encoder",
     "{0}: encode is the wall. The encoder takes {1} of a request's time on its critical path ({3} of {2} "
     "ms), of which it "
     "waits {4} ms for a free stream.",
     "{0}: 임베딩(인코딩)이 병목입니다. 임계 경로에서 인코더가 요청 시간의 {1} ({2} ms 중 {3} ms)를 "
     "차지하며, 그중 {4} ms는 빈 "
     "스트림을 기다립니다."},
    {"finding_wall_embed",
     "{0}: embed is the wall. All batches of a request, waiting included, take {1} of its time ({3} of {2} "
     "ms).",
     "{0}: 임베딩이 병목입니다. 요청의 모든 배치(대기 포함)가 요청 시간의 {1} ({2} ms 중 {3} ms)를 "
     "차지합니다."},
    {"finding_wall_server",
     "{0}: the server's own handling of requests is the wall: {1} of a request's time ({3} of {2} ms), most "
     "of it {5}.",
     "{0}: 서버의 요청 처리 자체가 병목입니다: 요청 시간의 {1} ({2} ms 중 {3} ms), 대부분 {5}."},
    {"finding_wall_preprocess_request",
     "{0}: preprocess is the wall. Preprocessing a request's images takes {1} of its time ({3} of {2} ms).",
     "{0}: 전처리가 병목입니다. 요청의 이미지 전처리가 요청 시간의 {1} ({2} ms 중 {3} ms)를 차지합니다."},
    {"finding_wall_load_decode",
     "{0}: load + decode is the wall: until the slowest image of a request is decoded, {1} of its time is "
     "gone ({3} of {2} "
     "ms). Median per image: image load {4} ms, decode wait {5} ms, decode {6} ms.",
     "{0}: 로딩 + 디코딩이 병목입니다: 가장 느린 이미지가 디코딩될 때까지 요청 시간의 {1} ({2} ms 중 {3} "
     "ms)가 지나갑니다. "
     "이미지당 중앙값: 이미지 로딩 {4} ms, 디코딩 대기 {5} ms, 디코딩 {6} ms."},
    {"finding_next_encoder_gpu_full",
     "Next step for {0}: the GPU is full, so the encoder needs a lower precision or another GPU.",
     "{0}의 다음 단계: GPU가 가득 찼으므로 더 낮은 정밀도나 GPU 추가가 필요합니다."},
    {"finding_next_encoder_full",
     "Next step for {0}: streams are busy {1} of the time and the CPU is full; only more cores, a GPU or a "
     "lower precision "
     "(--precision bf16, if not used yet) make it faster, not more streams.",
     "{0}의 다음 단계: 스트림이 {1}의 시간 동안 바쁘고 CPU도 가득 찼습니다. 스트림을 늘리기보다 코어 추가, "
     "GPU, 또는 더 낮은 "
     "정밀도(아직 아니라면 --precision bf16)가 필요합니다."},
    {"finding_next_encoder_streams_full",
     "Next step for {0}: streams are busy {1} of the time while the CPU has room; try more streams or more "
     "threads per "
     "stream (--streams, --threads-per-stream), then a lower precision (--precision bf16, if not used yet) "
     "or a GPU.",
     "{0}의 다음 단계: 스트림이 {1}의 시간 동안 바쁘지만 CPU에는 여유가 있습니다. 스트림 수나 스트림당 "
     "스레드 수(--streams, "
     "--threads-per-stream)를 늘리고, 그다음 더 낮은 정밀도(아직 아니라면 --precision bf16)나 GPU를 "
     "시도하십시오."},
    {"finding_next_encoder_room",
     "Next step for {0}: a batch's own time decides, the encoder is not full. Try more threads per stream "
     "(--threads-per-stream), smaller batches (--max-batch) or a lower precision (--precision bf16, if not "
     "used yet).",
     "{0}의 다음 단계: 인코더는 가득 차지 않았고 배치 하나의 시간이 결정합니다. 스트림당 스레드 "
     "수(--threads-per-stream), 더 작은 "
     "배치(--max-batch) 또는 더 낮은 정밀도(아직 아니라면 --precision bf16)를 시도하십시오."},
    {"finding_next_store",
     "Next step for {0}: load more images at once, or bring the store nearer (same region, a cache, smaller "
     "photos); more "
     "streams would not help.",
     "{0}의 다음 단계: 이미지를 동시에 더 많이 로딩하거나 스토어를 가까이 두십시오 (같은 리전, 캐시, 더 작은 "
     "사진). 스트림을 늘려도 "
     "도움이 되지 않습니다."},
    {"finding_next_decoders",
     "Next step for {0}: the CPU has room, so more decoders (--decoders) shorten the queue; --jpeg-scaling "
     "fast makes each "
     "image cheaper.",
     "{0}의 다음 단계: CPU에 여유가 있으므로 디코더 수(--decoders)를 늘리면 대기가 줄고, --jpeg-scaling "
     "fast로 이미지당 비용을 줄일 수 "
     "있습니다."},
    {"finding_next_decoders_cpu_full",
     "Next step for {0}: the CPU is full, so more decoders only take from the streams; more cores, smaller "
     "photos or "
     "--jpeg-scaling fast help.",
     "{0}의 다음 단계: CPU가 가득 차서 디코더를 늘려도 스트림의 몫을 빼앗을 뿐입니다. 코어 추가, 더 작은 "
     "사진, --jpeg-scaling fast가 "
     "도움이 됩니다."},
    {"finding_next_preprocess_request",
     "Next step for {0}: preprocess images as they are decoded, on all cores, instead of a whole request at "
     "once.",
     "{0}의 다음 단계: 요청 전체를 한 번에 전처리하지 말고, 디코딩되는 대로 모든 코어에서 전처리하십시오."},
    {"finding_next_server",
     "Next step for {0}: look at the network and the size of bodies; references instead of uploads, or a "
     "binary reply, make "
     "them small.",
     "{0}의 다음 단계: 네트워크와 본문 크기를 확인하십시오. 업로드 대신 참조를 쓰거나 바이너리 응답을 쓰면 "
     "작아집니다."},
    {"finding_next_load_decode",
     "Next step for {0}: let images flow on as they arrive instead of waiting for the slowest of a request; "
     "decode on all "
     "cores.",
     "{0}의 다음 단계: 가장 느린 이미지를 기다리지 말고 도착하는 대로 다음 단계로 보내고, 모든 코어에서 "
     "디코딩하십시오."},
    {"finding_use_mixed", "{0}: full: {1}; with room: {2}.", "{0}: 가득 찬 자원: {1}. 여유 있는 자원: {2}."},
    {"finding_use_full", "{0}: everything is full: {1}.", "{0}: 모든 자원이 가득 찼습니다: {1}."},
    {"finding_use_room", "{0}: nothing is full: {1}.", "{0}: 가득 찬 자원이 없습니다: {1}."},
    {"finding_differs", "{0} against {1}, certain: {2}.", "{0} ({1} 대비), 확실한 차이: {2}."},
    {"finding_same", "{0} against {1}, no difference shown: {2}.",
     "{0} ({1} 대비), 차이가 확인되지 않음: {2}."},
    {"finding_run_failed", "{0}, repetition {1} failed and is not in any figure: {2}",
     "{0}, {1}번째 반복이 실패하여 모든 수치에서 제외되었습니다: {2}"},
    {"finding_no_run", "{0}: no run was whole, so there are no figures of it.",
     "{0}: 온전히 끝난 실행이 없어 수치가 없습니다."},
    {"finding_failures", "{0}: {1} of {2} requests and {3} of {4} images failed; latencies leave them out.",
     "{0}: 요청 {2}건 중 {1}건, 이미지 {4}장 중 {3}장이 실패했으며 지연 시간에서 제외되었습니다."},
    {"finding_generator_heavy",
     "{0}: the load generator used {1} of the machine, more than {2}: it took CPU from what it measured.",
     "{0}: 부하 생성기가 머신의 {1}를 사용했습니다 (기준 {2} 초과). 측정 대상의 CPU를 빼앗았습니다."},
    {"finding_noisy",
     "{0}: total p95 differs by {1} between repetitions; the machine is noisy, so small changes mean little.",
     "{0}: 반복 사이의 총 시간 p95 차이가 {1}입니다. 머신에 잡음이 많으므로 작은 변화는 의미가 적습니다."},
    {"finding_unaccounted",
     "{0}: the stages account for {1} of a request's time, less than {2}; do not trust its breakdown.",
     "{0}: 단계들이 요청 시간의 {1}만 설명합니다 (기준 {2}). 시간 구성을 신뢰하지 마십시오."},
    {"finding_loop_lag", "{0}: the event loop lags {1} ms (p99), so replies wait for it.",
     "{0}: 이벤트 루프 지연이 p99 {1} ms이므로 응답이 루프를 기다립니다."},
    {"finding_few", "{0}: only {1} requests; too few for intervals.",
     "{0}: 요청이 {1}건뿐이어서 신뢰구간을 구할 수 없습니다."},
    {"finding_interrupted", "The experiment was interrupted; this is what had run until then.",
     "실험이 중단되었습니다. 그때까지 실행된 결과입니다."},
    {"finding_one_repetition",
     "One repetition: intervals know the spread between requests only, not between runs. Use --repetitions 3 "
     "for those.",
     "반복 1회: 신뢰구간은 요청 사이의 변동만 반영하고 실행 사이의 변동은 반영하지 않습니다. --repetitions "
     "3을 사용하십시오."},
});

}  // namespace

std::span<const TextEntry> TextTable() { return kTexts; }

}  // namespace photovec::experiment
