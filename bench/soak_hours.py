# SPDX-License-Identifier: MIT
"""bench/soak --hours: hours of mixed traffic with faults, and what the server's memory, descriptors and threads did meanwhile."""
import base64
import collections
import datetime
import http.client
import json
import math
import os
import pathlib
import platform
import random
import shlex
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time

from attack_tools import decoder_pids, signal_all
from photovec_client import Server, multipart

SLOPE_MB_H = 1.0
SETTLED = 0.5  # hours; before that a server still takes the memory that it keeps
BLOCKS = 24  # means of so many stretches go into the regression: single samples follow each other too closely
BAD = [b"", b"<html>not a photo</html>", b"\xff\xd8\xff\xe0" + b"\0" * 200, b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
       b"GIF89a\1\0\1\0", b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 8]
MALFORMED = [b"GET / HTTP/9.9\r\n\r\n", b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", b"\0" * 64,
             b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             b"GET /healthz HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
             b"POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
FAILING = ["missing.jpg", "../secret.jpg", "http://127.0.0.1:1/x.jpg", "http://169.254.169.254/x", "data:image/png;base64,????", ""]
# A killed or stopped decoder may cost a retryable answer, never another one.
RETRYABLE = {429, 503, 504}


class Pace:
    """At most so many images a second, over all threads."""

    def __init__(self, rate):
        self.rate, self.next, self.lock = rate, time.monotonic(), threading.Lock()

    def wait(self, images, stop):
        if not self.rate:
            return
        with self.lock:
            at = self.next = max(self.next, time.monotonic()) + images / self.rate
        stop.wait(max(0.0, at - time.monotonic()))


class Traffic:
    """One client that does something else each time, and checks each answer."""

    def __init__(self, server, photos, names, seed, wrong):
        self.server, self.photos, self.names, self.wrong = server, photos, names, wrong
        self.chance, self.connection, self.counts = random.Random(seed), None, collections.Counter()
        self.pause = lambda images: None  # until so many more may be sent
        self.vectors = {}  # of each photo, as it first came
        self.kinds = {self.upload: 40, self.single: 20, self.references: 15, self.bad_photos: 10, self.failing_references: 5,
                      self.malformed: 5, self.leave: 5}

    def run(self, pace, stop):
        kinds, weights = list(self.kinds), list(self.kinds.values())
        while not stop.is_set():
            kind = self.chance.choices(kinds, weights)[0]
            self.pause = lambda images: pace.wait(images, stop)
            try:
                kind()
            except (OSError, http.client.HTTPException) as error:
                self.connection = None
                if not stop.is_set():
                    self.wrong.append(f"{kind.__name__}: {error!r}")
            self.counts[kind.__name__] += 1

    def ask(self, path, body, content_type):
        if self.connection is None:
            self.connection = self.server.connect(120)
        self.connection.request("POST", path, body, {"Content-Type": content_type})
        response = self.connection.getresponse()
        text = response.read()
        if response.getheader("Connection") == "close":
            self.connection = None
        return response.status, json.loads(text)

    def expect(self, what, holds):
        if not holds:
            self.wrong.append(what)

    def check(self, status, answer, chosen, bad=()):
        """`chosen` are numbers of photos; `bad` places among them that must fail."""
        if status in RETRYABLE:
            self.counts["retryable"] += 1
            return
        self.expect(f"status {status}: {answer}", status == 200)
        errors = {error["index"]: error["code"] for error in answer.get("errors", [])}
        for place, number in enumerate(chosen):
            if place in bad:
                self.expect(f"a bad photo has no error: {errors}", place in errors)
            elif place in errors:
                self.expect(f"a good photo: {errors[place]}", errors[place] in ("decoder_stalled", "unavailable"))
            elif status == 200:
                vector = answer["embeddings"][place] if "embeddings" in answer else answer["embedding"]
                first = self.vectors.setdefault(number, vector)
                self.expect("another photo's vector", max(abs(a - b) for a, b in zip(first, vector)) < 1e-5)
                self.counts["images"] += 1

    def some(self, most=8):
        chosen = [self.chance.randrange(len(self.photos)) for _ in range(self.chance.randint(1, most))]
        self.pause(len(chosen))
        return chosen

    def upload(self):
        chosen = self.some()
        content_type, body = multipart([self.photos[i] for i in chosen])
        self.check(*self.ask("/embed", body, content_type), chosen)

    def single(self):
        number = self.some(1)[0]
        self.check(*self.ask("/embed", self.photos[number], "image/jpeg"), [number])

    def references(self):
        chosen = self.some()
        images = [self.names[i] if self.chance.random() < 0.8 else
                  "data:image/jpeg;base64," + base64.b64encode(self.photos[i]).decode() for i in chosen]
        self.check(*self.ask("/embed", json.dumps({"images": images}), "application/json"), chosen)

    def bad_photos(self):
        chosen = [*self.some(4), 0, *self.some(2)]
        bad = len(chosen) - 2 if len(chosen) > 2 else len(chosen) - 1
        photos = [self.photos[i] for i in chosen]
        photos[bad] = self.chance.choice(BAD) if self.chance.random() < 0.7 else photos[bad][: len(photos[bad]) // 2]
        content_type, body = multipart(photos)
        self.check(*self.ask("/embed", body, content_type), chosen, {bad})

    def failing_references(self):
        self.pause(2)
        status, answer = self.ask("/embed", json.dumps({"images": [self.names[0], self.chance.choice(FAILING)]}), "application/json")
        self.check(status, answer, [0, 0], {1})

    def malformed(self):
        self.pause(1)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            connection.sendall(self.chance.choice(MALFORMED))
            reply = connection.recv(65536)
        self.expect(f"a malformed request: {reply[:80]}", reply[:10] == b"HTTP/1.1 4")

    def leave(self):
        """In the middle of its body, or while it waits."""
        content_type, body = multipart([self.photos[i] for i in self.some()])
        head = f"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            connection.sendall((head + body)[: self.chance.choice([10, len(head) + len(body) // 2, len(head) + len(body)])])


def disturb(server, seed, stop, counts):
    """Kills a decoder now and then, and stops one for some seconds."""
    chance = random.Random(seed)
    while not stop.wait(chance.uniform(10, 30)):
        pids = decoder_pids(server)[:1]
        if chance.random() < 0.7:
            signal_all(pids, signal.SIGKILL)
            counts["decoders killed"] += 1
        else:
            signal_all(pids, signal.SIGSTOP)
            stop.wait(3)
            signal_all(pids, signal.SIGCONT)
            counts["decoders stopped"] += 1


Sample = collections.namedtuple("Sample", "hours rss_mib fds threads images")


def look(server, start, traffic):
    proc = pathlib.Path(f"/proc/{server.process.pid}")
    return Sample((time.monotonic() - start) / 3600, server.rss_bytes() / 2**20, len(os.listdir(proc / "fd")),
                  len(os.listdir(proc / "task")), sum(client.counts["images"] for client in traffic))


def slope_of(samples):
    """(MB/h, its standard error) of RSS, by least squares over the means of BLOCKS stretches."""
    size = max(1, len(samples) // BLOCKS)
    blocks = [samples[at:at + size] for at in range(0, len(samples) - size + 1, size)]
    x = [statistics.fmean(s.hours for s in block) for block in blocks]
    y = [statistics.fmean(s.rss_mib for s in block) * 2**20 / 1e6 for block in blocks]
    if len(x) < 4:
        return 0.0, math.inf
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    square = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / square
    rest = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y))
    return slope, math.sqrt(rest / (len(x) - 2) / square)


def table(samples, rows=12):
    lines = [f"{'hours':>7}{'images':>10}{'images/s':>10}{'RSS MiB':>9}{'largest':>9}{'fds':>6}{'threads':>9}"]
    size = max(1, len(samples) // rows)
    for at in range(0, len(samples), size):
        block = samples[at:at + size]
        length = (block[-1].hours - block[0].hours) * 3600
        rate = (block[-1].images - block[0].images) / length if length > 0 else 0
        lines.append(f"{block[-1].hours:>7.2f}{block[-1].images:>10}{rate:>10.1f}{statistics.fmean(s.rss_mib for s in block):>9.1f}"
                     f"{max(s.rss_mib for s in block):>9.1f}{max(s.fds for s in block):>6}{max(s.threads for s in block):>9}")
    return "\n".join(lines)


def chart(samples, width=72, height=10):
    """RSS over time, in letters."""
    columns = [statistics.fmean(s.rss_mib for s in samples[at * len(samples) // width:(at + 1) * len(samples) // width] or samples[-1:])
               for at in range(width)]
    most = max(columns) * 1.1
    lines = []
    for row in range(height, 0, -1):
        label = f"{most * row / height:>6.0f} MiB |"
        lines.append(label + "".join("#" if value >= most * (row - 0.5) / height else " " for value in columns).rstrip())
    lines.append(" " * 10 + " +" + "-" * width)
    lines.append(" " * 12 + f"0 h{samples[-1].hours:>{width - 5}.2f} h")
    return "\n".join(lines)


def run(args, photos):
    photos = sorted(photos, key=len)[: max(20, len(photos) // 2)]
    wrong, stop, samples, faults = [], threading.Event(), [], collections.Counter()
    with tempfile.TemporaryDirectory(prefix="photovec-soak-") as root:
        names = []
        for i, photo in enumerate(photos):
            names.append(f"{i}.jpg")
            pathlib.Path(root, names[-1]).write_bytes(photo)
        with Server(args.model, "--image-root", root, *args.serve_flags) as server:
            traffic = [Traffic(server, photos, names, args.seed + i, wrong) for i in range(4)]
            traffic[0].single()  # opens what stays open
            traffic[0].connection = None
            time.sleep(1)
            start = time.monotonic()
            before = look(server, start, traffic)
            pace, seconds = Pace(args.rate), args.hours * 3600
            threads = [threading.Thread(target=client.run, args=(pace, stop), daemon=True) for client in traffic]
            threads.append(threading.Thread(target=disturb, args=(server, args.seed, stop, faults), daemon=True))
            for thread in threads:
                thread.start()
            while (elapsed := time.monotonic() - start) < seconds and server.process.poll() is None and len(wrong) < 20:
                samples.append(look(server, start, traffic))
                if sys.stderr.isatty():
                    print(f"\r{elapsed / 3600:.2f} of {args.hours:g} h, {samples[-1].images} images, RSS {samples[-1].rss_mib:.0f} MiB ",
                          end="", file=sys.stderr)
                time.sleep(min(5.0, seconds / 200))
            stop.set()
            for thread in threads:
                thread.join(130)
            for client in traffic:
                client.connection = None
            time.sleep(5)
            alive = server.process.poll() is None
            after = look(server, start, traffic) if alive else before
            stats = server.stats() if alive else {}
            code = server.stop()
    counts = sum((client.counts for client in traffic), collections.Counter()) + faults
    verdicts = judge(samples, before, after, stats, alive, code, wrong)
    text = report(args, samples, before, after, counts, verdicts)
    print(text)
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        path = args.report / f"soak-{datetime.date.today().isoformat()}.md"
        path.write_text(text + "\n")
        print(f"written to {path}")
    failed = [f"{what}: {found}" for what, found, holds in verdicts if not holds]
    if failed:
        raise SystemExit("failed:\n  " + "\n  ".join(failed))


def judge(samples, before, after, stats, alive, code, wrong):
    """[(what, what was found, whether it is well)]"""
    late = samples[len(samples) // 2:]
    slope, error = slope_of(late)
    settled = samples[-1].hours >= SETTLED
    budget = sum(row["value"] for row in stats.get("photovec_memory_budget_used_bytes", [{"value": 0}]))
    blamed = sum(row["value"] for row in stats.get("photovec_decoder_quarantined", [{"value": 0}]))
    return [
        ("the server lived and ended well", f"exit code {code}", alive and code == 0),
        ("wrong answers", f"{len(wrong)}" + "".join(f"; {what}" for what in wrong[:3]), not wrong),
        # What is within two standard errors of the limit is not known to be beyond it.
        ("RSS slope over the last half", f"{slope:+.2f} MB/h (standard error {error:.2f}); limit {SLOPE_MB_H:g}" +
         ("" if settled else f", not judged before {SETTLED:g} h"), slope - 2 * error <= SLOPE_MB_H or not settled),
        ("descriptors, before and after", f"{before.fds}, {after.fds}", after.fds <= before.fds),
        ("threads, before and after", f"{before.threads}, {after.threads}", after.threads <= before.threads),
        ("memory budget in use at the end", f"{budget:.0f} bytes", budget == 0),
        ("photos blamed", f"{blamed:.0f}", blamed == 0)]


def report(args, samples, before, after, counts, verdicts):
    command = shlex.join(["bench/soak", "--hours", f"{args.hours:g}", *(["--rate", f"{args.rate:g}"] if args.rate else []), "--model", "DIR",
                          "--images", "DIR", *(["--", *args.serve_flags] if args.serve_flags else [])])
    requests = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(counts.items()))
    rows = "\n".join(f"| {what} | {found} | {'yes' if holds else '**no**'} |" for what, found, holds in verdicts)
    return (f"# Soak test of {args.hours:g} hours, {datetime.date.today().isoformat()}\n\n"
            f"`{command}` on {os.cpu_count()} CPUs ({platform.machine()}): mixed traffic of four clients with bad photos, references that\n"
            f"fail, malformed requests, clients that leave, killed and stopped decoders.\n\n"
            f"| | found | well |\n|---|---|---|\n{rows}\n\n"
            f"What was done: {requests}. RSS {before.rss_mib:.0f} MiB before, {after.rss_mib:.0f} MiB 5 s after.\n\n"
            f"```text\n{table(samples)}\n\n{chart(samples)}\n```")
