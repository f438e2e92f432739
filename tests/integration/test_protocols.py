# SPDX-License-Identifier: MIT
"""Every endpoint with the clients that people use."""
import base64
import http.client
import io
import json
import pickle

import httpx
import numpy
import openai
import pytest
from conftest import Server, encode, picture


def data_url(image, kind="jpeg"):
    return f"data:image/{kind};base64," + base64.b64encode(image).decode()


def rows(reply):
    assert reply.status_code == 200, reply.text
    count, dim = map(int, reply.headers["x-photovec-shape"].split(","))
    return numpy.frombuffer(reply.content, "<f4").reshape(count, dim)


def upload(server, images, accept="application/octet-stream", **options):
    return server.post("/embed", files=[("image", (f"{i}.jpg", data)) for i, data in enumerate(images)],
                       headers={"Accept": accept}, **options)


@pytest.fixture(scope="module")
def vectors(server, jpegs):
    """The unit vectors of the JPEGs, one request each."""
    return numpy.concatenate([rows(server.post("/embed", content=data, headers={
        "Accept": "application/octet-stream"})) for data in jpegs])


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0) as made:
        yield made


def test_vectors_are_unit_and_distinct(vectors):
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similar = vectors @ vectors.T - numpy.eye(len(vectors))
    assert similar.max() < 0.999999


def test_every_form_of_request_and_reply_gives_the_same_bits(server, jpegs, vectors):
    assert numpy.array_equal(rows(upload(server, jpegs)), vectors)
    npy = upload(server, jpegs, accept="application/x-npy")
    loaded = numpy.load(io.BytesIO(npy.content))
    assert loaded.dtype == numpy.float32 and numpy.array_equal(loaded, vectors)
    as_json = upload(server, jpegs, accept="application/json").json()
    assert numpy.array_equal(numpy.array(as_json["embeddings"], numpy.float32), vectors)
    assert as_json["errors"] == [] and as_json["normalized"] is True
    assert as_json["dimensions"] == vectors.shape[1]
    named = server.post("/embed", json={"images": [f"{i}.jpg" for i in range(len(jpegs))]}).json()
    assert numpy.array_equal(numpy.array(named["embeddings"], numpy.float32), vectors)
    inline = server.post("/embed", json={"images": [data_url(data) for data in jpegs]}).json()
    assert numpy.array_equal(numpy.array(inline["embeddings"], numpy.float32), vectors)
    single = server.post("/embed", content=jpegs[3]).json()
    assert numpy.array_equal(numpy.array(single["embedding"], numpy.float32), vectors[3])
    spaces = server.post("/embed", json={"images": ["album/my cat.jpg"]}).json()
    assert numpy.array_equal(numpy.array(spaces["embeddings"], numpy.float32), vectors[:1])


def test_chunked_uploads(server, jpegs, vectors):
    def trickle(data):
        for at in range(0, len(data), 1000):
            yield data[at:at + 1000]

    reply = server.post("/embed", content=trickle(jpegs[0]), headers={"Accept": "application/octet-stream"})
    assert numpy.array_equal(rows(reply), vectors[:1])
    built = httpx.Request("POST", server.url, files=[("i", (f"{n}.jpg", d)) for n, d in enumerate(jpegs)])
    headers = {"Content-Type": built.headers["content-type"], "Accept": "application/octet-stream"}
    reply = server.post("/embed", content=trickle(built.read()), headers=headers)
    assert numpy.array_equal(rows(reply), vectors)


def test_normalize_can_be_switched_off(server, jpegs, vectors):
    raw = server.post("/embed?normalize=false", content=jpegs[0]).json()["embedding"]
    form = server.post("/embed", data={"normalize": "false"}, files={"i": ("a.jpg", jpegs[0])}).json()
    named = server.post("/embed", json={"images": ["0.jpg"], "normalize": False}).json()
    assert form["embeddings"][0] == raw and named["embeddings"][0] == raw
    raw = numpy.array(raw, numpy.float32)
    assert numpy.allclose(raw / numpy.linalg.norm(raw), vectors[0], atol=1e-6)
    assert abs(numpy.linalg.norm(raw) - 1) > 1e-3


def test_formats_are_told_by_content(server):
    image = picture(5)
    lossless = rows(server.post("/embed", content=encode(image, "PNG"),
                                headers={"Accept": "application/octet-stream", "Content-Type": "image/jpeg"}))
    webp = rows(server.post("/embed", content=encode(image, "WEBP", lossless=True),
                            headers={"Accept": "application/octet-stream"}))
    assert numpy.array_equal(lossless, webp)
    assert server.post("/embed", content=encode(image.convert("P"), "GIF")).status_code == 200


def test_headers_tell_what_and_how_long(server, jpegs):
    reply = upload(server, jpegs)
    models = server.get("/v1/models").json()["data"]
    assert reply.headers["x-photovec-model"] == "clip" == models[0]["id"]
    assert reply.headers["x-photovec-fingerprint"] == models[0]["fingerprint"]
    timing = dict(entry.strip().split(";dur=") for entry in reply.headers["server-timing"].split(","))
    for stage in ("receive", "decode_wait", "decode", "preprocess", "batch_wait", "encode", "http_total"):
        assert float(timing[stage]) >= 0
    assert float(timing["http_total"]) >= float(timing["encode"]) > 0


def test_openai_client_reads_base64_and_float(client, jpegs, vectors):
    inputs = [data_url(data) for data in jpegs]
    by_default = client.embeddings.create(model="clip", input=inputs)
    as_float = client.embeddings.create(model="clip", input=inputs, encoding_format="float")
    for reply in (by_default, as_float):
        assert [entry.index for entry in reply.data] == list(range(len(jpegs)))
        assert numpy.array_equal(numpy.array([e.embedding for e in reply.data], numpy.float32), vectors)
        assert reply.model == "clip" and reply.usage.total_tokens == 0
    one = client.embeddings.create(model="clip", input={"image": "3.jpg"}, dimensions=vectors.shape[1])
    assert numpy.array_equal(numpy.array(one.data[0].embedding, numpy.float32), vectors[3])


def test_shorter_vectors_where_the_operator_allows_them(model, image_root, jpegs, vectors, tmp_path):
    server = Server(model, tmp_path, "--image-root", image_root, "--allow-truncation", "--decode=thread")
    with openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0) as client:
        for options in ({}, {"encoding_format": "float"}):
            reply = client.embeddings.create(model="clip", input=[data_url(data) for data in jpegs[:3]], dimensions=10, **options)
            got = numpy.array([entry.embedding for entry in reply.data], numpy.float32)
            wanted = vectors[:3, :10] / numpy.linalg.norm(vectors[:3, :10], axis=1, keepdims=True)
            assert got.shape == (3, 10) and numpy.allclose(got, wanted, atol=1e-6)
        words = client.embeddings.create(model="clip", input=["a cat on a sofa"], dimensions=3).data[0].embedding
        assert len(words) == 3 and abs(numpy.linalg.norm(words) - 1) < 1e-6
    server.stop()


def test_as_many_inputs_as_openai_takes(client):
    many = client.embeddings.create(model="clip", input=["a cat"] * 2048)
    assert len(many.data) == 2048 and many.data[2047].embedding == many.data[0].embedding
    with pytest.raises(openai.BadRequestError, match="2048"):
        client.embeddings.create(model="clip", input=["a cat"] * 2049)


@pytest.mark.parametrize("spelled", [" \n{url}", "{head};base64;charset=utf-8,{data}", "{head};charset=utf-8;base64;name=a.jpg,{data}", "\n{data}"])
def test_spellings_of_an_image(server, client, jpegs, vectors, spelled):
    data = base64.b64encode(jpegs[0]).decode()
    text = spelled.format(url=data_url(jpegs[0]), head="data:image/jpeg", data=data)
    assert numpy.array_equal(numpy.array(client.embeddings.create(model="clip", input=text).data[0].embedding, numpy.float32), vectors[0])
    reply = server.post("/embed", json={"images": [text]})
    assert numpy.array_equal(numpy.array(reply.json()["embeddings"][0], numpy.float32), vectors[0])


@pytest.mark.parametrize("encoding", [openai.NOT_GIVEN, "float"])
def test_openai_client_survives_one_bad_image(client, jpegs, vectors, encoding):
    reply = client.embeddings.create(
        model="clip", input=[data_url(jpegs[0]), data_url(b"no image"), data_url(jpegs[1])], encoding_format=encoding)
    assert reply.data[1].embedding == []
    assert reply.data[1].error["code"] == "unsupported_format"
    got = numpy.array([reply.data[0].embedding, reply.data[2].embedding], numpy.float32)
    assert numpy.array_equal(got, vectors[:2])


def test_openai_errors(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="gpt", input="0.jpg")
    assert caught.value.code == "model_not_found" and caught.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model="clip", input={"image": "0.jpg"}, dimensions=7)
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="clip", input=[{"image": "../secret.jpg"}, {"image": "missing.jpg"}])
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.embeddings.create(model="clip", input=data_url(encode(picture(1))[:2000]))
    assert caught.value.code == "image_corrupt" and caught.value.type == "invalid_request_error"
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model="clip", input=data_url(b"<html>"))
    assert caught.value.status_code == 415


def test_openai_models(client):
    listed = client.models.list().data
    assert [entry.id for entry in listed] == ["clip"]
    one = client.models.retrieve("clip")
    assert one.object == "model" and one.owned_by == "photovec" and one.fingerprint == listed[0].fingerprint
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")


@pytest.mark.parametrize("body", [
    {"input": ["1.jpg"], "modality": "image", "dimensions": 0},
    {"input": [{"image": "1.jpg"}]},
    {"input": [{"type": "image_url", "image_url": {"url": "1.jpg"}}]},
    {"input": "<img src='1.jpg'/>"},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "1.jpg"}}]}]},
])
def test_dialects_of_openai(server, vectors, body):
    reply = server.post("/v1/embeddings", json={"model": "clip", **body})
    assert reply.status_code == 200, reply.text
    assert numpy.array_equal(numpy.array(reply.json()["data"][0]["embedding"], numpy.float32), vectors[1])


def test_bare_base64(server, jpegs, vectors):
    reply = server.post("/v1/embeddings", json={"input": [{"image": base64.b64encode(jpegs[1]).decode()}]})
    assert numpy.array_equal(numpy.array(reply.json()["data"][0]["embedding"], numpy.float32), vectors[1])


class NoClasses(pickle.Unpickler):
    """Loading the reply must need no import: a pickle that names classes can run code."""

    def find_class(self, module, name):
        raise AssertionError(f"the pickle names {module}.{name}")


def test_original_api(server):
    names = ["0.jpg", "album/my cat.jpg", "1.jpg", "0.jpg"]
    reply = server.post("/clip/embedding", json={"images": names, "client_send_time": 1.0})
    assert reply.status_code == 200
    answer = pickle.loads(reply.content)
    assert NoClasses(io.BytesIO(reply.content)).load() == answer
    assert list(answer) == ["message", "data"] and answer["message"] == "success"
    assert list(answer["data"]) == ["0.jpg", "album/my cat.jpg", "1.jpg"]
    vector = answer["data"]["0.jpg"]
    assert all(type(value) is float for value in vector)
    assert abs(numpy.linalg.norm(vector) - 1) > 1e-3, "not normalised"
    assert answer["data"]["album/my cat.jpg"] == vector
    as_json = server.post("/clip/embedding", json={"images": names}, headers={"Accept": "application/json"}).json()
    for name, values in answer["data"].items():
        assert numpy.array_equal(numpy.array(as_json["data"][name], numpy.float32), numpy.array(values, numpy.float32))
    cropped = server.post("/embed", json={"images": ["0.jpg"], "normalize": False}).json()["embeddings"][0]
    assert not numpy.allclose(cropped, vector), "the original squashes, /embed crops"


def test_original_api_leaves_failed_names_out(server):
    names = ["0.jpg", "missing.jpg", "né.jpg", "1.jpg"]
    answer = pickle.loads(server.post("/clip/embedding", json={"images": names}).content)
    assert list(answer["data"]) == ["0.jpg", "1.jpg"]
    assert [(e["image"], e["index"], e["code"]) for e in answer["errors"]] == [
        ("missing.jpg", 1, "not_found"), ("né.jpg", 2, "not_found")]
    failed = server.post("/clip/embedding", json={"images": ["missing.jpg"]})
    assert failed.status_code == 404
    assert failed.json()["data"] is None and failed.json()["code"] == "not_found"
    assert server.get("/health/info").json()["data"]["models"] == ["clip"]


def test_operations(server, jpegs):
    server.post("/embed", content=jpegs[0])
    assert server.get("/healthz").json() == {"status": "ok"}
    assert server.get("/readyz").json() == {"status": "ready"}
    page = server.get("/")
    assert page.headers["content-type"].startswith("text/html") and "<title>photovec</title>" in page.text
    assert server.metric("photovec_http_requests_total", route="embed", status="200") >= 1
    assert server.metric("photovec_request_stage_seconds_count", model="clip", stage="http_total") >= 1
    assert server.metric("photovec_image_stage_seconds_count", model="clip", stage="encode") >= 1
    assert server.metric("photovec_event_loop_lag_seconds_count") >= 1
    stats = server.get("/stats").json()
    encode_stage = [row for row in stats["photovec_image_stage_seconds"] if row["labels"]["stage"] == "encode"][0]
    assert 0 < encode_stage["p50_ms"] <= encode_stage["p95_ms"] <= encode_stage["p99_ms"]


def test_head_and_keep_alive_with_the_standard_library(server, jpegs):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for _ in range(3):
        connection.request("HEAD", "/stats")
        reply = connection.getresponse()
        assert reply.status == 200 and int(reply.headers["Content-Length"]) > 100 and reply.read() == b""
        connection.request("POST", "/embed", body=jpegs[0])
        assert "embedding" in json.loads(connection.getresponse().read())
    connection.close()
