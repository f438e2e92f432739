# SPDX-License-Identifier: MIT
"""Generated JSON at every route: whatever it says, the answer is a vector or an error of the client's, never one of the server's.

The same examples each time (derandomize), about 15 s of them."""
import base64
import json

import httpx
import pytest
from conftest import encode, picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(derandomize=True, database=None, deadline=None, max_examples=100,
                    suppress_health_check=list(HealthCheck))
SMALL = encode(picture(1, 24, 16), "PNG")
DATA_URL = "data:image/png;base64," + base64.b64encode(SMALL).decode()

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
                        max_leaves=20)
references = st.one_of(
    st.sampled_from(["0.jpg", "1.jpg", "album/my cat.jpg", "missing.jpg", "../secret.jpg", "album", "", "/", "file:///etc/passwd",
                     "http://127.0.0.1:1/x.jpg", "gs://bucket/x", "s3://bucket/x", "data:", "data:,x", "data:image/png;base64,",
                     DATA_URL, DATA_URL[:-7], DATA_URL + "=", "\ud800", "\0", "a" * 5_000, "%2e%2e/secret.jpg"]),
    st.text(max_size=60), st.binary(max_size=60).map(lambda b: "data:image/jpeg;base64," + base64.b64encode(b).decode()))
images = st.lists(references | anything, max_size=6) | anything
words = st.sampled_from(["a cat", "", " ", "\0", "http://h/x", "<|endoftext|>", "x" * 70_000, "\ud800", "日本 😀"]) | st.text(max_size=60)
texts = st.lists(words | anything, max_size=6) | anything
urls = st.fixed_dictionaries({}, optional={"url": references | anything, "detail": anything})
content = st.lists(st.fixed_dictionaries({}, optional={"type": st.sampled_from(["image_url", "text", "input_image"]) | anything,
                                                       "image_url": urls | references | anything, "text": words | anything}), max_size=3)
messages = st.lists(st.fixed_dictionaries({}, optional={"role": st.just("user") | anything, "content": content | anything}), max_size=3)
models = st.sampled_from(["clip", "nope", "", "clip\0"]) | anything


def members(**known):
    """An object with some of these members, and sometimes one that nobody knows."""
    return st.tuples(st.fixed_dictionaries({}, optional=known), st.dictionaries(st.text(max_size=8), anything, max_size=1)).map(
        lambda both: {**both[1], **both[0]})


embed = members(images=images, texts=texts, model=models, normalize=st.booleans() | anything)
score = members(images=images, texts=texts, model=models)
openai = members(input=images | texts | references | content | messages | anything, messages=messages | anything,
                 modality=st.sampled_from(["image", "text"]) | anything, model=models,
                 encoding_format=st.sampled_from(["float", "base64", "hex"]) | anything,
                 dimensions=st.sampled_from([0, 1, 16, 64, 512, -1, 2**40]) | anything, user=st.text(max_size=9) | anything)
original = members(images=images, model=models, image=references | anything, data=anything)
BODIES = {"/embed": embed, "/score": score, "/v1/embeddings": openai, "/clip/embedding": original}


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url, timeout=60) as connection:
        yield connection
    assert server.process.poll() is None
    assert server.get("/healthz").status_code == 200
    assert server.metric("photovec_memory_budget_used_bytes") == 0
    assert server.metric("photovec_images_total", code="internal") == 0


def text_of(value):
    """As JSON. Python writes NaN and infinities, which JSON has not: those are the malformed ones among the bodies."""
    return json.dumps(value)


def check(reply, dialect):
    assert reply.status_code < 500, reply.text
    if reply.status_code == 200:
        return
    answer = reply.json()
    error = answer if dialect == "/clip/embedding" else answer["error"]
    assert error["code"] and error["message"], answer


def post(client, path, body, **headers):
    return client.post(path, content=body, headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize("path", BODIES)
def test_bodies_that_could_be_meant(client, path):
    @SETTINGS
    @given(BODIES[path], st.sampled_from(["*/*", "application/json", "application/octet-stream", "text/html;q=0", ",;,"]))
    def run(body, accept):
        check(post(client, path, text_of(body), Accept=accept), path)
    run()


@pytest.mark.parametrize("path", BODIES)
def test_any_json(client, path):
    @SETTINGS
    @given(anything)
    def run(body):
        check(post(client, path, text_of(body)), path)
    run()


@pytest.mark.parametrize("path", BODIES)
def test_damaged_json(client, path):
    """A body with a piece cut out, or bytes put in."""
    @SETTINGS
    @given(BODIES[path], st.integers(0, 400), st.integers(0, 40), st.binary(max_size=6))
    def run(body, at, length, inserted):
        raw = text_of(body).encode()
        at = min(at, len(raw))
        check(post(client, path, raw[:at] + inserted + raw[at + length:]), path)
    run()


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/models", "/healthz", "/readyz", "/metrics", "/stats", "/", "/health/info"])
def test_routes_without_a_body(client, path):
    """Whatever stands behind the path and in the query."""
    letters = st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="#")

    @settings(SETTINGS, max_examples=30)
    @given(st.text(letters, max_size=20), st.text(letters, max_size=30))
    def run(more, query):
        request = client.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=(path + more + "?" + query).encode())
        reply = client.send(request)
        assert reply.status_code in (200, 404), reply.text
    run()


def test_parameters_of_uploads(client):
    letters = st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="#")

    @SETTINGS
    @given(st.dictionaries(st.sampled_from(["model", "normalize"]) | st.text(letters, min_size=1, max_size=8), st.text(max_size=20), max_size=3),
           st.sampled_from(["image/png", "image/x", "", "multipart/form-data", "multipart/form-data; boundary=x", "application/json"]) |
           st.text(letters, max_size=20), st.text(letters, max_size=10))
    def run(query, content_type, model):
        reply = client.post("/embed", params=query, content=SMALL,
                            headers={"Content-Type": content_type, "X-Photovec-Model": model, "X-Photovec-Normalize": model})
        check(reply, "/embed")
    run()
