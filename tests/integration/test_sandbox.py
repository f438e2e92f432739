# SPDX-License-Identifier: MIT
"""Decoding in sandboxed processes: what a hostile image, an operator and a broken installation do to a server."""
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import numpy
import pytest
from conftest import BINARY, Server


def children(server):
    """Pids of the server's decoder processes, zombies included."""
    pids = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        pids += [int(pid) for pid in (task / "children").read_text().split()]
    return pids


def wait_for(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def rows(server, images):
    files = [("image", (f"{i}.jpg", image)) for i, image in enumerate(images)]
    reply = server.post("/embed", files=files, headers={"Accept": "application/octet-stream"})
    assert reply.status_code == 200, reply.text
    return numpy.frombuffer(reply.content, "<f4").reshape(len(images), -1)


@pytest.fixture(scope="module")
def evil_server(model, tmp_path_factory):
    faults = "segv@EVIL-SEGV,socket@EVIL-SOCKET,lie_size@EVIL-LIE,loop@EVIL-LOOP"
    os.environ["PHOTOVEC_TEST_DECODER_FAULT"] = faults
    try:
        running = Server(model, tmp_path_factory.mktemp("evil"), "--decode=process", "--decoders", "2")
    finally:
        del os.environ["PHOTOVEC_TEST_DECODER_FAULT"]
    yield running
    running.stop()


@pytest.mark.parametrize("kind, code, reason", [
    ("SEGV", "decoder_crashed", "crashed"),
    ("SOCKET", "decoder_crashed", "sandbox"),
    ("LIE", "decoder_crashed", "protocol"),
    ("LOOP", "decode_timeout", "cpu"),
])
def test_a_hostile_image_costs_only_itself(evil_server, jpegs, kind, code, reason):
    wanted = rows(evil_server, jpegs[:8])
    before = evil_server.metric("photovec_decoder_deaths_total", reason=reason)
    evil = jpegs[3] + b"EVIL-" + kind.encode()
    files = [("image", ("x.jpg", image)) for image in [*jpegs[:4], evil, *jpegs[4:8]]]
    reply = evil_server.post("/embed", files=files)
    assert reply.status_code == 200, reply.text
    assert [(error["index"], error["code"]) for error in reply.json()["errors"]] == [(4, code)]
    # Beside an honest one nobody is blamed yet; alone it gets two attempts.
    deaths = evil_server.metric("photovec_decoder_deaths_total", reason=reason) - before
    assert deaths in (2, 3)
    numpy.testing.assert_array_equal(rows(evil_server, jpegs[:8]), wanted)
    ready = evil_server.get("/readyz")
    assert ready.status_code == 200, ready.text
    again = evil_server.post("/embed", content=evil, headers={"Content-Type": "image/jpeg"})
    assert (again.status_code, again.json()["error"]["code"]) == (422, code)
    assert evil_server.metric("photovec_decoder_deaths_total", reason=reason) == before + deaths, "quarantined"
    assert evil_server.metric("photovec_sandbox_violations_total") in ((2, 3) if kind != "SEGV" else (0,))


@pytest.fixture(scope="module")
def sandboxed(model, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("sandboxed"), "--decode=process")
    yield running
    running.stop()


def test_threads_and_processes_give_the_same_vectors(model, tmp_path, jpegs, sandboxed):
    (tmp_path / "thread").mkdir()
    threads = Server(model, tmp_path / "thread", "--decode=thread")
    try:
        assert children(threads) == []
        numpy.testing.assert_array_equal(rows(threads, jpegs), rows(sandboxed, jpegs))
    finally:
        threads.stop()


def test_the_processes_cpu_time_is_counted(sandboxed, jpegs):
    before = sandboxed.metric("photovec_decoder_cpu_seconds_total")
    for _ in range(3):
        rows(sandboxed, jpegs)
    used = sandboxed.metric("photovec_decoder_cpu_seconds_total") - before
    assert 0.0005 < used < 10, "36 small JPEGs take some milliseconds"


def test_kill_9_of_all_workers_under_load_loses_nothing(sandboxed, jpegs):
    wanted = rows(sandboxed, jpegs)
    stop = threading.Event()
    killed = []

    def kill_all():
        while not stop.is_set():
            for pid in children(sandboxed):
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                except ProcessLookupError:
                    pass
            stop.wait(0.5)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        for _ in range(12):
            numpy.testing.assert_array_equal(rows(sandboxed, jpegs), wanted)
    finally:
        stop.set()
        killer.join()
    assert killed
    wait_for(lambda: sandboxed.get("/readyz").status_code == 200, "not ready again")
    numpy.testing.assert_array_equal(rows(sandboxed, jpegs), wanted)


def test_readiness_follows_the_workers(model, tmp_path, jpegs):
    """Not ready while fewer than half live, alive all the time, ready again by itself."""
    program = tmp_path / "photovec-decoder"
    shutil.copy(BINARY.parent / "photovec-decoder", program)
    running = Server(model, tmp_path, "--decode=process", "--decoders", "2", "--decoder-program", program)
    try:
        wanted = rows(running, jpegs[:4])
        program.rename(tmp_path / "away")
        for pid in children(running):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: running.get("/readyz").status_code == 503, "still ready without a decoder")
        assert running.get("/healthz").status_code == 200
        (tmp_path / "away").rename(program)
        wait_for(lambda: running.get("/readyz").status_code == 200, "not ready again", seconds=40)
        numpy.testing.assert_array_equal(rows(running, jpegs[:4]), wanted)
    finally:
        running.stop()


def test_workers_end_with_a_killed_server(model, tmp_path):
    running = Server(model, tmp_path, "--decode=process", "--decoders", "2")
    pids = children(running)
    assert len(pids) == 3
    running.process.kill()
    running.process.wait()
    running.log.close()

    def gone(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True
    wait_for(lambda: all(gone(pid) for pid in pids), "decoders outlive their server")


def blamed(server):
    """How many photos the server refuses because they ended decoders."""
    return server.metric("photovec_decoder_quarantined")


def post_one(server, jpeg, **headers):
    return server.post("/embed", content=jpeg, headers={"Content-Type": "image/jpeg", **headers})


@pytest.fixture(scope="module")
def two_decoders(model, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("two"), "--decode=process", "--decoders", "2")
    yield running
    running.stop()


def test_one_stopped_decoder_costs_no_photo_and_is_replaced(two_decoders, jpegs):
    wanted = rows(two_decoders, jpegs)
    before = two_decoders.metric("photovec_decoder_deaths_total", reason="stopped")
    os.kill(children(two_decoders)[0], signal.SIGSTOP)
    numpy.testing.assert_array_equal(rows(two_decoders, jpegs), wanted)
    wait_for(lambda: two_decoders.metric("photovec_decoder_deaths_total", reason="stopped") == before + 1, "not replaced")
    wait_for(lambda: len(children(two_decoders)) == 3, "no new one")
    assert two_decoders.get("/readyz").status_code == 200
    assert blamed(two_decoders) == 0


def test_stopping_every_decoder_blames_no_photo(two_decoders, jpegs):
    """Again and again, so that their replacements are stopped, too: not ready within 2 s, 503s, and all is well after it."""
    wanted = rows(two_decoders, jpegs)
    held, answers = threading.Event(), []

    def hold_stopped():
        while not held.is_set():
            for pid in children(two_decoders):
                try:
                    os.kill(pid, signal.SIGSTOP)
                except ProcessLookupError:
                    pass
            held.wait(0.05)

    def ask():
        reply = post_one(two_decoders, jpegs[len(answers) % len(jpegs)])
        answers.append((reply.status_code, reply.status_code == 200 or reply.json()["error"]["code"]))

    holder = threading.Thread(target=hold_stopped)
    holder.start()
    stopped_at = time.monotonic()
    askers = [threading.Thread(target=ask) for _ in range(4)]
    try:
        for asker in askers:
            asker.start()
        wait_for(lambda: two_decoders.get("/readyz").status_code == 503, "ready without a decoder that runs", seconds=2)
        reasons = set()
        while time.monotonic() < stopped_at + 8:
            reply = two_decoders.get("/readyz")
            reasons.add(reply.status_code == 503 and reply.json()["reason"])
        assert reasons <= {"decoders_stopped", "warming_up"} and "decoders_stopped" in reasons
        assert two_decoders.get("/healthz").status_code == 200
    finally:
        held.set()
        holder.join()
        for pid in children(two_decoders):
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    resumed_at = time.monotonic()
    for asker in askers:
        asker.join()
    wait_for(lambda: two_decoders.get("/readyz").status_code == 200, "not ready again", seconds=3)
    numpy.testing.assert_array_equal(rows(two_decoders, jpegs), wanted)
    assert time.monotonic() - resumed_at < 5, "two seconds and what a busy machine takes"
    assert set(answers) <= {(200, True), (503, "decoder_stalled"), (503, "unavailable"), (504, "deadline_exceeded")}, answers
    assert blamed(two_decoders) == 0


def test_a_starved_decoder_blames_no_photo(model, tmp_path, image_root):
    """Beside busy processes that the kernel prefers a decode takes longer than any limit of wall time: nobody's fault."""
    large = (image_root / "large.jpg").read_bytes()
    cpu = min(os.sched_getaffinity(0))
    running = Server(model, tmp_path, "--decode=process", "--decoders", "1", "--self-test-interval", "0",
                     through=["taskset", "-c", str(cpu)])
    hogs = []
    try:
        wanted = rows(running, [large])
        hogs = [subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", "while :; do :; done"]) for _ in range(8)]
        deadline = time.monotonic() + 20
        for _ in range(3):
            reply = post_one(running, large)
            assert reply.status_code in (200, 503, 504), reply.text
            if time.monotonic() > deadline:
                break
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    try:
        assert blamed(running) == 0
        numpy.testing.assert_array_equal(rows(running, [large]), wanted)
    finally:
        running.stop()


def test_a_pipeline_that_encodes_nothing_is_not_ready(model, tmp_path):
    environment = {**os.environ, "PHOTOVEC_TEST_SLEEP": "encode=3000ms"}
    running = Server(model, tmp_path, "--self-test-interval", "0.5", environment=environment)
    try:
        def reason():
            reply = running.get("/readyz")
            return reply.json().get("reason", "")
        wait_for(lambda: reason() == "stuck", "still ready")
        assert running.metric("photovec_ready") == 0
        assert running.get("/healthz").status_code == 200
        wait_for(lambda: reason() == "", "not ready though it encoded")
        assert running.metric("photovec_images_total") == 0, "its own photos are not counted"
    finally:
        running.stop()
