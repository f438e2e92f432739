# SPDX-License-Identifier: MIT
"""Bad input of every kind: a clear error for that image alone, and nothing else changes."""
import json
import struct
import zlib

import httpx
import numpy
import pytest
from conftest import encode, picture
from heif_files import encode_heif, forged_location, many_items, missing_tile


def png_header_bomb(side=50_000):
    """A 1-bit PNG whose header promises side x side pixels, with the matching (small) data."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = b"\0" * (1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def many_scans(count=10_000):
    """A progressive JPEG whose last scan comes `count` times."""
    jpeg = encode(picture(1, 64, 64), progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


HEIC = encode_heif(picture(1, 64, 64))

BAD_IMAGES = {
    "empty": (b"", 415, "unsupported_format"),
    "html": (b"<html><body>404</body></html>", 415, "unsupported_format"),
    "text": (b"hello", 415, "unsupported_format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_format"),
    "pdf": (b"%PDF-1.7\n", 415, "unsupported_format"),
    "truncated JPEG": (encode(picture(1))[:4000], 422, "image_corrupt"),
    "JPEG without data": (encode(picture(1))[:30], 422, "image_corrupt"),
    "truncated PNG": (encode(picture(1), "PNG")[:9000], 422, "image_corrupt"),
    "truncated WebP": (encode(picture(1), "WEBP")[:900], 422, "image_corrupt"),
    "50,000 x 50,000 PNG": (png_header_bomb(), 422, "too_many_pixels"),
    "10,000 scans": (many_scans(), 422, "decode_limit"),
    "HEIC with a forged iloc": (forged_location(HEIC), 422, "image_corrupt"),
    "HEIC of 1,001 items": (many_items(HEIC), 422, "decode_limit"),
    "HEIC that misses a tile": (missing_tile(), 422, "image_corrupt"),
    "truncated HEIC": (HEIC[:-200], 422, "image_corrupt"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_fails_alone(server, jpegs, name):
    data, status, code = BAD_IMAGES[name]
    reply = server.post("/embed", content=data, headers={"Content-Type": "image/jpeg"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    assert len(reply.json()["error"]["message"]) > 10

    def rows(images):
        files = [("image", (f"{i}.jpg", image)) for i, image in enumerate(images)]
        answer = server.post("/embed", files=files, headers={"Accept": "application/octet-stream"})
        assert answer.status_code == 200, answer.text
        return answer, numpy.frombuffer(answer.content, "<f4").reshape(len(images), -1)

    _, without = rows(jpegs[:6])
    answer, beside = rows(jpegs[:3] + [data] + jpegs[3:6])
    assert numpy.array_equal(numpy.delete(beside, 3, axis=0), without), "a neighbour's vector changed"
    assert not beside[3].any()
    assert answer.headers["x-photovec-error-count"] == "1"
    assert json.loads(answer.headers["x-photovec-errors"]) == [{"index": 3, "code": code}]


REFERENCES = {
    "missing.jpg": (404, "not_found"),
    "album": (None, None),
    "../secret.jpg": (403, "source_not_allowed"),
    "album/../../secret.jpg": (403, "source_not_allowed"),
    "/etc/hostname.jpg": (403, "source_not_allowed"),
    "link.jpg": (403, "source_not_allowed"),
    "file:///etc/passwd": (403, "source_not_allowed"),
    "http://127.0.0.1:1/x.jpg": (403, "source_not_allowed"),
    "http://169.254.169.254/latest/meta-data": (403, "source_not_allowed"),
    "data:image/png;base64,????": (400, "invalid_request"),
    "": (400, "invalid_request"),
}


@pytest.mark.parametrize("reference", REFERENCES)
def test_bad_references(server, reference):
    status, code = REFERENCES[reference]
    reply = server.post("/embed", json={"images": [reference]})
    if status is None:  # a folder: refused, the words are fetch's own
        assert 400 <= reply.status_code < 500
    else:
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    both = server.post("/embed", json={"images": ["0.jpg", reference]}).json()
    assert both["embeddings"][0] is not None and both["embeddings"][1] is None
    assert both["errors"][0]["index"] == 1


BODIES = [
    ("", "the body is empty"),
    ("{", "malformed JSON at line 1"),
    ('{"images": ["0.jpg"],}', "malformed JSON at line 1, column"),
    ("[" * 10_000 + "]" * 10_000, "nested more than 32 levels"),
    ('{"images": ' + "[" * 10_000 + "]" * 10_000 + "}", "nested more than 32 levels"),
    ('{"images": ["0.jpg"], "normalize": NaN}', "normalize"),
    ('{"images": ["0.jpg"], "normalize": 1}', '"normalize" must be true or false'),
    ('{"images": [7]}', '"images[0]" must be a string'),
    ('{"images": {"a": 1}}', '"images" must be a list'),
    ('{"images": []}', '"images" must list at least one'),
    ('{"images": ["0.jpg"], "images": ["1.jpg"]}', "occurs twice"),
    ('{"images": ["0.jpg"], "norm": true}', '"norm" is unknown'),
    ('{"images": ' + json.dumps(["0.jpg"] * 1001) + "}", "a request may name 1000"),
    ("7", "must be a JSON object"),
]


@pytest.mark.parametrize("body,message", BODIES, ids=[str(i) for i in range(len(BODIES))])
def test_bad_json(server, body, message):
    for path in ("/embed", "/clip/embedding", "/v1/embeddings"):
        if path != "/embed" and ("normalize" in body or '"norm"' in body):
            continue  # a field of /embed alone
        reply = server.post(path, content=body.encode(), headers={"Content-Type": "application/json"})
        assert reply.status_code == 400, reply.text
        text = reply.json()["message"] if path == "/clip/embedding" else reply.json()["error"]["message"]
        if path != "/v1/embeddings" or "images" not in body:
            assert message in text


def test_unknown_model_route_and_method(server, jpegs):
    reply = server.post("/embed?model=nope", content=jpegs[0])
    assert reply.status_code == 404 and "clip" in reply.json()["error"]["message"]
    reply = server.get("/nope")
    assert reply.status_code == 404 and "POST /embed" in reply.json()["error"]["message"]
    reply = server.get("/embed")
    assert reply.status_code == 405 and reply.headers["allow"] == "POST"


def test_bodies_over_the_limit(server):
    body = bytes(65 << 20)
    reply = server.post("/embed", content=body)
    assert reply.status_code == 413 and reply.json()["error"]["code"] == "body_too_large"
    reply = server.post("/embed", content=(body[at:at + 65536] for at in range(0, len(body), 65536)))
    assert reply.status_code == 413
    reply = server.post("/embed", files=[("a", ("a.jpg", body))])
    assert reply.status_code == 413


def test_smuggling_and_oversized_headers(server):
    cases = [
        (b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /embed HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"GET /healthz HTTP/1.1\nHost: t\n\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: t\0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 65536 + b"\r\n\r\n", 431),
    ]
    for request, status in cases:
        with server.connect() as connection:
            connection.sendall(request)
            reply = b""
            while piece := connection.recv(65536):
                reply += piece
        assert reply.startswith(b"HTTP/1.1 %d " % status), (request[:80], reply[:200])
        assert b"Connection: close" in reply


def test_a_million_tiny_chunks_are_refused_without_memory(server):
    before = server.rss()
    with server.connect() as connection:
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(1000):
                connection.sendall(b"1\r\nx\r\n" * 1000)
        except OSError:
            pass  # refused by now
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert server.rss() - before < 8 << 20


def test_memory_stays_flat_under_bad_input(server, jpegs):
    bad = [data for data, _, _ in BAD_IMAGES.values() if len(data) < 200_000]
    wrong = [body.encode() for body, _ in BODIES]

    def round_of_requests(client):
        for data in bad:
            client.post(server.url + "/embed", content=data)
        for body in wrong:
            client.post(server.url + "/embed", content=body, headers={"Content-Type": "application/json"})
        client.post(server.url + "/embed", files=[("i", ("x.jpg", data)) for data in bad + jpegs])
        client.post(server.url + "/v1/embeddings", json={"input": ["0.jpg", "missing.jpg"]})

    with httpx.Client(timeout=120) as client:
        for _ in range(8):
            round_of_requests(client)
        settled = server.rss()
        for _ in range(24):
            round_of_requests(client)
        grown = server.rss() - settled
    assert grown < 12 << 20, f"{grown / 2**20:.1f} MiB more after three times as many requests"
    assert server.get("/readyz").status_code == 200
