# SPDX-License-Identifier: MIT
"""--decode-device on a GPU that is not there: the tests' own plug-in decodes on the CPU in nvJPEG's place."""
import concurrent.futures
import io
import json
import os
import subprocess

import numpy
import pytest
from conftest import BINARY, Server, encode
from PIL import Image

PLUGIN = BINARY.parent.parent / "tests" / "fake_cuda_plugin.so"


def with_gpu(faults):
    return {**os.environ, "PHOTOVEC_CUDA_PLUGIN": str(PLUGIN), "PHOTOVEC_FAKE_CUDA": faults}


def photo(seed, kind="JPEG", **options):
    pixels = numpy.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=numpy.uint8)
    return encode(Image.fromarray(pixels).resize((640, 480), Image.Resampling.BICUBIC), kind, **options)


def vectors(server, photos):
    files = [("image", (f"{i}", data)) for i, data in enumerate(photos)]
    reply = server.post("/embed", files=files, headers={"Accept": "application/octet-stream"})
    assert reply.status_code == 200, reply.text
    return numpy.frombuffer(reply.content, "<f4").reshape(len(photos), -1)


def decoded_by(server):
    stats = server.get("/metrics").text
    return {line.split('"')[1]: float(line.split()[-1]) for line in stats.splitlines()
            if line.startswith("photovec_gpu_decode_images_total")}


@pytest.mark.parametrize("decode", ["thread", "process"])
@pytest.mark.parametrize("device, parts", [("gpu", "auto"), ("gpu", "cuda"), ("mixed", "auto"), ("mixed", "engines")])
def test_every_photo_gets_its_vector_whoever_decodes_it(model, tmp_path, device, parts, decode):
    """Plain JPEGs on the GPU or on a CPU that is free, all else on the CPU; each as the CPU alone would."""
    plain = [photo(seed) for seed in range(30)]
    others = [photo(40, "PNG"), photo(41, progressive=True), photo(42, "WEBP"), photo(43)[:3000]]
    asked = []
    for seed in range(0, 30, 6):
        asked += plain[seed:seed + 6] + others[:3]
    with_cpu = Server(model, tmp_path, "--device", "cuda", "--decode", decode, environment=with_gpu("jpeg=3"))
    try:
        expected = vectors(with_cpu, asked)
    finally:
        with_cpu.stop()
    flags = ["--decode-device", device, "--gpu-jpeg", parts, "--decode", decode, "--decoders", "2"]
    running = Server(model, tmp_path, "--device", "cuda", *flags, environment=with_gpu("jpeg=3"))
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for got in pool.map(lambda _: vectors(running, asked), range(4)):
                # fast scaling on one side, exact on the other
                assert numpy.sum(got * expected, axis=1).min() > 0.99999
        reply = running.post("/embed", files=[("image", ("cut", others[3])), ("image", ("good", plain[0]))])
        assert [(error["index"], error["code"]) for error in reply.json()["errors"]] == [(0, "image_corrupt")]
        counts = decoded_by(running)
        assert counts["cpu_only"] == 4 * 15 + 1, counts
        assert counts["cpu_refused"] == 0 and counts["gpu"] > 0, counts
        assert counts["gpu"] + counts["cpu_free"] == 4 * 30 + 1, counts
        assert device == "mixed" or counts["cpu_free"] == 0, counts
        log = running.log_path.read_text()
        kinds = {"auto": "hardware engines and fake nvJPEG, CUDA", "cuda": "nvJPEG, CUDA", "engines": "hardware engines"}
        assert kinds[parts] in log, log
        assert (parts == "auto") == ("engines and fake" in log), log
    finally:
        running.stop()


def test_a_gpu_without_engines_says_so(model, tmp_path):
    running = Server(model, tmp_path, "--device", "cuda", "--decode-device", "gpu", environment=with_gpu("jpeg=2"))
    running.stop()
    assert "no JPEG engines" in running.log_path.read_text()
    done = subprocess.run([BINARY, "embed", "--model", model, "-o", tmp_path / "v.npy", "--device", "cuda", "--decode-device", "gpu",
                           "--gpu-jpeg", "engines", tmp_path], capture_output=True, text=True, check=False, timeout=60,
                          env=with_gpu("jpeg=2"))
    assert done.returncode != 0 and "no JPEG engines" in done.stderr, done.stderr


def test_bench_decode_compares_the_arrangements(tmp_path):
    for seed in range(3):
        Image.open(io.BytesIO(photo(seed))).resize((96, 72)).save(tmp_path / f"{seed}.jpg")
    arguments = ["bench", "decode", "--images", tmp_path, "--decode-device", "gpu", "--seconds", "1"]
    done = subprocess.run([BINARY, *arguments, "--json"], capture_output=True, text=True, check=False, timeout=120,
                          env=with_gpu("jpeg=1"))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["gpu"]["rows"]}
    assert rows["engines, 2 lanes"]["images_per_s"] > 0 and rows["engines, 2 lanes"]["least_psnr_db"] > 60
    assert "no CUDA decoder" in rows["cuda, 1 lane"]["missing"]
    assert rows["--decode-device=mixed --gpu-jpeg=engines"]["images_per_s"] > 0
    (tmp_path / "empty").mkdir()
    empty = subprocess.run([BINARY, "bench", "decode", "--images", tmp_path / "empty"], capture_output=True, text=True, check=False)
    assert empty.returncode == 1 and "empty holds no photos" in empty.stderr, empty.stderr
    none = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "PHOTOVEC_CUDA_PLUGIN": "/nowhere.so"})
    assert none.returncode == 1 and "/nowhere.so" in none.stderr, none.stderr
