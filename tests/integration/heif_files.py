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


def full_box(kind, body, version=0, flags=0):
    return box(kind, bytes([version, 0, 0, flags]) + body)


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


def children(data, begin, end):
    """(type, begin of the body, end) of each box."""
    while begin + 8 <= end:
        size, kind = struct.unpack(">I4s", data[begin:begin + 8])
        yield kind, begin + 8, begin + size
        begin += size


def find(data, *path):
    """The body of the box at that path; `meta` is a full box."""
    begin, end = 0, len(data)
    for kind in path:
        begin, end = next((first, last) for found, first, last in children(data, begin, end) if found == kind)
        begin += 4 if kind == b"meta" else 0
    return data[begin:end]


def grid_of(tiles, columns, rows, tile_size, size, turn=0):
    """A grid of HEVC pictures, as phones write large photos: its parts are hidden.
    :param tiles: HEIC files of one picture each by encode_heif(), of one size and encoder; taken again from the first when they
    are fewer than columns x rows.
    :param turn: quarters, counter-clockwise (`irot`)"""
    parts = [find(tiles[i % len(tiles)], b"mdat") for i in range(columns * rows)]
    config = next(box(b"hvcC", tiles[0][begin:end]) for kind, begin, end in
                  children(tiles[0], tiles[0].index(find(tiles[0], b"meta", b"iprp", b"ipco")), len(tiles[0])) if kind == b"hvcC")
    grid = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", *size)
    count = len(parts) + 1
    items = full_box(b"infe", struct.pack(">HH", 1, 0) + b"grid\0", 2)
    items += b"".join(full_box(b"infe", struct.pack(">HH", i, 0) + b"hvc1\0", 2, 1) for i in range(2, count + 1))
    properties = (full_box(b"ispe", struct.pack(">II", *tile_size)) + config + full_box(b"ispe", struct.pack(">II", *size)) +
                  box(b"irot", bytes([turn])))
    of_grid = struct.pack(">HBBB", 1, 2, 3, 0x84) if turn else struct.pack(">HBB", 1, 1, 3)
    of_tiles = b"".join(struct.pack(">HBBB", i, 2, 1, 0x82) for i in range(2, count + 1))

    def meta(at):
        places = struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(grid))  # in idat
        for i, part in enumerate(parts):
            places += struct.pack(">HHHHII", i + 2, 0, 0, 1, at, len(part))
            at += len(part)
        return full_box(b"meta", full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)) + full_box(b"pitm", struct.pack(">H", 1)) +
                        full_box(b"iinf", struct.pack(">H", count) + items) +
                        full_box(b"iloc", struct.pack(">HH", 0x4400, count) + places, 1) +
                        full_box(b"iref", box(b"dimg", struct.pack(f">HH{len(parts)}H", 1, len(parts), *range(2, count + 1)))) +
                        box(b"iprp", box(b"ipco", properties) +
                            full_box(b"ipma", struct.pack(">I", count) + of_grid + of_tiles)) + box(b"idat", grid))
    start = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", b"".join(parts))
