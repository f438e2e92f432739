# SPDX-License-Identifier: MIT
"""`photovec embed` under kill -9 and full disks: what tests/integration/test_embed.py does in short, and bench/embed_kill at length."""
import hashlib
import io
import os
import pathlib
import random
import signal
import subprocess
import time

import numpy
from PIL import Image

NAMES = ("v.npy", "v.jsonl", "v.meta.json")
SHIM = pathlib.Path(__file__).with_name("disk_faults.c")


def make_photos(folder, count, side=96, seed=1):
    """JPEGs that differ, in two levels of folders, with some that are none among them."""
    chance = numpy.random.default_rng(seed)
    for i in range(count):
        path = folder / f"{i // 50:03}" / f"{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i % 37 == 5:
            path.write_bytes(b"no photo")
            continue
        coarse = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=numpy.uint8))
        out = io.BytesIO()
        coarse.resize((side, side * 3 // 4), Image.BICUBIC).save(out, "JPEG", quality=88)
        path.write_bytes(out.getvalue())
        os.utime(path, (1_600_000_000 + i, 1_600_000_000 + i))
    return folder


def build_shim(folder):
    shim = folder / "disk_faults.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", shim, SHIM, "-ldl"], check=True)
    return shim


class Embed:
    """One command, again and again."""

    def __init__(self, binary, model, photos, out, *flags):
        self.binary, self.out = binary, out
        out.mkdir(parents=True, exist_ok=True)
        self.command = [str(word) for word in (binary, "embed", photos, "-o", out / "v.npy", "--model", model, "--decode", "thread",
                                               "--streams", 1, "--max-batch", 4, *flags)]

    def start(self, *flags, environment=None):
        return subprocess.Popen([*self.command, *map(str, flags)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, **(environment or {})})

    def run(self, *flags, environment=None):
        process = self.start(*flags, environment=environment)
        process.out, process.err = process.communicate(timeout=300)
        return process

    def bytes(self):
        """The three files; of a file that is not there, nothing."""
        return tuple((self.out / name).read_bytes() if (self.out / name).exists() else None for name in NAMES)

    def digests(self):
        """What must be the same after any number of kills: vectors and lines, without the times in meta.json."""
        return tuple(hashlib.sha256((self.out / name).read_bytes()).hexdigest() for name in NAMES[:2])

    def check(self):
        """Whether the files belong together, as the program itself tells."""
        return subprocess.run([self.binary, "embed", "--check", self.out / "v.npy"], capture_output=True, text=True, check=False)

    def leftovers(self):
        return sorted(path.name for path in self.out.iterdir() if path.name not in NAMES)


class Wrong(AssertionError):
    pass


def expect(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(word) for word in what))


def kill_at_random(embed, older, kills, seed, say=lambda text: None):
    """Starts with --resume, kills, and again, until it ends by itself; each time the result must be that of the run that nobody
    disturbed, and until then the older one. Returns figures.

    :param older: a command with the same output that makes another result."""
    chance = random.Random(seed)
    began = time.monotonic()
    reference = embed.run()
    expect(reference.returncode == 3, "undisturbed:", reference.returncode, reference.err)
    wanted, length = embed.digests(), time.monotonic() - began
    done = {"kills": 0, "ends": 0, "most kills before an end": 0, "cut while files took their place": 0, "resumed runs": 0}
    while done["kills"] < kills:
        expect(older.run().returncode in (0, 3), "the older result")
        before, in_row = embed.bytes(), 0
        while True:
            process = embed.start("--resume")
            try:
                # Mostly soon after the start, where the work is: kills that come late hit what is done already.
                process.wait(timeout=length * chance.random() * 1.1 if done["kills"] < kills else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            if process.returncode != -signal.SIGKILL:
                break
            done["kills"], in_row = done["kills"] + 1, in_row + 1
            if embed.bytes() != before:
                check = embed.check()
                whole = check.returncode == 0 and embed.digests() == wanted
                expect(whole or "is not the file that" in check.stderr, "mixed and not told:", check.stdout, check.stderr)
                done["cut while files took their place"] += not whole
        expect(process.returncode == 3, "ended with", process.returncode, err)
        expect(embed.digests() == wanted, "another result after", in_row, "kills")
        expect(embed.check().returncode == 0, embed.check().stderr)
        expect(embed.leftovers() == [], "left over:", embed.leftovers())
        done["ends"] += 1
        done["resumed runs"] += "resumed after" in out
        done["most kills before an end"] = max(done["most kills before an end"], in_row)
        say(f"{done['kills']} kills, {done['ends']} results")
    return done


def fail_every_call(embed, older, shim, kind, step=1, say=lambda text: None):
    """The disk is full (or the process is killed) at the 1st call that changes a file, then at the 2nd, and so on: the older result is
    whole or the new one is, and --resume makes the new one. Returns how many calls there are, and how often which was there."""
    counted = embed.out.parent / "calls"
    environment = {"LD_PRELOAD": str(shim), "FAULT_UNDER": str(embed.out), "FAULT_COUNT": str(counted)}
    expect(older.run().returncode in (0, 3), "the older result")
    expect(embed.run(environment={**environment, "FAULT_AT": "0"}).returncode == 3, "without a fault")
    wanted, calls = embed.digests(), int(counted.read_text())
    done = {"calls": calls, "tried": 0, "older": 0, "new": 0, "told as cut": 0}
    for at in range(1, calls + 1, step):
        expect(older.run().returncode in (0, 3), "the older result")
        before = embed.bytes()
        process = embed.run(environment={**environment, "FAULT_AT": str(at), "FAULT_KIND": kind})
        after = embed.bytes()
        done["tried"] += 1
        if after == before:
            done["older"] += 1
            if kind == "kill":
                expect(process.returncode == -signal.SIGKILL, at, process.returncode, process.err)
            else:
                expect(process.returncode == 1 and "No space left" in process.err, at, process.returncode, process.err)
        elif embed.check().returncode == 0 and embed.digests() == wanted:
            done["new"] += 1
            expect(process.returncode == (-signal.SIGKILL if kind == "kill" else 3), at, process.returncode, process.err)
        else:
            expect(kind == "kill" and "is not the file that" in embed.check().stderr, at, "mixed:", embed.check().stderr, process.err)
            done["told as cut"] += 1
        resumed = embed.run("--resume")
        expect(resumed.returncode == 3 and embed.digests() == wanted, at, resumed.returncode, resumed.err)
        expect(embed.check().returncode == 0 and embed.leftovers() == [], at, embed.check().stderr, embed.leftovers())
        say(f"{kind}: call {at} of {calls}")
    return done
