# SPDX-License-Identifier: MIT
"""bench/gpu and bench/peers on a machine without a GPU: what they judge and say, so that a visit to a GPU machine is not
spent on finding out."""
import json
import pathlib
import subprocess
import sys

import pytest
from conftest import BINARY, picture

BENCH = pathlib.Path(__file__).resolve().parent.parent.parent / "bench"


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    photos, out = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("crops")
    for seed in range(8):
        picture(seed, 480, 360).save(photos / f"{seed}.jpg", quality=90)
    made = run(BENCH / "gpu/make_crops.py", photos, out, "--size", 224, "--count", 24)
    assert made.returncode == 0 and made.stdout == "24 crops of 8 photos at 224 px\n", made.stdout + made.stderr
    return out


@pytest.fixture(scope="module")
def vectors(crops, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("vectors") / "f32.npy"
    subprocess.run([BINARY, "embed", crops, "-o", out, "--model", model, "--device", "cpu", "--precision", "f32"], check=True,
                   capture_output=True)
    return out


def parity(model, crops, vectors, report, precision="f32"):
    return run(BENCH / "peers/torch_vit.py", model, "--device", "cpu", "--parity", crops, f"{precision}={vectors}", "--json", report)


def test_the_judge_accepts_right_vectors(model, crops, vectors, tmp_path):
    done = parity(model, crops, vectors, tmp_path / "report.json")
    assert done.returncode == 0 and "within the bounds" in done.stdout, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["images"], report["photos"]) == (24, 8)
    assert report["precisions"][0]["missed"] == []
    for wrong in report["precisions"][0]["mistakes"].values():
        assert wrong["max_abs"] > 1e-3


@pytest.mark.parametrize("precision", ["f32", "f16"])
def test_the_judge_refuses_another_models_vectors(crops, vectors, tmp_path, precision):
    other = tmp_path / "other"
    subprocess.run([BINARY, "init-model", "tiny", other, "--seed", "8"], check=True, capture_output=True)
    done = parity(other, crops, vectors, tmp_path / "report.json", precision)
    assert done.returncode == 1 and "MISSED" in done.stdout, done.stdout + done.stderr


def test_pytorch_is_timed_and_a_mode_that_fails_is_named(model, tmp_path):
    report = tmp_path / "torch.json"
    done = run(BENCH / "peers/torch_vit.py", model, "--device", "cpu", "--modes", "eager,graph", "--batches", "1,2", "--seconds",
               "0.05", "--json", report)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(report.read_text())["rows"]
    assert [(row["mode"], row["batch"], "error" in row) for row in rows] == [
        ("eager", 1, False), ("eager", 2, False), ("graph", 1, True), ("graph", 2, True)]
    assert all(row["images_per_s"] > 0 and row["alone_p95_ms"] >= row["alone_p50_ms"] for row in rows[:2])


def measurement(batch, streams, rate, share, alone_us=500.0):
    return {"precision": "f16", "input": "pinned", "batch": batch, "streams": streams, "images_per_s": rate, "tflops": 1.0,
            "ceiling_tflops": 2.0, "share_of_ceiling": share, "busy": 0.97, "device_us": 400.0, "loaded_p50_us": 600.0,
            "loaded_p95_us": 700.0, "alone_p50_us": alone_us, "alone_p95_us": alone_us}


def jpeg_row(name, times, missing=None):
    return {"name": name, "missing": missing, "images_per_s": 2000.0 * times, "times_cpu": times, "cpu_ms": 1.0, "batch": 30.0,
            "submit_ms": 1.0, "decode_ms": 2.0, "resize_ms": 3.0, "on_cpu": 0.0, "allocations": 0, "least_psnr_db": 60.0}


@pytest.mark.parametrize("times, verdict", [(3.1, "holds "), (2.9, "MISSED")])
def test_nvjpegs_verdict_is_its_best_arrangements(tmp_path, times, verdict):
    rows = [jpeg_row("16 CPU threads", 1.0), jpeg_row("engines, 1 lane", times), jpeg_row("cuda, 1 lane", 9.0, "no such thing")]
    report = tmp_path / "jpeg.json"
    report.write_text(json.dumps({"gpu": {"device": "GPU", "lanes": ["nvJPEG 13"], "photos": 38, "megapixels": 2.0, "kilobytes": 325.0,
                                          "passes": 3, "rows": rows}}))
    said = run(BENCH / "gpu/summary.py", tmp_path).stdout
    assert f"* {verdict} 2 MP JPEGs with nvJPEG: at least 3 times the CPU's decoding: {times:.2f} times with engines, 1 lane" in said
    assert "not measured: cuda, 1 lane: no such thing" in said
    assert run(BENCH / "gpu/summary.py", "--jpeg", report).stdout.count("| 60.0 |") == 2


def test_the_verdicts_follow_the_figures(tmp_path):
    rows = [measurement(1, 1, 2000.0, 0.1), measurement(1, 4, 3500.0, 0.2), measurement(256, 2, 36_000.0, 0.44)]
    (tmp_path / "bench-clip-vit-b-32-f16.json").write_text(json.dumps({
        "model": "m/clip-vit-b-32", "device": "GPU", "runtime": "CUDA", "predicted_batch": 113, "verified": "yes",
        "measurements": rows}))
    (tmp_path / "torch-clip-vit-b-32.json").write_text(json.dumps({"rows": [
        {"mode": "eager", "batch": 1, "images_per_s": 400.0, "alone_p50_ms": 2.6},
        {"mode": "compile", "batch": 1, "images_per_s": 1500.0, "alone_p50_ms": 0.8}]}))
    said = run(BENCH / "gpu/summary.py", tmp_path)
    assert said.returncode == 0, said.stderr
    for line in ["MISSED B/32 at batch 256: at least 45% of the ceiling and 35,000 img/s: 44.0% and 36,000",
                 "holds  B/32, a batch of 1 by itself: at most 1 ms: 0.500 ms",
                 "MISSED clip-vit-b-32 at batch 1: at least 1.5x PyTorch's better mode: 1.33x",
                 "not measured: clip-vit-b-32 at batch 8", "not measured: L/14 at batch 64",
                 "holds  B/32 at batch 1: 4 streams at least 1.5x of 1: 1.75x"]:
        assert f"* {line}" in said.stdout, said.stdout
