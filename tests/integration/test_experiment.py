# SPDX-License-Identifier: MIT
"""`photovec experiment` for real: its own servers, store and load; reports that tell what happened."""
import itertools
import json
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys
import time

import pytest

from conftest import BINARY


def short(**changes):
    """Options of a run of seconds."""
    options = {"duration": "3s", "warmup": "500ms", "repetitions": 1, "clients": 4, "think": 0, "images_per_request": "2-4",
               **changes}
    return [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), str(value))]


@pytest.fixture(scope="module")
def photos(tmp_path_factory, jpegs):
    root = tmp_path_factory.mktemp("photos")
    (root / "my album").mkdir()
    for i, data in enumerate(jpegs):
        (root / "my album" / f"photo {i}.jpg").write_bytes(data)
    return root


@pytest.fixture(scope="module")
def many_photos(tmp_path_factory, jpegs):
    """So many names that hardly two images in flight are the same one, which would be fetched once for both."""
    root = tmp_path_factory.mktemp("many")
    for i in range(600):
        (root / f"{i}.jpg").write_bytes(jpegs[i % len(jpegs)])
    return root


def run(*args, env=None, **options):
    return subprocess.run([BINARY, "experiment", *map(str, args)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **(env or {})}, **options)


def report(out):
    return json.loads((out / "report.json").read_text())


def p95(values):
    return statistics.quantiles(values, n=100, method="inclusive")[94]


@pytest.fixture(scope="module")
def two_streams(model, many_photos, tmp_path_factory):
    """1 and 2 streams, twice each, with a trace."""
    out = tmp_path_factory.mktemp("experiment") / "out"
    done = run("--vary", "streams=1,2", "--model", model, "--images", many_photos, "--out", out, "--trace", out / "trace.json",
               *short(repetitions=2, duration="6s", latency="p50=60ms,p95=270ms"))
    assert done.returncode == 0, done.stderr + done.stdout
    return out, done


def test_variants_take_turns_and_every_run_is_whole(two_streams):
    out, done = two_streams
    variants = report(out)["variants"]
    assert [v["name"] for v in variants] == ["streams=1", "streams=2"]
    began = [run["began_us"] for repetition in range(2) for run in
             (v["runs"][repetition] for v in variants)]
    assert began == sorted(began)
    for variant in variants:
        for one in variant["runs"]:
            assert one["failure"] == ""
            assert one["images_completed"] > 20
            assert one["resources"]["server_cpus"] and max(one["resources"]["server_cpus"]) > 0.1
    assert "streams=2" in done.stdout and "report.html" in done.stdout
    for name in ("report.html", "report.md"):
        assert "streams=2" in (out / name).read_text()


def test_load_is_what_was_injected(two_streams):
    """Judged: the reported p95 of image load is within 5% of the p95 of the latencies really injected."""
    out, _ = two_streams
    log = [json.loads(line) for line in (out / "logs" / "object-store.requests.jsonl").read_text().splitlines()]
    seen, injected = [], []
    for variant in report(out)["variants"]:
        for one in variant["runs"]:
            fetches = list(loads(one))
            seen += [(end - start) / 1000 for start, end in fetches]
            # Of the store's whole log, what this run measured: not the warm-up.
            first, last = min(fetches)[0], max(fetches)[0]
            injected += [line["latency_ms"] for line in log if first <= line["received_us"] <= last + 5000]
    assert len(seen) > 200
    assert len(injected) == pytest.approx(len(seen), rel=0.05)
    assert p95(seen) == pytest.approx(p95(injected), rel=0.05)


def loads(run):
    """When each image's load began and ended, by the clock, from the raw figures."""
    items = iter(zip(run["items"]["at_fetch_start_us"], run["items"]["at_fetch_end_us"]))
    for started, count in zip(run["requests"]["started_us"], run["requests"]["items"]):
        for start, end in itertools.islice(items, count):
            yield started + start, started + end


def test_stages_account_for_a_requests_time(two_streams):
    """Judged: per request, at least 95% of its total time belongs to a stage, and no moment to two."""
    out, _ = two_streams
    facts = report(out)["computed"]["variants"]
    assert len(facts) == 2
    for variant in facts:
        assert 0.95e6 <= variant["accounted"] <= 1e6 or 0.95 <= variant["accounted"] <= 1


def test_trace_shows_decoders_streams_and_requests(two_streams):
    out, _ = two_streams
    for variant in ("streams=1", "streams=2"):
        events = json.loads((out / f"trace-{variant}.json").read_text())
        events = events["traceEvents"] if isinstance(events, dict) else events
        names = {e["args"]["name"] for e in events if e.get("ph") == "M" and e["name"] == "process_name"}
        assert names == {"decoders", "streams", "requests"}
        streams = {e["args"]["name"] for e in events if e.get("ph") == "M" and e["name"] == "thread_name" and e["pid"] == 2}
        assert len(streams) == int(variant[-1])


@pytest.mark.parametrize("stage,wall", [("fetch", "wall_store"), ("decode", "wall_decode"), ("encode", "wall_encoder")])
def test_findings_name_the_stage_that_is_slow(model, photos, tmp_path, stage, wall):
    """Judged: with a sleep injected into one stage the findings name that stage."""
    done = run("--model", model, "--images", photos, "--out", tmp_path / "out", *short(latency="0", clients=2), env={"PHOTOVEC_TEST_SLEEP": f"{stage}=150ms"})
    assert done.returncode == 0, done.stderr
    findings = report(tmp_path / "out")["computed"]["findings"]
    walls = [finding["key"] for finding in findings if finding["key"].startswith("wall_")]
    assert walls == [wall], findings


def test_a_variant_that_crashes_is_marked_and_the_next_goes_on(model, photos, tmp_path):
    serve = f"{BINARY} serve --model {model} --port 0 --port-file {{port_file}} --request-log {{request_log}} " \
            "--allow-host 127.0.0.1:* --allow-cidr 127.0.0.0/8"
    crash = tmp_path / "crash.py"
    # Runs photovec, and dies of a signal together with it as soon as it has answered a photo.
    crash.write_text(f"""
import os, pathlib, re, signal, subprocess, sys, time, urllib.request
port_file, request_log = sys.argv[1:]
server = subprocess.Popen({serve!r}.format(port_file=port_file, request_log=request_log).split())
while not os.path.exists(port_file):
    time.sleep(0.01)
url = "http://127.0.0.1:" + pathlib.Path(port_file).read_text().strip() + "/metrics"
while not re.search(rb'images_total{{.*ok.*}} [1-9]', urllib.request.urlopen(url).read()):
    time.sleep(0.01)
server.send_signal(signal.SIGSEGV)
server.wait()
print("last words", flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
""")
    done = run("--server", f"crashing={sys.executable} {crash} {{port_file}} {{request_log}}", "--server", f"good={serve}",
               "--images", photos, "--out", tmp_path / "out", *short())
    assert done.returncode == 3, done.stderr + done.stdout
    crashing, good = report(tmp_path / "out")["variants"]
    assert "signal 11" in crashing["runs"][0]["failure"]
    assert "last words" in "\n".join(crashing["runs"][0]["log_tail"])
    assert good["runs"][0]["failure"] == "" and good["runs"][0]["images_completed"] > 0
    assert "signal 11" in (tmp_path / "out" / "report.html").read_text()


def test_a_server_that_does_not_start_shows_its_last_lines(photos, tmp_path):
    done = run("--model", tmp_path / "no-model", "--images", photos, "--out", tmp_path / "out", *short())
    assert done.returncode == 1
    assert "exited with status" in done.stderr
    assert "no-model" in done.stdout + done.stderr
    assert any("no-model" in line for line in report(tmp_path / "out")["variants"][0]["runs"][0]["log_tail"])


@pytest.mark.parametrize("args,complaint", [
    (["--vary", "stream=1,2"], "did you mean 'streams'"),
    (["--vary", "streams=1,two"], "'two'"),
    (["--vary", "streams"], "NAME=VALUE"),
    (["--vary", "colour=red,blue"], "no option 'colour'"),
    (["--duration", "soon"], "--duration"),
    (["--find-capacity", "fast"], "--find-capacity"),
])
def test_wrong_options_are_refused_before_anything_starts(model, photos, tmp_path, args, complaint):
    done = run("--model", model, "--images", photos, "--out", tmp_path / "out", *args)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_photos_is_an_error(model, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("--model", model, "--images", tmp_path / "empty", "--out", tmp_path / "out")
    assert done.returncode == 2 and "no photo" in done.stderr


def test_interrupt_writes_the_report_of_what_ran(model, photos, tmp_path):
    process = subprocess.Popen([BINARY, "experiment", "--model", model, "--images", photos, "--out", tmp_path / "out",
                                "--vary", "streams=1,2", *short(repetitions=50)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    logs = tmp_path / "out" / "logs"
    deadline = time.monotonic() + 120
    while not (logs / "v0-r1.port").exists():  # the third run: two have ended
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "interrupted" in err
    data = report(tmp_path / "out")
    assert data["interrupted"] is True
    assert all(variant["runs"][0]["images_completed"] > 0 for variant in data["variants"])
    assert "streams=1" in (tmp_path / "out" / "report.html").read_text()
    for pid_dir in pathlib.Path("/proc").iterdir():
        if pid_dir.name.isdigit():
            try:
                assert str(tmp_path).encode() not in (pid_dir / "cmdline").read_bytes() or int(pid_dir.name) == os.getpid()
            except FileNotFoundError:
                pass


STUB_SERVER = """
import http.server, json, os, signal, sys, time
port_file, request_log = sys.argv[1:]
log = open(request_log, "w")
class Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        began = time.monotonic_ns() // 1000
        images = len(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["images"])
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(images * 16))
        self.end_headers()
        self.wfile.write(bytes(images * 16))
        log.write(json.dumps({"status": 200, "started": began, "total": time.monotonic_ns() // 1000 - began}) + "\\n")
    def do_GET(self):
        self.send_error(404)
    def log_message(self, *args):
        pass
signal.signal(signal.SIGTERM, lambda *_: (log.close(), os._exit(0)))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
with open(port_file + ".tmp", "w") as file:
    file.write(f"{server.server_port}\\n")
os.rename(port_file + ".tmp", port_file)
server.serve_forever()
"""


def test_a_full_disk_is_said_plainly(photos, tmp_path):
    # A limit on the size of files stands in for a full disk; photovec serve would not start under it.
    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    stub = tmp_path / "stub.py"
    stub.write_text(STUB_SERVER)
    done = run("--server", f"stub={sys.executable} {stub} {{port_file}} {{request_log}}", "--images", photos,
               "--out", tmp_path / "out", *short(think=1), preexec_fn=small_disk)
    assert done.returncode == 1, done.stdout
    assert re.search(r"report\.\w+: .*File too large", done.stderr), done.stderr
    for left in (tmp_path / "out").glob("report.*"):
        assert left.suffix in (".json", ".md", ".html") and left.stat().st_size > 0  # whole or not there


def test_open_loop_finds_a_capacity(model, photos, tmp_path):
    done = run("--model", model, "--images", photos, "--out", tmp_path / "out", 
               *short(arrival="poisson", rate=5, images_per_request=2, latency="0", find_capacity="p95<250ms",
                      capacity_trial="1500ms"))
    assert done.returncode == 0, done.stderr
    capacity = report(tmp_path / "out")["variants"][0]["capacity"][0]
    assert capacity["objective"] == "p95<250ms"
    trials = capacity["trials"]
    kept = [rate for rate, held in zip(trials["requests_per_s"], trials["kept"]) if held]
    assert capacity["requests_per_s"] == max(kept) > 0


def test_compare_tells_a_regression_by_its_exit_code(model, photos, tmp_path, two_streams):
    out, _ = two_streams
    slow = tmp_path / "slow"
    done = run("--vary", "streams=1,2", "--model", model, "--images", photos, "--out", slow, 
               *short(latency="p50=20ms,p95=90ms"), env={"PHOTOVEC_TEST_SLEEP": "decode=60ms"})
    assert done.returncode == 0, done.stderr
    compare = lambda *args: subprocess.run([BINARY, "compare", *map(str, args)], capture_output=True, text=True)
    same = compare(out / "report.json", out / "report.json")
    assert same.returncode == 0, same.stdout + same.stderr
    worse = compare(out / "report.json", slow / "report.json", "--threshold", "20%")
    assert worse.returncode == 4, worse.stdout + worse.stderr
    assert compare(out / "report.json", tmp_path / "missing.json").returncode in (1, 2)
    (tmp_path / "other.json").write_text("{\"a\": 1}")
    assert "report" in compare(out / "report.json", tmp_path / "other.json").stderr
