# SPDX-License-Identifier: MIT
"""Where the server listens, who is let in, and how it stops: admin port, Unix sockets, limits per client, systemd's protocols."""
import concurrent.futures
import http.client
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import httpx
import pytest
from conftest import BINARY, Server

GET = b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def start(model, folder, *flags, **options):
    """A server with an admin port."""
    running = Server(model, folder, "--admin-port", "0", "--admin-port-file", folder / "admin", *flags, **options)
    running.admin = f"http://127.0.0.1:{(folder / 'admin').read_text().strip()}"
    return running


def over_unix(path, timeout=60):
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://photovec", timeout=timeout)


def test_the_admin_port_has_everything_but_photos(model, tmp_path, jpegs):
    server = start(model, tmp_path, "--admin-unix-socket", tmp_path / "admin.sock")
    try:
        for path in ("/healthz", "/readyz", "/metrics", "/stats", "/", "/v1/models", "/health/info"):
            assert httpx.get(server.admin + path).status_code == 200, path
            assert server.get(path).status_code == 200, path
        with over_unix(tmp_path / "admin.sock") as client:
            assert client.get("/readyz").status_code == 200
            assert client.post("/embed", content=jpegs[0]).status_code == 404
        for path in ("/embed", "/v1/embeddings", "/clip/embedding"):
            refused = httpx.post(server.admin + path, content=jpegs[0])
            assert refused.status_code == 404 and "main port" in refused.text
    finally:
        server.stop()
    assert not (tmp_path / "admin").exists() and not (tmp_path / "admin.sock").exists()


def test_metrics_can_be_the_admin_ports_alone(model, tmp_path, jpegs):
    server = start(model, tmp_path, "--admin-only")
    try:
        for path in ("/metrics", "/stats", "/"):
            assert httpx.get(server.admin + path).status_code == 200
            refused = server.get(path)
            assert refused.status_code == 404 and "--admin-port" in refused.text
        assert server.get("/readyz").status_code == 200
        assert server.post("/embed", content=jpegs[0]).status_code == 200
    finally:
        server.stop()


def test_the_admin_port_answers_when_all_connections_are_taken(model, tmp_path):
    server = start(model, tmp_path, "--max-connections", "20", "--body-timeout", "60")
    held = []
    try:
        for _ in range(20):  # requests in work, which nobody may throw out
            connection = server.connect()
            connection.sendall(b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nabc")
            held.append(connection)
        until(lambda: "photovec_http_connections 20\n" in httpx.get(server.admin + "/metrics").text)
        with server.connect() as one_more:
            assert one_more.recv(65536).startswith(b"HTTP/1.1 503 ")
        idle = [socket.create_connection(("127.0.0.1", int(server.admin.rsplit(":", 1)[1]))) for _ in range(200)]  # on the admin port itself
        for path in ("/healthz", "/readyz", "/metrics", "/stats"):
            assert httpx.get(server.admin + path).status_code == 200
        for connection in idle:
            connection.close()
    finally:
        for connection in held:
            connection.close()
        server.stop()


def test_idle_connections_make_room(model, tmp_path, jpegs):
    server = start(model, tmp_path, "--max-connections", "50")
    try:
        with server.connect() as kept:
            kept.sendall(GET)
            assert b" 200 OK" in kept.recv(65536)
            crowd = []
            for number in range(300):
                connection = server.connect()
                if number % 2:
                    connection.sendall(b"GET / HTTP/1.1\r\nHo")  # a head that never ends
                crowd.append(connection)
            for _ in range(20):
                assert server.post("/embed", content=jpegs[0]).status_code == 200
            kept.sendall(GET)
            assert b" 200 OK" in kept.recv(65536), "a crowd that never asks has no claim to a connection in use"
            metrics = httpx.get(server.admin + "/metrics").text
            assert "photovec_http_connections_refused_total 0\n" in metrics
            evicted = next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith("photovec_http_connections_evicted_total"))
            assert evicted >= 250
            for connection in crowd:
                connection.close()
    finally:
        server.stop()


def test_one_address_has_its_limit(model, tmp_path):
    server = start(model, tmp_path, "--max-connections", "100", "--max-connections-per-address", "5", "--unix-socket", tmp_path / "socket")
    held = []
    try:
        for _ in range(5):
            connection = server.connect()
            connection.sendall(b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nabc")
            held.append(connection)
        until(lambda: "photovec_http_connections 5\n" in httpx.get(server.admin + "/metrics").text)
        with server.connect() as one_more:
            assert one_more.recv(65536).startswith(b"HTTP/1.1 503 ")
        other = socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.2", 0))
        other.sendall(GET)
        assert b" 200 OK" in other.recv(65536), "another address has its own"
        other.close()
        with over_unix(tmp_path / "socket") as client:
            assert client.get("/healthz").status_code == 200, "Unix sockets are exempt"
    finally:
        for connection in held:
            connection.close()
        server.stop()


def test_unix_sockets(model, tmp_path, jpegs):
    path = tmp_path / "photovec.sock"
    server = Server(model, tmp_path, "--unix-socket", path, "--unix-socket-mode", "0600")
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with over_unix(path) as client:
            over_tcp = server.post("/embed", content=jpegs[0]).json()
            assert client.post("/embed", content=jpegs[0]).json() == over_tcp
            assert client.get("/healthz", headers={"Host": "any.name.example"}).status_code == 200
        second = subprocess.run([BINARY, "serve", "--model", f"clip={model}", "--port", "0", "--unix-socket", path], capture_output=True,
                                text=True, timeout=60, check=False)
        assert second.returncode == 1 and "another process listens on it" in second.stderr
        server.process.kill()  # leaves the file behind
        server.process.wait()
        assert path.exists()
    finally:
        server.log.close()
    (tmp_path / "port").unlink()
    again = Server(model, tmp_path, "--unix-socket", path, "--tcp=off")
    try:
        assert again.port == 0
        with over_unix(path) as client:
            assert client.post("/embed", content=jpegs[0]).status_code == 200
    finally:
        again.stop()
    assert not path.exists()


def test_wrong_listeners_are_named(model, tmp_path):
    (tmp_path / "file").write_text("x")
    for flags, code, words in [
        (["--unix-socket", tmp_path / "file"], 2, "something else"),
        (["--unix-socket", tmp_path / "no" / "folder"], 2, "No such file"),
        (["--unix-socket", tmp_path / ("x" * 120)], 2, "longer than"),
        (["--unix-socket-mode", "9"], 2, "--unix-socket-mode"),
        (["--tcp=off"], 2, "--unix-socket"),
        (["--admin-port", "0", "--admin-host", "example.com"], 2, "--admin-host"),
    ]:
        tried = subprocess.run([BINARY, "serve", "--model", f"clip={model}", "--port", "0", *map(str, flags)], capture_output=True, text=True,
                               timeout=60, check=False)
        assert tried.returncode == code and words in tried.stderr, tried.stderr
    assert (tmp_path / "file").read_text() == "x"


def test_strangers_names_are_misdirected(model, tmp_path, server):
    for host, status in [("localhost:80", 200), ("127.0.0.1", 200), ("[::1]:1", 200), ("t", 200), ("photos.example.com", 421), ("127.0.0.1.evil.example", 421)]:
        assert server.get("/healthz", headers={"Host": host}).status_code == status, host
    assert "--allow-server-host" in server.get("/healthz", headers={"Host": "evil.example"}).text
    named = Server(model, tmp_path, "--allow-server-host", "photos.example.com")
    try:
        assert named.get("/healthz", headers={"Host": "photos.example.com:443"}).status_code == 200
        assert named.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
    finally:
        named.stop()


def test_listening_beyond_this_machine_is_warned_of(model, tmp_path):
    for flags, warned in [(["--host", "0.0.0.0"], True), (["--host", "0.0.0.0", "--insecure"], False), ([], False)]:
        server = Server(model, tmp_path, *flags)
        server.stop()
        assert ("ANYBODY on the network" in server.log_path.read_text()) == warned, flags
        assert ("without TLS" in server.log_path.read_text()) == warned, flags


def limited(model, folder, files, *flags):
    return start(model, folder, *flags, through=("prlimit", f"--nofile={files}:{files}"))


def test_more_connections_than_files_are_warned_of_and_survived(model, tmp_path, jpegs):
    server = limited(model, tmp_path, 128, "--max-connections", "4096")
    try:
        assert "--max-connections=4096" in server.log_path.read_text()
        crowd = [server.connect() for _ in range(300)]
        for _ in range(20):
            reply = server.post("/embed", content=jpegs[0])
            assert reply.status_code in (200, 503)
        for connection in crowd:
            connection.close()
        until(lambda: server.post("/embed", content=jpegs[0]).status_code == 200)
        assert server.log_path.read_text().count("cannot accept a connection") <= 5
    finally:
        server.stop()


def test_the_limit_of_open_files_is_raised(model, tmp_path):
    server = Server(model, tmp_path, through=("prlimit", "--nofile=256:2048"))
    try:
        assert server.metric("process_max_fds") == 2048
    finally:
        server.stop()


def test_a_lame_duck_serves_and_says_so(model, tmp_path, jpegs):
    server = start(model, tmp_path, "--lame-duck", "3")
    kept = server.connect()
    kept.sendall(GET)
    assert b" 200 OK" in kept.recv(65536)
    server.process.send_signal(signal.SIGTERM)
    until(lambda: server.get("/readyz").status_code == 503)
    assert server.get("/readyz").json()["reason"] == "draining"
    assert httpx.get(server.admin + "/readyz").json()["reason"] == "draining"
    reply = server.post("/embed", content=jpegs[0])
    assert reply.status_code == 200 and reply.headers["connection"] == "close"
    kept.sendall(GET)
    reply = kept.recv(65536)
    assert b" 200 OK" in reply and b"Connection: close" in reply
    kept.close()
    assert server.process.wait(60) == 0
    server.stop()


def test_the_admin_port_watches_the_drain(model, tmp_path):
    server = start(model, tmp_path, "--drain-timeout", "60")
    with server.connect() as slow:
        slow.sendall(b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab")
        until(lambda: "photovec_http_connections 1\n" in httpx.get(server.admin + "/metrics").text)
        server.process.send_signal(signal.SIGTERM)

        def closed():
            try:
                server.connect().close()
                return False
            except ConnectionRefusedError:
                return True
        until(closed)
        assert httpx.get(server.admin + "/readyz").json()["reason"] == "draining"
        assert "photovec_http_connections 1\n" in httpx.get(server.admin + "/metrics").text
        slow.sendall(b"cdefghi")
        assert slow.recv(65536).startswith(b"HTTP/1.1 415 ")
    assert server.process.wait(60) == 0
    server.stop()


def test_nobody_who_is_on_the_way_is_lost_by_a_drain(model, tmp_path, jpegs):
    """A short bench/drain."""
    for _ in range(3):
        server = Server(model, tmp_path)
        lost = []
        answered = threading.Event()

        def client(keep, port=server.port, lost=lost, answered=answered):
            connection = None
            while True:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                    try:
                        connection.connect()
                    except ConnectionRefusedError:
                        return
                try:
                    connection.request("POST", "/embed", jpegs[0], {} if keep else {"Connection": "close"})
                    reply = connection.getresponse()
                    reply.read()
                    assert reply.status == 200
                    answered.set()
                except (OSError, http.client.HTTPException, AssertionError) as error:
                    lost.append(error)
                    return
                if reply.will_close:
                    connection = None

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(client, i % 2 == 0) for i in range(8)]
            assert answered.wait(60)
            server.process.send_signal(signal.SIGTERM)
            for one in clients:
                one.result()
        assert server.process.wait(60) == 0
        server.stop()
        assert not lost
        server.port_file.unlink(missing_ok=True)


class Manager:
    """What systemd does, as far as a service sees it."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(60)

    def wait(self, word):
        while word not in (text := self.socket.recv(4096).decode()):
            pass
        return text


def test_a_service_manager_is_told_and_its_watchdog_fed(model, tmp_path):
    manager = Manager(tmp_path)
    environment = {**os.environ, "NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
    server = Server(model, tmp_path, environment=environment)
    manager.wait("READY=1")
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    server.process.send_signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    assert server.process.wait(60) == 0
    server.stop()


def test_sockets_of_the_service_manager_are_taken(model, tmp_path, jpegs):
    main, admin = socket.socket(), socket.socket()
    for one in (main, admin):
        one.bind(("127.0.0.1", 0))
        one.listen(16)
    port, admin_port = main.getsockname()[1], admin.getsockname()[1]

    script = ('import fcntl, os, sys\nos.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="http:admin")\n'
              'a, b = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])\nos.dup2(a, 3); os.dup2(b, 4)\nos.execv(sys.argv[3], sys.argv[3:])')
    log = open(tmp_path / "log", "w")
    process = subprocess.Popen(["python3", "-c", script, str(main.fileno()), str(admin.fileno()), BINARY, "serve", "--model", f"clip={model}",
                                "--port-file", tmp_path / "port"], pass_fds=(main.fileno(), admin.fileno()), stdout=log, stderr=log)
    try:
        # Connections wait in the backlog while the server starts.
        assert httpx.post(f"http://127.0.0.1:{port}/embed", content=jpegs[0], timeout=120).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{admin_port}/readyz", timeout=60).status_code == 200
        assert int((tmp_path / "port").read_text()) == port
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
        # The sockets are the manager's: who comes now waits for the next server.
        waiting = socket.create_connection(("127.0.0.1", port), timeout=10)
        waiting.close()
    finally:
        process.kill()
        process.wait()
        log.close()
        main.close()
        admin.close()
