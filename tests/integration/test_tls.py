# SPDX-License-Identifier: MIT
"""TLS as clients see it: versions, ciphers, certificates of both sides, and what breaks a handshake."""
import http.client
import json
import signal
import socket
import ssl
import subprocess
import time

import pytest
from conftest import BINARY, Server


def openssl(*words, folder):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=folder)


def certificate(folder, name, subject, extension, issuer=None, days=30):
    """NAME.pem and NAME.key; signed by `issuer`, else by itself."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", subject, folder=folder)
    (folder / f"{name}.ext").write_text(extension)
    signed_by = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"] if issuer else ["-signkey", f"{name}.key"]
    openssl("x509", "-req", "-in", f"{name}.csr", *signed_by, "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.pem", folder=folder)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign"
    certificate(folder, "ca", "/CN=test authority", authority)
    certificate(folder, "strange", "/CN=another authority", authority)
    certificate(folder, "server", "/CN=server", "subjectAltName=DNS:localhost,IP:127.0.0.1", "ca")
    certificate(folder, "renewed", "/CN=renewed", "subjectAltName=DNS:localhost,IP:127.0.0.1", "ca", days=3)
    certificate(folder, "client", "/CN=uploader", "subjectAltName=DNS:uploader.example", "ca")
    certificate(folder, "stranger", "/CN=stranger", "subjectAltName=DNS:stranger.example", "strange")
    return folder


@pytest.fixture(scope="module")
def server(model, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    running = Server(model, folder, "--tls-certificate", keys / "server.pem", "--tls-key", keys / "server.key", "--header-timeout", "2",
                     "--admin-port", "0", "--admin-port-file", folder / "admin")
    running.admin = int((folder / "admin").read_text())
    yield running
    running.stop()


def client_context(keys, **limits):
    context = ssl.create_default_context(cafile=keys / "ca.pem")
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def connect(server, context):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=30), server_hostname="localhost")


def ask(connection, request):
    connection.sendall(request)
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply.status, reply.read()


def post(body):
    return b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body


GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def admin_metric(server, name, label=""):
    connection = http.client.HTTPConnection("127.0.0.1", server.admin, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name) and label in line)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_photos_come_and_go_over_tls(server, keys, jpegs, version):
    context = client_context(keys, minimum_version=version, maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(server, context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        status, body = ask(connection, post(jpegs[0]))
        assert status == 200 and len(json.loads(body)["embedding"]) > 0
        # a large body, and a reply of more than one record, on the same connection
        form = b"".join(b'--B\r\nContent-Disposition: form-data; name="i"; filename="a.jpg"\r\n\r\n' + jpegs[i % 12] + b"\r\n" for i in range(200))
        form += b"--B--\r\n"
        head = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: %d\r\n\r\n"
        status, body = ask(connection, head % len(form) + form)
        assert status == 200 and len(json.loads(body)["embeddings"]) == 200 and len(body) > 65536
        assert ask(connection, GET)[0] == 200


def test_old_versions_and_weak_ciphers_are_refused(server, keys):
    with pytest.warns(DeprecationWarning):
        old = client_context(keys, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        connect(server, old)
    for ciphers in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"):
        weak = client_context(keys, maximum_version=ssl.TLSVersion.TLSv1_2)
        weak.set_ciphers(ciphers + ":@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            connect(server, weak)
    good = client_context(keys, maximum_version=ssl.TLSVersion.TLSv1_2)
    with connect(server, good) as connection:
        name, _, bits = connection.cipher()
        assert name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name) and bits >= 128


def test_only_http_1_1_is_negotiated(server, keys):
    context = client_context(keys)
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(server, context)
    with connect(server, client_context(keys)) as without:
        assert without.selected_alpn_protocol() is None and ask(without, GET)[0] == 200


def test_sessions_are_resumed(server, keys):
    context = client_context(keys)
    with connect(server, context) as first:
        assert ask(first, GET)[0] == 200  # the ticket comes with the reply
        session = first.session
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    with context.wrap_socket(raw, server_hostname="localhost", session=session) as second:
        assert second.session_reused and ask(second, GET)[0] == 200


def test_plain_http_is_told_to_speak_tls(server):
    with server.connect() as connection:
        connection.sendall(GET)
        status, _, body = connection.recv(65536).partition(b"\r\n")
        assert status == b"HTTP/1.1 400 Bad Request" and b"https://" in body


def test_garbage_and_silence_end_and_hold_up_nobody(server, keys):
    failed = admin_metric(server, "photovec_tls_handshakes_total", "failed")
    silent = [server.connect() for _ in range(50)]
    slow = [server.connect() for _ in range(50)]
    for connection in slow:
        connection.sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a ClientHello
    garbage = server.connect()
    garbage.sendall(bytes(range(256)) * 4)
    started = time.monotonic()
    with connect(server, client_context(keys)) as connection:
        assert ask(connection, GET)[0] == 200
    assert time.monotonic() - started < 1.5, "a handshake waited for others"
    for connection in [garbage, *silent, *slow]:  # --header-timeout
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:  # what it had not read
            assert connection is garbage
        connection.close()
    assert time.monotonic() - started < 10
    assert admin_metric(server, "photovec_tls_handshakes_total", "failed") - failed >= 51


def test_goodbyes_are_said_both_ways(server, keys):
    with connect(server, client_context(keys)) as connection:
        status, _ = ask(connection, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert status == 200
        assert connection.recv(10) == b"", "Python raises an error at an end without close_notify"
        connection.unwrap()
    with connect(server, client_context(keys)) as connection:  # in the middle of a body
        connection.sendall(b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        connection.unwrap()


def test_clients_need_a_certificate_where_one_is_asked_for(model, keys, tmp_path, jpegs):
    server = Server(model, tmp_path, "--tls-certificate", keys / "server.pem", "--tls-key", keys / "server.key", "--tls-client-ca", keys / "ca.pem")
    try:
        for name in (None, "stranger"):
            context = client_context(keys)
            if name:
                context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)), connect(server, context) as connection:
                ask(connection, GET)  # TLS 1.3 refuses after the client believes to be connected
        known = client_context(keys)
        known.load_cert_chain(keys / "client.pem", keys / "client.key")
        with connect(server, known) as connection:
            assert ask(connection, post(jpegs[0]))[0] == 200
    finally:
        server.stop()


def test_what_is_wrong_with_certificates_is_said(model, keys, tmp_path):
    (tmp_path / "garbage.pem").write_text("not a certificate")
    openssl("ec", "-in", keys / "server.key", "-aes256", "-passout", "pass:secret", "-out", tmp_path / "locked.key", folder=tmp_path)
    for flags, words in [
        (["--tls-certificate", keys / "server.pem"], "--tls-key"),
        (["--tls-key", keys / "server.key"], "--tls-certificate"),
        (["--tls-client-ca", keys / "ca.pem"], "--tls-certificate"),
        (["--admin-tls=on"], "--tls-certificate"),
        (["--tls-certificate", "/nowhere.pem", "--tls-key", keys / "server.key"], "/nowhere.pem"),
        (["--tls-certificate", tmp_path / "garbage.pem", "--tls-key", keys / "server.key"], "garbage.pem"),
        (["--tls-certificate", keys / "server.pem", "--tls-key", keys / "client.key"], "is not the key of"),
        (["--tls-certificate", keys / "server.pem", "--tls-key", tmp_path / "locked.key"], "without a passphrase"),
        (["--tls-certificate", keys / "server.pem", "--tls-key", keys / "server.key", "--tls-client-ca", tmp_path / "garbage.pem"], "--tls-client-ca"),
    ]:
        tried = subprocess.run([BINARY, "serve", "--model", f"clip={model}", "--port", "0", *map(str, flags)], capture_output=True, text=True,
                               timeout=60, check=False, stdin=subprocess.DEVNULL)
        assert tried.returncode == 2 and words in tried.stderr, tried.stderr


def test_a_certificate_that_is_about_to_end_is_warned_of(model, keys, tmp_path):
    server = Server(model, tmp_path, "--tls-certificate", keys / "renewed.pem", "--tls-key", keys / "renewed.key", "--admin-port", "0",
                    "--admin-port-file", tmp_path / "admin")
    server.admin = int((tmp_path / "admin").read_text())
    try:
        assert "expires in 3.0 days" in server.log_path.read_text()
        left = admin_metric(server, "photovec_tls_certificate_expiry_timestamp_seconds") - time.time()
        assert 2 * 86400 < left <= 3 * 86400
    finally:
        server.stop()


def test_a_drain_says_goodbye(model, keys, tmp_path):
    server = Server(model, tmp_path, "--tls-certificate", keys / "server.pem", "--tls-key", keys / "server.key")
    with connect(server, client_context(keys)) as connection:
        assert ask(connection, GET)[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert connection.recv(10) == b""
    assert server.process.wait(60) == 0
    server.stop()
