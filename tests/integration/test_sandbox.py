# SPDX-License-Identifier: MIT
"""Decoding in sandboxed processes: what a hostile image, an operator and a broken installation do to a server."""
import os
import pathlib
import shutil
import signal
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
    assert evil_server.metric("photovec_decoder_deaths_total", reason=reason) == before + 2
    numpy.testing.assert_array_equal(rows(evil_server, jpegs[:8]), wanted)
    assert evil_server.get("/readyz").status_code == 200
    again = evil_server.post("/embed", content=evil, headers={"Content-Type": "image/jpeg"})
    assert (again.status_code, again.json()["error"]["code"]) == (422, code)
    assert evil_server.metric("photovec_decoder_deaths_total", reason=reason) == before + 2, "quarantined"
    assert evil_server.metric("photovec_sandbox_violations_total") == (2 if kind != "SEGV" else 0)


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
