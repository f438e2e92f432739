# SPDX-License-Identifier: MIT
"""Memory is the budget, whatever clients do: each attack is answered, paid for, and forgotten."""
import collections
import json
import socket
import threading
import time

import pytest
from conftest import Server
from test_server import post, until

MIB = 1 << 20
BUDGET = 128 * MIB
JSON = b"Content-Type: application/json\r\n"


class Watched:
    """What the server's memory rose to meanwhile."""

    def __init__(self, server):
        self.server, self.before, self.peak = server, server.rss(), 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.server.rss())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.peak = max(self.peak, self.server.rss())

    @property
    def grown(self):
        return self.peak - self.before


@pytest.fixture(scope="module")
def small(model, image_root, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("small"), "--image-root", image_root, "--memory-budget", "128MiB")
    for _ in range(3):
        assert running.post("/embed", json={"images": ["0.jpg", "large.jpg"]}).status_code == 200
    yield running
    running.stop()


def used(server):
    return server.metric("photovec_memory_budget_used_bytes")


def send_until_answered(server, data):
    """The status of an answer that may come before all is sent."""
    with server.connect() as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass
        return int(connection.recv(64).split()[1])


BOMBS = {
    "numbers": b'{"images":[' + b"0," * 30_000_000,
    "lists": b'{"images":[' + b"[]," * 20_000_000,
    "empty strings": b'{"images":[' + b'"",' * 20_000_000,
    "keys": b"{" + b",".join(b'"%d":0' % i for i in range(1_000_000)),
    "a key": b'{"' + b"k" * 60_000_000,
    "a string": b'{"images":["' + b"x" * 60_000_000,
    "depth": b'{"images":' + b"[" * 60_000_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_json_bombs_cost_neither_time_nor_memory(small, bomb):
    began = time.monotonic()
    with Watched(small) as watched:
        assert send_until_answered(small, post(b"/embed", BOMBS[bomb], JSON)) == 400
    assert time.monotonic() - began < 2
    assert watched.grown < 0.5 * BUDGET * 1.15, f"{watched.grown / MIB:.0f} MiB"
    until(lambda: used(small) == 0)


def test_silent_heads_lock_nobody_out(small, jpegs):
    silent = [small.connect() for _ in range(32)]
    for connection in silent:
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % (60 * MIB))
    for data in jpegs:
        assert small.post("/embed", content=data).status_code == 200
    assert used(small) < 4 * MIB
    for connection in silent:
        connection.close()
    until(lambda: used(small) == 0)


def names(count):
    body = json.dumps({"images": [f"missing{i}.jpg" for i in range(count)]}).encode()
    return post(b"/clip/embedding", body, JSON)


def test_requests_of_many_names_stay_within_the_budget(small):
    with Watched(small) as watched:
        connections = [small.connect() for _ in range(200)]
        for connection in connections:
            connection.sendall(names(1000))
        answers = collections.Counter(int(connection.recv(64).split()[1]) for connection in connections)
    assert set(answers) <= {404, 429} and answers[404] > 0, answers
    assert watched.grown < 1.15 * BUDGET, f"{watched.grown / MIB:.0f} MiB"
    for connection in connections:
        connection.close()
    until(lambda: used(small) == 0)


def test_clients_that_do_not_read_are_held_to_their_share(small, jpegs):
    request = post(b"/embed", json.dumps({"images": ["0.jpg"] * 800}).encode(), JSON)
    with Watched(small) as watched:
        connections = []
        for _ in range(60):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", small.port))
            connection.sendall(request)
            connections.append(connection)
        most = 0
        for _ in range(30):
            most = max(most, used(small))
            assert small.get("/healthz").status_code == 200
            time.sleep(0.05)
    assert most <= BUDGET / 2 + MIB
    assert watched.grown < 1.15 * BUDGET, f"{watched.grown / MIB:.0f} MiB"
    for connection in connections:
        connection.close()
    until(lambda: used(small) == 0)
    assert small.post("/embed", content=jpegs[0]).status_code == 200


def test_a_half_full_budget_makes_an_upload_wait_not_fail(small, jpegs):
    """More is sent at once than a client may hold; photo by photo it goes through."""
    large = jpegs[0] + bytes(4 * MIB)  # what is behind the end of a JPEG is not looked at
    files = [("i", (f"{i}.jpg", large)) for i in range(10)]
    replies = []

    def client():
        replies.append(small.post("/embed", files=files, headers={"Accept": "application/octet-stream"}).status_code)

    with Watched(small) as watched:
        clients = [threading.Thread(target=client) for _ in range(4)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
    assert replies.count(200) >= 1 and set(replies) <= {200, 429}, replies
    assert watched.grown < 1.15 * BUDGET, f"{watched.grown / MIB:.0f} MiB"


def test_memory_goes_back_when_it_is_over(small):
    """Last: after all of the above."""
    until(lambda: used(small) == 0)
    rest = 12 * MIB  # of code that ran for the first time, buckets of metrics, pools of connections
    start = small.rss()
    connections = [small.connect() for _ in range(100)]
    for connection in connections:
        connection.sendall(names(1000))
    for connection in connections:
        connection.recv(64)
        connection.close()
    until(lambda: small.rss() < start * 1.1 + rest, seconds=10)
