# SPDX-License-Identifier: MIT
"""--cache-mb: a real server answers a repeated photo without decoding it, with the same bits, and says so."""
import json
import subprocess

import pytest
from conftest import BINARY, Server

RAW = {"Accept": "application/octet-stream"}


def decoded(server):
    return server.metric("photovec_image_stage_seconds_count", stage="decode")


def files(photos):
    return [("image", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(photos)]


@pytest.fixture
def cached(model, image_root, tmp_path):
    running = Server(model, tmp_path, "--image-root", image_root, "--cache-mb", "4",
                     "--request-log", tmp_path / "requests.jsonl")
    yield running
    running.stop()


def test_a_repeat_is_answered_from_the_cache(cached, server, jpegs):
    uncached = server.post("/embed", files=files(jpegs), headers=RAW).content
    first = cached.post("/embed", files=files(jpegs), headers=RAW)
    assert first.headers["x-photovec-cache"] == f"hit=0, miss={len(jpegs)}"
    count = decoded(cached)
    assert count == len(jpegs)
    again = cached.post("/embed", files=files(jpegs), headers=RAW)
    assert again.headers["x-photovec-cache"] == f"hit={len(jpegs)}, miss=0"
    assert first.content == again.content == uncached
    assert decoded(cached) == count, "a photo was decoded again"
    assert "decode;" not in again.headers["server-timing"] and "decode_wait;" in again.headers["server-timing"]
    named = cached.post("/embed", json={"images": ["0.jpg", "1.jpg", "album/my cat.jpg"]})
    assert named.headers["x-photovec-cache"] == "hit=3, miss=0", "the files hold the bytes that were uploaded"
    openai = cached.post("/v1/embeddings", json={"input": ["2.jpg", "large.jpg"], "modality": "image"})
    assert openai.headers["x-photovec-cache"] == "hit=1, miss=1"
    squashed = cached.post("/clip/embedding", json={"images": ["0.jpg"]})
    assert squashed.headers["x-photovec-cache"] == "hit=0, miss=1", "squashed photos have vectors of their own"
    assert cached.post("/clip/embedding", json={"images": ["0.jpg"]}).headers["x-photovec-cache"] == "hit=1, miss=0"

    hits, misses = len(jpegs) + 3 + 1 + 1, len(jpegs) + 1 + 1
    assert cached.metric("photovec_cache_hits_total", model="clip") == hits
    assert cached.metric("photovec_cache_misses_total", model="clip") == misses
    assert cached.metric("photovec_cache_entries") == misses
    assert 0 < cached.metric("photovec_cache_bytes") < cached.metric("photovec_cache_limit_bytes") == 4 << 20
    stats = cached.get("/stats").json()
    assert stats["photovec_cache_hits_total"] == [{"labels": {"model": "clip"}, "value": hits}]
    assert stats["photovec_cache_evictions_total"][0]["value"] == 0


def test_a_broken_photo_is_tried_again(cached, jpegs):
    for _ in range(2):
        reply = cached.post("/embed", files=files([jpegs[0][:2000], jpegs[1]]))
        assert [error["code"] for error in reply.json()["errors"]] == ["image_corrupt"]
    assert reply.headers["x-photovec-cache"] == "hit=1, miss=1"


def test_the_request_log_tells_hits(cached, jpegs, tmp_path):
    for _ in range(2):
        cached.post("/embed", content=jpegs[0])
    cached.stop()
    items = [json.loads(line)["items"][0] for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [item.get("cached", False) for item in items] == [False, True]
    at = items[1]["at"]
    assert at[4:8] == [-1] * 4 and at[:4] == sorted(at[:4]) and at[3] <= at[8]
    assert items[1]["decoder"] == items[1]["stream"] == -1


def test_it_is_off_by_default(server, jpegs):
    count = decoded(server)
    for _ in range(2):
        assert "x-photovec-cache" not in server.post("/embed", content=jpegs[0]).headers
    assert decoded(server) == count + 2
    assert "photovec_cache" not in server.get("/metrics").text


def test_a_size_that_makes_no_sense_is_a_usage_error(model):
    tried = subprocess.run([BINARY, "serve", "--model", model, "--port", "0", "--cache-mb", "-1"],
                           capture_output=True, text=True, timeout=60)
    assert tried.returncode == 2 and "--cache-mb" in tried.stderr
