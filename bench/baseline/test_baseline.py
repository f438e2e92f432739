#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the baseline and of the race's arithmetic. They need PyTorch and the photovec binary, so they are run by hand:

    bench/baseline/setup && build/baseline-venv/bin/python bench/baseline/test_baseline.py
"""
import contextlib
import http.server
import io
import json
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np
import torch
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from embedder import BATCH, Embedder  # noqa: E402 - after sys.path
from photovec_client import Server, find_binary  # noqa: E402 - after sys.path
from race_summary import Engines, Figures, Void, quantile, read_report, slowest_download_ms, summary  # noqa: E402 - as above
from request_log import ImageTimes, RequestLog, RequestTimes  # noqa: E402 - after sys.path

LATENCY_S = 0.03  # of the store: no image can be there sooner


def jpeg(seed, width=320, height=240):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


class StageArithmetic(unittest.TestCase):
    def test_decode_wait_is_submit_to_resume_without_decoding(self):
        times = ImageTimes()
        times.fetched(1000, 41000, 150_000)
        times.decoded(submitted_us=41100, resumed_us=141100, decode_us=18000)
        self.assertEqual(times.as_json(), {"code": "ok", "ref": True, "bytes": 150_000,
                                           "stages": {"fetch": 40000, "decode": 18000, "decode_wait": 82000}})

    def test_what_was_not_reached_is_left_out(self):
        times = ImageTimes(code="not_found")
        self.assertEqual(times.as_json(), {"code": "not_found", "ref": True, "bytes": 0, "stages": {}})

    def test_a_line_has_the_form_that_photovec_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "log")
            log = RequestLog(path)
            log.write(RequestTimes(1, "/clip/embedding", 5_000_000, 200, 10, 20, 30, 40, 50, 60, 210, [ImageTimes()]))
            log.write(RequestTimes(2, "/embed", 6_000_000, status=500, total_us=7))
            log.close()
            first, second = (json.loads(line) for line in path.read_text().splitlines())
        self.assertEqual({key: first[key] for key in first if key != "items"},
                         {"id": 1, "model": "baseline", "route": "/clip/embedding", "status": 200, "started": 5_000_000, "total": 210,
                          "parse": 10, "load_decode": 20, "pool_wait": 30, "preprocess": 40, "embed": 50, "serialise": 60})
        self.assertEqual(second, {"id": 2, "model": "baseline", "route": "/embed", "status": 500, "started": 6_000_000,
                                  "total": 7, "items": []})


class Summary(unittest.TestCase):
    def figures(self, **changes):
        client = {"count": 2, "intended_us": [0, 10], "done_us": [1_000_000, 3_000_010], "status": [200, 200]}
        run = {"repetition": 0, "failure": "", "seconds": 10_000_000, "client": client, "errors": [""], "requests_completed": 2,
               "images_completed": 80, "server_cpu_seconds": 400_000, "load_cpu_seconds": 1_000_000, "items": {"count": 80}, "codes": ["ok"],
               **changes}
        report = {"cpus": 2_000_000, "interrupted": False, "variants": [{"name": "baseline", "runs": [run]}]}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "report.json")
            path.write_text(json.dumps(report))
            return read_report(path)["baseline"]

    def test_figures_of_a_report(self):
        figures = self.figures()
        self.assertEqual((figures.images_per_s, figures.requests_per_s, figures.cpu_ms_per_image), (8, 0.2, 5))
        self.assertEqual((figures.p50_ms, figures.load_cpu_share), (2000, 0.05))

    def test_whatever_fails_voids_the_race_and_is_named(self):
        refused = {"count": 1, "intended_us": [0], "done_us": [1], "status": [429], "failed_images": [40], "error": [1]}
        for changes, reason in (({"client": refused, "errors": ["", "too busy"]}, "too busy"),
                                ({"failure": "the server ended"}, "the server ended"),
                                ({"client": {"count": 0}}, "no request"),
                                ({"items": {"count": 2, "code": [0, 1]}, "codes": ["ok", "image_corrupt"]}, "image_corrupt")):
            with self.assertRaisesRegex(Void, reason):
                self.figures(**changes)

    def test_quantiles(self):
        self.assertEqual([quantile([4, 1, 3, 2], q) for q in (0, 0.5, 1)], [1, 2.5, 4])

    def test_the_slowest_of_many_downloads(self):
        self.assertAlmostEqual(slowest_download_ms("p50=40ms,p95=180ms", 1, 1, 0.95), 180, places=6)
        self.assertAlmostEqual(slowest_download_ms("p50=40ms,p95=180ms", 1, 1, 0.5), 40, places=6)
        chance = np.random.default_rng(7)
        drawn = 40 * np.exp(np.log(180 / 40) / 1.6448536 * chance.standard_normal((100_000, 40)))
        self.assertAlmostEqual(slowest_download_ms("p50=40ms,p95=180ms", 40, 40, 0.95) / np.quantile(drawn.max(1), 0.95), 1, delta=0.02)
        self.assertEqual(slowest_download_ms("0", 30, 50, 0.95), 0)

    def test_verdicts(self):
        engines = Engines(pytorch=40, pytorch_how="", photovec={"f32": 56, "bf16": 110}, libjpeg_ms=2.1)
        base = Figures(40, 1, 100, 1000, 50, 0.02, 9)
        fast = Figures(52, 1.3, 50, 249, 30, 0.02, 9)
        text = summary("clip-vit-b-32", {"baseline": base, "photovec-f32": fast, "photovec-bf16": fast},
                       {"baseline": base, "photovec-f32": fast, "photovec-bf16": fast}, engines, 632)
        self.assertIn("1.30x the throughput (target >= 1.26: met)", text)  # 0.9 of 56 / 40
        self.assertIn("1.30x the throughput (target >= 2.50: MISSED)", text)
        self.assertIn("p95 0.249 of the baseline's (target <= 0.25: met)", text)


class Store(http.server.BaseHTTPRequestHandler):
    """0.jpg, 1.jpg ...: pictures, each after LATENCY_S; held.jpg: one that waits for `release`; broken.jpg: none; else: 404."""

    protocol_version = "HTTP/1.1"
    asked, release = threading.Event(), threading.Event()

    def do_GET(self):  # pylint: disable=invalid-name  # the base class looks for it
        time.sleep(LATENCY_S)
        name = self.path.rpartition("/")[2]
        stem = name.removesuffix(".jpg")
        if stem == "held":
            self.asked.set()
            self.release.wait(60)
        body = b"no picture" if stem == "broken" else jpeg(int(stem)) if stem.isdigit() else jpeg(9) if stem == "held" else None
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin  # the base class's name
        pass


class Live(unittest.TestCase):
    """The server as a process, with a tiny model and a store."""

    @classmethod
    def setUpClass(cls):
        cls.cleanup = contextlib.ExitStack()
        cls.folder = pathlib.Path(cls.cleanup.enter_context(tempfile.TemporaryDirectory()))
        cls.model = cls.folder / "tiny"
        subprocess.run([find_binary(), "init-model", "tiny", cls.model], check=True, capture_output=True)
        cls.store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
        cls.cleanup.callback(cls.store.server_close)
        cls.cleanup.callback(cls.store.shutdown)
        threading.Thread(target=cls.store.serve_forever).start()
        cls.store_url = f"http://127.0.0.1:{cls.store.server_address[1]}/photos"

    @classmethod
    def tearDownClass(cls):
        cls.cleanup.close()

    def serve(self, *flags):
        self.log = self.folder / f"{self.id()}.jsonl"
        server = Server(self.model, "--store-url", self.store_url, "--request-log", self.log, *flags,
                        command=[sys.executable, str(HERE / "server.py")])
        self.addCleanup(server.stop)
        return server

    def post(self, server, body):
        connection = server.connect()
        self.addCleanup(connection.close)
        connection.request("POST", "/clip/embedding", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, pickle.loads(response.read())

    def lines(self, server):
        self.assertEqual(server.stop(), 0, "SIGTERM must end the server with exit code 0")
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def test_vectors_are_those_of_the_model_and_stages_add_up(self):
        server = self.serve()
        names = [f"{i}.jpg" for i in range(5)] + [self.store_url + "/7.jpg"]
        status, reply = self.post(server, json.dumps({"images": names}))
        self.assertEqual((status, reply["message"], list(reply["data"])), (200, "success", names))
        embedder = Embedder(self.model, "cpu")
        pictures = [np.asarray(Image.open(io.BytesIO(jpeg(seed)))) for seed in (0, 1, 2, 3, 4, 7)]
        expected = embedder.forward(embedder.preprocess(pictures))
        for row, name in zip(expected, names):
            self.assertGreater(torch.cosine_similarity(row, reply["data"][name], dim=0).item(), 0.9999)

        line, = self.lines(server)
        self.assertEqual((line["status"], len(line["items"])), (200, 6))
        parts = sum(line[stage] for stage in ("parse", "load_decode", "pool_wait", "preprocess", "embed", "serialise"))
        self.assertLessEqual(parts, line["total"])
        self.assertGreaterEqual(parts, 0.95 * line["total"])
        for item in line["items"]:
            stages = item["stages"]
            self.assertGreaterEqual(stages["fetch"], LATENCY_S * 1e6)
            self.assertGreaterEqual(stages["decode_wait"], 0)
            self.assertLessEqual(sum(stages.values()), line["load_decode"])
            self.assertEqual((item["code"], item["ref"]), ("ok", True))
        self.assertGreater(min(item["bytes"] for item in line["items"]), 1000)

    def test_more_than_a_batch_and_the_same_as_rows(self):
        server = self.serve("--streams", "2")
        names = [f"{i}.jpg" for i in range(BATCH + 3)]
        body = json.dumps({"images": names})
        status, reply = self.post(server, body)
        self.assertEqual((status, list(reply["data"])), (200, names))
        connection = server.connect()
        self.addCleanup(connection.close)
        connection.request("POST", "/embed", body)
        response = connection.getresponse()
        rows = np.frombuffer(response.read(), np.float32).reshape(len(names), -1)
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "application/octet-stream"))
        self.assertTrue(np.array_equal(rows, torch.stack(list(reply["data"].values())).numpy()))
        self.assertEqual([line["route"] for line in self.lines(server)], ["/clip/embedding", "/embed"])

    def test_one_bad_image_fails_its_request_and_only_that(self):
        server = self.serve()
        for bad, code in (("broken.jpg", "image_corrupt"), ("none.jpg", "not_found")):
            status, reply = self.post(server, json.dumps({"images": ["0.jpg", bad]}))
            self.assertEqual((status, reply), (500, {"message": "fail", "data": {}}), bad)
        self.assertEqual(self.post(server, "{]")[0], 500)
        self.assertEqual(self.post(server, json.dumps({"images": []}))[0], 500)
        self.assertEqual(self.post(server, json.dumps({"images": ["0.jpg"]}))[0], 200)
        lines = self.lines(server)
        self.assertEqual([line["status"] for line in lines], [500, 500, 500, 500, 200])
        self.assertEqual([line["items"][1]["code"] for line in lines[:2]], ["image_corrupt", "not_found"])

    def test_requests_in_flight_are_answered_before_the_end(self):
        server = self.serve()
        connection = server.connect()
        self.addCleanup(connection.close)
        connection.request("POST", "/clip/embedding", json.dumps({"images": ["held.jpg"]}))
        self.assertTrue(Store.asked.wait(60))
        server.process.send_signal(signal.SIGTERM)
        Store.release.set()
        self.assertEqual(list(pickle.loads(connection.getresponse().read())["data"]), ["held.jpg"])
        self.assertEqual([line["status"] for line in self.lines(server)], [200])


if __name__ == "__main__":
    unittest.main()
