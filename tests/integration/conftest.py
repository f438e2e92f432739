# SPDX-License-Identifier: MIT
"""A photovec server with a tiny random model, and pictures to send it."""
import io
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import httpx
import numpy
import pytest
from PIL import Image

BINARY = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"]) / "bin" / "photovec"


class Server:
    """`photovec serve` on a free port; the port file says that it is ready."""

    def __init__(self, model, folder, *flags, environment=None, through=()):
        """:param through: words of a command that starts the server, such as setpriv with its flags."""
        self.port_file = pathlib.Path(folder) / "port"
        self.log_path = pathlib.Path(folder) / "serve.log"
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            [*through, BINARY, "serve", "--model", f"clip={model}", "--port", "0", "--port-file", self.port_file, *flags],
            stderr=self.log, stdout=self.log, env=environment)
        deadline = time.monotonic() + 120
        while not self.port_file.exists():
            assert self.process.poll() is None, self.log_path.read_text()
            assert time.monotonic() < deadline, "the server did not start: " + self.log_path.read_text()
            time.sleep(0.02)
        self.port = int(self.port_file.read_text())
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path, **options):
        return httpx.get(self.url + path, timeout=60, **options)

    def post(self, path, **options):
        return httpx.post(self.url + path, timeout=120, **options)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def metric(self, name, **labels):
        """The value of one counter or gauge in /metrics; 0 when it is not there yet."""
        for line in self.get("/metrics").text.splitlines():
            match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if match and all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
                return float(match[2])
        return 0.0

    def rss(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def stop(self, wanted=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        assert code == wanted, self.log_path.read_text()


def picture(seed, width=320, height=240):
    """Smooth colours with some detail: what a JPEG of a photo is like, in a size that tests can afford."""
    random = numpy.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=numpy.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    noise = random.integers(-12, 13, (height, width, 3))
    return Image.fromarray(numpy.clip(numpy.asarray(smooth) + noise, 0, 255).astype(numpy.uint8))


def encode(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny-text"
    subprocess.run([BINARY, "init-model", "tiny-text", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def jpegs():
    return [encode(picture(seed), quality=88) for seed in range(12)]


@pytest.fixture(scope="session")
def image_root(tmp_path_factory, jpegs):
    root = tmp_path_factory.mktemp("images")
    for i, data in enumerate(jpegs):
        (root / f"{i}.jpg").write_bytes(data)
    (root / "album").mkdir()
    (root / "album" / "my cat.jpg").write_bytes(jpegs[0])
    (root / "large.jpg").write_bytes(encode(picture(99, 1600, 1200), quality=88))
    (root.parent / "secret.jpg").write_bytes(jpegs[0])
    (root / "link.jpg").symlink_to(root.parent / "secret.jpg")
    return root


@pytest.fixture(scope="session")
def server(model, image_root, tmp_path_factory):
    running = Server(model, tmp_path_factory.mktemp("serve"), "--image-root", image_root)
    yield running
    running.stop()
