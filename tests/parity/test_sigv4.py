# SPDX-License-Identifier: MIT
"""Signatures and URLs of s3:// against botocore's, bit for bit."""
import base64
import datetime
import os
import pathlib
import random
import subprocess
import urllib.parse
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.utils

BUILD = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"])
ALPHABET = "abcXYZ019" + "-._~" + " =+?#%&/:;,@!$'()*[]{}|\\^`\"<>\t" + "éß사진猫😺\u0301"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def probe(lines):
    def field(value):
        return base64.b64encode(value.encode()).decode() or "-"
    text = "".join(kind + " " + " ".join(field(value) for value in fields) + "\n" for kind, *fields in lines)
    done = subprocess.run([BUILD / "tests/parity/sigv4_probe"], input=text, capture_output=True, text=True, check=True)
    out = done.stdout.splitlines()
    assert len(out) == len(lines), done.stderr
    return out


def text(chance, alphabet, most, least=1):
    return "".join(chance.choice(alphabet) for _ in range(chance.randint(least, most)))


def authorization(auth, request, when):
    """What botocore puts into a request at the time `when`."""
    with mock.patch("botocore.auth.get_current_datetime", return_value=when.replace(tzinfo=None)):
        auth.add_auth(request)
    return request.headers["Authorization"]


def moment(chance):
    seconds = chance.randint(0, 4_000_000_000)
    return seconds, datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def test_s3_objects():
    chance = random.Random("sigv4/s3")
    cases = []
    for _ in range(400):
        seconds, when = moment(chance)
        bucket = text(chance, LETTERS, 12, 3) + chance.choice(["", "", ".x", "-x"])
        key = text(chance, ALPHABET, 40)
        cases.append(dict(
            id="AK" + text(chance, "ABCDEFGH234567", 18, 14), secret=text(chance, LETTERS + "+/ABC=", 40, 20),
            token=chance.choice(["", text(chance, LETTERS + "+/=", 300, 50)]),
            region=chance.choice(["us-east-1", "eu-central-1", "ap-northeast-2", "auto"]),
            endpoint=chance.choice(["", "", "http://127.0.0.1:9000", "https://minio.example", "https://minio.example:443",
                                    "http://gate.example:8080/base"]),
            addressing=chance.choice(["auto", "path", "virtual"]), seconds=str(seconds), bucket=bucket, key=key, when=when))
    answers = probe([("s3", *[case[name] for name in
                              ("id", "secret", "token", "region", "endpoint", "addressing", "seconds", "bucket", "key")])
                     for case in cases])
    for case, answer in zip(cases, answers):
        url, *headers = answer.split("\t")
        headers = dict(header.split(": ", 1) for header in headers)
        # The key, as botocore writes it into URLs.
        split = urllib.parse.urlsplit(url)
        encoded = botocore.utils.percent_encode(case["key"], safe="/~")
        assert url.startswith(("http://", "https://")) and split.path.endswith("/" + encoded), (case, url)
        before = split.path[: -len(encoded)]
        assert case["bucket"] in (split.netloc.split(":")[0][: len(case["bucket"])], before.split("/")[-2]), (case, url)

        keys = botocore.credentials.Credentials(case["id"], case["secret"], case["token"] or None)
        auth = botocore.auth.S3SigV4Auth(keys, "s3", case["region"])
        request = botocore.awsrequest.AWSRequest(
            method="GET", url=url, headers={"x-amz-checksum-mode": headers["x-amz-checksum-mode"]})
        request.context["client_config"] = None
        request.context["payload_signing_enabled"] = True
        expected = authorization(auth, request, case["when"])
        assert headers["Authorization"] == expected, (case, url)
        for name in ("X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256"):
            assert headers.get(name.lower()) == request.headers.get(name), (case, name)


def test_any_request():
    """Queries, headers, methods and bodies that s3:// does not need; they show that the signer is whole."""
    chance = random.Random("sigv4/any")
    lines, expected = [], []
    for _ in range(200):
        seconds, when = moment(chance)
        identity, secret = text(chance, "ABCDEFGH234567", 20, 16), text(chance, LETTERS + "+/", 40, 20)
        region, service = chance.choice(["us-east-1", "eu-west-3"]), chance.choice(["s3", "sts", "service"])
        method = chance.choice(["GET", "PUT", "POST", "DELETE"])
        path = "/" + urllib.parse.quote(text(chance, ALPHABET.replace("/", ""), 20), safe="~")
        query = "&".join(urllib.parse.quote(text(chance, ALPHABET, 6), safe="~") + "=" +
                         urllib.parse.quote(text(chance, ALPHABET, 6, 0), safe="~") for _ in range(chance.randint(0, 5)))
        body = text(chance, ALPHABET, 50, 0)
        headers = {f"X-{text(chance, LETTERS, 6)}": chance.choice(["", " ", "  "]) + text(chance, "ab c  ,\"=", 12) + "z "
                   for _ in range(chance.randint(0, 4))}
        request = botocore.awsrequest.AWSRequest(method=method, url=f"https://host.example{path}?{query}", headers=headers,
                                                 data=body.encode())
        keys = botocore.credentials.Credentials(identity, secret)
        expected.append(authorization(botocore.auth.SigV4Auth(keys, service, region), request, when))
        payload = botocore.auth.SigV4Auth(keys, service, region).payload(request)
        signed = {"Host": "host.example", "X-Amz-Date": when.strftime("%Y%m%dT%H%M%SZ"), **headers}
        # Other services than S3 sign the path encoded once more.
        canonical = urllib.parse.quote(path, safe="/~")
        lines.append(("any", identity, secret, region, service, str(seconds), method, canonical, query, payload,
                      *[part for pair in signed.items() for part in pair]))
    assert probe(lines) == expected
