#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long one text takes through HTTP on an idle server, and how many a second many clients get.

    text_latency.py MODEL [--binary PHOTOVEC] [--json FILE] [-- FLAGS OF photovec serve]

Queries of about ten tokens to /v1/embeddings: 300 one after the other on one connection (p50, p95), then as many as 32
connections send within some seconds.
"""
import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import photovec_client  # noqa: E402 - after sys.path

WORDS = "a photo of an old red boat beside the quiet northern lake at dawn".split()
QUERIES = 300
CONNECTIONS = 32
SECONDS = 5


def query(i):
    return " ".join(WORDS[(i * 7 + k * (1 + i % 5)) % len(WORDS)] for k in range(8))


def ask(connection, i):
    """Microseconds from sending to the whole reply."""
    body = json.dumps({"model": "m", "input": query(i)})
    begin = time.perf_counter()
    connection.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    took = (time.perf_counter() - begin) * 1e6
    if reply.status != 200:
        raise SystemExit(f"text_latency: {reply.status} {text[:300]!r}")
    return took


def measure(server):
    connection = server.connect()
    for i in range(20):
        ask(connection, i)
    alone = sorted(ask(connection, i) for i in range(QUERIES))
    counts = [0] * CONNECTIONS
    until = time.monotonic() + SECONDS

    def work(which):
        own = server.connect()
        while time.monotonic() < until:
            ask(own, which * 1000 + counts[which])
            counts[which] += 1

    photovec_client.run_threads(CONNECTIONS, work)
    return {"p50_us": photovec_client.quantile(alone, 0.5), "p95_us": photovec_client.quantile(alone, 0.95),
            "texts_per_s": sum(counts) / SECONDS}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--binary")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("flags", nargs="*", help="of photovec serve, after --")
    options = parser.parse_args()
    with photovec_client.Server(options.model, *options.flags, binary=options.binary) as server:
        result = {"model": pathlib.Path(options.model).name, "flags": options.flags, **measure(server)}
    print(f"{result['model']}: a text alone p50 {result['p50_us'] / 1e3:.2f} ms, p95 {result['p95_us'] / 1e3:.2f} ms; "
          f"{result['texts_per_s']:,.0f} texts/s by {CONNECTIONS} connections")
    if options.json:
        options.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
