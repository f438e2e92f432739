#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Vectors of `photovec embed` on a GPU beside those of the CPU in f32, which CI compares with transformers.

    against_cpu.py NAME EXPECTED.npy f16=VECTORS.npy bf16=OTHERS.npy ... [--json FILE]

All were made from the same images or texts in the same order. Prints what torch_parity.py prints, with its bounds, and
exits with 1 when one is missed.
"""
import argparse
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
import torch_parity  # noqa: E402 - after sys.path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("expected", type=pathlib.Path)
    parser.add_argument("found", nargs="+", metavar="PRECISION=FILE")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    expected = torch_parity.unit(np.load(options.expected).astype(np.float64))
    similarity = expected @ expected.T
    apart = np.sqrt(np.maximum(0, 2 - 2 * similarity[~np.eye(len(expected), dtype=bool)]))
    parts = []
    for pair in options.found:
        precision, _, path = pair.partition("=")
        found = torch_parity.unit(np.load(path).astype(np.float64))
        if found.shape != expected.shape:
            raise SystemExit(f"against_cpu: {path} is {found.shape}, not {expected.shape}")
        errors = torch_parity.Errors(expected, found, float(np.median(apart)))
        missed = errors.missed(precision)
        print(f"{options.name} {precision}: {errors}{'; MISSED: ' + '; '.join(missed) if missed else ''}")
        parts.append({"precision": precision, **errors.figures, "missed": missed})
    if options.json:
        options.json.write_text(json.dumps({"model": options.name, "precisions": parts}))
    if any(part["missed"] for part in parts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
