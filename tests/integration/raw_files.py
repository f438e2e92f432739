# SPDX-License-Identifier: MIT
"""Camera raw files by hand, and JPEG XL by libjxl's own encoder (cjxl)."""
import pathlib
import struct
import subprocess
import tempfile


def encode_jxl(image, *flags):
    """A Pillow image, or the bytes of a JPEG, as JPEG XL."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / ("in.jpg" if isinstance(image, bytes) else "in.png")
        target = pathlib.Path(folder) / "out.jxl"
        source.write_bytes(image) if isinstance(image, bytes) else image.save(source)
        subprocess.run(["cjxl", source, target, "-e", "3", *flags], check=True, capture_output=True)
        return target.read_bytes()


def directory(*entries):
    """Entries (tag, type, count, value) of an IFD, little endian, none behind it."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + body + bytes(4)


def raw_file(preview, kind, orientation=1, sensor=bytes(range(256)) * 40):
    """A camera's file with `preview` in it as that camera refers to it: "dng", "nef", "cr2", "arw" or "raf"."""
    if kind == "raf":
        return b"FUJIFILMCCD-RAW 0201FF119501X-T1".ljust(84, b"\0") + struct.pack(">II", 148, len(preview)) + \
            bytes(56) + preview + sensor
    head = b"II*\0" + (struct.pack("<I", 16) + b"CR\x02\0" + bytes(4) if kind == "cr2" else struct.pack("<I", 8))

    def lay(sensor_at, preview_at, subs_at, sub_ifds):
        strip = ((0x103, 3, 1, 7 if kind == "dng" else 6), (0x106, 3, 1, 6), (0x111, 4, 1, preview_at),
                 (0x117, 4, 1, len(preview)))
        jpeg = ((0x103, 3, 1, 6), (0x201, 4, 1, preview_at), (0x202, 4, 1, len(preview)))
        first = [(0x112, 3, 1, orientation), (0x14A, 4, 2, subs_at)]
        first += [(0xC612, 1, 4, 0x401)] if kind == "dng" else strip if kind == "cr2" else jpeg if kind == "arw" else []
        numbers = directory((0x100, 4, 1, 6000), (0x101, 4, 1, 4000), (0x103, 3, 1, 7), (0x106, 3, 1, 32803),
                            (0x111, 4, 1, sensor_at), (0x117, 4, 1, len(sensor)))
        shown = directory(*(strip if kind == "dng" else jpeg if kind == "nef" else ((0x103, 3, 1, 1),)))
        return directory(*first), numbers, shown, struct.pack("<II", *sub_ifds)

    sizes = [len(part) for part in lay(0, 0, 0, (0, 0))]
    at = [len(head)]
    for size in sizes:
        at.append(at[-1] + size)
    parts = lay(at[4], at[4] + len(sensor), at[3], (at[1], at[2]))
    return head + b"".join(parts) + sensor + preview
