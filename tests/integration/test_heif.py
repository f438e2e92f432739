# SPDX-License-Identifier: MIT
"""HEIC and AVIF through the server: decoded in decoder processes only, with the pixels that libheif's own tool gives."""
import json
import pathlib
import subprocess

import numpy
import pytest
from conftest import BINARY, Server, encode, picture
from heif_files import decoder_tool, encode_heif, forged_location, grid_of, many_items, missing_tile
from PIL import Image


def vector(server, data):
    reply = server.post("/embed", content=data, headers={"Accept": "application/octet-stream"})
    assert reply.status_code == 200, reply.text
    return numpy.frombuffer(reply.content, "<f4")


def reference(data, kind, folder):
    """PNG of what libheif's tool decodes."""
    source, target = folder / f"in.{kind}", folder / "out.png"
    source.write_bytes(data)
    subprocess.run([decoder_tool(), source, target], check=True, capture_output=True)
    return encode(Image.open(target).convert("RGB"), "PNG")


def libraries(pid):
    return pathlib.Path(f"/proc/{pid}/maps").read_text()


def children(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.fixture(scope="module")
def processes(model, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("processes"), "--decode=process", "--decoders", "1")
    yield running
    running.stop()


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_vectors_are_those_of_the_same_pixels(processes, tmp_path, kind):
    data = encode_heif(picture(5, 320, 240), kind, "-q", "80")
    ours = vector(processes, data)
    wanted = vector(processes, reference(data, kind, tmp_path))
    assert float(ours @ wanted) > 0.9999
    other = vector(processes, encode(picture(6, 320, 240), "PNG"))
    assert float(ours @ wanted) > float(ours @ other)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_grid_as_phones_write_it_is_decoded_at_reduced_size(processes, tmp_path, turn):
    whole = picture(8, 1024, 768)
    tiles = [encode_heif(whole.crop((x, y, x + 256, y + 256)), "heic", "-q", "80") for y in range(0, 768, 256) for x in range(0, 1024, 256)]
    data = grid_of(tiles, 4, 3, (256, 256), (1000, 720), turn)
    wanted = vector(processes, reference(data, "heic", tmp_path))
    assert float(vector(processes, data) @ wanted) > 0.999


def test_only_decoder_processes_load_libheif(processes):
    vector(processes, encode_heif(picture(7, 64, 64)))
    assert "libheif" not in libraries(processes.process.pid)
    workers = children(processes.process.pid)
    assert workers and all("libheif" in libraries(pid) for pid in workers)


HEIC = encode_heif(picture(8, 64, 64))
BAD = {
    "forged iloc": (forged_location(HEIC), "image_corrupt", "outside of the file"),
    "1,001 items": (many_items(HEIC), "decode_limit", "1001 items; the limit is 1000"),
    "missing tile": (missing_tile(), "image_corrupt", "misses a part of its image"),
    "truncated": (HEIC[:-100], "image_corrupt", "truncated"),
    "noise for HEVC": (HEIC[:-400] + bytes(400), "image_corrupt", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_heic_fails_alone(processes, jpegs, name):
    data, code, words = BAD[name]
    if name == "noise for HEVC":  # what the decoder conceals is no error: then the neighbours are all that counts
        words = None
    wanted = [vector(processes, image) for image in jpegs[:4]]
    files = [("image", (f"{i}.heic", image)) for i, image in enumerate([*jpegs[:2], data, *jpegs[2:4]])]
    reply = processes.post("/embed", files=files)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    if words is not None:
        assert [(error["index"], error["code"]) for error in body["errors"]] == [(2, code)]
        assert words in body["errors"][0]["message"]
        alone = processes.post("/embed", content=data)
        assert (alone.status_code, alone.json()["error"]["code"]) == (422, code)
    for index, one in zip([0, 1, 3, 4], wanted):
        assert float(numpy.float32(body["embeddings"][index]) @ one) > 0.9999


def test_a_server_that_decodes_in_threads_says_what_to_do(model, tmp_path, jpegs):
    running = Server(model, tmp_path, "--decode=thread")
    try:
        for kind in ("heic", "avif"):
            reply = running.post("/embed", content=encode_heif(picture(9, 64, 64), kind))
            assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_format")
            assert f"{kind.upper()} images are decoded only with --decode=process" in reply.json()["error"]["message"]
        reply = running.post("/embed", content=b"<html></html>")
        assert "supported are JPEG, PNG, WebP, GIF, BMP, PNM, QOI, ICO and camera raw" in reply.json()["error"]["message"]
        vector(running, jpegs[0])
        reply = running.post("/embed", content=encode(picture(9, 64, 64), "TIFF"))
        assert reply.status_code == 415 and "TIFF images are decoded only with --decode=process" in reply.text
        assert "libheif" not in libraries(running.process.pid) and "libtiff" not in libraries(running.process.pid)
    finally:
        running.stop()


def test_other_formats_stay_refused_with_the_list(processes):
    for data, what in ((b"8BPS\0\1", "Photoshop"), (b"<svg xmlns='x'/>", "SVG"), (b"%PDF-1.7", "PDF"),
                       (b"BM\x36\0\0\0", "BMP"), (b"\0\0\0\x18ftypisom\0\0\0\0mp42avc1", "MP4")):
        reply = processes.post("/embed", content=data)
        assert reply.status_code == 415
        assert what in reply.json()["error"]["message"]
        assert "supported are JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF, BMP, PNM, QOI" in reply.json()["error"]["message"]


def test_doctor_says_who_decodes():
    out = subprocess.run([BINARY, "doctor", "--json"], capture_output=True, check=True).stdout
    check = {one["name"]: one for one in json.loads(out)["checks"]}["HEIC and AVIF"]
    assert check["ok"] and check["detail"].startswith("libheif ")
