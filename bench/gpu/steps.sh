# SPDX-License-Identifier: MIT
# The steps of bench/gpu/run, which sources this. Each function uses: quick fp8 device carry presets python here
# work results failures out.
# shellcheck shell=bash disable=SC2154

fail() { echo "$*" >>"$failures"; }
keep() { tar -C "$results" -czf "$out/results.tar.gz" .; }

# try NAME SECONDS COMMAND...: under a time limit, its output in results/NAME.log and the end of it shown. A NAME that ends
# in .json gets standard output for itself. A failure is remembered, not fatal; returns the command's status.
try() {
  local name=$1 limit=$2 status=0 at=$EPOCHREALTIME log
  shift 2
  log=$results/${name%.json}.log
  if [ "$name" = "${name%.json}" ]; then
    timeout --kill-after=5 "$limit" "$@" >"$log" 2>&1 || status=$?
  else
    timeout --kill-after=5 "$limit" "$@" >"$results/$name" 2>"$log" || status=$?
    [ "$status" -eq 0 ] || mv "$results/$name" "$results/${name%.json}.partial"
  fi
  tail -n "${shown:-4}" "$log" | cut -c1-200
  awk -v name="$name" -v a="$at" -v b="$EPOCHREALTIME" -v status="$status" -v limit="$limit" 'BEGIN {
    printf "-- %s: %.1f s%s\n", name, b - a, status == 0 ? "" : status == 124 ? ", STOPPED at its limit" : ", FAILED with " status }'
  case $status in
    0) ;;
    124) fail "$name: longer than $limit s" ;;
    *) fail "$name: exit code $status" ;;
  esac
  keep
  return "$status"
}

# The folder of the newest library of that name: what the loader knows, toolkits, then Python's packages.
folder_of() {
  local name=$1 known
  known=$(ldconfig -p 2>/dev/null | awk -v name="$name" '$1 == name { print $NF; exit }')
  [ -z "$known" ] || { dirname "$known"; return; }
  local found
  found=$(compgen -G "/usr/local/cuda*/lib64/$name" || compgen -G "/usr/local/cuda*/lib/$name" ||
          compgen -G "/usr/local/cuda*/targets/x86_64-linux/lib/$name" || "$python" - "$name" <<'PY'
import glob, sys
found = [path for folder in sys.path for path in glob.glob(f"{folder}/nvidia/**/{sys.argv[1]}", recursive=True)]
print(*sorted(found), sep="\n")
PY
  )
  found=$(printf '%s\n' "$found" | tail -n 1)
  [ -z "$found" ] || dirname "$found"
}

unpack() {
  rm -rf "$work"/photovec-[0-9]*
  local archive
  archive=$(compgen -G "$carry/photovec-*.tar.xz" | tail -n 1)
  [ -n "$archive" ] || { echo "no bundle in $carry: bench/gpu/pack makes it"; return 1; }
  # Not every machine has xz, and Python brings its own.
  "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$archive" "$work" || return 1
  bundle=$(compgen -G "$work/photovec-*/bin" | tail -n 1)
  bundle=${bundle%/bin}
  [ -x "$bundle/bin/photovec" ]
}

prepare() {
  unpack >"$results/prepare.log" 2>&1 || return 1
  export TRITON_CACHE_DIR=$work/triton TORCHINDUCTOR_CACHE_DIR=$work/inductor HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
  environment=()
  if [ "$device" = cuda ]; then
    cublas=$(folder_of libcublasLt.so.13)
    local nvjpeg
    nvjpeg=$(folder_of libnvjpeg.so.13)
    [ ! -f "$carry/libnvjpeg.so" ] || environment+=("PHOTOVEC_NVJPEG=$carry/libnvjpeg.so")
    libraries=$cublas${nvjpeg:+:$nvjpeg}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    environment+=("LD_LIBRARY_PATH=${libraries#:}")
    echo "cuBLASLt: ${cublas:-not found}; nvJPEG: ${nvjpeg:-not found}"
    nvidia-smi --query-gpu=name,memory.total,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu \
      --format=csv,noheader 2>&1 | tee "$results/nvidia-smi.log"
  fi
  photovec=(env "${environment[@]}" "$bundle/bin/photovec")
  { "$python" --version; grep -m1 'model name' /proc/cpuinfo; nproc; grep MemTotal /proc/meminfo; uname -r; } 2>&1 |
    tee "$results/machine.log"
  shown=40 try doctor 60 "${photovec[@]}" doctor
  return 0
}

# Everything below needs these; made once and kept.
need_model() { [ -f "$work/$1/config.json" ] || shown=1 try "init-$1" 120 "${photovec[@]}" init-model "$1" "$work/$1" --seed 7; }
side_of() { case $1 in *-336) echo 336 ;; *-384) echo 384 ;; *) echo 224 ;; esac; }
need_crops() {
  [ -d "$work/crops-$1" ] && return
  shown=1 try "crops-$1" 120 "$python" "$here/make_crops.py" "$carry/photos" "$work/crops-$1.new" --size "$1" &&
    mv "$work/crops-$1.new" "$work/crops-$1"
}
only() {  # of the presets wanted, those named
  local preset name
  for preset in "${presets[@]}"; do for name in "$@"; do [ "$preset" != "$name" ] || echo "$preset"; done; done
}

step_device() {
  [ "$device" = cuda ] || { echo "needs a GPU: passed over"; return; }
  [ -x "$carry/cuda_device_test" ] || { fail "device: no cuda_device_test in $carry"; return; }
  shown=30 try device 300 env "${environment[@]}" "LD_LIBRARY_PATH=$bundle/lib:$libraries" \
    "PHOTOVEC_CUDA_PLUGIN=$bundle/lib/libphotovec_cuda.so" "$carry/cuda_device_test" --gtest_brief=1
}

step_parity() {
  local preset precision side precisions=(f32 bf16)
  [ "$device" = cpu ] || precisions=(f32 f16 bf16 ${fp8:+fp8})
  for preset in "${presets[@]}"; do
    side=$(side_of "$preset")
    if ! need_model "$preset" || ! need_crops "$side"; then continue; fi
    local vectors=()
    for precision in "${precisions[@]}"; do
      shown=1 try "embed-$preset-$precision" 90 "${photovec[@]}" embed "$work/crops-$side" -o "$work/$preset-$precision.npy" \
        --model "$work/$preset" --device "$device" --precision "$precision" --decode thread --max-batch 32 &&
        vectors+=("$precision=$work/$preset-$precision.npy")
    done
    [ ${#vectors[@]} -eq 0 ] || shown=20 try "parity-$preset" 150 "$python" "$here/../peers/torch_vit.py" "$work/$preset" \
      --device "$device" --parity "$work/crops-$side" "${vectors[@]}" --json "$results/parity-$preset.json"
  done
}

# bench_encode NAME SECONDS OPTIONS...: the GPU benchmark as JSON, and its table.
bench_encode() {
  local name=$1 limit=$2
  shift 2
  shown=2 try "$name.json" "$limit" "${photovec[@]}" bench encode --device "$device" --json "$@" &&
    [ "$device" = cuda ] && "$python" "$here/summary.py" --table "$results/$name.json"
}

step_bench() {
  local preset batches streams=1,2,4,8
  [ -z "$quick" ] || streams=1,4
  for preset in $(only clip-vit-b-32 clip-vit-l-14 tiny); do
    need_model "$preset" || continue
    if [ "$device" = cpu ]; then
      bench_encode "bench-$preset-cpu" 120 --model "$work/$preset" --batch 1,8 --rounds 3 --slice 0.05
      continue
    fi
    [ "$preset" != tiny ] || continue
    batches=1,8,32,64,128,256
    [ -z "$quick" ] || batches=1,32,256
    bench_encode "bench-$preset-f16" 150 --model "$work/$preset" --precision f16 --streams "$streams" --batch "$batches"
    bench_encode "bench-$preset-inputs" 60 --model "$work/$preset" --precision f16 --streams 1,2 --batch 1,32,128 \
      --input device --input pinned --input pageable
    for precision in bf16 ${fp8:+fp8}; do
      bench_encode "bench-$preset-$precision" 60 --model "$work/$preset" --precision "$precision" --streams 1 --batch 1,32,128
    done
  done
}

# beside_cpu NAME MODEL INPUT...: `photovec embed INPUT...` by the CPU in f32 and by the GPU in each precision, compared.
beside_cpu() {
  local name=$1 model=$2 precision vectors=() precisions=(f32 f16 bf16)
  shift 2
  [ "$device" = cuda ] || precisions=(f32)
  shown=1 try "cpu-$name" 150 "${photovec[@]}" embed "$@" -o "$work/cpu-$name.npy" --model "$model" --device cpu --precision f32 \
    --decode thread || return
  for precision in "${precisions[@]}"; do
    shown=1 try "embed-$name-$precision" 90 "${photovec[@]}" embed "$@" -o "$work/$name-$precision.npy" --model "$model" \
      --device "$device" --precision "$precision" --decode thread && vectors+=("$precision=$work/$name-$precision.npy")
  done
  [ ${#vectors[@]} -eq 0 ] || shown=5 try "against-$name" 60 "$python" "$here/against_cpu.py" "$name" "$work/cpu-$name.npy" \
    "${vectors[@]}" --json "$results/parity-$name.json"
}

step_families() {
  local preset batches=1,32,128
  [ -z "$quick" ] || batches=1,32
  for preset in "${families[@]}"; do
    local side few
    side=$(side_of "$preset") few=$work/crops-few-$(side_of "$preset")
    if ! need_model "$preset" || ! need_crops "$side"; then continue; fi
    mkdir -p "$few"
    cp "$work/crops-$side"/p[012][0-9]-0.png "$few/"
    beside_cpu "$preset" "$work/$preset" "$few"
    [ "$device" = cuda ] || continue
    bench_encode "bench-$preset-f16" 90 --model "$work/$preset" --precision f16 --streams 1,2 --batch "$batches"
  done
}

step_texts() {
  local preset serve=(--device "$device")
  [ "$device" = cpu ] || serve+=(--precision f16)
  [ -f "$work/texts.txt" ] ||
    "$python" -c 'for i in range(200): print(" ".join("a red boat on the quiet lake at dawn with two dogs".split()[i % 7 : i % 7 + 1 + i % 5]), i)' \
      >"$work/texts.txt"
  for preset in "${dual[@]}"; do
    need_model "$preset" || continue
    beside_cpu "texts-$preset" "$work/$preset" --texts "$work/texts.txt"
    shown=2 try "text-latency-$preset" 90 env "${environment[@]}" "$python" "$here/text_latency.py" "$work/$preset" \
      --binary "$bundle/bin/photovec" --json "$results/text-$preset.json" -- "${serve[@]}"
  done
}

step_torch() {
  local preset modes=eager,compile batches=1,8,32,256 seconds=0.5
  [ -z "$quick" ] || { modes=eager,graph batches=1,32,256 seconds=0.25; }
  [ "$device" = cuda ] || { modes=eager batches=1,8; }
  for preset in $(only clip-vit-b-32 clip-vit-l-14 tiny); do
    [ "$preset" != tiny ] || [ "$device" = cpu ] || continue
    need_model "$preset" || continue
    shown=12 try "torch-$preset" 200 "$python" "$here/../peers/torch_vit.py" "$work/$preset" --device "$device" \
      --modes "$modes" --batches "$batches" --seconds "$seconds" --json "$results/torch-$preset.json"
  done
}

step_jpeg() {
  [ "$device" = cuda ] || { echo "needs a GPU: passed over"; return; }
  shown=2 try jpeg.json 150 "${photovec[@]}" bench decode --images "$carry/photos" --decode-device gpu --json \
    --seconds "$([ -z "$quick" ] && echo 30 || echo 12)" && "$python" "$here/summary.py" --jpeg "$results/jpeg.json"
}

step_pipeline() {
  local decoder preset
  preset=$(only clip-vit-b-32 | head -n 1)
  preset=${preset:-${presets[0]}}
  need_model "$preset" || return
  for decoder in cpu $([ "$device" = cpu ] || echo gpu mixed); do
    shown=30 try "pipeline-$decoder" 90 "${photovec[@]}" bench pipeline --images "$carry/photos" --model "$work/$preset" \
      --device "$device" --decode-device "$decoder" --seconds "$([ -z "$quick" ] && echo 6 || echo 2)" --passes 2
  done
}

step_sanitizer() {
  [ "$device" = cuda ] || { echo "needs a GPU: passed over"; return; }
  local sanitizer tool precision
  sanitizer=$(command -v compute-sanitizer || compgen -G "/usr/local/cuda*/bin/compute-sanitizer" | tail -n 1)
  [ -n "$sanitizer" ] || { fail "sanitizer: no compute-sanitizer on this machine"; return; }
  if ! need_model tiny || ! need_crops 224; then return; fi
  mkdir -p "$work/crops-few"
  cp "$work"/crops-224/p0[0-9]-[01].png "$work/crops-few/"
  for precision in f16 f32; do
    for tool in memcheck racecheck; do
      # What racecheck says of cuBLASLt's own kernels (nvjet…) is not ours to mend.
      local theirs=()
      [ "$tool" != racecheck ] || theirs=(--kernel-name-exclude kernel_substring=nvjet)
      shown=6 try "sanitizer-$tool-$precision" 100 env "${environment[@]}" "$sanitizer" --tool "$tool" --error-exitcode 9 \
        "${theirs[@]}" --print-limit 20 "$bundle/bin/photovec" embed "$work/crops-few" -o "$work/sanitized.npy" --model "$work/tiny" \
        --device cuda --precision "$precision" --decode thread --streams 2 --max-batch 8
    done
  done
}
