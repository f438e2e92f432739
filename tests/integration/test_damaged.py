# SPDX-License-Identifier: MIT
"""Damaged photos through every door: strict or tolerant, decoded in threads and in processes (docs/images.md)."""
import base64
import json
import pickle
import subprocess

import numpy
import pytest
from conftest import BINARY, Server, encode, picture


def cut(data, percent):
    return data[:len(data) * percent // 100]


def photos(folder):
    """Names to what they are: whole, damaged, or broken."""
    expected = {}
    for name, size in {"landscape": (320, 200), "portrait": (200, 320)}.items():
        image = picture(3, *size)
        noise = numpy.random.default_rng(5).integers(0, 256, 40_000, dtype=numpy.uint8).tobytes()
        for kind, options in {"jpeg": {}, "progressive": {"progressive": True}}.items():
            jpeg = encode(image, **options)
            files = {"whole": jpeg, "no_end": jpeg[:-2], "samsung": jpeg[:-2] + b"\0\0\x01\x0a" + noise}
            for which, data in files.items():
                expected[f"{name}_{kind}_{which}.jpg"] = ("whole", data)
            expected[f"{name}_{kind}_cut.jpg"] = ("damaged", cut(jpeg, 80))
        expected[f"{name}_broken.jpg"] = ("broken", cut(encode(image), 40))
        for kind in ("PNG", "GIF", "WEBP"):
            data = encode(image.quantize(64) if kind == "GIF" else image, kind)
            expected[f"{name}_whole.{kind.lower()}"] = ("whole", data[:-12] if kind == "PNG" else data)
            expected[f"{name}_cut.{kind.lower()}"] = ("damaged", cut(data, 85))
    for name, (_, data) in expected.items():
        (folder / name).write_bytes(data)
    return {name: what for name, (what, _) in expected.items()}


def embed(model, folder, out, *flags):
    done = subprocess.run([BINARY, "embed", folder, "-o", out, "--model", model, "--precision", "f32", *flags],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    lines = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    return {line["path"].rsplit("/", 1)[1]: line for line in lines}, numpy.load(out), json.loads(
        out.with_suffix(".meta.json").read_text()), done.stdout


@pytest.mark.parametrize("decode", ["thread", "process"])
def test_embed_marks_damaged_photos_and_strict_refuses_them(model, tmp_path, decode):
    folder = tmp_path / "photos"
    folder.mkdir()
    expected = photos(folder)
    damaged = {name for name, what in expected.items() if what == "damaged"}
    rows_ok = {}
    for scaling in ("fast", "exact"):
        flags = ("--decode", decode, "--jpeg-scaling", scaling)
        lines, rows, meta, stdout = embed(model, folder, tmp_path / "tolerant.npy", *flags)
        for name, line in lines.items():
            assert (line["row"] is None) == (expected[name] == "broken"), line
            assert line.get("damaged", False) == (name in damaged), line
            assert ("rows_ok" in line) == (name in damaged), line
            if "whole" in name or "no_end" in name or "samsung" in name:
                whole = lines[name.replace("no_end", "whole").replace("samsung", "whole")]
                numpy.testing.assert_array_equal(rows[line["row"]], rows[whole["row"]])
        assert meta["damaged"] == "tolerant" and meta["damaged_vectors"] == len(damaged)
        assert f"damaged, and embedded nevertheless: {len(damaged)}" in stdout
        rows_ok[scaling] = {name: lines[name]["rows_ok"] for name in damaged}
        lines, _, meta, _ = embed(model, folder, tmp_path / "strict.npy", *flags, "--damaged=strict")
        for name, line in lines.items():
            assert (line["row"] is None) == (expected[name] != "whole"), line
            if name in damaged:
                assert line["error"]["code"] == "image_corrupt"
                assert "--damaged=tolerant reads it" in line["error"]["message"]
        assert meta["damaged_vectors"] == 0
    assert rows_ok["fast"] == rows_ok["exact"]
    for name, rows in rows_ok["fast"].items():
        height = 200 if "landscape" in name else 320
        assert height / 2 <= rows <= height


@pytest.fixture(scope="module")
def tolerant(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tolerant")
    server = Server(model, folder, "--damaged=tolerant", "--cache-mb=16", "--request-log", str(folder / "requests.jsonl"))
    server.request_log = folder / "requests.jsonl"
    yield server
    server.stop()


def upload(server, photos, **options):
    return server.post("/embed", files=[("image", (f"{i}.jpg", data)) for i, data in enumerate(photos)], **options)


def test_every_reply_says_what_is_damaged(tolerant):
    whole = encode(picture(3, 200, 320))
    damaged = cut(whole, 80)
    before = tolerant.metric("photovec_images_damaged_total")
    one = tolerant.post("/embed", content=damaged).json()
    rows = one["rows_ok"]
    assert one["damaged"] is True and 160 <= rows < 320 and rows % 16 == 0
    assert "damaged" not in tolerant.post("/embed", content=whole).json()

    several = upload(tolerant, [whole, damaged]).json()
    assert several["damaged"] == [{"index": 1, "rows_ok": rows}] and several["errors"] == []
    assert several["embeddings"][1] == one["embedding"]
    binary = upload(tolerant, [whole, damaged], headers={"Accept": "application/x-npy"})
    assert json.loads(binary.headers["X-Photovec-Damaged"]) == [{"index": 1, "rows_ok": rows}]

    urls = ["data:image/jpeg;base64," + base64.b64encode(data).decode() for data in (damaged, whole)]
    data = tolerant.post("/v1/embeddings", json={"input": urls, "model": ""}).json()["data"]
    assert data[0]["damaged"] is True and data[0]["rows_ok"] == rows and "damaged" not in data[1]
    named = tolerant.post("/clip/embedding", json={"images": urls}, headers={"Accept": "application/json"}).json()
    assert named["damaged"] == [{"image": urls[0], "index": 0, "rows_ok": rows}]
    pickled = pickle.loads(tolerant.post("/clip/embedding", json={"images": urls}).content)
    assert pickled["damaged"] == named["damaged"]
    assert tolerant.metric("photovec_images_damaged_total") - before == 6


def test_the_cache_keeps_no_damaged_photo(tolerant):
    damaged = cut(encode(picture(9, 200, 320)), 80)
    for _ in range(2):
        reply = tolerant.post("/embed", content=damaged)
        assert reply.headers["X-Photovec-Cache"] == "hit=0, miss=1"
        assert reply.json()["damaged"] is True


def test_serve_is_strict_unless_asked(server):
    damaged = cut(encode(picture(3, 200, 320)), 80)
    reply = server.post("/embed", content=damaged)
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "image_corrupt"
    assert "--damaged=tolerant reads it" in reply.json()["error"]["message"]
    assert server.post("/embed", content=encode(picture(3, 200, 320))[:-2]).status_code == 200
