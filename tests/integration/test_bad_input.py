# SPDX-License-Identifier: MIT
"""Bad input of every kind: a clear error for that image alone, and nothing else changes."""
import json
import struct
import zlib

import httpx
import numpy
import pytest
from conftest import Server, encode, picture
from heif_files import encode_heif, forged_location, many_items, missing_tile
from PIL import Image
from raw_files import encode_jxl, raw_file


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header_bomb(side=50_000):
    """A 1-bit PNG whose header promises side x side pixels, with the matching (small) data."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) +
            png_chunk(b"IDAT", data) + png_chunk(b"IEND", b""))


def many_scans(count=10_000):
    """A progressive JPEG whose last scan comes `count` times."""
    jpeg = encode(picture(1, 64, 64), progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


def png_with(chunks):
    """A good PNG with more chunks before its pixels."""
    png = encode(picture(1, 64, 64), "PNG")
    at = png.index(b"IDAT") - 4
    return png[:at] + chunks + png[at:]


def small_jpeg_of_size(width, height):
    """A progressive JPEG of some 200 bytes that promises width x height pixels in full colour."""
    def segment(marker, data):
        return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data

    return (b"\xff\xd8" + segment(0xDB, b"\0" + b"\x01" * 64) +
            segment(0xC2, struct.pack(">BHHB", 8, height, width, 3) + b"\x01\x11\0\x02\x11\0\x03\x11\0") +
            b"".join(segment(0xC4, bytes([table, 1]) + b"\0" * 15 + b"\0") for table in (0x00, 0x10)) +
            segment(0xDA, b"\x03\x01\0\x02\0\x03\0\0\0\0") + b"\0" * 30 + b"\xff\xd9")


def many_frames(count=100_000):
    """A GIF of frames of one pixel."""
    frame = b",\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02\x44\x01\0"
    return b"GIF89a\x01\0\x01\0\x80\0\0" + b"\x10\x20\x30\xff\xff\xff" + frame * count + b";"


def half(data):
    return data[:len(data) // 2]


def cut_pixels(tiff):
    """Its one strip claims half of its bytes."""
    at = tiff.rindex(struct.pack("<HHI", 279, 4, 1))
    count = struct.unpack_from("<I", tiff, at + 8)[0]
    return tiff[:at + 8] + struct.pack("<I", count // 2) + tiff[at + 12:]


def tiff_of(data, width, height, tags=None):
    """An RGB TIFF that promises width x height pixels, in one strip or as `tags` say."""
    every = {256: width, 257: height, 258: 8, 259: 1, 262: 2, 277: 3, 278: height, 273: 8, 279: max(len(data), 1), **(tags or {})}
    if 322 in every:
        every.update({324: every.pop(273), 325: every.pop(279)})
        del every[278]
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag not in (258, 262, 277, 259) else 3, 1, every[tag]) for tag in sorted(every))
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(every)) + entries + bytes(4)


def rle_bitmap():
    """A BMP of RLE8 that ends its rows early and leaves some out."""
    data = b"\x20\x11\0\0" + b"\0\2\x03\x02" + b"\0\5\1\2\3\4\5\0" + b"\0\0" + b"\x40\x22\0\1"
    palette = bytes(v for i in range(256) for v in (i, 255 - i, i // 2, 0))
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, 54 + 1024, 40, 64, 16, 1, 8, 1, len(data), 0, 0, 256, 0) + palette + data


HEIC = encode_heif(picture(1, 64, 64))
PLAIN = picture(1, 64, 64)

BAD_IMAGES = {
    "empty": (b"", 415, "unsupported_format"),
    "html": (b"<html><body>404</body></html>", 415, "unsupported_format"),
    "text": (b"hello", 415, "unsupported_format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_format"),
    "pdf": (b"%PDF-1.7\n", 415, "unsupported_format"),
    "psd": (b"8BPS\0\x01" + bytes(6) + b"\0\x03", 415, "unsupported_format"),
    "exr": (b"\x76\x2f\x31\x01\x02\0\0\0", 415, "unsupported_format"),
    "half a TIFF": (half(encode(picture(1), "TIFF")), 422, "image_corrupt"),
    "half a TIFF of LZW": (cut_pixels(encode(PLAIN, "TIFF", compression="tiff_lzw")), 422, "image_corrupt"),
    "TIFF of gigapixels": (tiff_of(b"", 65_000, 65_000), 422, "too_many_pixels"),
    "TIFF of a huge tile": (tiff_of(b"", 100, 100, {322: 65_520, 323: 65_520}), 422, "decode_limit"),
    "TIFF without pixels": (tiff_of(b"", 100, 100), 422, "image_corrupt"),
    "TIFF of Lab": (tiff_of(bytes(30_000), 100, 100, {262: 8}), 415, "unsupported_format"),
    "half a BMP": (half(encode(picture(1), "BMP")), 422, "image_corrupt"),
    "BMP of gigapixels": (encode(PLAIN, "BMP")[:18] + struct.pack("<ii", 1 << 30, 1 << 30) + encode(PLAIN, "BMP")[26:], 422, "too_many_pixels"),
    "half a PNM": (half(encode(picture(1), "PPM")), 422, "image_corrupt"),
    "QOI without data": (b"qoif" + struct.pack(">IIBB", 64, 64, 3, 0), 422, "image_corrupt"),
    "ICO without a picture": (b"\0\0\1\0\1\0" + bytes(12) + struct.pack("<I", 22), 422, "image_corrupt"),
    "half a JPEG": (half(encode(picture(1))), 422, "image_corrupt"),
    "half a progressive JPEG": (half(encode(picture(1), progressive=True)), 422, "image_corrupt"),
    "JPEG without data": (encode(picture(1))[:30], 422, "image_corrupt"),
    "half a PNG": (half(encode(picture(1), "PNG")), 422, "image_corrupt"),
    "half a WebP": (half(encode(picture(1), "WEBP")), 422, "image_corrupt"),
    "50,000 x 50,000 PNG": (png_header_bomb(), 422, "too_many_pixels"),
    "small JPEG of gigapixels": (small_jpeg_of_size(65_500, 65_500), 422, "too_many_pixels"),
    "small JPEG of much memory": (small_jpeg_of_size(30_000, 25_000), 422, "decode_limit"),
    "10,000 scans": (many_scans(), 422, "decode_limit"),
    "HEIC with a forged iloc": (forged_location(HEIC), 422, "image_corrupt"),
    "HEIC of 1,001 items": (many_items(HEIC), 422, "decode_limit"),
    "HEIC that misses a tile": (missing_tile(), 422, "image_corrupt"),
    "truncated HEIC": (HEIC[:-200], 422, "image_corrupt"),
}


def send_rows(server, images):
    files = [("image", (f"{i}.jpg", image)) for i, image in enumerate(images)]
    answer = server.post("/embed", files=files, headers={"Accept": "application/octet-stream"})
    assert answer.status_code == 200, answer.text
    return answer, numpy.frombuffer(answer.content, "<f4").reshape(len(images), -1)


@pytest.fixture(scope="session")
def thread_server(model, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("thread"), "--decode=thread")
    yield running
    running.stop()


@pytest.fixture(params=["process", "thread"])
def decoding(request, server, thread_server):
    return server if request.param == "process" else thread_server


@pytest.fixture(scope="session")
def neighbours(jpegs):
    return [jpegs[i % len(jpegs)] for i in range(31)]


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_fails_alone(decoding, thread_server, neighbours, name):
    data, status, code = BAD_IMAGES[name]
    if ("HEIC" in name or "TIFF" in name) and decoding is thread_server:  # threads decode none
        status, code = 415, "unsupported_format"
    reply = decoding.post("/embed", content=data, headers={"Content-Type": "image/jpeg"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    assert len(reply.json()["error"]["message"]) > 10

    _, without = send_rows(decoding, neighbours)
    answer, beside = send_rows(decoding, neighbours[:16] + [data] + neighbours[16:])
    assert numpy.array_equal(numpy.delete(beside, 16, axis=0), without), "a neighbour's vector changed"
    assert not beside[16].any()
    assert answer.headers["x-photovec-error-count"] == "1"
    assert json.loads(answer.headers["x-photovec-errors"]) == [{"index": 16, "code": code}]


ODD_IMAGES = {
    "1 x 1": encode(picture(1, 1, 1), "PNG"),
    "1 x 500": encode(picture(1, 1, 500), "PNG"),
    "grey": encode(PLAIN.convert("L")),
    "palette": encode(PLAIN.convert("P"), "PNG"),
    "CMYK": encode(PLAIN.convert("CMYK")),
    "16 bit": encode(Image.fromarray(numpy.asarray(PLAIN.convert("L")).astype(numpy.uint16) * 257), "PNG"),
    "100,000 text chunks": png_with(png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"text")) * 100_000),
    "iCCP bomb": png_with(png_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200_000_000), 9))),
    "100,000 frames": many_frames(),
    "TIFF of 16 bits": encode(Image.fromarray(numpy.asarray(PLAIN.convert("L")).astype(numpy.uint16) * 257), "TIFF"),
    "TIFF of ink and LZW": encode(PLAIN.convert("CMYK"), "TIFF", compression="tiff_lzw"),
    "TIFF of a JPEG": encode(PLAIN, "TIFF", compression="jpeg"),
    "TIFF of a fax": encode(PLAIN.convert("1"), "TIFF", compression="group4"),
    "TIFF of strips without pixels behind them": tiff_of(bytes(30_000), 100, 100),
    "BMP of 1 bit": encode(PLAIN.convert("1"), "BMP"),
    "BMP of runs": rle_bitmap(),
    "PNM of 1000 grey levels": b"P5 64 64 999\n" + bytes(2) * 4096,
    "plain PNM": b"P3 2 1 # two\n255 " + b"1 2 3  4 5 6",
    "PAM": b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n" + bytes(range(8)),
    "JPEG XL": encode_jxl(PLAIN, "-d", "1"),
    "JPEG XL without loss, in 16 bits":
        encode_jxl(Image.fromarray(numpy.asarray(PLAIN.convert("L")).astype(numpy.uint16) * 257), "-d", "0"),
    "JPEG XL of a JPEG, in boxes": encode_jxl(encode(PLAIN), "--container=1"),
    "JPEG XL that is progressive": encode_jxl(PLAIN, "-d", "0", "-R", "1"),
    "JPEG XL with something behind it": encode_jxl(PLAIN) + b"tail" * 100,
    "JPEG 2000": encode(PLAIN, "JPEG2000"),
    "JPEG 2000, bare and lossy": encode(PLAIN, "JPEG2000", no_jp2=True, irreversible=True, quality_layers=[20]),
    "JPEG 2000 of tiles": encode(PLAIN, "JPEG2000", tile_size=(32, 32), tile_offset=(0, 0), num_resolutions=2),
    "JPEG 2000 with alpha": encode(PLAIN.convert("RGBA"), "JPEG2000"),
    "camera raw DNG": raw_file(encode(picture(3, 320, 256)), "dng"),
    "camera raw NEF": raw_file(encode(picture(3, 320, 256)), "nef"),
    "camera raw CR2": raw_file(encode(picture(3, 320, 256)), "cr2"),
    "camera raw RAF": raw_file(encode(picture(3, 320, 256)), "raf"),
    "QOI of one run": b"qoif" + struct.pack(">IIBB", 62, 10, 3, 0) + b"\xfd" * 10 + bytes(7) + b"\1",
    "ICO of a PNG": encode(PLAIN, "ICO", sizes=[(16, 16), (64, 64)]),
    "ICO of a bitmap": encode(PLAIN, "ICO", sizes=[(64, 64)], bitmap_format="bmp"),
    "corrupt EXIF": encode(PLAIN, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\x01\x12" * 20),
    **{f"EXIF {i}": encode(PLAIN, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" +
                           bytes([i]) + b"\0\0\0\0\0\0") for i in range(1, 9)},
}


@pytest.mark.parametrize("name", ODD_IMAGES)
def test_an_odd_image_has_a_vector(decoding, thread_server, neighbours, name):
    kind = next((kind for kind in ("TIFF", "JPEG XL", "JPEG 2000") if name.startswith(kind)), None)
    if kind and decoding is thread_server:
        reply = decoding.post("/embed", content=ODD_IMAGES[name])
        assert reply.status_code == 415 and f"{kind} images are decoded only with --decode=process" in reply.text
        return
    _, without = send_rows(decoding, neighbours)
    answer, beside = send_rows(decoding, neighbours[:16] + [ODD_IMAGES[name]] + neighbours[16:])
    assert "x-photovec-error-count" not in answer.headers or answer.headers["x-photovec-error-count"] == "0"
    assert numpy.array_equal(numpy.delete(beside, 16, axis=0), without), "a neighbour's vector changed"
    assert numpy.linalg.norm(beside[16]) == pytest.approx(1, abs=1e-3)


def test_the_eight_orientations_are_told_apart(server):
    _, rows = send_rows(server, [ODD_IMAGES[f"EXIF {i}"] for i in range(1, 9)])
    assert len({row.tobytes() for row in rows}) == 8
    _, rows = send_rows(server, [ODD_IMAGES["corrupt EXIF"], ODD_IMAGES["EXIF 1"]])
    assert numpy.array_equal(rows[0], rows[1])


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
    body = bytes(129 << 20)
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
        client.post(server.url + "/v1/embeddings", json={"input": [{"image": "0.jpg"}, {"image": "missing.jpg"}, "a cat", ""]})

    with httpx.Client(timeout=120) as client:
        for _ in range(8):
            round_of_requests(client)
        settled = server.rss()
        for _ in range(24):
            round_of_requests(client)
        grown = server.rss() - settled
    assert grown < 12 << 20, f"{grown / 2**20:.1f} MiB more after three times as many requests"
    assert server.get("/readyz").status_code == 200
