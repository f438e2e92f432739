# SPDX-License-Identifier: MIT
"""An HTTP origin that does what origins do on a bad day. Each path is a fault; what it sends is written byte by byte."""
import contextlib
import gzip
import pathlib
import socket
import ssl
import struct
import subprocess
import threading


class FaultOrigin:
    """Threads over plain sockets, for http.server does not break its promises. `jpeg` is the good photo."""

    def __init__(self, jpeg, context=None):
        self.jpeg = jpeg
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.seen = []  # (path, {header: value}) of each request
        self.ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path, host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def stop(self):
        if self.ended.is_set():  # a test ended it before
            return
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def count(self, path):
        with self.lock:
            return sum(seen == path for seen, _ in self.seen)

    def _accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:  # stop() closed the listener
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        # The client hanging up in the middle is what many of these faults are for.
        with contextlib.suppress(OSError), connection:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as reader:
                while (head := self._read_head(reader)) is not None:
                    path = head[0].split(" ")[1]
                    headers = dict(line.split(": ", 1) for line in head[1:])
                    with self.lock:
                        self.seen.append((path, headers))
                        number = sum(seen == path for seen, _ in self.seen)
                    fault = getattr(self, "do_" + path.strip("/").split("?")[0].split("/")[0].replace("-", "_"), self.do_404)
                    if not fault(connection, number):
                        return

    @staticmethod
    def _read_head(reader):
        lines = []
        while (line := reader.readline().decode("latin-1").rstrip("\r\n")):
            lines.append(line)
        return lines or None

    @staticmethod
    def _answer(connection, status, body=b"", **headers):
        headers = {"Content_Length": len(body), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body)
        return True

    def _wait_for_hang_up(self, connection):
        while connection.recv(4096):
            pass

    # Each returns whether the connection goes on.

    def do_good(self, connection, _):
        return self._answer(connection, "200 OK", self.jpeg)

    def do_404(self, connection, _):
        return self._answer(connection, "404 Not Found", b"nothing here")

    def do_403(self, connection, _):
        return self._answer(connection, "403 Forbidden", b"secret reasons")

    def do_500_once(self, connection, number):
        return self._answer(connection, "500 Oops") if number == 1 else self.do_good(connection, number)

    def do_500(self, connection, _):
        return self._answer(connection, "500 Oops")

    def do_429_later(self, connection, number):
        if number == 1:
            return self._answer(connection, "429 Too Many Requests", Retry_After=1)
        return self.do_good(connection, number)

    def do_503_tomorrow(self, connection, _):
        return self._answer(connection, "503 Unavailable", Retry_After=86400)

    def do_empty(self, connection, _):
        return self._answer(connection, "200 OK")

    def do_short(self, connection, _):
        self._answer(connection, "200 OK", self.jpeg[:len(self.jpeg) // 2], Content_Length=len(self.jpeg))
        return False

    def do_short_once(self, connection, number):
        return self.do_short(connection, number) if number == 1 else self.do_good(connection, number)

    def do_long(self, connection, _):
        """More than was announced: the rest belongs to nobody."""
        self._answer(connection, "200 OK", self.jpeg + b"x" * 100_000, Content_Length=len(self.jpeg))
        return False

    def do_huge(self, connection, _):
        self._answer(connection, "200 OK", b"x", Content_Length=10**12)
        self._wait_for_hang_up(connection)

    def do_endless(self, connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        while not self.ended.is_set():
            connection.sendall(chunk)

    def do_trickle(self, connection, _):
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.jpeg)}\r\n\r\n".encode())
        for i in range(len(self.jpeg)):
            connection.sendall(self.jpeg[i:i + 1])
            if self.ended.wait(1):
                return

    def do_stall(self, connection, _):
        self._answer(connection, "200 OK", b"x" * 256 * 1024, Content_Length=10**6)
        self._wait_for_hang_up(connection)

    def do_silent(self, connection, _):
        self._wait_for_hang_up(connection)

    def do_reset(self, connection, _):
        self._answer(connection, "200 OK", self.jpeg[:1000], Content_Length=len(self.jpeg))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def do_loop(self, connection, _):
        return self._answer(connection, "302 Found", Location="/loop")

    def do_private(self, connection, _):
        return self._answer(connection, "302 Found", Location=f"http://127.0.0.2:{self.port}/good")

    def do_metadata(self, connection, _):
        return self._answer(connection, "302 Found", Location="http://169.254.169.254/latest/meta-data/")

    def do_replaced(self, connection, number):
        """Another object at each attempt, and none arrives whole before the second."""
        body = self.jpeg
        if number == 1:
            body = body[:-10]
        self._answer(connection, "200 OK", body, Content_Length=len(self.jpeg), ETag=f'"{number}"')
        return number > 1

    def do_gzip(self, connection, _):
        return self._answer(connection, "200 OK", gzip.compress(self.jpeg), Content_Encoding="gzip")

    def do_nonsense(self, connection, _):
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        return False


@contextlib.contextmanager
def running(jpeg, context=None):
    origin = FaultOrigin(jpeg, context)
    try:
        yield origin
    finally:
        origin.stop()


def certificate(folder, name):
    """A self-signed certificate and its server context. Give the path to SSL_CERT_FILE to make it trusted."""
    folder = pathlib.Path(folder)
    certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}", "-keyout", key_file, "-out", certificate_file],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    return certificate_file, context
