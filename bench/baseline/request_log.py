# SPDX-License-Identifier: MIT
"""The request log of the baseline: one JSON line a request, in the form that `photovec experiment` reads.

Microseconds of CLOCK_MONOTONIC, the clock of photovec's own log. The stages mean what the replaced service's owners
measured (bench/baseline/README.md has the table)."""
import dataclasses
import json
import time


def now_us():
    return time.monotonic_ns() // 1000


@dataclasses.dataclass(slots=True)
class ImageTimes:
    """What one image of a request cost; None: not reached."""

    code: str = "cancelled"  # until it is decoded: nobody waits for the others when one image has failed
    bytes: int = 0
    fetch_us: int | None = None
    decode_us: int | None = None
    decode_wait_us: int | None = None

    def fetched(self, began_us, ended_us, size):
        self.fetch_us = ended_us - began_us
        self.bytes = size

    def decoded(self, submitted_us, resumed_us, decode_us):
        """Decode wait is all that the coroutine waited beyond decoding: in the pool's queue, then for the event loop."""
        self.code = "ok"
        self.decode_us = decode_us
        self.decode_wait_us = resumed_us - submitted_us - decode_us

    def as_json(self):
        stages = {"fetch": self.fetch_us, "decode": self.decode_us, "decode_wait": self.decode_wait_us}
        return {"code": self.code, "ref": True, "bytes": self.bytes,
                "stages": {name: value for name, value in stages.items() if value is not None}}


@dataclasses.dataclass(slots=True)
class RequestTimes:
    """What one request cost; None: not reached."""

    id: int
    route: str
    started_us: int
    status: int = 0
    parse_us: int | None = None
    load_decode_us: int | None = None
    pool_wait_us: int | None = None  # of the embed job: no stage of the replaced service had it
    preprocess_us: int | None = None
    embed_us: int | None = None
    serialise_us: int | None = None
    total_us: int | None = None
    items: list[ImageTimes] = dataclasses.field(default_factory=list)

    def as_json(self):
        line = {"id": self.id, "model": "baseline", "route": self.route, "status": self.status, "started": self.started_us}
        for name in ("total", "parse", "load_decode", "pool_wait", "preprocess", "embed", "serialise"):
            value = getattr(self, name + "_us")
            if value is not None:
                line[name] = value
        line["items"] = [item.as_json() for item in self.items]
        return line


class RequestLog:
    """Lines go to a buffer and reach the file in large writes and at close(). Without a path it does nothing."""

    def __init__(self, path):
        self.file = open(path, "w", buffering=1 << 20) if path else None

    def write(self, times):
        if self.file:
            self.file.write(json.dumps(times.as_json(), separators=(",", ":")) + "\n")

    def close(self):
        if self.file:
            self.file.close()
            self.file = None
