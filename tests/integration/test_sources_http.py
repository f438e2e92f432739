# SPDX-License-Identifier: MIT
"""http(s):// against an origin that breaks its promises: each fault has its own answer, and its neighbours never notice."""
import concurrent.futures
import pathlib
import subprocess
import time

import fault_origin
import numpy
import pytest
from conftest import BINARY
from source_client import failure, serving, vector

FLAGS = ["--allow-host", "*:*", "--allow-cidr", "127.0.0.1/32", "--fetch-timeout", "4"]

# path -> status, code, a word of the message, requests that the origin sees
FAULTS = {
    "/404": (404, "not_found", "404", 1),
    "/403": (502, "source_failed", "403", 1),
    "/500": (502, "source_failed", "500", 3),
    "/503-tomorrow": (502, "source_failed", "503", 1),
    "/short": (502, "source_failed", "less than it had promised", 3),
    "/reset": (502, "source_failed", "broke off", 3),
    # Once with the memory that photos usually need, once with all that one may have.
    "/huge": (413, "body_too_large", "more than", 2),
    "/endless": (413, "body_too_large", "more than", 2),
    "/trickle": (504, "source_timeout", "", 1),
    "/stall": (504, "source_timeout", "", 1),
    "/silent": (504, "source_timeout", "", 1),
    "/loop": (422, "too_many_redirects", "redirects", 4),
    "/private": (403, "source_not_allowed", "not allowed", 1),
    "/metadata": (403, "source_not_allowed", "not allowed", 1),
    "/replaced": (409, "source_changed", "replaced", 2),
    "/gzip": (502, "source_failed", "compressed", 1),
    "/empty": (415, "unsupported_format", "", 1),
    "/nonsense": (502, "source_failed", "", 3),
}


@pytest.fixture
def origin(jpegs):
    with fault_origin.running(jpegs[0]) as running:
        yield running


@pytest.fixture(scope="module")
def fetching(model, tmp_path_factory):
    with serving(model, tmp_path_factory.mktemp("http"), *FLAGS) as server:
        yield server


def embed(server, *references):
    return server.post("/embed", json={"images": list(references)})


def uploaded(server, jpeg):
    return server.post("/embed", content=jpeg).json()["embedding"]


def descriptors(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


@pytest.mark.parametrize("path", FAULTS)
def test_each_fault_has_its_own_answer(fetching, origin, path):
    status, code, word, requests = FAULTS[path]
    secret = "signature=hidden"
    began = time.monotonic()
    found = failure(fetching, origin.url(f"{path}?{secret}"))
    assert found[:2] == (status, code), found
    assert word in found[2] and "hidden" not in found[2] and "127.0.0.2" not in found[2] and "secret" not in found[2]
    assert time.monotonic() - began < 8, "it outlived --fetch-timeout"
    asked = len(origin.seen)
    assert asked == requests, origin.seen
    assert "hidden" not in fetching.log_path.read_text()


def test_neighbours_of_all_faults_succeed(fetching, origin, jpegs):
    expected = uploaded(fetching, jpegs[0])
    references = [url for path in FAULTS for url in (origin.url(path), origin.url("/good" + path))]
    body = embed(fetching, *references).json()
    for i, found in enumerate(body["embeddings"]):
        if i % 2 == 1:
            assert found is not None and numpy.array_equal(found, expected), references[i]
        else:
            assert found is None, references[i]
    assert [error["index"] for error in body["errors"]] == list(range(0, len(references), 2))
    assert [error["code"] for error in body["errors"]] == [code for _, code, _, _ in FAULTS.values()]


@pytest.mark.parametrize("path", ["/500-once", "/short-once", "/429-later", "/long"])
def test_what_fails_in_passing_is_tried_again(fetching, origin, jpegs, path):
    began = time.monotonic()
    assert numpy.array_equal(vector(fetching, origin.url(path)), uploaded(fetching, jpegs[0]))
    if path == "/429-later":
        assert time.monotonic() - began >= 1, "Retry-After was not honoured"
    assert origin.count(path) == (1 if path == "/long" else 2)


def test_attempts_and_retries_are_counted(fetching, origin):
    def counts():
        return [fetching.metric(f"photovec_fetch_{name}", source="http", **labels) for name, labels in (
            ("attempts_total", {"code": "source_failed"}), ("attempts_total", {"code": "ok"}),
            ("retries_total", {"code": "source_failed"}), ("attempt_seconds_count", {}))]
    before = counts()
    vector(fetching, origin.url("/500-once"))
    assert [b - a for a, b in zip(before, counts())] == [1, 1, 1, 2]


def test_names_without_an_address(fetching):
    status, code, message = failure(fetching, "http://nobody.invalid/a.jpg")
    assert (status, code) == (502, "source_failed") and "could not be resolved" in message


def test_nobody_listens(fetching, origin):
    url = origin.url("/good")
    origin.stop()
    assert failure(fetching, url)[:2] == (502, "source_failed")


def test_certificates_are_verified(model, jpegs, tmp_path):
    """The right name passes when its issuer is trusted; another name does not; nor does an unknown issuer."""
    trusted, context = fault_origin.certificate(tmp_path, "localhost")
    with fault_origin.running(jpegs[0], context) as origin:
        right = origin.url("/good", "localhost", "https")
        wrong = origin.url("/good", "127.0.0.1", "https")
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        with serving(model, tmp_path / "b", *FLAGS) as server:
            status, code, message = failure(server, right)
            assert (status, code) == (502, "source_failed") and "certificate" in message
        with serving(model, tmp_path / "a", *FLAGS, "--fetch-ca-file", trusted) as server:
            status, code, message = failure(server, wrong)
            assert (status, code) == (502, "source_failed") and "certificate" in message
            assert not origin.seen, "a request was sent to an origin that is not who it says"
            assert vector(server, right)


@pytest.mark.parametrize("content,message", [(None, "cannot be read"), (b"no certificate", "holds no PEM certificate")])
def test_a_wrong_file_of_certificates_ends_the_start(model, tmp_path, content, message):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    done = subprocess.run([BINARY, "serve", "--model", model, "--port", "0", "--fetch-ca-file", path],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and message in done.stderr and "--fetch-ca-file" in done.stderr


def test_the_same_reference_in_one_request_is_fetched_once(fetching, origin):
    shared = fetching.metric("photovec_fetch_shared_total", source="http")
    reply = embed(fetching, *[origin.url("/429-later")] * 8)
    assert reply.status_code == 200 and len({str(v) for v in reply.json()["embeddings"]}) == 1
    assert origin.count("/429-later") == 2
    assert fetching.metric("photovec_fetch_shared_total", source="http") - shared == 7


def test_faults_leave_no_descriptors_behind(model, origin, tmp_path, jpegs):
    quick = ["/404", "/403", "/short", "/reset", "/huge", "/endless", "/loop", "/private", "/gzip", "/empty", "/nonsense"]
    with serving(model, tmp_path, *FLAGS, "--fetch-attempts", "1") as server:
        def round_of_faults(tag):
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                return list(pool.map(lambda i: embed(server, *[origin.url(f"{p}?{tag}{i}") for p in quick]).status_code,
                                     range(8)))
        round_of_faults("warm")
        vector(server, origin.url("/good"))
        before = descriptors(server)
        for i in range(4):
            round_of_faults(f"round{i}-")
        vector(server, origin.url("/good"))
        # Idle connections are kept to be used again, no more of them than there were at once before.
        assert descriptors(server) <= before + 8
