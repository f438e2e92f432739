# SPDX-License-Identifier: MIT
"""HEIC and AVIF files for the tests: good ones by libheif's own encoder (heif-enc), bad ones by hand."""
import pathlib
import shutil
import struct
import subprocess
import tempfile


def decoder_tool():
    """libheif's own command line decoder; its name changed with 1.19."""
    return shutil.which("heif-dec") or shutil.which("heif-convert")


def encode_heif(image, kind="heic", *flags):
    """A Pillow image as HEIC or AVIF."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "in.png", pathlib.Path(folder) / f"out.{kind}"
        image.save(source)
        speed = ("-p", "speed=8") if kind == "avif" else ()
        subprocess.run(["heif-enc", *(["-A"] if kind == "avif" else []), *speed, *flags, source, "-o", target],
                       check=True, capture_output=True)
        return target.read_bytes()


def box(kind, body):
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind, body, version=0):
    return box(kind, bytes([version, 0, 0, 0]) + body)


def forged_location(heic):
    """The last extent of `iloc` points far behind the file."""
    begin = heic.index(b"iloc") - 4
    end = begin + struct.unpack(">I", heic[begin:begin + 4])[0]
    return heic[:end - 8] + struct.pack(">II", 0x7FFFFF00, 4096) + heic[end:]


def many_items(heic, count=1001):
    """`iinf` claims more items than are allowed."""
    at = heic.index(b"iinf") + 8
    return heic[:at] + struct.pack(">H", count) + heic[at + 2:]


def missing_tile():
    """A grid of 1 x 2 whose tiles are not there."""
    grid = bytes([0, 0, 0, 1]) + struct.pack(">HH", 128, 64)
    item = full_box(b"infe", struct.pack(">HH", 1, 0) + b"grid\0", 2)
    meta = (full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)) + full_box(b"pitm", struct.pack(">H", 1)) +
            full_box(b"iinf", struct.pack(">H", 1) + item) +
            full_box(b"iloc", struct.pack(">HHHHHHII", 0x4400, 1, 1, 1, 0, 1, 0, len(grid)), 1) +
            full_box(b"iref", box(b"dimg", struct.pack(">HHHH", 1, 2, 2, 3))) +
            box(b"iprp", box(b"ipco", full_box(b"ispe", struct.pack(">II", 128, 64))) +
                full_box(b"ipma", struct.pack(">IHBB", 1, 1, 1, 1))) +
            box(b"idat", grid))
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + full_box(b"meta", meta)
