# SPDX-License-Identifier: MIT
"""What bench/attack, bench/soak and bench/corpus conclude from what they saw: each must be able to say no."""
import importlib.machinery
import importlib.util
import pathlib
import random
import sys
import types

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import corpus_report  # noqa: E402
import soak_hours  # noqa: E402 - after sys.path


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, str(BENCH / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


attack = load("attack")


def soak_verdict(mb_per_hour, noise=1.0, fds=(16, 16), wrong=(), hours=2.0):
    chance = random.Random(1)
    samples = [soak_hours.Sample(hours * i / 1000, 100 + (mb_per_hour * hours * i / 1000 + chance.gauss(0, noise)) * 1e6 / 2**20, 20, 19, i)
               for i in range(1000)]
    before, after = samples[0]._replace(fds=fds[0]), samples[-1]._replace(fds=fds[1])
    verdicts = soak_hours.judge(samples, before, after, {}, True, 0, list(wrong))
    return [what for what, _, holds in verdicts if not holds]


def test_the_soak_sees_growth_and_leaks():
    assert soak_verdict(0.0) == []
    assert soak_verdict(0.5) == []
    assert soak_verdict(3.0) == ["RSS slope over the last half"]
    assert soak_verdict(3.0, hours=0.1) == [], "minutes tell nothing"
    assert soak_verdict(0.0, fds=(16, 17)) == ["descriptors, before and after"]
    assert soak_verdict(0.0, wrong=["status 500"]) == ["wrong answers"]


def attack_verdict(rate=(100, 100), p99=(0.05, 0.05), health=0.001, status=200, rss=(100, 120, 105), kind="idle", not_ready=(), after=100):
    """The honest client's figures before and during an attack from second 10 to 20."""
    def photos(begin, end, per_second, seconds, answer):
        return [(begin + i / per_second, seconds, answer, "") for i in range(int((end - begin) * per_second))]

    seen = {"photo": photos(0, 10, rate[0], p99[0], 200) + photos(10, 20, rate[1], p99[1], status) + photos(20, 32, after, p99[0], 200),
            "health": [(10 + i * 0.05, health, 200 if health < 9 else 0, "") for i in range(200)],
            "ready": [(10 + at, 0.001, 503, reason) for at, reason in not_ready]}
    figures = attack.judge(attack.ATTACKS[kind], types.SimpleNamespace(seconds=8), seen, 10, 20, [mib << 20 for mib in rss], 256 << 20)
    return figures["failed"]


def test_the_attack_names_what_failed():
    assert attack_verdict() == []
    assert "photos a second" in attack_verdict(rate=(100, 70))[0]
    assert "p99" in attack_verdict(p99=(0.05, 0.11))[0]
    assert attack_verdict(p99=(0.002, 0.018)) == [], "20 ms are fine"
    assert "/healthz" in attack_verdict(health=0.03)[0]
    assert "/healthz p99 inf" in attack_verdict(health=10)[0]
    assert attack_verdict(status=429)[0] == "answers [429]"
    assert "after 10 s" in attack_verdict(rss=(100, 150, 140))[0]
    assert "bound" in attack_verdict(rss=(100, 500, 100))[0]


def test_the_decoders_own_trouble_may_cost_time_but_no_photo():
    stopped = {"kind": "decoders_stopped", "rate": (100, 1), "not_ready": [(1.0, "decoders_stopped")]}
    assert attack_verdict(**stopped) == []
    assert attack_verdict(**{**stopped, "status": 503}) == []
    assert attack_verdict(**{**stopped, "status": 422}) == ["answers [422]"]
    assert attack_verdict(**{**stopped, "not_ready": []}) == ["ready though every decoder is stopped"]
    assert "of the rate" in attack_verdict(**{**stopped, "after": 50})[0]


def photo(path, cosine=1.0, code=None, reader="Pillow", camera=True, **more):
    outcome = {(True, True): "both", (True, False): "photovec only", (False, True): "other only",
               (False, False): "neither"}[code is None, reader is not None]
    return {"path": path, "folder": "f", "extension": "jpg", "code": code, "message": code and "row 3 of 4000 (0xd9)", "reader": reader,
            "format": reader and "JPEG", "mode": "RGB", "size": [8, 6], "camera": camera, "error": None, "seconds": 0.1,
            "cosine": cosine if outcome == "both" else None, "outcome": outcome, **more}


def test_the_corpus_report_counts_and_names():
    records = [photo("good.jpg"), photo("off.jpg", 0.97), photo("lost.jpg", code="image_corrupt"), photo("svg", reader=None, code="unsupported_format"),
               photo("ours.png", reader=None, camera=False, error="Pillow: broken"), photo("slow.jpg", seconds=12.0),
               photo("thumb.raf", reader="LibRaw", code="unsupported_format")]
    text = corpus_report.text(records, {"files": len(records)})
    assert "that Pillow or libvips reads: 4; photovec gives a row for 3 of 4 (75.00%), with cosine >= 0.9999: 2 of 3 (66.67%)" in text
    assert "that LibRaw (RAWs) reads: 1; photovec gives a row for 0 of 1 (0.00%)" in text
    assert "image_corrupt: row N of N (N)" in text, "one reason for all such files"
    assert "0.97000  RGB [8, 6]  off.jpg" in text
    assert "12.00 s  row  slow.jpg" in text
    by_format = text.split("By format")[1].split("By folder")[0]
    assert ["JPEG", "5", "3", "2", "0", "0", "2", "0.97000"] in [line.split() for line in by_format.splitlines()]


def test_the_corpus_counts_a_content_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / ".git").mkdir()
    for name, content in (("a/1.jpg", b"x"), ("2.jpg", b"x"), ("a/3.jpg", b"y"), ("empty", b""), (".git/4.jpg", b"z")):
        (tmp_path / name).write_bytes(content)
    found = [(folder, path.name) for folder, path in load("corpus").files_of([tmp_path])]
    assert found == [(tmp_path.name, "2.jpg"), (f"{tmp_path.name}/a", "3.jpg")]
