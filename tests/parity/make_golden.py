#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/data/golden: what transformers and open_clip make of the checkpoints of checkpoints.py.

    make_golden.py [NAME...]    all of them, or those named; run by `scripts/test --parity --make-golden`

Needs what requirements-live.txt pins. Each file has unit vectors of images and texts, the same computed wrongly on
purpose ("wrong/..."), a digest of weights and inputs, and the versions of what made it.
"""
import hashlib
import json
import pathlib
import platform
import sys
import tempfile

import numpy as np
import open_clip
import timm
import torch
import transformers

from checkpoints import FAMILIES
from families import GOLDEN
from oracle import ORACLES

VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "open_clip_torch": open_clip.__version__,
            "timm": timm.__version__, "numpy": np.__version__, "python": platform.python_version()}


def distance(rows):
    return np.sqrt(np.maximum(0, 2 - 2 * (rows @ rows.T)[np.triu_indices(len(rows), 1)]))


def golden(name, family):
    with tempfile.TemporaryDirectory() as scratch:
        oracle = ORACLES[family.kind](family.build(pathlib.Path(scratch) / name))
        pixels, ids = family.pixels(), family.ids()
        out = {"image": oracle.images(pixels)}
        for wrong in oracle.wrong_images():
            out[f"wrong/image/{wrong}"] = oracle.images(pixels, wrong)
        if ids:
            out["text"] = oracle.texts(ids)
            for wrong in oracle.wrong_texts():
                out[f"wrong/text/{wrong}"] = oracle.texts(ids, wrong)
    for key, rows in out.items():
        far = distance(rows)
        shift = "" if "/" not in key else f"; from the right ones {np.abs(rows - out[key.split('/')[1]]).max(1).min():.1e} at least"
        print(f"  {key:<30} {rows.shape}, between inputs {far.min():.2f} to {far.max():.2f}{shift}")
    return out | {"digest": np.array(family.digest()), "made_by": np.array(json.dumps(VERSIONS))}


def main(names):
    GOLDEN.mkdir(parents=True, exist_ok=True)
    print(json.dumps(VERSIONS))
    done = {}
    for name in names or FAMILIES:
        print(name, flush=True)
        made = golden(name, FAMILIES[name])
        np.savez_compressed(GOLDEN / f"{name}.npz", **made)
        done[name] = hashlib.sha256((GOLDEN / f"{name}.npz").read_bytes()).hexdigest()
    print(f"{len(done)} files, {sum(path.stat().st_size for path in GOLDEN.iterdir()) >> 10} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
