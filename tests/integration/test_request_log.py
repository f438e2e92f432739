# SPDX-License-Identifier: MIT
"""--request-log: what a real server says of its requests must agree with what it tells its clients."""
import json
import os
import re
import statistics
import subprocess

import pytest
from conftest import BINARY, Server

BORDERS = ["admitted", "fetch_start", "fetch_end", "decode_start", "decode_end", "preprocess_end", "encode_start",
           "encode_end", "collected"]
STAGES = ["admit_wait", "fetch", "decode_wait", "decode", "preprocess", "batch_wait", "encode", "collect"]
FLAGS = ["--decoders", "2", "--streams", "2", "--threads-per-stream", "1", "--max-batch", "8"]


class Logged:
    """Requests to a server of their own, and after its end the lines that it wrote."""

    def __init__(self, model, image_root, folder, *flags):
        self.path = folder / "requests.jsonl"
        self.server = Server(model, folder, "--image-root", image_root, "--request-log", self.path, *FLAGS, *flags)
        self.replies = []

    def post(self, path, **options):
        self.replies.append(self.server.post(path, **options))
        return self.replies[-1]

    def lines(self):
        self.server.stop()
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def files(photos):
    return [("image", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(photos)]


def accounted_us(line):
    """What is measured of a request's critical path: docs/metrics.md."""
    last = max(line["items"], key=lambda item: item["at"][-1])
    admitted, collected = last["at"][0], last["at"][-1]
    receive = min(line["receive"], admitted)
    opening = admitted - max(line["opened"], receive + line["parse"])
    hand_over = line["total"] - line["serialise"] - collected
    return receive + line["parse"] + opening + (collected - admitted) + hand_over + line["serialise"]


@pytest.fixture(scope="module")
def traffic(model, image_root, jpegs, tmp_path_factory):
    """Requests of every form, one after the other; (replies, lines)."""
    logged = Logged(model, image_root, tmp_path_factory.mktemp("log"))
    for _ in range(5):
        logged.post("/embed", json={"images": [f"{i}.jpg" for i in range(12)] * 3})
        logged.post("/embed", files=files(jpegs))
        logged.post("/embed", content=jpegs[0])
        logged.post("/clip/embedding", json={"images": [f"{i}.jpg" for i in range(12)]})
    lines = logged.lines()
    assert {reply.status_code for reply in logged.replies} == {200}
    return logged.replies, lines


def test_one_line_for_each_request_in_order(traffic):
    replies, lines = traffic
    assert [line["id"] for line in lines] == list(range(len(replies)))
    assert [line["route"] for line in lines] == [reply.url.path for reply in replies]
    assert [len(line["items"]) for line in lines] == [36, 12, 1, 12] * 5
    assert {line["model"] for line in lines} == {"clip"}
    started = [line["started"] for line in lines]
    assert started == sorted(started)
    for line, following in zip(lines, lines[1:]):
        assert line["started"] + line["total"] <= following["started"]


def test_borders_ascend_within_the_request(traffic):
    for line in traffic[1]:
        assert 0 <= line["opened"] <= line["finished"] <= line["total"] + 1
        for item in line["items"]:
            assert item["code"] == "ok"
            assert len(item["at"]) == len(BORDERS)
            assert item["at"] == sorted(item["at"])
            assert line["opened"] <= item["at"][0] and item["at"][-1] <= line["finished"]
        assert max(item["at"][-1] for item in line["items"]) == line["finished"]


def test_stages_are_those_that_the_client_was_told(traffic):
    """Server-Timing has of each stage the slowest image's time."""
    for reply, line in zip(*traffic):
        told = {name: float(ms) * 1000 for name, ms in re.findall(r"(\w+);dur=([\d.]+)", reply.headers["server-timing"])}
        for i, stage in enumerate(STAGES):
            slowest = max(item["at"][i + 1] - item["at"][i] for item in line["items"])
            assert abs(slowest - told[stage]) <= 1.5, stage
        for key in ("receive", "parse", "serialise"):
            assert abs(line[key] - told[key]) < 0.5
        assert abs(line["total"] - told["http_total"]) < 0.5


def test_images_say_where_they_came_from_and_who_worked_on_them(traffic, jpegs):
    batches = {}
    for line in traffic[1]:
        by_reference = line["route"] == "/clip/embedding" or len(line["items"]) == 36
        for i, item in enumerate(line["items"]):
            assert item["ref"] is by_reference
            assert item["bytes"] == len(jpegs[i % 12])
            if not by_reference:
                assert item["at"][0] == item["at"][2], "an upload is here when it is admitted"
            assert 0 <= item["decoder"] < 2 and 0 <= item["stream"] < 2
            batch = batches.setdefault((item["stream"], item["batch"]), [])
            batch.append((item["batch_size"], line["started"] + item["at"][6], line["started"] + item["at"][7]))
    for images in batches.values():
        assert len(set(images)) == 1, "the images of one batch disagree about it"
        assert images[0][0] == len(images) <= 8


def test_the_critical_path_accounts_for_the_time(traffic):
    """Nothing is counted twice, and all but 5% is explained."""
    shares = []
    for line in traffic[1]:
        accounted = accounted_us(line)
        assert accounted <= line["total"] + 3
        shares.append(accounted / line["total"])
    assert statistics.quantiles(shares, n=10)[0] >= 0.95, sorted(shares)


def test_failures_have_lines_and_refusals_have_none(model, image_root, jpegs, tmp_path):
    logged = Logged(model, image_root, tmp_path)
    assert logged.post("/embed", content=b"no image").status_code == 415
    assert logged.post("/embed", json={"images": ["0.jpg", "none.jpg"]}).status_code == 200
    assert logged.post("/embed", files=files([jpegs[0][:2000], jpegs[1]])).status_code == 200
    assert logged.post("/embed", json={"images": []}).status_code == 400
    assert logged.post("/embed?model=none", content=jpegs[0]).status_code == 404
    lines = logged.lines()
    assert [line["status"] for line in lines] == [415, 200, 200]
    assert [[item["code"] for item in line["items"]] for line in lines] == [
        ["unsupported_format"], ["ok", "not_found"], ["image_corrupt", "ok"]]
    missing = lines[1]["items"][1]
    assert missing["ref"] is True and missing["bytes"] == 0 and missing["decoder"] == -1
    assert missing["at"][2] >= 0 and missing["at"][3:8] == [-1] * 5 and missing["at"][8] > 0
    corrupt = lines[2]["items"][0]
    assert corrupt["decoder"] >= 0 and corrupt["at"][3] >= 0 and corrupt["at"][4:8] == [-1] * 4
    assert corrupt["stream"] == -1 and corrupt["batch_size"] == 0


def test_a_second_server_appends(model, image_root, jpegs, tmp_path):
    for expected in (1, 2):
        logged = Logged(model, image_root, tmp_path)
        logged.post("/embed", content=jpegs[0])
        assert len(logged.lines()) == expected


def test_a_full_disk_does_not_stop_the_server(model, tmp_path, jpegs):
    server = Server(model, tmp_path, "--request-log", "/dev/full")
    for _ in range(3):
        assert server.post("/embed", content=jpegs[0]).status_code == 200
    server.stop()
    log = server.log_path.read_text()
    assert "request log /dev/full: 3 lines lost so far: No space left on device" in log
    assert log.count("lines lost") <= 2


def test_a_file_that_cannot_be_written_is_told_at_the_start(model, tmp_path):
    path = tmp_path / "none" / "requests.jsonl"
    tried = subprocess.run([BINARY, "serve", "--model", model, "--port", "0", "--request-log", path],
                           capture_output=True, text=True, timeout=120)
    assert tried.returncode == 1
    assert f"cannot write the request log {path}: No such file or directory" in tried.stderr


@pytest.mark.parametrize("stage", ["fetch", "decode", "encode"])
def test_an_injected_sleep_shows_in_its_stage(model, image_root, tmp_path, monkeypatch, stage):
    monkeypatch.setenv("PHOTOVEC_TEST_SLEEP", f"{stage}=80ms")
    logged = Logged(model, image_root, tmp_path)
    logged.post("/embed", json={"images": ["0.jpg", "1.jpg"]})
    items = logged.lines()[0]["items"]
    log = logged.server.log_path.read_text()
    assert "PHOTOVEC_TEST_SLEEP is on" in log and "no setting" not in log
    begin = STAGES.index(stage)
    for item in items:
        assert item["at"][begin + 1] - item["at"][begin] >= 80_000


def test_a_malformed_sleep_is_a_usage_error(model):
    environment = dict(os.environ, PHOTOVEC_TEST_SLEEP="decode=fast")
    tried = subprocess.run([BINARY, "serve", "--model", model, "--port", "0"], env=environment,
                           capture_output=True, text=True, timeout=120)
    assert tried.returncode == 2
    assert "PHOTOVEC_TEST_SLEEP: 'decode=fast' is not understood" in tried.stderr
