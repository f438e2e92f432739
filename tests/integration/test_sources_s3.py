# SPDX-License-Identifier: MIT
"""s3:// against moto, which checks every signature, and against small origins that do what real ones do on a bad day."""
import concurrent.futures
import contextlib
import subprocess

import pytest
import s3_origin
from source_client import failure, refused_start, same, serving, vector

ODD_KEYS = ["plain.jpg", "a/b/c.jpg", "my cat.jpg", "date=2024-01/1+1=2.jpg", "what?.jpg", "#1.jpg", "100%.jpg", "a%20b.jpg",
            "&=;,@:$!*'()[].jpg", "사진/고양이.jpg", "😺.jpg", "Ünï cödé.jpg", "trailing dot.", "a//b.jpg", "~tilde_-.jpg"]


def flags(origin, *more):
    return "--s3-bucket", "photos", "--s3-endpoint", origin.url, *more


# --- moto ------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def moto(jpegs, tmp_path_factory):
    server = s3_origin.Moto(tmp_path_factory.mktemp("moto"))
    server.keys = server.make_user("reader")
    server.session = server.make_session()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="photos")
    for i, key in enumerate(ODD_KEYS):
        s3.put_object(Bucket="photos", Key=key, Body=jpegs[i % len(jpegs)], ChecksumAlgorithm="CRC32" if i % 2 else "SHA256")
    server.lock()
    yield server
    server.stop()


def keys(moto):
    return dict(AWS_ACCESS_KEY_ID=moto.keys[0], AWS_SECRET_ACCESS_KEY=moto.keys[1])


@pytest.fixture(scope="module")
def with_moto(moto, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("s3")
    with serving(model, folder, *flags(moto, "--s3-bucket", "missing-bucket", "--default-bucket", "s3://photos"),
                 **keys(moto)) as server:
        yield server


def test_moto_checks_signatures(moto):
    """Else the tests below would prove nothing."""
    good = moto.client("s3", *moto.keys)
    assert good.get_object(Bucket="photos", Key="plain.jpg")["ContentLength"] > 0
    for bad in (moto.client("s3", moto.keys[0], "wrong"), moto.client("s3", "AKIANOBODY", "wrong")):
        with pytest.raises(bad.exceptions.ClientError):
            bad.get_object(Bucket="photos", Key="plain.jpg")


@pytest.mark.parametrize("number", range(len(ODD_KEYS)), ids=lambda i: repr(ODD_KEYS[i]))
def test_odd_keys_are_found(with_moto, jpegs, number):
    key = ODD_KEYS[number]
    expected = with_moto.post("/embed", content=jpegs[number % len(jpegs)]).json()["embedding"]
    assert same(vector(with_moto, f"s3://photos/{key}"), expected)
    assert same(vector(with_moto, key), expected), "the bare name in the default bucket"


def test_what_is_missing_is_404(with_moto):
    status, code, message = failure(with_moto, "s3://photos/nowhere.jpg")
    assert (status, code) == (404, "not_found") and "no such object" in message
    status, code, message = failure(with_moto, "s3://missing-bucket/x.jpg")
    assert (status, code) == (404, "not_found") and "bucket does not exist" in message


def test_other_buckets_are_not_asked(with_moto):
    assert failure(with_moto, "s3://secret/plain.jpg")[:2] == (403, "source_not_allowed")
    assert failure(with_moto, "s3://Photos/plain.jpg")[:2] == (400, "invalid_request")
    assert failure(with_moto, "s3://photos")[:2] == (400, "invalid_request")


def test_one_bad_object_does_not_spoil_the_others(with_moto):
    body = with_moto.post("/embed", json={"images": ["s3://photos/plain.jpg", "s3://photos/nowhere.jpg",
                                                     "s3://photos/my cat.jpg"]}).json()
    assert [vector is None for vector in body["embeddings"]] == [False, True, False]
    assert [error["code"] for error in body["errors"]] == ["not_found"]


def test_s3_is_off_until_a_bucket_is_allowed(server):
    assert failure(server, "s3://photos/plain.jpg")[:2] == (403, "source_not_allowed")


def test_a_wrong_secret_is_named_but_not_told(moto, model, tmp_path):
    with serving(model, tmp_path, *flags(moto), AWS_ACCESS_KEY_ID=moto.keys[0], AWS_SECRET_ACCESS_KEY="hidden") as server:
        status, code, message = failure(server, "s3://photos/plain.jpg")
        log = server.log_path.read_text()
    assert (status, code) == (502, "source_failed") and "SignatureDoesNotMatch" in message
    assert "hidden" not in message + log and moto.keys[0] not in message


def test_session_tokens(moto, model, tmp_path):
    key, secret, token = moto.session
    good = dict(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret, AWS_SESSION_TOKEN=token)
    with serving(model, tmp_path, *flags(moto), **good) as server:
        vector(server, "s3://photos/date=2024-01/1+1=2.jpg")
    with serving(model, tmp_path, *flags(moto), **{**good, "AWS_SESSION_TOKEN": "hidden"}) as server:
        status, code, message = failure(server, "s3://photos/plain.jpg")
    assert (status, code) == (502, "source_failed") and "InvalidToken" in message and "hidden" not in message


def test_profiles_are_read_again_when_their_keys_change(moto, model, tmp_path):
    (tmp_path / ".aws").mkdir()
    credentials = tmp_path / ".aws" / "credentials"
    credentials.write_text("[default]\naws_access_key_id = AKIAOLD\naws_secret_access_key = old\n"
                           "[reader]\naws_access_key_id = AKIAOLD\naws_secret_access_key = old\n")
    (tmp_path / ".aws" / "config").write_text(f"[profile reader]\nregion = us-east-1\nendpoint_url = {moto.url}\n")
    with serving(model, tmp_path, "--s3-bucket", "photos", AWS_PROFILE="reader") as server:
        status, code, message = failure(server, "s3://photos/plain.jpg")
        assert (status, code) == (502, "source_failed") and "InvalidAccessKeyId" in message
        credentials.write_text(f"[reader]\naws_access_key_id={moto.keys[0]}\naws_secret_access_key={moto.keys[1]}\n")
        deadline = 50  # Refreshing asks for new keys once a second at most
        for _ in range(deadline):
            reply = server.post("/embed", json={"images": ["s3://photos/plain.jpg"]})
            if reply.status_code == 200:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(timeout=0.1)
        assert reply.status_code == 200, reply.text


# --- temporary keys --------------------------------------------------------------------------------------------------

def sources_of_keys(origin, folder):
    token = folder / "token"
    token.write_text("j.w+t\n")
    pod = folder / "pod"
    pod.write_text("pod\n")
    return {
        "container": dict(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{origin.url}/container",
                          AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(pod)),
        "machine": dict(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=origin.url),
        "web identity": dict(AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_ROLE_ARN="arn:aws:iam::1:role/r",
                             AWS_ENDPOINT_URL_STS=origin.url),
    }


@pytest.mark.parametrize("kind", ["container", "machine", "web identity"])
def test_temporary_keys_are_fetched_once_and_renewed_when_refused(kind, jpegs, model, tmp_path):
    expired = set()

    def refuse(headers):
        if headers.get("x-amz-security-token") != "tok/en==":
            return 403, s3_origin.xml_error("AccessDenied"), {}
        if s3_origin.credential_of(headers)[0] in expired:
            return 400, s3_origin.xml_error("ExpiredToken"), {}
        return None

    with s3_origin.running(s3_origin.Keys()) as keys:
        with s3_origin.running(s3_origin.Objects({f"{i}.jpg": data for i, data in enumerate(jpegs)}, refuse)) as origin:
            with serving(model, tmp_path, *flags(origin), **sources_of_keys(keys, tmp_path)[kind]) as server:
                assert keys.issued == 0, "keys were asked for before anybody needed them"
                names = [f"s3://photos/{i}.jpg" for i in range(len(jpegs))]
                assert not server.post("/embed", json={"images": names}).json().get("errors")
                assert keys.issued == 1, "one set of keys serves all"
                expired.add("ASIA1")
                assert not server.post("/embed", json={"images": names}).json().get("errors")
                assert keys.issued == 2, "each photo asked for keys of its own"
                log = server.log_path.read_text()
            assert "secret" not in log and "tok/en" not in log
            used = {s3_origin.credential_of(headers)[0] for _, _, headers in origin.seen}
            assert used == {"ASIA1", "ASIA2"}


def test_keys_that_live_for_seconds_are_renewed_ahead(jpegs, model, tmp_path):
    with s3_origin.running(s3_origin.Keys(life=3)) as keys:
        with s3_origin.running(s3_origin.Objects({"0.jpg": jpegs[0]})) as origin:
            with serving(model, tmp_path, *flags(origin), **sources_of_keys(keys, tmp_path)["container"]) as server:
                for _ in range(100_000):
                    vector(server, "s3://photos/0.jpg")
                    if keys.issued >= 3:
                        break
        used = [s3_origin.credential_of(headers)[0] for _, _, headers in origin.seen]
        assert {"ASIA1", "ASIA2"} <= set(used)
        assert used == sorted(used, key=lambda name: int(name[4:])), "old keys came back"


def test_keys_that_never_work_are_not_asked_for_ever(jpegs, model, tmp_path):
    with s3_origin.running(s3_origin.Keys()) as keys:
        refuse = lambda headers: (400, s3_origin.xml_error("ExpiredToken"), {})
        with s3_origin.running(s3_origin.Objects({"0.jpg": jpegs[0]}, refuse)) as origin:
            with serving(model, tmp_path, *flags(origin), **sources_of_keys(keys, tmp_path)["container"]) as server:
                status, code, message = failure(server, "s3://photos/0.jpg")
            assert (status, code) == (502, "source_failed") and "ExpiredToken" in message and "1234567" not in message
            assert len(origin.seen) == 2 and keys.issued == 2


def test_wrong_credentials_end_the_start(model, tmp_path):
    said = refused_start(model, tmp_path, "--s3-bucket", "photos")
    assert "there are no AWS credentials" in said and "--s3-auth anonymous" in said
    half = refused_start(model, tmp_path, "--s3-bucket", "photos", AWS_ACCESS_KEY_ID="AKIA")
    assert "the secret access key is missing" in half
    assert "AWS_PROFILE" in refused_start(model, tmp_path, "--s3-bucket", "photos", AWS_PROFILE="nobody")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\ncredential_process = /bin/hidden\n")
    said = refused_start(model, tmp_path, "--s3-bucket", "photos")
    assert "credential_process is not implemented" in said and "hidden" not in said
    anonymous = ("--s3-auth", "anonymous")
    assert "s3-bucket 'Bad'" in refused_start(model, tmp_path, "--s3-bucket", "Bad", *anonymous)
    assert "s3-endpoint" in refused_start(model, tmp_path, "--s3-bucket", "good", "--s3-endpoint", "minio:9000", *anonymous)
    assert "s3-region" in refused_start(model, tmp_path, "--s3-bucket", "good", "--s3-region", "a.b", *anonymous)


# --- bad days --------------------------------------------------------------------------------------------------------

def test_checksums_are_compared(jpegs, model, tmp_path):
    with s3_origin.running(s3_origin.Objects({"a.jpg": jpegs[0], "b.jpg": jpegs[1]})) as origin:
        with serving(model, tmp_path, *flags(origin, "--s3-auth", "anonymous")) as server:
            expected = server.post("/embed", content=jpegs[0]).json()["embedding"]
            origin.wrong_checksums["a.jpg"] = 1
            assert same(vector(server, "s3://photos/a.jpg"), expected), "one bad transfer is tried again"
            origin.wrong_checksums["b.jpg"] = 1_000
            status, code, message = failure(server, "s3://photos/b.jpg")
            assert (status, code) == (502, "checksum_mismatch") and "CRC-32" in message
        paths = [path for _, path, _ in origin.seen]
        assert paths.count("/photos/a.jpg") == 2 and paths.count("/photos/b.jpg") == 2
        assert not any("Authorization" in headers for _, _, headers in origin.seen)


def test_a_buckets_region_is_learnt(jpegs, model, tmp_path):
    def refuse(headers):
        region = s3_origin.credential_of(headers)[2]
        if region == "eu-west-3":
            return None
        return 400, s3_origin.xml_error("AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>"), {}

    with s3_origin.running(s3_origin.Objects({"a.jpg": jpegs[0], "b.jpg": jpegs[1]}, refuse)) as origin:
        with serving(model, tmp_path, *flags(origin), AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="x") as server:
            vector(server, "s3://photos/a.jpg")
            vector(server, "s3://photos/b.jpg")
        regions = [s3_origin.credential_of(headers)[2] for _, _, headers in origin.seen]
        assert regions == ["us-east-1", "eu-west-3", "eu-west-3"]


def test_a_busy_bucket_is_tried_again_and_a_skewed_clock_is_named(jpegs, model, tmp_path):
    answers = []

    def refuse(headers):
        return answers.pop(0) if answers else None

    with s3_origin.running(s3_origin.Objects({"a.jpg": jpegs[0]}, refuse)) as origin:
        with serving(model, tmp_path, *flags(origin), AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="x") as server:
            answers += [(503, s3_origin.xml_error("SlowDown"), {}), (500, s3_origin.xml_error("InternalError"), {})]
            vector(server, "s3://photos/a.jpg")
            assert len(origin.seen) == 3
            answers.append((403, s3_origin.xml_error("RequestTimeTooSkewed"), {}))
            status, code, message = failure(server, "s3://photos/a.jpg")
            assert (status, code) == (502, "source_failed") and "clock" in message
            answers.append((403, s3_origin.xml_error("AccessDenied"), {}))
            status, code, message = failure(server, "s3://photos/a.jpg")
            assert (status, code) == (502, "source_failed") and "AccessDenied" in message and "1234567" not in message
            assert len(origin.seen) == 5, "what is final was tried again"
            # Redirects lead where the operator did not send the keys.
            answers.append((307, b"", {"Location": f"{origin.url}/photos/a.jpg"}))
            assert failure(server, "s3://photos/a.jpg")[:2] == (502, "source_failed")
            assert len(origin.seen) == 6


def test_virtual_addressing(jpegs, model, tmp_path):
    """*.localhost is this machine; the origin sees the bucket in the Host header and the key alone in the path."""
    with s3_origin.running(s3_origin.Objects({})) as origin:
        port = origin.server_address[1]
        origin.objects["a b.jpg"] = jpegs[0]  # "/x/a b.jpg" without its first folder
        endpoint = f"http://localhost:{port}"
        with serving(model, tmp_path, "--s3-bucket", "photos", "--s3-endpoint", endpoint, "--s3-addressing", "virtual",
                     AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="x") as server:
            vector(server, "s3://photos/x/a b.jpg")
        _, path, headers = origin.seen[0]
        assert (headers["Host"], path) == (f"photos.localhost:{port}", "/x/a%20b.jpg")


def test_many_at_once(jpegs, model, tmp_path):
    with s3_origin.running(s3_origin.Objects({f"{i}.jpg": data for i, data in enumerate(jpegs)})) as origin:
        with serving(model, tmp_path, *flags(origin, "--s3-auth", "anonymous")) as server:
            names = [f"s3://photos/{i % len(jpegs)}.jpg" for i in range(60)]
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                replies = list(pool.map(lambda _: server.post("/embed", json={"images": names}).json(), range(4)))
            assert all(not reply.get("errors") for reply in replies)
            assert all(reply["embeddings"] == replies[0]["embeddings"] for reply in replies)
