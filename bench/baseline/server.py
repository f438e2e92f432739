#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The service that photovec replaces, re-made to be raced against: FastAPI, one uvicorn worker, POST /clip/embedding.

Run it with build/baseline-venv/bin/python (bench/baseline/setup makes that). README.md says what is faithful."""
import argparse
import asyncio
import contextlib
import itertools
import os
import pathlib
import pickle
import signal
import socket
import sys
import traceback

import cv2
import fastapi
import torch
import uvicorn
import uvloop

from embedder import Embedder
from loader import ImageLoader, LoadFailure
from request_log import RequestLog, RequestTimes, now_us


class Service:
    """One request from body to reply, timed at the owners' borders."""

    def __init__(self, embedder, loader, log):
        self.embedder = embedder
        self.loader = loader
        self.log = log
        self.ids = itertools.count(1)

    async def answer(self, request, times, write):
        """The reply's bytes, as `write` makes them of {name: vector}; fills `times`."""
        began = times.started_us
        names = (await request.json())["images"]
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError('"images" must be a list of at least one name or URL')
        parsed = now_us()
        times.parse_us = parsed - began
        images = await self.loader.load(names, times.items)
        loaded = now_us()
        times.load_decode_us = loaded - parsed
        done = await asyncio.get_running_loop().run_in_executor(None, self.embedder.run, names, images)
        resumed = now_us()
        times.preprocess_us, times.embed_us = done.preprocess_us, done.embed_us
        times.pool_wait_us = resumed - loaded - done.job_us
        body = write(done.vectors)
        times.serialise_us = now_us() - resumed
        return body

    async def embed(self, request, write):
        times = RequestTimes(next(self.ids), request.url.path, started_us=now_us())
        try:
            body = await self.answer(request, times, write)
            times.status = 200
        except Exception as error:  # whatever failed was the whole request's, and a 500
            print(f"request {times.id} failed: {type(error).__name__}: {error}", file=sys.stderr)
            if not isinstance(error, (LoadFailure, ValueError, KeyError)):
                traceback.print_exc()
            body = pickle.dumps({"message": "fail", "data": {}})
            times.status = 500
        times.total_us = now_us() - times.started_us
        self.log.write(times)
        return fastapi.Response(body, status_code=times.status, media_type="application/octet-stream")


def as_pickle(vectors):
    return pickle.dumps({"message": "success", "data": vectors})


def as_rows(vectors):
    return torch.stack(list(vectors.values())).numpy().tobytes()


def make_app(options, embedder):
    app = fastapi.FastAPI(lifespan=lambda app: lifespan(app, options, embedder), openapi_url=None)

    @app.post("/clip/embedding")
    async def embed(request: fastapi.Request):
        return await app.state.service.embed(request, as_pickle)

    @app.post("/embed")  # which the replaced service did not have: for loads that use photovec's own API
    async def embed_rows(request: fastapi.Request):
        return await app.state.service.embed(request, as_rows)

    @app.get("/health/info")
    @app.get("/healthz")
    @app.get("/readyz")
    async def health():
        return {"message": "success", "data": {"status": "ready"}}

    return app


@contextlib.asynccontextmanager
async def lifespan(app, options, embedder):
    loader = ImageLoader(options.store_url, options.download_timeout)
    log = RequestLog(options.request_log)
    app.state.service = Service(embedder, loader, log)
    try:
        yield
    finally:
        await loader.close()
        log.close()


class Server(uvicorn.Server):
    """Says when it is ready, and ends with code 0 at SIGTERM (uvicorn's own would raise the signal again)."""

    def __init__(self, config, port_file, port):
        super().__init__(config)
        self.port_file = port_file
        self.port = port

    @contextlib.contextmanager
    def capture_signals(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets=None):
        await super().startup(sockets=sockets)
        if self.port_file and self.started:
            partial = pathlib.Path(f"{self.port_file}.part")
            partial.write_text(f"{self.port}\n")
            partial.replace(self.port_file)  # readers never see half of it
        print(f"baseline ready on port {self.port}", file=sys.stderr)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="HuggingFace CLIP directory, the one that photovec loads")
    parser.add_argument("--store-url", default="", help="where names are looked up, such as http://127.0.0.1:9000/photos")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one, see --port-file")
    parser.add_argument("--port-file", help="write the port there once requests are served")
    parser.add_argument("--request-log", help="write the stages of every request there, one JSON line each")
    parser.add_argument("--device", help="default: cuda where there is one, else cpu")
    parser.add_argument("--streams", type=int, default=0, help="forward passes at the same time; 0: 1 with CUDA, else one a core")
    parser.add_argument("--threads", type=int, default=1, help="torch.set_num_threads (default 1, as the owners had it)")
    parser.add_argument("--opencv-threads", type=int, help="cv2.setNumThreads (default: OpenCV's own, as the owners had it)")
    parser.add_argument("--bf16", action="store_true", help="forward passes under bfloat16 autocast; the owners had float32")
    parser.add_argument("--download-timeout", type=float, default=60, help="seconds for one image (default 60)")
    options = parser.parse_args()
    if not pathlib.Path(options.model, "config.json").is_file():
        parser.error(f"--model {options.model}: there is no config.json in it; photovec init-model makes a model directory")
    if options.threads < 1 or options.streams < 0 or options.download_timeout <= 0:
        parser.error("--threads and --download-timeout must be positive, --streams at least 0")
    return options


def main():
    options = parse_options()
    torch.set_num_threads(options.threads)
    if options.opencv_threads is not None:
        cv2.setNumThreads(options.opencv_threads)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    embedder = Embedder(options.model, device, options.bf16, options.streams)
    embedder.warm_up()
    print(f"baseline: PyTorch {torch.__version__} on {device}, {options.threads} threads a forward pass, "
          f"{embedder.stream_count} at once, OpenCV {cv2.__version__} with {cv2.getNumThreads()} threads, "
          f"pool of {min(32, (os.cpu_count() or 1) + 4)}", file=sys.stderr)
    listener = socket.create_server((options.host, options.port), backlog=2048)
    config = uvicorn.Config(make_app(options, embedder), access_log=False, log_level="warning", timeout_keep_alive=75,
                            timeout_graceful_shutdown=30)
    server = Server(config, options.port_file, listener.getsockname()[1])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
