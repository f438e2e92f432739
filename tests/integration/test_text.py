# SPDX-License-Identifier: MIT
"""Texts beside images: every endpoint that takes them, `embed --texts`, and the clients that send them."""
import base64
import json
import subprocess
import time

import numpy
import openai
import pytest
import text_clients
from conftest import BINARY, Server

TEXTS = ["a photo of a cat", "two dogs on a beach", "sunset, 2024", "0.jpg", "日本 😀", "a\0b", "x" * 5_000]


def data_url(image):
    return "data:image/jpeg;base64," + base64.b64encode(image).decode()


def unit(rows):
    return numpy.array(rows, numpy.float32)


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def vectors(server):
    """Of TEXTS, one request each."""
    rows = [server.post("/embed", json={"texts": [text]}).json()["embeddings"][0] for text in TEXTS]
    return unit(rows)


@pytest.fixture(scope="module")
def images_only(model, image_root, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("images_only"), "--image-root", image_root, "--no-text")
    yield running
    running.stop()


def test_vectors_of_texts_are_unit_and_distinct(vectors):
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors @ vectors.T - numpy.eye(len(vectors))).max() < 0.99999


def test_neighbours_change_nothing(server, jpegs, vectors):
    together = server.post("/embed", json={"texts": TEXTS}).json()
    assert together["errors"] == [] and numpy.array_equal(unit(together["embeddings"]), vectors)
    mixed = server.post("/embed", json={"texts": TEXTS, "images": ["0.jpg"]}).json()
    assert numpy.array_equal(unit(mixed["embeddings"][1:]), vectors), "images come first"
    alone = server.post("/embed", content=jpegs[0]).json()["embedding"]
    assert mixed["embeddings"][0] == alone
    form = server.post("/embed", files=[("text", (None, TEXTS[0])), ("i", ("a.jpg", jpegs[0])), ("text", (None, TEXTS[1]))]).json()
    assert form["embeddings"][1] == alone and numpy.array_equal(unit([form["embeddings"][0], form["embeddings"][2]]), vectors[:2])


def test_openai_client_embeds_texts_and_images_in_one_call(client, jpegs, vectors, server):
    image = unit(server.post("/embed", content=jpegs[3]).json()["embedding"])
    for encoding in (openai.NOT_GIVEN, "float"):
        reply = client.embeddings.create(model="clip", input=[TEXTS[0], data_url(jpegs[3]), TEXTS[3], {"image": "3.jpg"}],
                                         encoding_format=encoding)
        rows = unit([entry.embedding for entry in reply.data])
        assert numpy.array_equal(rows[[0, 2]], vectors[[0, 3]])
        assert numpy.array_equal(rows[1], image) and numpy.array_equal(rows[3], image)
    one = client.embeddings.create(model="clip", input=TEXTS[1])
    assert numpy.array_equal(unit(one.data[0].embedding), vectors[1])
    assert 2 < one.usage.prompt_tokens == one.usage.total_tokens
    both = client.embeddings.create(model="clip", input=[TEXTS[1], TEXTS[1], data_url(jpegs[0])])
    assert both.usage.total_tokens == 2 * one.usage.total_tokens, "images have none"


def test_words_of_strangers_are_never_fetched(client, server):
    url = "http://127.0.0.1:1/secret.jpg"
    wanted = server.post("/embed", json={"texts": [url]}).json()["embeddings"][0]
    explicit = client.embeddings.create(model="clip", input=[{"text": url}])
    by_field = client.embeddings.create(model="clip", input=url, extra_body={"modality": "text"})
    assert explicit.data[0].embedding == by_field.data[0].embedding
    assert numpy.array_equal(unit(explicit.data[0].embedding), unit(wanted))
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="clip", input=url)


def test_what_is_wrong_with_a_text(client, server):
    for text, why in [("", "is empty"), (" \n", "white space"), ("x" * 70_000, "at most 65536"), ("y" * 1_000_000, "at most 65536")]:
        with pytest.raises(openai.BadRequestError, match=why):
            client.embeddings.create(model="clip", input=text)
        reply = client.embeddings.create(model="clip", input=["a cat", text])
        assert reply.data[0].embedding and why in reply.data[1].error["message"]
    for tokens in ([320, 2368], [[320, 2368], [1]]):
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
            client.embeddings.create(model="clip", input=tokens)
    thousand = [f"text number {i} " + "word " * (i % 90) for i in range(1000)]
    rows = client.embeddings.create(model="clip", input=thousand)
    assert [entry.index for entry in rows.data] == list(range(1000)) and all(entry.embedding for entry in rows.data)
    some = server.post("/embed", json={"texts": [thousand[7], thousand[999]]}).json()["embeddings"]
    assert numpy.array_equal(unit([rows.data[7].embedding, rows.data[999].embedding]), unit(some))
    with pytest.raises(openai.BadRequestError, match="2049"):
        client.embeddings.create(model="clip", input=["a word"] * 2049)


def test_a_model_without_a_text_tower_says_how_to_name_a_file(images_only, jpegs):
    refused = images_only.post("/v1/embeddings", json={"input": "a photo of a cat"})
    assert refused.status_code == 400 and '{"image": "my cat"}' in refused.json()["error"]["message"]
    assert "--no-text" in refused.json()["error"]["message"], "and why"
    assert images_only.post("/embed", json={"texts": ["a cat"]}).status_code == 400
    assert images_only.post("/score", json={"images": ["0.jpg"], "texts": ["a cat"]}).status_code == 400
    named = [images_only.post("/v1/embeddings", json={"input": name}).json()["data"][0]["embedding"]
             for name in ("3.jpg", {"image": "3.jpg"}, data_url(jpegs[3]))]
    assert named[0] == named[1] == named[2]
    assert images_only.get("/v1/models").json()["data"][0]["modalities"] == ["image"]


def test_models_say_what_they_take(server):
    model = server.get("/v1/models/clip").json()
    assert model["modalities"] == ["image", "text"] and model["max_tokens"] > 2 and model["text_rule"]
    assert model["score"]["function"] in ("softmax", "sigmoid") and model["score"]["scale"] > 0
    reply = server.post("/embed", json={"texts": ["a cat"]})
    assert reply.headers["x-photovec-text-fingerprint"] == model["text_fingerprint"] != model["fingerprint"]
    assert "tokenize;dur=" in reply.headers["server-timing"]


@pytest.mark.parametrize("preset, function", [("tiny-text", "softmax"), ("tiny-siglip", "sigmoid")])
def test_every_family_scores_by_its_own_rule(preset, function, tmp_path, image_root):
    folder = tmp_path / preset
    subprocess.run([BINARY, "init-model", preset, folder], check=True, capture_output=True)
    running = Server(folder, tmp_path, "--image-root", image_root)
    try:
        scores = running.post("/score", json={"images": ["0.jpg", "1.jpg"], "texts": TEXTS[:3]}).json()
        assert scores["score"]["function"] == function
        logits = scores["score"]["scale"] * numpy.array(scores["cosines"]) + scores["score"]["bias"]
        wanted = 1 / (1 + numpy.exp(-logits))
        if function == "softmax":
            wanted = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
        assert numpy.allclose(scores["probabilities"], wanted, rtol=1e-3, atol=1e-7)
    finally:
        running.stop()


def test_scores_are_cosines_and_probabilities(server, jpegs, vectors):
    reply = server.post("/score", json={"images": ["0.jpg", "missing.jpg", data_url(jpegs[1])], "texts": TEXTS[:3] + [""]})
    assert reply.status_code == 200, reply.text
    scores = reply.json()
    images = unit([server.post("/embed", content=data).json()["embedding"] for data in jpegs[:2]])
    cosines = images @ vectors[:3].T
    assert scores["cosines"][1] is None and scores["probabilities"][1] is None
    for row, wanted in zip((scores["cosines"][0], scores["cosines"][2]), cosines):
        assert numpy.allclose(row[:3], wanted, atol=1e-6) and row[3] is None
    assert scores["score"] == server.get("/v1/models/clip").json()["score"]
    for row in (scores["probabilities"][0], scores["probabilities"][2]):
        assert sum(row[:3]) == pytest.approx(1, abs=1e-5) and row[3] is None, "CLIP: a softmax over those that are there"
    assert [(e.get("image"), e.get("text"), e["code"]) for e in scores["errors"]] == [
        (1, None, "not_found"), (None, 3, "invalid_request")]
    form = server.post("/score", files=[("text", (None, text)) for text in TEXTS[:3]] + [("image", ("a.jpg", jpegs[0]))]).json()
    assert form["cosines"][0] == scores["cosines"][0][:3]
    late = server.post("/score", json={"images": ["0.jpg"], "texts": TEXTS[:3]}, headers={"X-Request-Timeout-Ms": "1"})
    assert late.status_code in (200, 429, 504), late.text


def embed(*arguments, text_in=None):
    return subprocess.run([BINARY, "embed", *arguments], input=text_in, capture_output=True, timeout=120)


def test_embed_texts(server, model, tmp_path, vectors):
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(TEXTS[:4]) + "\n\n" + "\r\n".join(TEXTS[4:]), newline="")
    output = tmp_path / "texts.npy"
    done = embed("--model", f"clip={model}", "--texts", source, "-o", output)
    assert done.returncode == 0, done.stderr
    assert numpy.array_equal(numpy.load(output), vectors)
    written = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    assert [line["text"] for line in written] == TEXTS and [line["row"] for line in written] == list(range(len(TEXTS)))
    meta = json.loads((tmp_path / "texts.meta.json").read_text())
    assert meta["input"] == "texts" and meta["passed_over"]["empty_lines"] == 1
    assert meta["text_rule"] == server.get("/v1/models/clip").json()["text_rule"]
    piped = embed("--model", f"clip={model}", "--texts", "-", "-o", tmp_path / "piped.npy", text_in=source.read_bytes())
    assert piped.returncode == 0 and (tmp_path / "piped.npy").read_bytes() == output.read_bytes()


def test_embed_texts_by_id_goes_on_where_it_was(model, tmp_path, vectors):
    source = tmp_path / "texts.jsonl"
    rows = [{"id": f"t{i}", "text": text, "other": i} for i, text in enumerate(TEXTS)] * 40
    source.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    flags = ["--model", f"clip={model}", "--texts", source, "--checkpoint-every", "64"]
    whole = embed(*flags, "-o", tmp_path / "whole.npy")
    assert whole.returncode == 3, whole.stderr
    assert numpy.array_equal(numpy.load(tmp_path / "whole.npy"), numpy.tile(vectors, (40, 1)))
    last = json.loads((tmp_path / "whole.jsonl").read_text().splitlines()[-1])
    assert last["id"] == str(len(rows) + 1) and last["row"] is None and last["error"]["code"] == "invalid_request"
    run = subprocess.Popen([BINARY, "embed", *flags[:2], "--texts", "-", *flags[4:], "-o", tmp_path / "cut.npy"],
                           stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdin.write(("\n".join(row["text"] for row in rows[:200]) + "\n").encode())
    run.stdin.flush()
    journal = tmp_path / "cut.partial" / "run" / "journal"
    deadline = time.monotonic() + 60
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 3:
        assert run.poll() is None and time.monotonic() < deadline, "no checkpoint was saved"
        time.sleep(0.01)
    run.kill()
    run.communicate()
    texts = tmp_path / "cut.txt"
    texts.write_text("\n".join(row["text"] for row in rows))
    with open(texts, "rb") as lines:
        resumed = subprocess.run([BINARY, "embed", *flags[:2], "--texts", "-", *flags[4:], "-o", tmp_path / "cut.npy", "--resume"],
                                 stdin=lines, capture_output=True)
    assert resumed.returncode == 0 and b"resumed after" in resumed.stdout, resumed.stderr
    assert (tmp_path / "cut.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_embed_texts_that_are_not_utf8(model, tmp_path):
    mixed = embed("--model", f"clip={model}", "--texts", "-", "-o", tmp_path / "v.npy", text_in=b"a cat\ncaf\xe9\n" + b"x" * 70_000)
    assert mixed.returncode == 3, mixed.stderr
    kept, broken, long = map(json.loads, (tmp_path / "v.jsonl").read_text().splitlines())
    assert kept == {"text": "a cat", "row": 0, "error": None}
    assert broken["text"] == "caf\ufffd" and base64.b64decode(broken["text_base64"]) == b"caf\xe9"
    assert broken["row"] is None and broken["error"]["code"] == "invalid_request" == long["error"]["code"]
    assert long["text"] == "x" * 64 + "..." and b"2 of 3" not in mixed.stdout and b"1 of 3 texts" in mixed.stdout


def test_embed_texts_needs_a_text_tower(model, tmp_path):
    refused = embed("--model", f"clip={model}", "--texts", "-", "--no-text", "-o", tmp_path / "v.npy", text_in=b"a cat\n")
    assert refused.returncode != 0 and b"--texts: the model clip embeds images only" in refused.stderr
    both = embed("--model", f"clip={model}", "--texts", "-", tmp_path, "-o", tmp_path / "v.npy")
    assert both.returncode == 2 and b"takes neither INPUTs nor --from" in both.stderr
    nothing = embed("--model", f"clip={model}", "--texts", "-", "-o", tmp_path / "v.npy", text_in=b"\n \n")
    assert nothing.returncode != 0 and b"no texts were found" in nothing.stderr


@pytest.mark.parametrize("name", text_clients.CLIENTS)
def test_clients_work_unchanged(server, vectors, name):
    """LangChain's and LlamaIndex's classes for OpenAI, in an environment of their own."""
    python = text_clients.environment()
    run = subprocess.run([python, text_clients.__file__, name, server.url + "/v1"], input=json.dumps(TEXTS).encode(),
                         capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    got = json.loads(run.stdout)
    assert numpy.allclose(unit(got["documents"]), vectors, atol=1e-6)
    assert numpy.allclose(unit(got["query"]), vectors[0], atol=1e-6)
    assert numpy.allclose(unit(got["later"]), vectors[1], atol=1e-6), "asynchronously"
    if "stranger" in got:
        wanted = server.post("/embed", json={"texts": [text_clients.STRANGER]}).json()["embeddings"][0]
        assert numpy.allclose(unit(got["stranger"]), unit(wanted), atol=1e-6)
