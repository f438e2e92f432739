# SPDX-License-Identifier: MIT
"""A server on a GPU that is not there (tests' own plug-in): what it does while the GPU works, and when it fails."""
import concurrent.futures
import json
import os
import subprocess
import threading
import time

import httpx
import numpy
import pytest
from conftest import BINARY, Server, encode
from PIL import Image

PLUGIN = BINARY.parent.parent / "tests" / "fake_cuda_plugin.so"
DEVICE_FAILED = 70


def with_gpu(faults=""):
    return {**os.environ, "PHOTOVEC_CUDA_PLUGIN": str(PLUGIN), "PHOTOVEC_FAKE_CUDA": faults}


def plain(colour, size=224):
    return encode(Image.new("RGB", (size, size), colour), "PNG")


def vector(reply):
    return numpy.frombuffer(reply.content, "<f4")


@pytest.fixture(scope="module")
def gpu_server(model, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("gpu"), "--device", "cuda", environment=with_gpu())
    yield running
    running.stop()


def test_answers_from_the_gpu(gpu_server):
    reply = gpu_server.post("/embed", content=plain((40, 40, 40)),
                            headers={"Content-Type": "image/png", "Accept": "application/octet-stream"})
    assert reply.status_code == 200, reply.text
    numpy.testing.assert_allclose(vector(reply), numpy.full(64, 1 / 8), rtol=1e-5)  # all stripes alike, normalised
    models = gpu_server.get("/v1/models").text
    assert "cuda" in models and "f16" in models, models
    assert "Fake GPU (cuda:0)" in gpu_server.log_path.read_text()


def test_a_nan_row_costs_only_its_image(gpu_server):
    files = [("image", (f"{i}.png", plain((i, i, i)))) for i in (10, 20, 0, 30)]
    reply = gpu_server.post("/embed", files=files)
    assert reply.status_code == 200, reply.text
    assert [(error["index"], error["code"]) for error in reply.json()["errors"]] == [(2, "nan_embedding")]


def test_less_memory_makes_smaller_batches(model, tmp_path):
    running = Server(model, tmp_path, "--device", "cuda", environment=with_gpu("memory=40"))
    try:
        log = running.log_path.read_text()
        assert "batches of up to 32" in log and "trying" in log, log
    finally:
        running.stop()


def test_a_broken_gpu_ends_the_server_within_a_second(model, tmp_path):
    """What is in flight gets 503 device_failed, the server is not ready from then on, and the exit code says why."""
    request_log = tmp_path / "requests.jsonl"
    running = Server(model, tmp_path, "--device", "cuda", "--request-log", request_log, environment=with_gpu("sticky=6"))  # four start-up measurements
    picture = plain((90, 90, 90))
    answers = []
    refused = []
    readiness = []
    ended = concurrent.futures.Future()
    threading.Thread(target=lambda: ended.set_result((running.process.wait(timeout=60), time.monotonic()))).start()

    def ask(_):
        try:
            reply = running.post("/embed", content=picture, headers={"Content-Type": "image/png"})
        except httpx.TransportError:
            return  # the server has gone
        error = reply.json().get("error", {})
        answers.append((reply.status_code, error.get("code"), time.monotonic()))
        refused.append(error.get("code") == "unavailable" or "about to end" in error.get("message", ""))
        if reply.status_code == 503:
            try:
                readiness.append(running.get("/readyz").status_code)
            except httpx.TransportError:
                readiness.append("gone")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(60)))
    code, at = ended.result(timeout=60)
    assert code == DEVICE_FAILED, running.log_path.read_text()
    assert at - min(when for status, _, when in answers if status == 503) < 1.0
    answers = [(status, error) for status, error, _ in answers]
    assert (200, None) in answers and (503, "device_failed") in answers
    assert {code for status, code in answers if status == 503} <= {"device_failed", "unavailable"}
    assert {status for status, _ in answers} == {200, 503}
    assert set(readiness) <= {503, "gone"}, "not ready from the first 503 on"
    logged = [json.loads(line) for line in request_log.read_text().splitlines()]
    # Requests that were refused before they began are not in it.
    assert len(logged) >= refused.count(False), "the log has the last requests too"
    assert 503 in {line["status"] for line in logged}
    log = running.log_path.read_text()
    assert "illegal memory access" in log and "stopped" in log, log
    running.log.close()


def test_one_hanging_stream_is_survived(model, tmp_path):
    running = Server(model, tmp_path, "--device", "cuda", "--streams", "2", environment=with_gpu("hang=1"))
    try:
        picture = plain((90, 90, 90))
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            codes = [reply.status_code for reply in pool.map(
                lambda _: running.post("/embed", content=picture, headers={"Content-Type": "image/png"}), range(60))]
        assert codes.count(200) >= 54 and set(codes) <= {200, 503}, codes  # one stream cannot hold more than all 6
        assert 503 in codes, "the batch that hung was answered"
        assert running.get("/readyz").status_code == 200
        assert "stream 1 is given up" in running.log_path.read_text()
    finally:
        running.stop()


def test_the_last_hanging_stream_ends_the_server(model, tmp_path):
    running = Server(model, tmp_path, "--device", "cuda", "--streams", "1", environment=with_gpu("hang=0"))
    reply = running.post("/embed", content=plain((9, 9, 9)), headers={"Content-Type": "image/png"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "device_failed")
    began = time.monotonic()
    assert running.process.wait(timeout=30) == DEVICE_FAILED
    assert time.monotonic() - began < 1.5
    running.log.close()


def photovec(*arguments, environment=None):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, check=False,
                          env=environment or with_gpu(), timeout=120)


def photos(folder, count=40):
    for i in range(count):
        (folder / f"{i:03}.png").write_bytes(plain((i + 1, 9, 9), 64))
    return folder


def embed(model, folder, streams, faults, *flags):
    """Embeds folder/photos; returns how it ended, and the names beside the photos."""
    done = photovec("embed", "--model", model, "-o", folder / "v.npy", "--device", "cuda", "--max-batch", "4",
                    "--streams", streams, folder / "photos", *flags, environment=with_gpu(faults))
    return done, sorted(path.name for path in folder.iterdir() if path.name != "photos")


@pytest.mark.parametrize("faults, streams", [("sticky=2", 2), ("hang=0", 1)])
def test_embed_keeps_what_was_done_for_a_device_that_works(model, tmp_path, faults, streams):
    """Also after a hang, when nothing that the GPU holds can be given back. No photo is blamed."""
    (tmp_path / "photos").mkdir()
    photos(tmp_path / "photos")
    done, names = embed(model, tmp_path, streams, faults)
    assert done.returncode == DEVICE_FAILED and "the compute device failed" in done.stderr, done.stderr
    assert names in ([], ["v.partial"])
    if names:
        lines = [json.loads(line) for line in (tmp_path / "v.partial" / "run" / "vectors.jsonl").read_text().splitlines()]
        assert len(lines) < 40 and all(line["error"] is None for line in lines)
        assert len(numpy.load(tmp_path / "v.partial" / "run" / "vectors.npy")) == len(lines)
    done, names = embed(model, tmp_path, streams, "", "--resume")
    assert (done.returncode, names) == (0, ["v.jsonl", "v.meta.json", "v.npy"]), done.stderr
    assert len(numpy.load(tmp_path / "v.npy")) == 40


def test_embed_goes_on_without_a_hanging_stream(model, tmp_path):
    (tmp_path / "photos").mkdir()
    photos(tmp_path / "photos")
    done, names = embed(model, tmp_path, 2, "hang=1")
    assert (done.returncode, names) == (3, ["v.jsonl", "v.meta.json", "v.npy"]), done.stderr
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    good = [line for line in lines if line["error"] is None]
    assert {line["error"]["code"] for line in lines if line["error"]} == {"device_failed"}
    assert len(lines) == 40 and len(good) >= 32, "one stream holds no more than two batches"
    assert len(numpy.load(tmp_path / "v.npy")) == len(good)


def test_slots_beyond_the_budget_are_told(model, tmp_path):
    running = Server(model, tmp_path, "--device", "cuda", "--memory-budget", "20M", environment=with_gpu())
    running.stop()
    log = running.log_path.read_text()
    assert "slots for decoded photos" in log and "beside a memory budget of 20.0 MiB" in log, log


def test_a_plugin_found_by_name_says_which_library_it_lacks():
    """Not that there is no plug-in."""
    environment = {**os.environ, "PHOTOVEC_CUDA_PLUGIN": "unmet_cuda_plugin.so", "LD_LIBRARY_PATH": str(PLUGIN.parent)}
    done = photovec("doctor", "--json", environment=environment)
    check, = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "CUDA"]
    assert "libcublas_nowhere.so" in check["detail"] and "LD_LIBRARY_PATH" in check["detail"], check


def test_doctor_shows_the_gpus_or_why_there_are_none():
    report = json.loads(photovec("doctor", "--json").stdout)
    check, = [check for check in report["checks"] if check["name"] == "CUDA"]
    assert check["ok"] and "Fake GPU (cuda:0)" in check["detail"] and report["defaults"]["device"] == "cuda"
    nowhere = {**os.environ, "PHOTOVEC_CUDA_PLUGIN": "/nowhere/libphotovec_cuda.so"}
    report = json.loads(photovec("doctor", "--json", environment=nowhere).stdout)
    check, = [check for check in report["checks"] if check["name"] == "CUDA"]
    assert not check["ok"] and not check["needed"] and "/nowhere/libphotovec_cuda.so" in check["detail"]
    assert report["defaults"]["device"] == "cpu"


@pytest.mark.parametrize("flags, words", [
    (["--device", "cuda:4"], "1 CUDA device, cuda:0"),
    (["--device", "cuda", "--streams", "99"], "0 (automatic) to 64"),
    (["--device", "gpu"], "give auto, cpu, cuda"),
    (["--device", "cpu", "--precision", "f16"], "a CPU computes in f32 or bf16"),
    (["--device", "cpu", "--decode-device", "gpu"], "needs a GPU to run the models on"),
    (["--device", "cuda", "--decode-device", "gpu"], "no nvJPEG"),
])
def test_wrong_wishes_get_clear_words(model, image_root, tmp_path, flags, words):
    done = photovec("embed", "--model", model, "-o", tmp_path / "v.npy", *flags, image_root)
    assert done.returncode in (1, 2) and words in done.stderr, done.stderr
