#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Before any timing: do baseline and photovec give the same vectors, and is the baseline as fast as PyTorch lets it be?

1. The same photos through both servers' POST /clip/embedding, by URL from a plain web server: for each photo the cosine is
   at least 0.9995, and the vectors differ by at most 3% of the median distance between different photos.
2. Requests of one full batch, one after another, in turns with bare forward passes of the same model, batch and threads
   in this process: the server's forward passes reach at least 0.9 of the bare ones.

Exit code 1, saying why, when one does not hold. Run it with build/baseline-venv/bin/python."""
import argparse
import contextlib
import functools
import http.server
import json
import os
import pathlib
import pickle
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from embedder import BATCH, load_model  # noqa: E402 - after sys.path
from photovec_client import Server, find_binary, photo_paths, run_threads  # noqa: E402 - after sys.path

SERVER = pathlib.Path(__file__).resolve().parent / "server.py"
LOWEST_COSINE = 0.9995
LARGEST_DIFFERENCE = 0.03  # of the median distance between different photos
LOWEST_FORWARD_SHARE = 0.9


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin  # the base class's name
        pass


class WebServer(http.server.ThreadingHTTPServer):
    request_queue_size = 1024  # a request's images are all asked for at once
    daemon_threads = True  # connections that a client keeps open


@contextlib.contextmanager
def web_server(folder):
    """Serves a folder on a loopback port; gives its URL."""
    server = WebServer(("127.0.0.1", 0), functools.partial(QuietFiles, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def baseline_server(model, log, flags):
    return Server(model, "--request-log", log, *flags, command=[sys.executable, str(SERVER)])


def photovec_server(binary, model, precision):
    return Server(model, "--precision", precision, "--allow-host", "127.0.0.1:*", "--allow-cidr", "127.0.0.0/8", binary=binary)


def ask(server, urls):
    """[N, D] f32: the vectors of these photos."""
    connection = server.connect()
    connection.request("POST", "/clip/embedding", json.dumps({"images": urls}), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise SystemExit(f"check: POST /clip/embedding answered {response.status}: {body[:300]!r}\n{server.log_tail()}")
    vectors = pickle.loads(body)["data"]  # of a server that this script started
    if set(vectors) != set(urls):
        raise SystemExit(f"check: {len(urls)} photos were asked for, {len(vectors)} came back; pass photos that both can decode")
    return np.array([np.asarray(vectors[url], dtype=np.float32) for url in urls])


def compare(ours, theirs):
    """How far vectors are apart: the lowest cosine, the largest difference as a share of the median distance between
    different photos (both of unit vectors), and the largest difference of lengths as a share."""
    lengths = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in (ours, theirs)]
    a, b = ours / lengths[0], theirs / lengths[1]
    distances = np.linalg.norm(b[:, None] - b[None], axis=2)
    between = float(np.median(distances[np.triu_indices(len(b), 1)]))
    return {"lowest_cosine": float((a * b).sum(1).min()),
            "largest_difference": float(np.linalg.norm(a - b, axis=1).max()) / between,
            "largest_length_difference": float(np.abs(lengths[0] / lengths[1] - 1).max()), "photos": len(ours)}


def check_vectors(options, baseline, urls):
    expected = ask(baseline, urls)
    report = {}
    for precision in options.precision:
        with photovec_server(options.photovec, options.model, precision) as photovec:
            apart = report[precision] = compare(ask(photovec, urls), expected)
        print(f"vectors, photovec {precision}: {apart['photos']} photos, lowest cosine {apart['lowest_cosine']:.7f}, largest "
              f"difference {100 * apart['largest_difference']:.2f}% of the median distance between photos, lengths within "
              f"{100 * apart['largest_length_difference']:.2f}%")
        if apart["lowest_cosine"] < LOWEST_COSINE or apart["largest_difference"] > LARGEST_DIFFERENCE:
            raise SystemExit(f"check: the servers do not compute the same thing (cosine >= {LOWEST_COSINE} and difference <= "
                             f"{LARGEST_DIFFERENCE:.0%} wanted): there is no race to run")
    return report


class BareForward:
    """PyTorch's forward pass of one full batch, nothing around it."""

    def __init__(self, model_dir, device):
        self.device = torch.device(device)
        self.model = load_model(model_dir, self.device)
        size = self.model.config.image_size
        self.pixels = torch.randn(BATCH, 3, size, size, generator=torch.Generator().manual_seed(7)).to(self.device)

    def once(self):
        with torch.inference_mode():
            self.model(pixel_values=self.pixels).image_embeds.cpu()

    def images_per_s(self, threads, at_once=1):
        """`at_once` passes at the same time, each with `threads` threads."""
        torch.set_num_threads(threads)
        began = time.perf_counter()
        run_threads(at_once, lambda _: self.once())
        return at_once * BATCH / (time.perf_counter() - began)


def check_forward(options, baseline, urls, log):
    """Rates of the forward pass, in turns. Stops the baseline, whose request log is whole only then."""
    # A reply holds each name once: photos that are asked for twice get names of their own.
    batch = [f"{urls[i % len(urls)]}?{i}" for i in range(BATCH)]
    bare = BareForward(options.model, options.device)
    cores = os.cpu_count() or 1
    layouts = {"as the server": (options.threads, 1), f"one pass, {cores} threads": (cores, 1),
               f"{cores} passes, 1 thread each": (1, cores)}
    rates = {layout: [] for layout in layouts}
    for number in range(options.rounds + 1):
        ask(baseline, batch)
        for layout, (threads, at_once) in layouts.items():
            rate = bare.images_per_s(threads, at_once)
            if number > 0:  # the first round warms up
                rates[layout].append(rate)
    baseline.stop()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    server = statistics.median(BATCH / line["embed"] * 1e6 for line in lines[-options.rounds :])
    bare_rates = {layout: statistics.median(values) for layout, values in rates.items()}
    best = max(bare_rates, key=bare_rates.get)
    share = server / bare_rates["as the server"]
    print(f"forward pass, batch {BATCH}, {options.threads} thread(s): server {server:.1f} img/s, bare PyTorch {torch.__version__} "
          f"{bare_rates['as the server']:.1f} img/s ({share:.2f}); all cores: {bare_rates[best]:.1f} img/s ({best})")
    return {"server_images_per_s": server, "bare_images_per_s": bare_rates, "share": share, "bare_best_images_per_s": bare_rates[best],
            "bare_best_how": best, "threads": options.threads, "torch": torch.__version__, "device": str(bare.device)}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, type=pathlib.Path, help="folder of JPEGs")
    parser.add_argument("--photovec", type=pathlib.Path, help="the binary (default: $DEMO_BINARY, or the newest under build/)")
    parser.add_argument("--precision", action="append", help="of photovec; repeatable (default f32)")
    parser.add_argument("--threads", type=int, default=1, help="of the baseline's forward pass (default 1)")
    parser.add_argument("--count", type=int, default=64, help="photos to compare (default 64)")
    parser.add_argument("--rounds", type=int, default=7, help="forward passes to time (default 7)")
    parser.add_argument("--out", type=pathlib.Path, help="write the figures there as JSON")
    parser.add_argument("server_flags", nargs="*", help="after --: more flags for server.py")
    options = parser.parse_args()
    options.precision = options.precision or ["f32"]
    options.photovec = options.photovec or find_binary()
    options.device = "cuda" if torch.cuda.is_available() else "cpu"
    return options


def main():
    options = parse_options()
    photos = photo_paths(options.images)[: options.count]
    if len(photos) < 10:
        raise SystemExit(f"check: {options.images} has {len(photos)} JPEGs; at least 10 are needed")
    with tempfile.TemporaryDirectory(prefix="photovec-check-") as folder, web_server(options.images) as url:
        urls = [url + urllib.parse.quote(str(photo.relative_to(options.images))) for photo in photos]
        log = pathlib.Path(folder, "requests.jsonl")
        with baseline_server(options.model, log, ["--threads", options.threads, *options.server_flags]) as baseline:
            report = {"vectors": check_vectors(options, baseline, urls)}
            report["forward"] = check_forward(options, baseline, urls, log)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    if report["forward"]["share"] < LOWEST_FORWARD_SHARE:
        raise SystemExit(f"check: the baseline's forward pass reaches {report['forward']['share']:.2f} of bare PyTorch; below "
                         f"{LOWEST_FORWARD_SHARE} a race would say nothing")


if __name__ == "__main__":
    main()
