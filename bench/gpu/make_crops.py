#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Crops of photos at a model's own size, as PNGs: images whose pixels no decoder and no resizer changes.

    make_crops.py PHOTOS OUT --size 224 [--count 228] [--seed 1]

Random resized crops, the same for the same seed, spread evenly over the photos; the first of each is a square of its full
short side. p07-3.png is crop 3 of photo 7. Needs Pillow.
"""
import argparse
import pathlib
import random

from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
SMALLEST = 0.35  # of the short side


def crop(photo, chance, whole, size):
    side = min(photo.size)
    if not whole:
        side = round(side * chance.uniform(SMALLEST, 1))
    left, top = chance.randint(0, photo.width - side), chance.randint(0, photo.height - side)
    return photo.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side), reducing_gap=3.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path, metavar="PHOTOS")
    parser.add_argument("out", type=pathlib.Path, metavar="OUT")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--count", type=int, default=228)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths = sorted(p for p in options.photos.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"make_crops: no photos in {options.photos}")
    options.out.mkdir(parents=True, exist_ok=True)
    made = 0
    for number, path in enumerate(paths):
        chance = random.Random(f"{options.seed}/{number}")
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        for which in range(len(range(number, options.count, len(paths)))):
            crop(photo, chance, which == 0, options.size).save(options.out / f"p{number:02d}-{which}.png", compress_level=1)
            made += 1
    print(f"{made} crops of {len(paths)} photos at {options.size} px")


if __name__ == "__main__":
    main()
