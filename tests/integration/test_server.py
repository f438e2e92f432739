# SPDX-License-Identifier: MIT
"""The server under clients that pipeline, leave, come in crowds, or see it go."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time

import httpx
import numpy
import pytest
from conftest import BINARY, Server


def post(path, body, headers=b""):
    return (b"POST %s HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n%s\r\n" % (path, len(body), headers)) + body


def until(condition, seconds=60):
    """Waits for something that happens in another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class Replies:
    """Several replies on one connection: HTTPResponse closes the buffered file that it makes, and with it whatever of the next
    replies that has read already. This one stays open for all."""

    def __init__(self, connection):
        self.file = connection.makefile("rb")

    def makefile(self, *_args):
        return self

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_pipelined_requests_come_back_in_order(server, jpegs):
    expected = [server.post("/embed", content=data).json()["embedding"] for data in jpegs]
    with server.connect() as connection:
        connection.sendall(b"".join(post(b"/embed", data) for data in jpegs))
        replies = Replies(connection)
        for vector in expected:
            reply = http.client.HTTPResponse(replies)
            reply.begin()
            assert json.loads(reply.read())["embedding"] == vector
            reply.close()


def test_a_client_that_leaves_cancels_its_request(server):
    left = server.metric("photovec_http_requests_total", route="embed", status="499")
    body = json.dumps({"images": ["large.jpg"] * 1000}).encode()
    with server.connect() as connection:
        connection.sendall(post(b"/embed", body, b"Content-Type: application/json\r\n"))
        until(lambda: server.metric("photovec_requests_in_flight") >= 1)
    began = time.monotonic()
    until(lambda: server.metric("photovec_http_requests_total", route="embed", status="499") == left + 1)
    assert time.monotonic() - began < 20
    until(lambda: server.metric("photovec_requests_in_flight") == 0)
    until(lambda: server.metric("photovec_memory_budget_used_bytes") == 0)
    assert server.metric("photovec_images_total", code="cancelled") > 0


def test_a_large_request_does_not_starve_a_small_one(server, jpegs):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        large = pool.submit(server.post, "/embed", json={"images": ["large.jpg"] * 100})
        until(lambda: server.metric("photovec_requests_in_flight") >= 1)
        assert server.post("/embed", content=jpegs[0]).status_code == 200
        assert not large.done(), "the small request waited for all of the large one"
        assert large.result().status_code == 200


def test_many_clients_with_many_photos_are_served(server, jpegs):
    images = [(jpegs * 5)[i] for i in range(50)]

    def client(_):
        files = [("i", (f"{i}.jpg", data)) for i, data in enumerate(images)]
        reply = server.post("/embed", files=files, headers={"Accept": "application/octet-stream"})
        return reply.status_code, reply.content

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(client, range(30)))
    assert {status for status, _ in replies} == {200}
    assert len({content for _, content in replies}) == 1, "the same photos gave different bits"


def test_full_memory_is_429_and_passes(model, image_root, tmp_path, jpegs):
    server = Server(model, tmp_path, "--image-root", image_root, "--memory-budget", "8MiB")
    try:
        with server.connect() as holder:  # one client may hold half
            holder.sendall(post(b"/embed", bytes(3_900_000))[:-300_000])
            until(lambda: server.metric("photovec_memory_budget_used_bytes") >= 3_600_000)
            reply = server.post("/embed", content=bytes(2 << 20))
            assert reply.status_code == 429 and reply.headers["retry-after"] == "1"
            assert server.post("/embed", content=jpegs[0]).status_code == 200
            assert server.get("/healthz").status_code == 200
        until(lambda: server.metric("photovec_memory_budget_used_bytes") == 0)
        assert server.post("/embed", content=bytes(3 << 20)).status_code == 415
    finally:
        server.stop()


def test_timeouts(model, tmp_path):
    server = Server(model, tmp_path, "--header-timeout", "0.3", "--body-timeout", "0.3", "--idle-timeout", "0.5")
    try:
        for request in (b"GET /healthz HTTP/1.1\r\nHo", b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab"):
            with server.connect() as connection:
                connection.sendall(request)
                assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        with server.connect() as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert idle.recv(65536) == b""
    finally:
        server.stop()


def test_sigterm_drains(model, image_root, tmp_path):
    server = Server(model, tmp_path, "--image-root", image_root, "--drain-timeout", "100")
    idle = server.connect()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        flying = pool.submit(server.post, "/embed", json={"images": ["large.jpg"] * 40})
        until(lambda: server.metric("photovec_requests_in_flight") >= 1)
        server.process.send_signal(signal.SIGTERM)
        reply = flying.result()
    assert reply.status_code == 200 and reply.headers["connection"] == "close"
    assert reply.json()["errors"] == []
    assert idle.recv(1) == b""
    idle.close()
    assert server.process.wait(timeout=120) == 0
    with pytest.raises(httpx.ConnectError):
        server.get("/healthz")
    assert not server.port_file.exists()
    server.stop()


def test_a_port_in_use_is_named(server, model):
    tried = subprocess.run([BINARY, "serve", "--model", model, "--port", str(server.port)],
                           capture_output=True, text=True, timeout=120)
    assert tried.returncode != 0
    assert f"127.0.0.1:{server.port}" in tried.stderr and "--port" in tried.stderr


# Starts a program that may not run threads at a real-time priority.
NO_REALTIME = ("prlimit", "--rtprio=0", *(("setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice") if os.geteuid() == 0 else ()))


def loop_policies(server):
    """How the kernel schedules the server's event loops."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task")
    loops = [task for task in tasks.iterdir() if (task / "comm").read_text().startswith("http-io-")]
    return {os.sched_getscheduler(int(loop.name)) & ~os.SCHED_RESET_ON_FORK for loop in loops}


def test_loops_run_at_a_realtime_priority_only_where_they_may(model, tmp_path):
    for through, flags, wanted in [(NO_REALTIME, [], os.SCHED_OTHER), ((), ["--loop-priority=normal"], os.SCHED_OTHER)]:
        running = Server(model, tmp_path, *flags, through=through)
        assert loop_policies(running) == {wanted}
        running.stop()
        running.port_file.unlink(missing_ok=True)
    refused = subprocess.run([*NO_REALTIME, BINARY, "serve", "--model", f"clip={model}", "--port", "0", "--loop-priority=realtime"],
                             capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2 and "LimitRTPRIO=1" in refused.stderr
    try:  # what this machine allows is what auto does
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        allowed = os.SCHED_RR
    except PermissionError:
        allowed = os.SCHED_OTHER
    running = Server(model, tmp_path)
    assert loop_policies(running) == {allowed}
    running.stop()


def test_memory_stays_flat_over_many_images(server, jpegs):
    files = [("i", (f"{i}.jpg", data)) for i, data in enumerate(jpegs)]
    with httpx.Client(timeout=120) as client:
        def send(requests):
            for _ in range(requests):
                assert client.post(server.url + "/embed", files=files).status_code == 200

        send(40)
        settled = server.rss()
        send(120)
        grown = server.rss() - settled
    assert grown < 12 << 20, f"{grown / 2**20:.1f} MiB more after {120 * len(jpegs)} images"


def test_vectors_do_not_depend_on_company(server, jpegs):
    alone = server.post("/embed", content=jpegs[0], headers={"Accept": "application/octet-stream"}).content
    files = [("i", (f"{i}.jpg", data)) for i, data in enumerate(jpegs * 4)]
    crowd = server.post("/embed", files=files, headers={"Accept": "application/octet-stream"}).content
    rows = numpy.frombuffer(crowd, "<f4").reshape(len(files), -1)
    assert rows[0].tobytes() == alone and rows[len(jpegs)].tobytes() == alone
