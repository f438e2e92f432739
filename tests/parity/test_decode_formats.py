# SPDX-License-Identifier: MIT
"""TIFF, BMP, PNM and ICO: pixels equal Pillow's; what it does not read, or reads wrongly, equals the formula."""
import io
import struct
import subprocess

import numpy as np
import pytest
from PIL import Image
from test_decode import PROBE, photo

RGB = photo(67, 45)
GREY = np.asarray(Image.fromarray(RGB).convert("L"))


def decoded(tmp_path, data, mode="heif"):
    """Pixels as they are stored, and the orientation."""
    path = tmp_path / "file"
    path.write_bytes(data)
    out = subprocess.run([PROBE, mode, path], check=True, capture_output=True).stdout
    line, _, pixels = out.partition(b"\n")
    words = line.split()
    assert words[0] == b"ok", line.decode()
    return np.frombuffer(pixels, np.uint8).reshape(int(words[2]), int(words[1]), 3), int(words[3])


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def check(tmp_path, data):
    ours, _ = decoded(tmp_path, data)
    np.testing.assert_array_equal(ours, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def of_mode(mode):
    image = Image.fromarray(RGB)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(GREY))
        return image
    return image.quantize(200) if mode == "P" else image.convert(mode)


MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK"]
COMPRESSIONS = [None, "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"]


@pytest.mark.parametrize("mode,compression", [*((m, c) for m in MODES for c in COMPRESSIONS),
                                              *((m, "jpeg") for m in ("L", "RGB", "CMYK"))])
def test_tiff_compressions(tmp_path, mode, compression):
    check(tmp_path, saved(of_mode(mode), "TIFF", compression=compression))


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_tiff_fax(tmp_path, compression):
    check(tmp_path, saved(of_mode("1"), "TIFF", compression=compression))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_tiff_ycbcr(tmp_path, compression):
    check(tmp_path, saved(of_mode("YCbCr"), "TIFF", compression=compression))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(RGB), "TIFF", exif=exif)
    ours, said = decoded(tmp_path, data)
    np.testing.assert_array_equal(ours, RGB)
    assert said == orientation


def tiff(width, height, data, tags, order="<"):
    """A TIFF of one strip. \\p tags: {tag: values of 16 bits}."""
    every = {256: [width], 257: [height], 278: [height], **tags}
    entries, behind = b"", b""
    at = 8 + 2 + 12 * (len(every) + 2) + 4
    for tag in sorted([*every, 273, 279]):
        if tag in (273, 279):
            value = len(data) if tag == 279 else at + sum(len(v) * 2 for v in every.values() if len(v) > 2)
            entries += struct.pack(order + "HHII", tag, 4, 1, value)
            continue
        values = struct.pack(order + f"{len(every[tag])}H", *every[tag])
        if len(values) > 4:
            entries += struct.pack(order + "HHII", tag, 3, len(every[tag]), at + len(behind))
            behind += values
        else:
            entries += struct.pack(order + "HHI", tag, 3, len(every[tag])) + values.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(every) + 2) + entries + bytes(4) + behind + data


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_tiff_grey_of_16_bits_is_scaled(tmp_path, order, white_is_zero):
    values = GREY.astype(np.uint16) * 250 + 77
    data = tiff(67, 45, values.astype(order + "u2").tobytes(), {258: [16], 262: [0 if white_is_zero else 1], 277: [1]}, order)
    ours, _ = decoded(tmp_path, data)
    want = (values.astype(np.int64) * 255 + 32767) // 65535
    np.testing.assert_array_equal(ours, np.dstack([255 - want if white_is_zero else want] * 3))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype,form", [("i2", 2), ("i4", 2), ("u4", 1), ("f4", 3)])
def test_tiff_wide_numbers_are_clipped(tmp_path, order, dtype, form):
    values = GREY.astype(np.int64) * 3 - (0 if dtype == "u4" else 200)
    bits = 8 * int(dtype[1])
    data = tiff(67, 45, values.astype(order + dtype).tobytes(), {258: [bits], 262: [1], 277: [1], 339: [form]}, order)
    ours, _ = decoded(tmp_path, data)
    np.testing.assert_array_equal(ours, np.dstack([np.clip(values, 0, 255)] * 3))


@pytest.mark.parametrize("order", "<>")
def test_tiff_colour_of_16_bits_loses_its_low_byte(tmp_path, order):
    values = RGB.astype(np.uint16) * 251 + 200
    data = tiff(67, 45, values.astype(order + "u2").tobytes(), {258: [16] * 3, 262: [2], 277: [3]}, order)
    ours, _ = decoded(tmp_path, data)
    np.testing.assert_array_equal(ours, values >> 8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("photometric", [0, 1, 3])
@pytest.mark.parametrize("reversed_bits", [False, True])
def test_tiff_of_few_bits(tmp_path, bits, photometric, reversed_bits):
    rng = np.random.default_rng(bits)
    width, height = 37, 9
    rows = rng.integers(0, 256, (height, (width * bits + 7) // 8), dtype=np.uint8)
    palette = rng.integers(0, 65536, (3, 1 << bits))
    tags = {258: [bits], 262: [photometric], 277: [1]}
    if photometric == 3:
        tags[320] = [int(v) for v in palette.ravel()]
    stored = rows
    if reversed_bits:
        tags[266] = [2]
        stored = np.packbits(np.unpackbits(rows[..., None], axis=-1)[..., ::-1], axis=-1)[..., 0]
    ours, _ = decoded(tmp_path, tiff(width, height, stored.tobytes(), tags))
    each = np.unpackbits(rows, axis=1)[:, :width * bits].reshape(height, width, bits)
    index = (each * (1 << np.arange(bits)[::-1])).sum(axis=2)
    if photometric == 3:
        want = np.moveaxis(palette[:, index] >> 8, 0, 2)
    else:
        grey = index * (255 // ((1 << bits) - 1))
        want = np.dstack([grey if photometric == 1 else 255 - grey] * 3)
    np.testing.assert_array_equal(ours, want)


@pytest.mark.parametrize("kind", [1, 2])
def test_tiff_alpha(tmp_path, kind):
    """1: colours are multiplied with it already, and are divided again."""
    rgba = np.dstack([np.minimum(RGB, GREY[..., None]) if kind == 1 else RGB, GREY]).astype(int)
    rgba[0, :5, 3] = 0
    data = tiff(67, 45, rgba.astype(np.uint8).tobytes(), {258: [8] * 4, 262: [2], 277: [4], 338: [kind]})
    want = rgba[..., :3]
    if kind == 1:
        alpha = rgba[..., 3:]
        want = np.where(alpha == 0, 0, np.minimum(255, want * 255 // np.maximum(alpha, 1)))
    ours, _ = decoded(tmp_path, data)
    np.testing.assert_array_equal(ours, want)
    np.testing.assert_array_equal(ours, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_tiff_with_subsampled_chroma(tmp_path):
    """Of one colour, so that no way of interpolating can differ."""
    data = bytes([150] * 4 + [90, 170]) * (20 * 8)
    ours, _ = decoded(tmp_path, tiff(40, 16, data, {258: [8] * 3, 262: [6], 277: [3], 530: [2, 2]}))
    want = np.asarray(Image.new("YCbCr", (1, 1), (150, 90, 170)).convert("RGB"))[0, 0].astype(int)
    assert np.abs(ours.astype(int) - want).max() <= 1


def test_of_a_tiff_the_first_page(tmp_path):
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    ours, _ = decoded(tmp_path, saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    np.testing.assert_array_equal(ours, RGB)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(67, 45), (1, 1), (64, 3)])
def test_bmp(tmp_path, mode, size):
    check(tmp_path, saved(of_mode(mode).resize(size), "BMP"))


def bmp(width, height, bits, data, header=40, compression=0, masks=(), palette=b""):
    head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    packed = struct.pack(f"<{len(masks)}I", *masks)
    head = head + packed if header == 40 else (head + packed).ljust(header, b"\0")
    offset = 14 + len(head) + len(palette)
    return struct.pack("<2sIHHI", b"BM", offset + len(data), 0, 0, offset) + head + palette + data


MASKS = [(16, ()), (16, (0xF800, 0x7E0, 0x1F)), (16, (0x7C00, 0x3E0, 0x1F)), (24, ()), (32, ()),
         (32, (0xFF000000, 0xFF0000, 0xFF00)), (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))]


@pytest.mark.parametrize("height", [7, -7])
@pytest.mark.parametrize("header,bits,masks", [(header, *kind) for header in (40, 52, 56, 108, 124) for kind in MASKS
                                               if len(kind[1]) < 4 or header >= 56])  # no place for alpha below
def test_bmp_headers_and_masks(tmp_path, header, height, bits, masks):
    stride = (13 * bits + 31) // 32 * 4
    data = np.random.default_rng(1).integers(0, 256, stride * 7, dtype=np.uint8).tobytes()
    file = bmp(13, height, bits, data, header, 3 if masks else 0, masks)
    ours, _ = decoded(tmp_path, file)
    pixels = np.frombuffer(data, np.uint8).reshape(7, stride)[:, :13 * bits // 8].reshape(7, 13, bits // 8).astype(np.int64)
    number = (pixels << 8 * np.arange(bits // 8)).sum(axis=2)
    used = masks or ((0x7C00, 0x3E0, 0x1F) if bits == 16 else (0xFF0000, 0xFF00, 0xFF))
    channels = [(number & mask) // (mask & -mask) * 255 // (mask // (mask & -mask)) for mask in used[:3]]
    want = np.dstack(channels)
    np.testing.assert_array_equal(ours, want if height < 0 else want[::-1])


@pytest.mark.parametrize("maxval", [1, 7, 100, 255, 1000, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_pnm(tmp_path, kind, maxval):
    samples = (RGB if kind % 3 == 0 else GREY).astype(np.int64) * maxval // 255
    head = f"P{kind}\n# comment\n67 45 # another\n{maxval}\n".encode()
    plain = b" ".join(b"%d" % v for v in samples.ravel())
    data = plain if kind < 4 else samples.astype(">u2" if maxval > 255 else "u1").tobytes()
    ours, _ = decoded(tmp_path, head + data)
    want = np.rint(samples / maxval * 255)
    np.testing.assert_array_equal(ours, want if kind % 3 == 0 else np.dstack([want] * 3))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("inside", ["png", "bmp"])
def test_ico(tmp_path, mode, inside):
    image = of_mode(mode).resize((48, 48))
    ours, _ = decoded(tmp_path, saved(image, "ICO", bitmap_format=inside, sizes=[(16, 16), (48, 48)]))
    np.testing.assert_array_equal(ours, np.asarray(image.convert("RGB")))


def test_the_own_formats_need_no_library(tmp_path):
    """As with --decode=thread."""
    for kind in ("BMP", "PPM"):
        ours, _ = decoded(tmp_path, saved(Image.fromarray(RGB), kind), "pixels")
        np.testing.assert_array_equal(ours, RGB)
    (tmp_path / "file").write_bytes(saved(Image.fromarray(RGB), "TIFF"))
    out = subprocess.run([PROBE, "pixels", tmp_path / "file"], check=True, capture_output=True).stdout
    assert b"TIFF images are decoded only with --decode=process" in out
