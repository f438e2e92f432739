# SPDX-License-Identifier: MIT
"""Keys, quotas, browsers, request ids, the access log, signals, and logs that nobody reads: docs/access.md."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

import httpx
import pytest
from conftest import BINARY, Server

FLAGS = ["--decoders", "1", "--streams", "1", "--threads-per-stream", "1"]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EMBED = [("POST", "/embed"), ("POST", "/v1/embeddings"), ("POST", "/clip/embedding"), ("GET", "/v1/models"),
         ("GET", "/v1/models/clip")]
ADMIN = [("GET", "/metrics"), ("GET", "/stats"), ("GET", "/")]
OPEN = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/health/info")]


def make_key(path, name, *flags):
    """Appends a key's line to the file; the key."""
    made = subprocess.run([BINARY, "api-key", name, *flags], check=True, capture_output=True, text=True)
    with open(path, "a") as file:
        file.write(made.stdout)
    os.chmod(path, 0o640)
    return re.search(r"pv_[A-Za-z0-9_-]+", made.stderr)[0]


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def wait_for(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Guarded:
    """A server with keys and logs, and what its clients need."""

    def __init__(self, model, folder, *flags, **options):
        self.keys_file = folder / "keys"
        self.log_file = folder / "access.jsonl"
        self.web = make_key(self.keys_file, "web")
        self.ops = make_key(self.keys_file, "ops", "--scopes", "admin")
        self.slow = make_key(self.keys_file, "slow", "--quota", "requests=2/h")
        self.few = make_key(self.keys_file, "few", "--quota", "images=3/h")
        self.small = make_key(self.keys_file, "small", "--quota", "bytes=1KiB")
        self.server = Server(model, folder, "--api-keys", self.keys_file, "--access-log", self.log_file, "--cors-origin",
                             "https://app.example", *FLAGS, *flags, **options)

    def ask(self, method, path, key=None, headers=None, **options):
        return httpx.request(method, self.server.url + path, timeout=60, headers={**(bearer(key) if key else {}), **(headers or {})},
                             **options)

    def metric(self, name, **labels):
        text = self.ask("GET", "/metrics", self.ops).text
        for line in text.splitlines():
            match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if match and all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
                return float(match[2])
        return 0.0

    def lines(self):
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def line_of(self, request_id):
        found = []

        def look():
            found[:] = [line for line in self.lines() if line["request_id"] == request_id]
            return found
        wait_for(look, f"no line of {request_id}")
        return found[0]


@pytest.fixture(scope="module")
def guarded(model, tmp_path_factory):
    running = Guarded(model, tmp_path_factory.mktemp("guarded"))
    yield running
    running.server.stop()


@pytest.mark.parametrize("method, path", EMBED + ADMIN)
def test_no_key_and_a_wrong_key_are_401(guarded, method, path):
    for headers in ({}, bearer("pv_wrong"), bearer("x y"), {"X-API-Key": "x" * 3000}, {"Authorization": guarded.web}):
        reply = guarded.ask(method, path, headers=headers)
        assert reply.status_code == 401, headers
        assert reply.headers["www-authenticate"].startswith('Bearer realm="photovec"')
        error = reply.json()["error"] if path != "/clip/embedding" else reply.json()
        assert error["message"] and error["code"] in ("unauthorized", "invalid_api_key")
        if path.startswith("/v1/"):
            assert error["type"] == "authentication_error"


@pytest.mark.parametrize("method, path", EMBED)
def test_a_key_opens_its_scope_only(guarded, method, path):
    assert guarded.ask(method, path, guarded.web).status_code not in (401, 403)
    refused = guarded.ask(method, path, guarded.ops)
    assert refused.status_code == 403
    assert "embed" in refused.text and "forbidden" in refused.text


@pytest.mark.parametrize("method, path", ADMIN)
def test_how_the_server_does_is_for_admins(guarded, method, path):
    assert guarded.ask(method, path, guarded.ops).status_code == 200
    assert guarded.ask(method, path, headers={"X-API-Key": guarded.ops}).status_code == 200
    assert guarded.ask(method, path, auth=("anybody", guarded.ops)).status_code == 200, "browsers ask for a password"
    assert guarded.ask(method, path, guarded.web).status_code == 403


def test_a_password_is_no_way_to_send_photos(guarded):
    assert guarded.ask("POST", "/embed", auth=("x", guarded.web), content=b"x").status_code == 401


@pytest.mark.parametrize("method, path", OPEN)
def test_health_is_open(guarded, method, path):
    assert guarded.ask(method, path).status_code == 200
    assert guarded.ask(method, path, "pv_wrong").status_code == 200


def test_keys_are_looked_at_before_the_body(guarded):
    with guarded.server.connect() as connection:
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_key_embeds(guarded, jpegs):
    before = guarded.metric("photovec_key_images_total", key="web")
    reply = guarded.ask("POST", "/embed", guarded.web, files=[("image", ("a.jpg", photo, "image/jpeg")) for photo in jpegs[:3]])
    assert reply.status_code == 200 and len(reply.json()["embeddings"]) == 3
    assert guarded.metric("photovec_key_images_total", key="web") == before + 3


def test_a_quota_of_requests(guarded, jpegs):
    codes = [guarded.ask("POST", "/embed", guarded.slow, content=jpegs[0]) for _ in range(3)]
    assert [reply.status_code for reply in codes] == [200, 200, 429]
    assert codes[2].json()["error"]["code"] == "rate_limited"
    assert 1700 <= int(codes[2].headers["retry-after"]) <= 1800, "two an hour"
    assert guarded.metric("photovec_key_refused_total", key="slow") == 1
    assert guarded.ask("GET", "/healthz", guarded.slow).status_code == 200


def test_a_quota_of_images(guarded, jpegs):
    files = [("image", ("a.jpg", photo, "image/jpeg")) for photo in jpegs[:5]]
    assert guarded.ask("POST", "/embed", guarded.few, files=files).status_code == 200, "known only once it is read"
    refused = guarded.ask("POST", "/v1/embeddings", guarded.few, json={"input": "x"})
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error" and "images" in refused.json()["error"]["message"]
    assert 3500 <= int(refused.headers["retry-after"]) <= 3600


def test_a_quota_of_bytes(guarded, jpegs):
    large = guarded.ask("POST", "/embed", guarded.small, content=jpegs[0])
    assert large.status_code == 413 and "in flight" in large.json()["error"]["message"]
    head = b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\nX-API-Key: " + guarded.small.encode() + b"\r\n\r\n"
    with guarded.server.connect() as holder:
        holder.sendall(head + b"x")

        def full():
            return guarded.ask("POST", "/embed", guarded.small, content=b"x" * 900).status_code == 429
        wait_for(full, "the first request holds 900 of 1024 bytes")
        assert guarded.ask("POST", "/embed", guarded.small, content=b"x" * 100).status_code == 415
    wait_for(lambda: guarded.ask("POST", "/embed", guarded.small, content=b"x" * 900).status_code == 415, "given back")


def test_pages_of_elsewhere_start_no_work(guarded):
    own = {"Origin": f"http://127.0.0.1:{guarded.server.port}"}
    app = {"Origin": "https://app.example"}
    body = {"input": "http://example.com/x.jpg"}
    for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        for path in ("/embed", "/v1/embeddings", "/clip/embedding"):
            reply = guarded.ask("POST", path, guarded.web, headers={**foreign, "Content-Type": "text/plain"}, content=json.dumps(body))
            assert reply.status_code == 403, (foreign, path)
            assert "access-control-allow-origin" not in reply.headers
    for allowed in (own, app):
        reply = guarded.ask("POST", "/v1/embeddings", guarded.web, headers={**allowed, "Content-Type": "text/plain"},
                            content=json.dumps(body))
        assert reply.status_code == 415, "a page that may: as application/json"
        assert guarded.ask("POST", "/v1/embeddings", guarded.web, headers=allowed, json=body).status_code == 403, "the host"
    text = guarded.ask("POST", "/v1/embeddings", guarded.web, headers={"Content-Type": "text/plain"}, content=json.dumps(body))
    assert text.json()["error"]["code"] == "source_not_allowed", "programs may call it what they like"


def test_preflights(guarded):
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = guarded.ask("OPTIONS", "/embed", headers={"Origin": "https://app.example", **ask})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "Authorization" in allowed.headers["access-control-allow-headers"]
    assert "POST" in allowed.headers["access-control-allow-methods"]
    foreign = guarded.ask("OPTIONS", "/embed", headers={"Origin": "https://evil.example", **ask})
    assert foreign.status_code == 405 and "access-control-allow-origin" not in foreign.headers
    seen = guarded.ask("POST", "/embed", headers={"Origin": "https://app.example"})
    assert seen.status_code == 401 and seen.headers["access-control-allow-origin"] == "https://app.example"


def test_every_reply_has_a_request_id(guarded, jpegs):
    assert guarded.ask("GET", "/healthz", headers={"X-Request-Id": "my.id_1-x"}).headers["x-request-id"] == "my.id_1-x"
    made = {guarded.ask(method, path, headers={"X-Request-Id": 'bad "id"'}).headers["x-request-id"]
            for method, path in EMBED + ADMIN + OPEN + [("GET", "/none"), ("PUT", "/embed")]}
    assert len(made) == len(EMBED + ADMIN + OPEN) + 2
    traced = guarded.ask("POST", "/embed", guarded.web, headers={"traceparent": TRACE}, content=jpegs[0])
    assert traced.headers["traceparent"] == TRACE
    assert "traceparent" not in guarded.ask("GET", "/healthz", headers={"traceparent": "00-1-2-3"}).headers
    with guarded.server.connect() as connection:
        connection.sendall(b"garbage\r\n\r\n")
        malformed = re.search(rb"\r\nX-Request-Id: (\S+)\r\n", connection.recv(1000))[1].decode()
    line = guarded.line_of(malformed)
    assert (line["peer"], line["status"], line["code"]) == ("127.0.0.1", 400, "invalid_request")


def test_the_access_log_has_all_of_a_request_and_no_secret(guarded, jpegs):
    headers = {"X-Request-Id": "logged-1", "traceparent": TRACE}
    reply = guarded.ask("POST", "/embed?model=clip&token=hush-hush", guarded.web, headers=headers, content=jpegs[0])
    line = guarded.line_of("logged-1")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert {**line, "time": 0, "ms": 0} == {
        "time": 0, "peer": "127.0.0.1", "key": "web", "request_id": "logged-1", "traceparent": TRACE, "method": "POST",
        "route": "/embed", "status": 200, "code": "ok", "bytes_in": len(jpegs[0]), "bytes_out": len(reply.content),
        "images": 1, "model": "clip", "client_gone": False, "ms": 0}
    times = line["ms"]
    assert list(times) == ["receive", "parse", "queue", "fetch", "decode", "encode", "serialise", "total"]
    assert times["decode"] > 0 and times["encode"] > 0
    assert times["total"] >= times["decode"] + times["encode"]
    guarded.ask("POST", "/embed", headers={"X-Request-Id": "logged-2", "Authorization": "Bearer pv_hush-hush"})
    refused = guarded.line_of("logged-2")
    assert (refused["status"], refused["code"], "key" in refused) == (401, "unauthorized", False)
    everything = guarded.log_file.read_text() + guarded.server.log_path.read_text()
    for secret in ("hush-hush", guarded.web, guarded.ops, "Bearer pv_"):
        assert secret not in everything


def test_who_left_is_in_the_access_log(guarded):
    with guarded.server.connect() as connection:
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nX-Request-Id: left-1\r\nX-API-Key: "
                           + guarded.web.encode() + b"\r\n\r\nsome")
    line = guarded.line_of("left-1")
    assert (line["status"], line["client_gone"], line["bytes_in"], line["bytes_out"]) == (499, True, 4, 0)


def test_keys_are_read_anew_all_or_nothing(model, tmp_path):
    running = Guarded(model, tmp_path)
    late = make_key(running.keys_file, "late")
    assert running.ask("GET", "/v1/models", late).status_code == 401
    running.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.ask("GET", "/v1/models", late).status_code == 200, "the new key opens")
    good = running.keys_file.read_text()
    running.keys_file.write_text("web:embed:oops\n")
    running.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "the API keys stay as they were" in running.server.log_path.read_text(), "an error in the log")
    assert "line 1" in running.server.log_path.read_text()
    assert running.ask("GET", "/v1/models", running.web).status_code == 200
    running.keys_file.write_text("\n".join(line for line in good.splitlines() if not line.startswith("web:")))
    running.server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: running.ask("GET", "/v1/models", running.web).status_code == 401, "a key that is gone opens nothing")
    running.server.stop()


def test_logs_are_opened_anew(model, tmp_path, jpegs):
    requests = tmp_path / "requests.jsonl"
    running = Guarded(model, tmp_path, "--request-log", requests)
    running.ask("POST", "/embed", running.web, headers={"X-Request-Id": "old", "traceparent": TRACE}, content=jpegs[0])
    wait_for(lambda: requests.read_text() and running.log_file.read_text(), "the first lines")
    for path in (requests, running.log_file):
        path.rename(f"{path}.1")
    running.server.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: requests.exists() and running.log_file.exists(), "new files")
    running.ask("POST", "/embed", running.web, headers={"X-Request-Id": "new"}, content=jpegs[0])
    running.server.stop()
    assert [line["request_id"] for line in running.lines()] == ["new"]
    assert [json.loads(line)["request_id"] for line in requests.read_text().splitlines()] == ["new"]
    old = json.loads((tmp_path / "requests.jsonl.1").read_text())
    assert (old["request_id"], old["traceparent"]) == ("old", TRACE)


@pytest.mark.parametrize("flags, message", [
    (["--api-keys", "/none/keys"], "/none/keys"),
    (["--default-quota", "requests=1/s"], "--api-keys"),
    (["--default-quota", "lots"], "--default-quota"),
    (["--cors-origin", "*"], "no wildcard"),
    (["--access-log", "/none/log"], "--access-log"),
])
def test_flags_that_cannot_be(model, flags, message):
    failed = subprocess.run([BINARY, "serve", "--model", f"clip={model}", "--port", "0", *flags], capture_output=True, text=True)
    assert failed.returncode in (1, 2)
    assert message in failed.stderr


def leave(server):
    """A request whose client is gone before it has sent all of it, with a reset."""
    with server.connect() as connection:
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_stderr_that_nobody_reads_stops_nothing(model, tmp_path, jpegs):
    reader, writer = os.pipe()
    filler = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
    running = Server.__new__(Server)
    port_file = tmp_path / "port"
    running.process = subprocess.Popen([BINARY, "serve", "--model", f"clip={model}", "--port", "0", "--port-file", port_file,
                                        "--log-level", "debug", *FLAGS], stderr=writer)
    wait_for(port_file.exists, "the server starts")
    running.port = int(port_file.read_text())
    running.url = f"http://127.0.0.1:{running.port}"
    try:
        while True:
            os.write(filler, b"x" * 4096)
    except BlockingIOError:
        pass  # the pipe is full from here on
    for _ in range(900):
        leave(running)
    wait_for(lambda: running.metric("photovec_http_requests_total", route="embed", status="499") >= 900, "900 left")
    for path in ("/healthz", "/readyz"):
        began = time.monotonic()
        assert running.get(path).status_code == 200
        assert time.monotonic() - began < 5
    assert running.post("/embed", content=jpegs[0]).status_code == 200
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=20) == 0
    for fd in (reader, writer, filler):
        os.close(fd)


def test_a_flood_of_one_kind_is_cut(model, tmp_path):
    server = Server(model, tmp_path, "--allow-host", "*", *FLAGS)
    for request in range(30):
        server.post("/embed", json={"images": [f"http://127.0.0.1/{request}-{i}.jpg" for i in range(100)]})
    suppressed = server.metric("photovec_log_lines_dropped_total", log="stderr", reason="suppressed")
    server.stop()
    log = server.log_path.read_text()
    written = sum("is not a public address" in line and "more of these" not in line for line in log.splitlines())
    told = sum(int(count) for count in re.findall(r"(\d+) more of these in the last 10 s: fetch", log))
    assert 20 <= written <= 300
    assert suppressed > 2000 and written + told == 3000


def test_lost_lines_are_a_metric(model, tmp_path, jpegs):
    server = Server(model, tmp_path, "--access-log", "/dev/full", "--request-log", "/dev/full", *FLAGS)
    server.post("/embed", content=jpegs[0])
    for log in ("access", "request"):
        wait_for(lambda log=log: server.metric("photovec_log_lines_dropped_total", log=log, reason="failed") >= 1, log)
    server.stop()
