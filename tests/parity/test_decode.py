# SPDX-License-Identifier: MIT
"""Exact decoding equals Pillow 9.4 bit for bit; the slot equals Pillow's whole preprocessing.

Listed deviations (docs/architecture.md): 16-bit PNG is scaled, where Pillow saturates grey and takes the high byte of
the others; those are compared with the scaling formula instead.
"""
import io
import os
import pathlib
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

BUILD = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"])
PROBE = BUILD / "tests" / "parity" / "decode_probe"


def photo(width, height, seed=0):
    """RGB pixels with smooth areas, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 // max(width, 1), y * 255 // max(height, 1), (x + y) % 256], axis=2)
    edges = ((x // 13 + y // 7) % 2 * 60)[:, :, None]
    noise = rng.integers(-20, 20, (height, width, 3))
    return np.clip(base + edges + noise, 0, 255).astype(np.uint8)


def run_probe(mode, path, *arguments):
    out = subprocess.run([PROBE, mode, *map(str, arguments), path], check=True, capture_output=True).stdout
    line, _, pixels = out.partition(b"\n")
    words = line.split()
    assert words[0] == b"ok", line.decode()
    width, height, orientation = map(int, words[1:])
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3), orientation


def check(tmp_path, data, name="file"):
    """Stored pixels, orientation and slot of one encoded image, against Pillow's."""
    path = tmp_path / name
    path.write_bytes(data)
    ours, orientation = run_probe("pixels", path)
    image = Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(ours, np.asarray(image.convert("RGB")))
    assert orientation == image.getexif().get(0x0112, 1)
    slot, _ = run_probe("model", path, 48)
    np.testing.assert_array_equal(slot, pillow_slot(data, 48))


def pillow_slot(data, side):
    """What transformers' Pillow-based CLIP image processor does before normalisation."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    short, long = sorted(image.size)
    scaled = int(side * long / short)
    size = (side, scaled) if image.width <= image.height else (scaled, side)
    pixels = np.asarray(image.resize(size, Image.BICUBIC))
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top:top + side, left:left + side]


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


SIZES = [(97, 61), (61, 97), (160, 120), (49, 333)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_color(tmp_path, size, subsampling, progressive):
    image = Image.fromarray(photo(*size))
    check(tmp_path, saved(image, format="JPEG", quality=87, subsampling=subsampling, progressive=progressive))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_grey_and_cmyk(tmp_path, mode, progressive):
    image = Image.fromarray(photo(97, 61)).convert(mode)
    if mode == "CMYK":  # Pillow's own conversion leaves K empty
        black = Image.fromarray((photo(97, 61, 5)[:, :, 0] // 2).astype(np.uint8))
        image = Image.merge("CMYK", (*image.split()[:3], black))
    check(tmp_path, saved(image, format="JPEG", quality=90, progressive=progressive))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(tmp_path, orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(photo(97, 61, orientation))
    check(tmp_path, saved(image, format=form, exif=exif.tobytes()))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_modes(tmp_path, mode):
    image = Image.fromarray(photo(97, 61))
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(photo(97, 61, 9)[:, :, 1].copy()))
    check(tmp_path, saved(image.convert(mode), format="PNG"))


@pytest.mark.parametrize("colors", [2, 4, 16, 200])
@pytest.mark.parametrize("transparent", [None, 1])
def test_png_palettes(tmp_path, colors, transparent):
    image = Image.fromarray(photo(97, 61)).quantize(colors)
    options = {} if transparent is None else {"transparency": transparent}
    check(tmp_path, saved(image, format="PNG", **options))


def test_png_transparent_colours(tmp_path):
    image = Image.fromarray(photo(97, 61))
    check(tmp_path, saved(image, format="PNG", transparency=image.getpixel((3, 3))))
    grey = image.convert("L")
    check(tmp_path, saved(grey, format="PNG", transparency=grey.getpixel((3, 3))))


def raw_png(width, height, depth, color_type, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    scanlines = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(scanlines)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_grey_of_few_bits(tmp_path, depth):
    rng = np.random.default_rng(depth)
    rows = [rng.integers(0, 256, (53 * depth + 7) // 8, np.uint8).tobytes() for _ in range(60)]
    check(tmp_path, raw_png(53, 60, depth, 0, rows))


@pytest.mark.parametrize("color_type,samples", [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits_is_scaled(tmp_path, color_type, samples):
    rng = np.random.default_rng(color_type)
    values = rng.integers(0, 65536, (60, 53, samples), np.uint16)
    path = tmp_path / "file.png"
    path.write_bytes(raw_png(53, 60, 16, color_type, [row.astype(">u2").tobytes() for row in values]))
    ours, _ = run_probe("pixels", path)
    scaled = np.rint(values / 65535 * 255).astype(np.uint8)
    expected = scaled[:, :, :3] if samples >= 3 else np.repeat(scaled[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_webp(tmp_path, alpha, lossless):
    image = Image.fromarray(photo(97, 61))
    if alpha:
        image.putalpha(Image.fromarray(photo(97, 61, 9)[:, :, 1].copy()))
    check(tmp_path, saved(image, format="WEBP", quality=80, lossless=lossless, exact=True))


def test_webp_animation(tmp_path):
    frames = [Image.fromarray(photo(97, 61, seed)) for seed in range(3)]
    check(tmp_path, saved(frames[0], format="WEBP", save_all=True, append_images=frames[1:], lossless=True))


@pytest.mark.parametrize("colors", [2, 16, 255])
@pytest.mark.parametrize("transparent", [None, 1])
@pytest.mark.parametrize("interlace", [0, 1])
def test_gif(tmp_path, colors, transparent, interlace):
    image = Image.fromarray(photo(97, 61)).quantize(colors)
    options = {} if transparent is None else {"transparency": transparent}
    check(tmp_path, saved(image, format="GIF", interlace=interlace, **options))


def test_gif_grey_and_animated(tmp_path):
    check(tmp_path, saved(Image.fromarray(photo(97, 61)).convert("L"), format="GIF"))
    frames = [Image.fromarray(photo(97, 61, seed)).quantize(64) for seed in range(4)]
    check(tmp_path, saved(frames[0], format="GIF", save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("x,y,canvas", [(5, 9, (120, 90)), (60, 2, (80, 61))])
@pytest.mark.parametrize("transparent", [False, True])
def test_gif_frame_beside_its_canvas(tmp_path, x, y, canvas, transparent):
    """A first frame that covers a part of its canvas, or sticks out of it."""
    options = {"transparency": 3} if transparent else {}
    data = bytearray(saved(Image.fromarray(photo(97, 61)).quantize(200), format="GIF", **options))
    data[6:10] = struct.pack("<HH", *canvas)
    frame = data.index(b"\x2c" + struct.pack("<HHHH", 0, 0, 97, 61))
    data[frame + 1:frame + 5] = struct.pack("<HH", x, y)
    check(tmp_path, bytes(data))


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (333, 1000)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_fast_scaling_stays_close(tmp_path, size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "file.jpg"
    # A photo's neighbouring pixels are alike; photo()'s noise alone would decide the distance.
    smooth = Image.fromarray(photo(*size)).reduce(2).resize(size, Image.BICUBIC)
    data = saved(smooth, format="JPEG", quality=90, exif=exif.tobytes())
    path.write_bytes(data)
    fast, _ = run_probe("fast", path, 48)
    error = np.mean((fast.astype(float) - pillow_slot(data, 48)) ** 2)
    assert 10 * np.log10(255 ** 2 / max(error, 1e-9)) >= 48
