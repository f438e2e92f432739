# SPDX-License-Identifier: MIT
"""Small stand-ins for Google: an object endpoint, a token endpoint that verifies assertions, a metadata server."""
import base64
import contextlib
import http.server
import json
import threading
import urllib.parse

import google_crc32c
import jwt

READ_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.handle_get(self)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.handle_post(self, body)

    def log_message(self, *_):
        pass


class Base(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen = []  # (path, Authorization) of each request

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self):
        return f"http://{self.host}"

    def note(self, request):
        with self.lock:
            self.seen.append((request.path, request.headers.get("Authorization")))


class Tokens(Base):
    """Trades signed assertions for tokens that live for `life` seconds; knows which ones are good."""

    def __init__(self, public_key, life=3600):
        super().__init__()
        self.public_key = public_key
        self.life = life
        self.issued = []
        self.claims = []
        self.good = set()

    def issue(self):
        with self.lock:
            token = f"token-{len(self.issued) + 1}"
            self.issued.append(token)
            self.good.add(token)
        return {"access_token": token, "expires_in": self.life, "token_type": "Bearer"}

    def revoke(self):
        with self.lock:
            self.good.clear()

    def handle_post(self, request, body):
        self.note(request)
        form = {key: values[0] for key, values in urllib.parse.parse_qs(body.decode()).items()}
        try:
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", form["grant_type"]
            claims = jwt.decode(form["assertion"], self.public_key, algorithms=["RS256"],
                                audience=f"{self.url}/token", options={"require": ["iss", "aud", "iat", "exp"]})
            assert claims["scope"] == READ_SCOPE, claims
            assert 0 < claims["exp"] - claims["iat"] <= 3600, claims
            assert jwt.get_unverified_header(form["assertion"])["kid"] == "key-1"
        except jwt.PyJWTError as wrong:
            body = {"error": "invalid_grant", "error_description": f"Invalid JWT: {type(wrong).__name__}"}
            return request.answer(400, json.dumps(body).encode(), Content_Type="application/json")
        except AssertionError as wrong:
            body = {"error": "invalid_request", "error_description": str(wrong)}
            return request.answer(400, json.dumps(body).encode(), Content_Type="application/json")
        with self.lock:
            self.claims.append(claims)
        request.answer(200, json.dumps(self.issue()).encode(), Content_Type="application/json")


class Metadata(Tokens):
    """The metadata server of a machine with a service account."""

    def __init__(self, life=3600):
        super().__init__(None, life)

    def handle_get(self, request):
        self.note(request)
        flavor = {"Metadata_Flavor": "Google"}
        url = urllib.parse.urlsplit(request.path)
        if request.headers.get("Metadata-Flavor") != "Google":
            request.answer(403, b"the header is missing", **flavor)
        elif url.path == "/computeMetadata/v1/instance/service-accounts/default/token":
            assert urllib.parse.parse_qs(url.query)["scopes"] == [READ_SCOPE]
            request.answer(200, json.dumps(self.issue()).encode(), Content_Type="application/json", **flavor)
        else:
            request.answer(200, b"computeMetadata/", **flavor)


def error(code, message, reason):
    return json.dumps({"error": {"code": code, "message": message,
                                 "errors": [{"message": message, "domain": "global", "reason": reason}]}}).encode()


class Objects(Base):
    """Objects of one bucket, as the JSON API gives them. `tokens` decides who may read; None: everybody."""

    def __init__(self, objects, tokens=None):
        super().__init__()
        self.objects = objects
        self.tokens = tokens
        self.wrong_checksums = {}  # name -> how many answers have one
        self.refused = 0  # for their token

    def handle_get(self, request):
        self.note(request)
        url = urllib.parse.urlsplit(request.path)
        parts = url.path.split("/")  # "", storage, v1, b, BUCKET, o, OBJECT
        if parts[1:4] != ["storage", "v1", "b"] or len(parts) != 7 or "alt=media" not in url.query.split("&"):
            return request.answer(400, error(400, f"strange path {request.path}", "invalid"))
        if self.tokens is not None:
            scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
            with self.tokens.lock:
                known = scheme == "Bearer" and token in self.tokens.good
            if not known:
                with self.lock:
                    self.refused += 1
                return request.answer(401, error(401, "Invalid Credentials", "authError"))
        name = urllib.parse.unquote(parts[6])
        if name not in self.objects:
            return request.answer(404, f"No such object: {parts[4]}/{name}".encode())
        data = self.objects[name]
        with self.lock:
            wrong = self.wrong_checksums.get(name, 0)
            self.wrong_checksums[name] = max(0, wrong - 1)
        crc = google_crc32c.value(data) ^ (1 if wrong else 0)
        request.answer(200, data, x_goog_generation="1",
                       x_goog_hash="crc32c=" + base64.b64encode(crc.to_bytes(4, "big")).decode())


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
