#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The other side of bench/corpus: reads one photo after the other with Pillow, and with libvips and LibRaw where Pillow does not, and
writes what they show as an 8-bit RGB PNG. Run by bench/corpus with the Python of build/corpus-venv.

A line of JSON in: {"path": ..., "png": where to write}. A line out: {"reader", "format", "mode", "size", "seconds", "error", "camera"};
"reader" is null when nobody reads the file. "camera": EXIF names a maker, or the file is a camera's RAW.

What is shown: orientation applied, alpha dropped, colour profiles ignored; 16-bit grey scaled to 8 bits (Pillow's own convert("RGB")
makes white of it); of an animation the first frame, of a RAW its largest embedded preview.
"""
import io
import json
import os
import resource
import sys
import time
import warnings

import numpy
import pillow_heif
import pillow_jxl  # noqa: F401  registers itself
import rawpy
from PIL import Image, ImageOps

MEMORY_BYTES = 8 << 30
MAKER = 0x010F
RAW = set(".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .rw2 .sr2 .srf .srw .x3f".split())
FLIPS = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.ROTATE_90, 6: Image.Transpose.ROTATE_270}  # LibRaw's sizes.flip


def rgb_of(image):
    """As a caller of convert("RGB") gets it, but 16-bit grey scaled in place of saturated."""
    if image.mode.startswith("I;16"):
        grey = numpy.asarray(image).astype(numpy.float64)
        return Image.fromarray(numpy.round(grey.clip(0, 65535) / 257).astype(numpy.uint8)).convert("RGB")
    return image.convert("RGB")


def upright(image):
    """ImageOps.exif_transpose, for which a broken EXIF is none."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # whatever a broken EXIF makes of it
        return image


def maker(image):
    try:
        return bool(image.getexif().get(MAKER))
    except Exception:  # as above
        return False


def by_pillow(path, answer):
    with Image.open(path) as image:
        answer.update(format=image.format, mode=image.mode, size=image.size, camera=maker(image))
        image.load()
        answer["mode"] = image.mode
        shown = rgb_of(upright(image))
    answer["reader"] = "Pillow"
    return shown


def by_vips(path, answer):
    import pyvips  # only few files need it, and it loads a hundred libraries

    image = pyvips.Image.new_from_file(path, access="sequential")
    loader = image.get("vips-loader") if image.get_typeof("vips-loader") else ""
    answer.update(format=loader.removesuffix("load").upper(), mode=f"{image.bands} {image.format}", size=(image.width, image.height),
                  camera=image.get_typeof("exif-ifd0-Make") != 0)
    if answer["format"] in ("SVG", "PDF", "CSV", "MATRIX", "ANALYZE", "FITS", "OPENSLIDE", "VIPS", "RAD", "OPENEXR", "NIFTI"):
        raise ValueError(f"{answer['format']} is no photo")
    image = image.copy_memory().autorot().colourspace("srgb")
    shown = Image.fromarray(image[:3].cast("uchar").numpy() if image.bands > 1 else image.cast("uchar").numpy()).convert("RGB")
    answer["reader"] = "libvips"
    return shown


def by_libraw(path, answer):
    answer.update(format="RAW", mode="preview", camera=True)
    with rawpy.imread(path) as raw:
        preview = raw.extract_thumb()
        flip = raw.sizes.flip
    if preview.format == rawpy.ThumbFormat.JPEG:
        image = Image.open(io.BytesIO(preview.data))
        turned = image.getexif().get(0x0112) is not None
        shown = rgb_of(upright(image))
    else:
        shown, turned = Image.fromarray(preview.data).convert("RGB"), False
    answer.update(reader="LibRaw", size=shown.size)
    return shown if turned or flip not in FLIPS else shown.transpose(FLIPS[flip])


def read(path, png):
    answer = {"reader": None, "format": None, "mode": None, "size": None, "camera": False, "error": None}
    start = time.monotonic()
    with open(path, "rb") as file:
        raw = os.path.splitext(path)[1].lower() in RAW and file.read(2) != b"\xff\xd8"  # which some programs call .nef
    errors = []
    # Pillow would open most RAWs as a TIFF of their smallest thumbnail.
    for reader in (by_libraw,) if raw else (by_pillow, by_vips):
        try:
            shown = reader(path, answer)
            break
        except Exception as error:  # a strange file may raise anything; what it was is the result
            errors.append(f"{reader.__name__[3:]}: {type(error).__name__}: {error}")
    answer["seconds"] = time.monotonic() - start
    answer["error"] = "; ".join(errors) or None
    if answer["reader"]:
        shown.save(png, "PNG", compress_level=1)
    return answer


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    pillow_heif.register_heif_opener()
    # Libraries print warnings to stdout's descriptor; answers go to a copy of it.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        answers.write(json.dumps(read(job["path"], job["png"])) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
