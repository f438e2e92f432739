# SPDX-License-Identifier: MIT
"""gs:// against an emulator that others wrote, and against small origins that do what real ones do on a bad day."""
import concurrent.futures
import contextlib
import json
import socket
import urllib.parse

import gcs_origin
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gcp_storage_emulator.server import create_server
from source_client import failure, refused_start, same, serving, vector

ODD_NAMES = ["plain.jpg", "a/b/c.jpg", "my cat.jpg", "1+1=2.jpg", "what?.jpg", "#1.jpg", "100%.jpg", "a%20b.jpg",
             "&=;,@:$!*'()[].jpg", "사진/고양이.jpg", "😺.jpg", "Ünï cödé.jpg", "trailing dot.", "a//b.jpg", "~tilde_-.jpg"]


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# --- an emulator -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def emulator(jpegs):
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="photos")
    server.start()
    host = "127.0.0.1:%d" % server._api._httpd.server_address[1]
    for i, name in enumerate(ODD_NAMES):
        reply = httpx.post(f"http://{host}/upload/storage/v1/b/photos/o",
                           params={"uploadType": "media", "name": name}, content=jpegs[i % len(jpegs)],
                           headers={"Content-Type": "image/jpeg"})
        assert reply.status_code == 200, reply.text
    yield host
    server.stop()


@pytest.fixture(scope="module")
def with_emulator(emulator, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gcs")
    with serving(model, folder, "--gcs-bucket", "photos", "--gcs-bucket", "missing-bucket", "--default-bucket",
                 "gs://photos", STORAGE_EMULATOR_HOST=emulator) as server:
        yield server


@pytest.mark.parametrize("number", range(len(ODD_NAMES)), ids=lambda i: repr(ODD_NAMES[i]))
def test_odd_names_are_found(with_emulator, jpegs, number):
    name = ODD_NAMES[number]
    expected = with_emulator.post("/embed", content=jpegs[number % len(jpegs)]).json()["embedding"]
    assert same(vector(with_emulator, f"gs://photos/{name}"), expected)
    assert same(vector(with_emulator, name), expected), "the bare name in the default bucket"


def test_what_is_missing_is_404(with_emulator):
    assert failure(with_emulator, "gs://photos/nowhere.jpg")[:2] == (404, "not_found")
    assert failure(with_emulator, "nowhere.jpg")[:2] == (404, "not_found")
    assert failure(with_emulator, "gs://missing-bucket/x.jpg")[:2] == (404, "not_found")


def test_other_buckets_are_not_asked(with_emulator):
    status, code, message = failure(with_emulator, "gs://secret/plain.jpg")
    assert (status, code) == (403, "source_not_allowed")
    assert failure(with_emulator, "gs://Photos/plain.jpg")[:2] == (400, "invalid_request")
    assert failure(with_emulator, "gs://photos")[:2] == (400, "invalid_request")


def test_one_bad_object_does_not_spoil_the_others(with_emulator):
    reply = with_emulator.post("/embed", json={"images": ["gs://photos/plain.jpg", "gs://photos/nowhere.jpg",
                                                          "gs://photos/my cat.jpg"]})
    assert reply.status_code == 200
    body = reply.json()
    assert [vector is None for vector in body["embeddings"]] == [False, True, False]
    assert [error["code"] for error in body["errors"]] == ["not_found"]


def test_gs_is_off_until_a_bucket_is_allowed(server):
    assert failure(server, "gs://photos/plain.jpg")[:2] == (403, "source_not_allowed")


# --- credentials -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def keys():
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]


def key_file(folder, key, tokens, name="key.json", **changes):
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption()).decode()
    fields = {"type": "service_account", "client_email": "photovec@project.iam.gserviceaccount.com",
              "private_key": pem, "private_key_id": "key-1", "token_uri": f"{tokens.url}/token", **changes}
    path = folder / name
    path.write_text(json.dumps(fields))
    return str(path)


@contextlib.contextmanager
def google(keys, jpegs, life=3600):
    """An object endpoint and the token endpoint that it believes."""
    with gcs_origin.running(gcs_origin.Tokens(keys[0].public_key(), life)) as tokens:
        objects = {f"{i}.jpg": data for i, data in enumerate(jpegs)}
        with gcs_origin.running(gcs_origin.Objects(objects, tokens)) as origin:
            yield tokens, origin


def flags(origin, *more):
    return "--gcs-bucket", "photos", "--gcs-endpoint", origin.url, *more


def test_a_service_account_signs_in_once(keys, jpegs, model, tmp_path):
    with google(keys, jpegs) as (tokens, origin):
        path = key_file(tmp_path, keys[0], tokens)
        with serving(model, tmp_path, *flags(origin, "--gcs-user-project", "who pays"),
                     GOOGLE_APPLICATION_CREDENTIALS=path) as server:
            assert tokens.issued == [], "a token was asked for before anybody needed it"
            names = [f"gs://photos/{i}.jpg" for i in range(len(jpegs))]
            reply = server.post("/embed", json={"images": names}).json()
            assert not reply.get("errors") and len(reply["embeddings"]) == len(jpegs)
        assert tokens.issued == ["token-1"], "one token serves all"
        assert tokens.claims[0]["iss"] == "photovec@project.iam.gserviceaccount.com"
        assert {authorization for _, authorization in origin.seen} == {"Bearer token-1"}
        for path, _ in origin.seen:
            assert urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["userProject"] == ["who pays"]


def test_a_refused_token_is_renewed_once(keys, jpegs, model, tmp_path):
    with google(keys, jpegs) as (tokens, origin):
        path = key_file(tmp_path, keys[0], tokens)
        with serving(model, tmp_path, *flags(origin), GOOGLE_APPLICATION_CREDENTIALS=path) as server:
            vector(server, "gs://photos/0.jpg")
            tokens.revoke()
            names = [f"gs://photos/{i}.jpg" for i in range(len(jpegs))]
            reply = server.post("/embed", json={"images": names}).json()
            assert not reply.get("errors"), reply["errors"]
            assert tokens.issued == ["token-1", "token-2"], "each photo asked for a token of its own"


def test_tokens_that_live_for_seconds_are_renewed(keys, jpegs, model, tmp_path):
    with google(keys, jpegs, life=2) as (tokens, origin):
        path = key_file(tmp_path, keys[0], tokens)
        with serving(model, tmp_path, *flags(origin), GOOGLE_APPLICATION_CREDENTIALS=path) as server:
            asked = 0
            while len(tokens.issued) < 4:  # six seconds or so
                vector(server, f"gs://photos/{asked % len(jpegs)}.jpg")
                asked += 1
                with tokens.lock:  # the endpoint believes in the last two only, as if older ones had ended
                    tokens.good.intersection_update(tokens.issued[-2:])
                assert asked < 100_000
        used = {authorization for _, authorization in origin.seen}
        assert {"Bearer token-1", "Bearer token-2", "Bearer token-3"} <= used
        assert origin.refused == 0, "a token was used after its end"


def test_an_endpoint_that_believes_no_token_is_not_asked_for_ever(keys, jpegs, model, tmp_path):
    with google(keys, jpegs) as (tokens, origin):
        path = key_file(tmp_path, keys[0], tokens)
        with gcs_origin.running(gcs_origin.Tokens(keys[0].public_key())) as others:
            origin.tokens = others  # whose tokens are other ones
            with serving(model, tmp_path, *flags(origin), GOOGLE_APPLICATION_CREDENTIALS=path) as server:
                status, code, message = failure(server, "gs://photos/0.jpg")
        assert (status, code) == (502, "source_failed")
        assert "denied access: Invalid Credentials" in message and "token-" not in message
        assert origin.refused == 2 and len(tokens.issued) == 2, "tried again once, with a new token"


def test_another_accounts_key_is_named_when_it_is_refused(keys, jpegs, model, tmp_path):
    with google(keys, jpegs) as (tokens, origin):
        path = key_file(tmp_path, keys[1], tokens)  # not the key that the token endpoint knows
        with serving(model, tmp_path, *flags(origin), GOOGLE_APPLICATION_CREDENTIALS=path) as server:
            status, code, message = failure(server, "gs://photos/0.jpg")
            log = server.log_path.read_text()
        assert (status, code) == (502, "source_failed")
        assert "invalid_grant" in message and "InvalidSignature" in message
        assert origin.seen == [], "the bucket was asked without a token"
        assert "PRIVATE KEY" not in log and "assertion" not in log


def test_the_metadata_server_gives_tokens(jpegs, model, tmp_path):
    with gcs_origin.running(gcs_origin.Metadata()) as metadata:
        with gcs_origin.running(gcs_origin.Objects({"0.jpg": jpegs[0]}, metadata)) as origin:
            with serving(model, tmp_path, *flags(origin), GCE_METADATA_HOST=metadata.host) as server:
                vector(server, "gs://photos/0.jpg")
                metadata.revoke()
                vector(server, "gs://photos/0.jpg")
        assert [authorization for _, authorization in origin.seen] == ["Bearer token-1"] * 2 + ["Bearer token-2"]


def test_wrong_credentials_end_the_start(keys, jpegs, model, tmp_path):
    nobody = {"GCE_METADATA_HOST": f"127.0.0.1:{closed_port()}"}
    with google(keys, jpegs) as (tokens, origin):
        def start(path):
            return refused_start(model, tmp_path, *flags(origin), GOOGLE_APPLICATION_CREDENTIALS=path, **nobody)

        good = key_file(tmp_path, keys[0], tokens)
        secret = json.loads(open(good).read())["private_key"].splitlines()[1]
        broken = tmp_path / "broken.json"
        broken.write_text(open(good).read()[:-40])
        for path, words in [
            (str(broken), ["GOOGLE_APPLICATION_CREDENTIALS", "broken.json", "not valid JSON"]),
            (str(tmp_path / "none.json"), ["GOOGLE_APPLICATION_CREDENTIALS", "none.json"]),
            (key_file(tmp_path, keys[0], tokens, "pem.json", private_key="-----BEGIN PRIVATE KEY-----\nabc\n"),
             ["pem.json", "'private_key'"]),
            (key_file(tmp_path, keys[0], tokens, "nobody.json", client_email=None), ["nobody.json", "'client_email'"]),
            (key_file(tmp_path, keys[0], tokens, "type.json", type="external_account"),
             ["type.json", "external_account"]),
        ]:
            said = start(path)
            assert all(word in said for word in words), said
            assert secret not in said and "BEGIN PRIVATE" not in said.replace("(-----BEGIN PRIVATE KEY-----)", "")
        said = refused_start(model, tmp_path, *flags(origin), **nobody)
        assert "there are no Google credentials" in said and "gcloud auth application-default login" in said
    assert "gcs-bucket 'Bad'" in refused_start(model, tmp_path, "--gcs-bucket", "Bad")
    assert "gcs-endpoint" in refused_start(model, tmp_path, "--gcs-bucket", "good", "--gcs-endpoint", "no-scheme")


# --- checksums -------------------------------------------------------------------------------------------------------

def test_checksums_are_compared(jpegs, model, tmp_path):
    with gcs_origin.running(gcs_origin.Objects({"a.jpg": jpegs[0], "b.jpg": jpegs[1]})) as origin:
        with serving(model, tmp_path, *flags(origin, "--gcs-auth", "anonymous")) as server:
            expected = server.post("/embed", content=jpegs[0]).json()["embedding"]
            origin.wrong_checksums["a.jpg"] = 1
            assert same(vector(server, "gs://photos/a.jpg"), expected), "one bad transfer is tried again"
            origin.wrong_checksums["b.jpg"] = 1_000
            status, code, message = failure(server, "gs://photos/b.jpg")
            assert (status, code) == (502, "checksum_mismatch") and "CRC-32C" in message
        asked = sum("/b.jpg" in path for path, _ in origin.seen)
        assert 2 <= asked <= 3, f"tried {asked} times"  # once more, and perhaps beside a slow attempt
        assert {authorization for _, authorization in origin.seen} == {None}


def test_many_at_once(jpegs, model, tmp_path):
    with gcs_origin.running(gcs_origin.Objects({f"{i}.jpg": data for i, data in enumerate(jpegs)})) as origin:
        with serving(model, tmp_path, *flags(origin, "--gcs-auth", "anonymous")) as server:
            names = [f"gs://photos/{i % len(jpegs)}.jpg" for i in range(60)]
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                replies = list(pool.map(lambda _: server.post("/embed", json={"images": names}).json(), range(4)))
            assert all(not reply.get("errors") for reply in replies)
            assert all(reply["embeddings"] == replies[0]["embeddings"] for reply in replies)
