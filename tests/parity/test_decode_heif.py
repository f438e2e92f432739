# SPDX-License-Identifier: MIT
"""HEIC and AVIF pixels are those of libheif's own command line decoder, within one level; chroma of half size is
upsampled linearly in AVIF, which that does not. Every other combination: tests/unit/decode/heif_planes_test.cc."""
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from test_decode import PROBE, photo, saved

sys.path.append(str(pathlib.Path(__file__).parent.parent / "integration"))
import heif_files  # noqa: E402 - after sys.path


def ours(path):
    out = subprocess.run([PROBE, "heif", path], check=True, capture_output=True).stdout
    line, _, pixels = out.partition(b"\n")
    words = line.split()
    assert words[0] == b"ok" and words[3] == b"1", line.decode()
    return np.frombuffer(pixels, np.uint8).reshape(int(words[2]), int(words[1]), 3)


def check(tmp_path, data, kind, smooth=False):
    """smooth: chroma is upsampled, so that only means can be compared."""
    path, png = tmp_path / f"file.{kind}", tmp_path / "theirs.png"
    path.write_bytes(data)
    subprocess.run([heif_files.decoder_tool(), path, png], check=True, capture_output=True)
    theirs = np.asarray(Image.open(png).convert("RGB")).astype(int)
    mine = ours(path).astype(int)
    assert mine.shape == theirs.shape
    if smooth:
        assert np.abs(mine - theirs).mean() < 6 and np.abs((mine - theirs).mean(axis=(0, 1))).max() < 1.0
    else:
        assert np.abs(mine - theirs).max() <= 1
    return mine


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("size", [(96, 64), (97, 61), (64, 200)])
def test_chroma_and_size(tmp_path, kind, chroma, size):
    image = Image.fromarray(photo(*size))
    mine = check(tmp_path, heif_files.encode_heif(image, kind, "-q", "90", "-p", f"chroma={chroma}"), kind,
                 smooth=kind == "avif" and chroma != "444")
    assert np.abs(mine - photo(*size)).mean() < 25


@pytest.mark.parametrize("flags", [("--full_range_flag", "0"), ("--matrix_coefficients", "1"),
                                   ("--matrix_coefficients", "0", "-p", "chroma=444", "-L")])
def test_colour_conversions(tmp_path, flags):
    check(tmp_path, heif_files.encode_heif(Image.fromarray(photo(96, 64)), "heic", *flags), "heic")


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_grey_and_alpha(tmp_path, kind, mode):
    image = Image.fromarray(photo(96, 64)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(photo(96, 64, 9)[:, :, 1].copy()))
    check(tmp_path, heif_files.encode_heif(image, kind, "-q", "90"), kind, smooth=kind == "avif" and mode != "L")


def test_thumbnails_are_left_alone(tmp_path):
    image = Image.fromarray(photo(320, 240))
    mine = check(tmp_path, heif_files.encode_heif(image, "heic", "-t", "64"), "heic")
    assert mine.shape == (240, 320, 3)


def test_exif_does_not_turn(tmp_path):
    """As Pillow with pillow-heif: only irot and imir turn a HEIC."""
    exif = Image.Exif()
    exif[0x0112] = 6
    source, target = tmp_path / "in.jpg", tmp_path / "out.heic"
    source.write_bytes(saved(Image.fromarray(photo(96, 64)), format="JPEG", quality=95, exif=exif.tobytes()))
    subprocess.run(["heif-enc", source, "-o", target], check=True, capture_output=True)
    check(tmp_path, target.read_bytes(), "heic")


def test_ten_bits(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    deep = photo(96, 64).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep.astype(">u2"))
    source, target = tmp_path / "in.png", tmp_path / "out.heic"
    source.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0)) +
                       chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    subprocess.run(["heif-enc", "-b", "10", "-p", "chroma=444", source, "-o", target], check=True, capture_output=True)
    check(tmp_path, target.read_bytes(), "heic")
