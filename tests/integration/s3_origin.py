# SPDX-License-Identifier: MIT
"""moto's S3, which checks signatures, and small stand-ins for what it has not: bad days, metadata servers, STS."""
import base64
import contextlib
import datetime
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

import boto3
import botocore.config
import httpx

# --- moto ------------------------------------------------------------------------------------------------------------


class Moto:
    """`moto_server` on a free port. Checks nothing until lock()."""

    def __init__(self, folder):
        self.log = open(folder / "moto.log", "w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"],
            stdout=self.log, stderr=subprocess.STDOUT,
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "1000000", "MOTO_IAM_LOAD_MANAGED_POLICIES": "false"})
        deadline = time.monotonic() + 60
        while (port := self.find_port()) is None:
            assert self.process.poll() is None and time.monotonic() < deadline, self.text()
            time.sleep(0.05)
        self.url = f"http://127.0.0.1:{port}"

    def text(self):
        self.log.flush()
        with open(self.log.name) as log:
            return log.read()

    def find_port(self):
        for line in self.text().splitlines():
            if "Running on http://127.0.0.1:" in line:
                return int(line.rsplit(":", 1)[1].split()[0].rstrip("/"))
        return None

    def client(self, service, key="setup", secret="setup", token=None):
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url, aws_access_key_id=key,
                            aws_secret_access_key=secret, aws_session_token=token,
                            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}))

    def make_user(self, name):
        """A user who may read everything; its (access key id, secret)."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def make_session(self):
        """Temporary keys of a role that may read everything: (id, secret, token)."""
        iam = self.client("iam")
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                                                         "Action": "sts:AssumeRole"}]}
        arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_role_policy(RoleName="reader", PolicyName="all", PolicyDocument=json.dumps(document))
        keys = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]

    def lock(self):
        """From now on every request must be signed by somebody who may."""
        httpx.post(f"{self.url}/moto-api/reset-auth", content=b"0").raise_for_status()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


# --- small origins ---------------------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.seen.append((self.command, self.path, dict(self.headers.items())))
        self.server.respond(self, body)

    do_GET = do_PUT = do_POST = handle_any

    def log_message(self, *_):
        pass


class Origin(http.server.ThreadingHTTPServer):
    """Remembers (method, path, headers) of what it was asked; respond() is for those who know the answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


def xml_error(code, more=""):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>arn:aws:iam::123456789012:user/me '
            f"may not</Message>{more}<RequestId>1</RequestId></Error>").encode()


def credential_of(headers):
    """("ASIA1", "20261127", "us-east-1") of an Authorization header."""
    scope = headers["Authorization"].split("Credential=")[1].split(",")[0]
    return tuple(scope.split("/")[:3])


class Objects(Origin):
    """One bucket. `refuse(headers)` may give (status, body, response headers) instead of the object."""

    def __init__(self, objects, refuse=lambda headers: None):
        super().__init__()
        self.objects = objects
        self.refuse = refuse
        self.wrong_checksums = {}  # key -> how many answers have one

    def respond(self, request, _body):
        refused = self.refuse(request.headers)
        if refused is not None:
            status, body, headers = refused
            return request.answer(status, body, **headers)
        key = urllib.parse.unquote(request.path.split("/", 2)[2])
        if key not in self.objects:
            return request.answer(404, xml_error("NoSuchKey"))
        data = self.objects[key]
        with self.lock:
            wrong = self.wrong_checksums.get(key, 0)
            self.wrong_checksums[key] = max(0, wrong - 1)
        headers = {}
        if request.headers.get("x-amz-checksum-mode") == "ENABLED":
            crc = zlib.crc32(data) ^ (1 if wrong else 0)
            headers["x_amz_checksum_crc32"] = base64.b64encode(crc.to_bytes(4, "big")).decode()
        request.answer(200, data, ETag='"1"', **headers)


def ends_in(seconds):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


class Keys(Origin):
    """A container's endpoint, a machine's metadata server (version 2) and STS in one. Hands out ASIA1, ASIA2, ..."""

    def __init__(self, life=3600):
        super().__init__()
        self.life = life
        self.issued = 0

    def issue(self):
        with self.lock:
            self.issued += 1
            return f"ASIA{self.issued}"

    def keys(self):
        return json.dumps({"Code": "Success", "AccessKeyId": self.issue(), "SecretAccessKey": "secret", "Token": "tok/en==",
                           "Expiration": ends_in(self.life)}).encode()

    def respond(self, request, body):
        folder = "/latest/meta-data/iam/security-credentials/"
        if request.command == "PUT" and request.path == "/latest/api/token":
            return request.answer(200, b"session==")
        if request.path.startswith("/latest/"):
            if request.headers.get("X-aws-ec2-metadata-token") != "session==":
                return request.answer(401)
            if request.path == folder:
                return request.answer(200, b"my-role")
            return request.answer(200, self.keys()) if request.path == folder + "my-role" else request.answer(404)
        if request.path == "/container":
            return request.answer(200, self.keys()) if request.headers.get("Authorization") == "pod" else request.answer(401)
        form = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
        if form.get("Action") == "AssumeRoleWithWebIdentity" and form["WebIdentityToken"] == "j.w+t":
            answer = (f"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                      f"<AccessKeyId>{self.issue()}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
                      f"<SessionToken>tok/en==</SessionToken><Expiration>{ends_in(self.life)}</Expiration></Credentials>"
                      f"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")
            return request.answer(200, answer.encode(), Content_Type="text/xml")
        return request.answer(400, b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>")


@contextlib.contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
