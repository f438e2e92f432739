# SPDX-License-Identifier: MIT
"""Damaged photos have the pixels that Pillow has for them with LOAD_TRUNCATED_IMAGES, and one answer for every way to
decode them; photos whose end is wrong are whole (docs/images.md, "Damaged photos")."""
import io
import os
import pathlib
import struct
import subprocess
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

PROBE = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"]) / "tests" / "parity" / "decode_probe"
SIZES = {"landscape": (320, 180), "portrait": (180, 320)}


def photo(width, height):
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 9 + y / 31), np.cos(x / 23 - y / 13), np.sin((x + y) / 17)], axis=2)
    return np.clip(128 + 90 * waves + rng.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)


def encode(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def jpegs(pixels):
    image = Image.fromarray(pixels)
    bgr = np.ascontiguousarray(pixels[:, :, ::-1])
    mcus = (pixels.shape[1] + 15) // 16
    return {"plain": encode(image, "JPEG", quality=85), "444": encode(image, "JPEG", quality=90, subsampling=0),
            "progressive": encode(image, "JPEG", quality=85, progressive=True),
            "restarts": bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_RST_INTERVAL, mcus])[1])}


def pngs(pixels):
    image = Image.fromarray(pixels)
    return {"rgb": encode(image, "PNG"), "palette": encode(image.quantize(100), "PNG"), "grey": encode(image.convert("L"), "PNG"),
            "rgba": encode(image.convert("RGBA"), "PNG"), "bits": encode(image.convert("1"), "PNG")}


def part(data, percent):
    return data[:len(data) * percent // 100]


def zeroed(data, percent, count):
    at = len(data) * percent // 100
    return data[:at] + bytes(count) + data[at + count:]


def restarts(jpeg):
    return [i for i in range(len(jpeg) - 1) if jpeg[i] == 0xFF and 0xD0 <= jpeg[i + 1] <= 0xD7]


def bad_adler(png):
    at = png.rindex(b"IDAT")
    size = struct.unpack(">I", png[at - 4:at])[0]
    chunk = png[at:at + 4 + size - 1] + bytes([png[at + 4 + size - 1] ^ 1])
    return png[:at] + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[at + 4 + size + 4:]


def wrong_ends(pixels):
    """Name, the file, and the whole file that it has to equal."""
    noise = np.random.default_rng(1).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
    samsung = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data" + noise
    for name, jpeg in jpegs(pixels).items():
        for end, data in {"no end": b"", "half an end": b"\xff", "zeros": bytes(500), "samsung": samsung, "film": jpeg[-2:] + noise}.items():
            yield f"{name} jpeg, {end}", jpeg[:-2] + data, jpeg
    for name, png in pngs(pixels).items():
        for end, data in {"no end": png[:-12], "bad end": png[:-1] + b"\0", "adler": bad_adler(png), "noise": png[:-12] + noise[:99]}.items():
            yield f"{name} png, {end}", data, png
    for interlace in (0, 1):
        gif = encode(Image.fromarray(pixels).quantize(100), "GIF", interlace=interlace)
        yield f"gif {interlace}, no trailer", gif[:-1], gif
        yield f"gif {interlace}, no end", gif[:-2], gif
    for lossless in (False, True):
        webp = encode(Image.fromarray(pixels), "WEBP", lossless=lossless)
        yield f"webp {lossless}, noise", webp + noise[:999], webp
        for size in (-100, 100):
            yield f"webp {lossless}, size {size}", webp[:4] + struct.pack("<I", len(webp) - 8 + size) + webp[8:], webp


def damaged_inside(pixels):
    for name, jpeg in jpegs(pixels).items():
        for percent in (60, 75, 95):
            yield f"{name} jpeg, {percent}%", part(jpeg, percent)
        if name == "restarts":
            marks = restarts(jpeg)
            for n in (2, len(marks) - 2):
                at = marks[n]
                yield f"jpeg without restart marker {n}", jpeg[:at] + jpeg[at + 2:]
                yield f"jpeg with zeros behind restart marker {n}", jpeg[:at + 2] + bytes(marks[n + 1] - at - 2) + jpeg[marks[n + 1]:]
    for name, png in pngs(pixels).items():
        for percent in (60, 75, 95):
            yield f"{name} png, {percent}%", part(png, percent)
        yield f"{name} png, bad data", zeroed(png, 80, 8)
        yield f"{name} png, bad checksum", png[:-13] + bytes([png[-13] ^ 1]) + png[-12:]
    for interlace in (0, 1):
        gif = encode(Image.fromarray(pixels).quantize(100), "GIF", interlace=interlace)
        for percent in (60, 90):
            yield f"gif {interlace}, {percent}%", part(gif, percent)
    for lossless in (False, True):
        for percent in (70, 95):
            yield f"webp {lossless}, {percent}%", part(encode(Image.fromarray(pixels), "WEBP", lossless=lossless), percent)


def decode(path, mode):
    """\\return pixels, and rows_ok or None."""
    line, _, data = subprocess.run([PROBE, mode, path], check=True, capture_output=True).stdout.partition(b"\n")
    words = line.split()
    assert words[0] in (b"ok", b"damaged"), line.decode()
    width, height = int(words[1]), int(words[2])
    return np.frombuffer(data, np.uint8).reshape(height, width, 3), int(words[4]) if words[0] == b"damaged" else None


def answers(path):
    """By mode, what each way to decode says: {(code, rows_ok)}."""
    lines = subprocess.run([PROBE, "damage", path], check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == 8
    found = {"strict": set(), "tolerant": set()}
    for line in lines:
        mode, _, _, code, rows, _ = line.split("\t")
        found[mode].add((code, int(rows)))
    return found


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_a_wrong_end_takes_nothing_away(tmp_path, size):
    for name, data, whole in wrong_ends(photo(*size)):
        path = tmp_path / "file"
        path.write_bytes(data)
        assert answers(path) == {"strict": {("ok", -1)}, "tolerant": {("ok", -1)}}, name
        ours, rows = decode(path, "pixels")
        assert rows is None
        np.testing.assert_array_equal(ours, np.asarray(Image.open(io.BytesIO(whole)).convert("RGB")), err_msg=name)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_damage_inside_is_marked_and_has_pillows_pixels(tmp_path, size, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    compared = 0
    for name, data in damaged_inside(photo(*size)):
        path = tmp_path / "file"
        path.write_bytes(data)
        ours, rows = decode(path, "tolerant")
        assert rows is not None and rows * 2 >= size[1], name
        assert answers(path) == {"strict": {("image_corrupt", -1)}, "tolerant": {("ok", rows)}}, name
        if "webp" in name:
            continue  # Pillow refuses it
        theirs = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        different = int((ours != theirs).any(axis=(1, 2)).sum())
        # The row in which a GIF breaks off (Pillow leaves out the last block of bytes), or inflating fails.
        allowed = 3 if "gif" in name else 1 if "bad data" in name else 0
        assert different <= allowed, f"{name}: {different} rows differ"
        compared += 1
    assert compared > 30
