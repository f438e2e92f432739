# SPDX-License-Identifier: MIT
"""What the scripts in bench/ and scripts/demo share: starting a server, multipart bodies, the stage table."""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# As src/base/stage_times.h has them; a unit test compares.
STAGES = ["admit_wait", "fetch", "decode_wait", "decode", "preprocess", "tokenize", "batch_wait", "encode", "encode_text",
          "collect"]


def find_binary():
    """The photovec to use: $DEMO_BINARY, or the newest below build/ that is not a sanitizer's, which would be timed in vain."""
    if os.environ.get("DEMO_BINARY"):
        return pathlib.Path(os.environ["DEMO_BINARY"])
    built = sorted((path for path in ROOT.glob("build/*/bin/photovec") if path.parts[-3] not in ("asan", "tsan")),
                   key=lambda path: path.stat().st_mtime)
    if not built:
        raise SystemExit("no photovec binary under build/: run cmake --preset release && cmake --build --preset release")
    return built[-1]


def photo_paths(folder):
    """The JPEGs below a folder, in order."""
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg") and path.is_file())


class Server:
    """`photovec serve`, or another `command` with its options, on a free loopback port; use as a context manager. Fails with
    the log's last lines."""

    def __init__(self, model, *flags, binary=None, command=None, popen=None):
        """:param model: a folder, or "tiny": one of random weights, made for the run.
        :param popen: more for subprocess.Popen, such as another stderr."""
        self.folder = tempfile.TemporaryDirectory(prefix="photovec-")
        port_file = pathlib.Path(self.folder.name, "port")
        self.log_path = pathlib.Path(self.folder.name, "log")
        if model == "tiny":
            model = pathlib.Path(self.folder.name, "tiny")
            subprocess.run([str(binary or find_binary()), "init-model", "tiny", str(model), "--seed", "7"], check=True, capture_output=True)
        command = [*(command or [str(binary or find_binary()), "serve"]), "--model", str(model), "--port", "0", "--port-file",
                   str(port_file), *map(str, flags)]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, **{"stderr": log, "stdout": log, **(popen or {})})
        deadline = time.monotonic() + 120
        while not port_file.exists() or not port_file.read_text().strip():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start: {' '.join(command)}\n{self.log_tail()}")
            time.sleep(0.05)
        self.port = int(port_file.read_text())
        while self.get("/readyz")[0] != 200:
            if time.monotonic() > deadline:
                raise SystemExit("the server did not become ready within 120 s")
            time.sleep(0.05)

    def connect(self, timeout=600):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path):
        connection = self.connect(10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def log_tail(self):
        return self.log_path.read_text()[-2000:]

    def stats(self):
        return json.loads(self.get("/stats")[1])

    def rss_bytes(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        self.folder.cleanup()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def multipart(photos):
    """(content type, body) of encoded photos given as bytes."""
    boundary = b"photovec-bench-7d1f0c"
    parts = []
    for i, photo in enumerate(photos):
        parts += [b"--", boundary, b'\r\nContent-Disposition: form-data; name="images"; filename="', str(i).encode(),
                  b'.jpg"\r\nContent-Type: image/jpeg\r\n\r\n', photo, b"\r\n"]
    parts += [b"--", boundary, b"--\r\n"]
    return "multipart/form-data; boundary=" + boundary.decode(), b"".join(parts)


def post_patiently(connection, path, body, headers):
    """The response and its bytes. A server that has too much to do says when to come again (429, Retry-After), and is obeyed."""
    while True:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 429:
            return response, answer
        time.sleep(int(response.headers["Retry-After"]))


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def stage_rows(stats, metric):
    """{stage: {"count", "p50_ms", "p95_ms", ...}} of a stage metric of /stats."""
    return {row["labels"]["stage"]: row for row in stats.get(metric, [])}


def stage_table(stats):
    """The text that people read: image stages in order, then request stages."""
    lines = [f"{'stage':<22}{'per':<9}{'count':>8}{'p50 ms':>10}{'p95 ms':>10}{'mean ms':>10}"]
    rows = [("image", s, r) for s, r in sorted(stage_rows(stats, "photovec_image_stage_seconds").items(),
                                              key=lambda kv: STAGES.index(kv[0]) if kv[0] in STAGES else 99)]
    rows += [("request", s, r) for s, r in stage_rows(stats, "photovec_request_stage_seconds").items()]
    for per, stage, row in rows:
        if row["count"] == 0:  # an upload is neither fetched nor made to wait for it
            continue
        lines.append(f"{stage:<22}{per:<9}{row['count']:>8}{row['p50_ms']:>10.2f}{row['p95_ms']:>10.2f}{row['mean_ms']:>10.2f}")
    return "\n".join(lines)


def run_threads(count, work):
    """Runs work(i) on `count` threads; re-raises the first exception."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
