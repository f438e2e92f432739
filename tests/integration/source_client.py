# SPDX-License-Identifier: MIT
"""What the tests of sources share: servers that know nothing of whoever runs the tests, and what they answer."""
import contextlib
import os
import subprocess

import numpy
from conftest import BINARY, Server

FOREIGN = ("AWS_", "GOOGLE_", "GCE_", "CLOUDSDK_", "STORAGE_EMULATOR", "PHOTOVEC_")


def clean_environment(folder, **extra):
    """No credentials, no home with any, no metadata server of AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", **extra}


@contextlib.contextmanager
def serving(model, folder, *flags, **environment):
    server = Server(model, folder, *flags, environment=clean_environment(folder, **environment))
    try:
        yield server
    finally:
        server.stop()


def refused_start(model, folder, *flags, **environment):
    """What a server says that must not start."""
    done = subprocess.run([BINARY, "serve", "--model", f"clip={model}", "--port", "0", *flags], timeout=60,
                          capture_output=True, text=True, env=clean_environment(folder, **environment))
    assert done.returncode == 2, done.stderr
    return done.stderr


def vector(server, reference):
    reply = server.post("/embed", json={"images": [reference]})
    assert reply.status_code == 200, reply.text
    return reply.json()["embeddings"][0]


def failure(server, reference):
    reply = server.post("/embed", json={"images": [reference]})
    assert reply.status_code != 200, reply.text
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["message"]


def same(a, b):
    return numpy.array_equal(numpy.asarray(a), numpy.asarray(b))
