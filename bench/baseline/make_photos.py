#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the race's photos: about 1 megapixel and 150 KB each, as the replaced service's users uploaded them.

    make_photos.py SOURCE_DIR OUT_DIR [--count 200]

Each is a JPEG of SOURCE_DIR, turned upright, scaled to 995,328 pixels (1152 x 864 when it is 4:3) and encoded at the
quality that comes closest to 150 KB. Photos too small or too smooth for that are left out. Needs Pillow."""
import argparse
import io
import pathlib
import statistics
import sys

from PIL import Image, ImageOps

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from photovec_client import photo_paths  # noqa: E402 - after sys.path

PIXELS = 1152 * 864
BYTES = 150_000
TOLERANCE = 0.15
QUALITIES = range(40, 98)


def encode(photo, quality):
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=quality)
    return out.getvalue()


def closest(photo):
    """The photo as a JPEG of about BYTES, or None. A file's size grows with its quality, hence the bisection."""
    low, high = QUALITIES.start, QUALITIES.stop - 1
    while low < high:
        middle = (low + high) // 2
        if len(encode(photo, middle)) < BYTES:
            low = middle + 1
        else:
            high = middle
    candidates = [encode(photo, quality) for quality in {max(low - 1, QUALITIES.start), low}]
    best = min(candidates, key=lambda data: abs(len(data) - BYTES))
    return best if abs(len(best) - BYTES) <= TOLERANCE * BYTES else None


def scaled(path):
    """The photo at PIXELS pixels, or None when it has fewer."""
    with Image.open(path) as opened:
        factor = (PIXELS / (opened.width * opened.height)) ** 0.5
        if factor > 1:
            return None
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    return photo.resize((round(photo.width * factor), round(photo.height * factor)), Image.Resampling.LANCZOS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = []
    for path in photo_paths(options.source):
        if len(sizes) == options.count:
            break
        photo = scaled(path)
        data = closest(photo) if photo else None
        if data:
            (options.out / f"{len(sizes):04}.jpg").write_bytes(data)
            sizes.append(len(data))
    if len(sizes) < 50:
        raise SystemExit(f"make_photos: {options.source} has only {len(sizes)} JPEGs that can become 1 MP and 150 KB; 50 are needed "
                         "(scripts/photos --derive 300 DIR makes enough)")
    print(f"{len(sizes)} photos of 1 MP, {statistics.mean(sizes) / 1000:.0f} KB on average")


if __name__ == "__main__":
    main()
