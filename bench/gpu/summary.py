#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables and verdicts of bench/gpu/run, as Markdown, from the JSON files that its steps wrote.

    summary.py RESULTS          everything that is there
    summary.py --table FILE     one `photovec bench encode --device cuda --json`
    summary.py --jpeg FILE      one `photovec bench decode --decode-device gpu --json`

Verdicts compare photovec's fp16 from pinned pixels with what issue 6 of the project asks for. "Not measured" is said, not
passed over. Standard library only.
"""
import json
import pathlib
import sys

B32, L14 = "clip-vit-b-32", "clip-vit-l-14"
BUSY_WANTED = 0.95
FASTER_THAN_TORCH = {1: 1.5, 8: 1.15, 32: 1.15, 256: 1.0}
MODES_TO_BEAT = ("eager", "compile")
FASTER_THAN_CPUS = 3


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def bench_table(report):
    rows = [[r["precision"], r["input"], str(r["batch"]), str(r["streams"]), f"{r['images_per_s']:,.0f}", f"{r['tflops']:.1f}",
             f"{r['ceiling_tflops']:.1f}", f"{r['share_of_ceiling']:.1%}", f"{r['busy']:.1%}", f"{r['device_us'] / 1e3:.3f}",
             f"{r['loaded_p50_us'] / 1e3:.3f} / {r['loaded_p95_us'] / 1e3:.3f}",
             f"{r['alone_p50_us'] / 1e3:.3f} / {r['alone_p95_us'] / 1e3:.3f}"] for r in report["measurements"]]
    head = ["precision", "input", "batch", "streams", "img/s", "TFLOP/s", "ceiling", "share", "busy", "device ms",
            "loaded ms p50 / p95", "alone ms p50 / p95"]
    return (f"{pathlib.Path(report['model']).name} on {report['device']} ({report['runtime']}); predicted B* "
            f"{report['predicted_batch']}; verified: {report['verified']}\n\n" + table(head, rows))


def jpeg_table(report):
    gpu = report["gpu"]
    rows = [[r["name"], f"{r['images_per_s']:,.0f}", f"{r['times_cpu']:.2f}x", f"{r['cpu_ms']:.2f}", f"{r['batch']:.0f}",
             f"{r['submit_ms']:.2f} / {r['decode_ms']:.2f} / {r['resize_ms']:.2f}", f"{r['on_cpu']:.0%}", str(r["allocations"]),
             f"{r['least_psnr_db']:.1f}"] for r in gpu["rows"] if not r["missing"]]
    missing = [f"\nnot measured: {r['name']}: {r['missing']}\n" for r in gpu["rows"] if r["missing"]]
    head = ["decoded by", "img/s", "CPUs", "CPU ms an image", "batch", "ms a batch: submit / decode / resize", "on CPU", "allocations",
            "least PSNR, dB"]
    return (f"{gpu['photos']} JPEGs of {gpu['megapixels']:.2f} MP and {gpu['kilobytes']:.0f} kB on {gpu['device']}; "
            f"{'; '.join(gpu['lanes'])}; medians of {gpu['passes']} passes\n\n" + table(head, rows) + "".join(missing))


class Results:
    """What a folder of results holds; a file that is not there gives None."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def read(self, name):
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.is_file() and path.stat().st_size else None

    def rows(self, model, batch, streams=None):
        """photovec's fp16 rows from pinned pixels."""
        report = self.read(f"bench-{model}-f16") or {"measurements": []}
        return [r for r in report["measurements"] if r["batch"] == batch and r["input"] == "pinned" and
                (streams is None or r["streams"] == streams)]

    def best(self, model, batch):
        return max(self.rows(model, batch), key=lambda r: r["images_per_s"], default=None)

    def torch(self, model, batch):
        """The rows of PyTorch's modes that worked: {mode: row}."""
        report = self.read(f"torch-{model}") or {"rows": []}
        return {r["mode"]: r for r in report["rows"] if r["batch"] == batch and "error" not in r}


def parity_section(results):
    rows = []
    for path in sorted(results.folder.glob("parity-*.json")):
        report = json.loads(path.read_text())
        for part in report["precisions"]:
            rows.append([report["model"], part["precision"], f"{part['max_abs']:.1e}", f"{part['cosine']:.6f}",
                         f"{part['cosine_mean']:.6f}", f"{part['share']:.2%}", "; ".join(part["missed"]) or "yes"])
    head = ["model", "precision", "max abs", "cosine min", "mean", "max error / median distance", "within the bounds"]
    return "## Parity with float32: CLIP's with transformers, others' with photovec on the CPU\n\n" + table(head, rows) if rows else ""


def text_section(results):
    rows = []
    for path in sorted(results.folder.glob("text-*.json")):
        report = json.loads(path.read_text())
        rows.append([report["model"], f"{report['p50_us'] / 1e3:.2f}", f"{report['p95_us'] / 1e3:.2f}",
                     f"{report['texts_per_s']:,.0f}"])
    head = ["model", "a text alone, ms p50", "p95", "texts/s, 32 connections"]
    return "## Texts through HTTP\n\n" + table(head, rows) if rows else ""


def torch_section(results, model):
    rows = []
    for batch in FASTER_THAN_TORCH:
        ours = (results.rows(model, batch, 1) or [None])[0]
        for mode, row in results.torch(model, batch).items():
            ratios = ["-"] * 4
            if ours:
                ratios = [f"{ours['images_per_s']:,.0f}", f"{ours['images_per_s'] / row['images_per_s']:.2f}x",
                          f"{ours['alone_p50_us'] / 1e3:.3f}", f"{1e3 * row['alone_p50_ms'] / ours['alone_p50_us']:.2f}x"]
            rows.append([str(batch), mode, f"{row['images_per_s']:,.0f}", *ratios[:2], f"{row['alone_p50_ms']:.3f}", *ratios[2:]])
    head = ["batch", "PyTorch", "its img/s", "photovec, 1 stream", "ratio", "its ms alone", "photovec", "ratio"]
    return f"## {model} beside PyTorch, fp16, two batches in flight each\n\n" + table(head, rows) if rows else ""


def at_least(value, wanted, text):
    return f"{'holds ' if value >= wanted else 'MISSED'} {text}"


def speed_verdicts(results):
    best = results.best(L14, 64)
    name = "L/14 at batch 64: at least 55% of the ceiling"
    yield name if not best else at_least(best["share_of_ceiling"], 0.55,
                                         f"{name}: {best['share_of_ceiling']:.1%} with {best['streams']} stream(s)"), best
    best = results.best(B32, 256)
    name = "B/32 at batch 256: at least 45% of the ceiling and 35,000 img/s"
    yield name if not best else at_least(min(best["share_of_ceiling"] / 0.45, best["images_per_s"] / 35_000), 1,
                                         f"{name}: {best['share_of_ceiling']:.1%} and {best['images_per_s']:,.0f} with "
                                         f"{best['streams']} stream(s)"), best
    one = (results.rows(B32, 1, 1) or [None])[0]
    name = "B/32, a batch of 1 by itself: at most 1 ms"
    yield name if not one else at_least(1000 / one["alone_p50_us"], 1, f"{name}: {one['alone_p50_us'] / 1e3:.3f} ms"), one


def torch_verdicts(results, model):
    for batch, wanted in FASTER_THAN_TORCH.items():
        ours = (results.rows(model, batch, 1) or [None])[0]
        theirs = {mode: row for mode, row in results.torch(model, batch).items() if mode in MODES_TO_BEAT}
        name = f"{model} at batch {batch}: at least {wanted:g}x PyTorch's better mode"
        if not ours or not theirs:
            yield name, None
            continue
        rate = ours["images_per_s"] / max(row["images_per_s"] for row in theirs.values())
        latency = 1e3 * min(row["alone_p50_ms"] for row in theirs.values()) / ours["alone_p50_us"]
        compared = "" if set(theirs) == set(MODES_TO_BEAT) else f" (only {', '.join(theirs)} ran)"
        yield at_least(min(rate, latency), wanted, f"{name}: {rate:.2f}x the img/s of 1 stream, {latency:.2f}x as quick alone"
                       f"{compared}"), ours


def stream_verdicts(results):
    for batch in (1, 8):
        one, four = results.rows(B32, batch, 1), results.rows(B32, batch, 4)
        name = f"B/32 at batch {batch}: 4 streams at least 1.5x of 1"
        ratio = four[0]["images_per_s"] / one[0]["images_per_s"] if one and four else 0
        yield at_least(ratio, 1.5, f"{name}: {ratio:.2f}x") if ratio else name, ratio or None
    for model in (B32, L14):
        rows = (results.read(f"bench-{model}-f16") or {"measurements": []})["measurements"]
        busiest = max(rows, key=lambda r: r["busy"], default=None)
        name = f"{model}, pixels ready: GPU busy at least {BUSY_WANTED:.0%}"
        yield name if not busiest else at_least(busiest["busy"], BUSY_WANTED,
                                                f"{name}: {busiest['busy']:.1%} at batch {busiest['batch']} with "
                                                f"{busiest['streams']} stream(s), {busiest['share_of_ceiling']:.1%} of the "
                                                "ceiling there"), busiest


def jpeg_verdicts(results):
    report = results.read("jpeg")
    name = f"2 MP JPEGs with nvJPEG: at least {FASTER_THAN_CPUS} times the CPU's decoding"
    best = report and max((r for r in report["gpu"]["rows"][1:] if not r["missing"]), key=lambda r: r["times_cpu"], default=None)
    yield name if not best else at_least(best["times_cpu"], FASTER_THAN_CPUS,
                                         f"{name}: {best['times_cpu']:.2f} times with {best['name']}"), best


def verdicts(results):
    lines = []
    for source in (speed_verdicts(results), torch_verdicts(results, B32), torch_verdicts(results, L14), stream_verdicts(results),
                   jpeg_verdicts(results)):
        for text, measured in source:
            lines.append(f"* {text}" if measured else f"* not measured: {text}")
    return "## Verdicts\n\n" + "\n".join(lines) + "\n"


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--table":
        print(bench_table(json.loads(pathlib.Path(sys.argv[2]).read_text())))
        return
    if len(sys.argv) == 3 and sys.argv[1] == "--jpeg":
        print(jpeg_table(json.loads(pathlib.Path(sys.argv[2]).read_text())))
        return
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    results = Results(sys.argv[1])
    sections = [parity_section(results), text_section(results)]
    for path in sorted(results.folder.glob("bench-*.json")):
        report = json.loads(path.read_text())
        if "predicted_batch" in report:  # of a GPU
            sections.append(f"## {path.stem}\n\n{bench_table(report)}")
    sections += [torch_section(results, model) for model in (B32, L14)]
    if report := results.read("jpeg"):
        sections.append(f"## JPEGs decoded\n\n{jpeg_table(report)}")
    print("\n".join(section for section in [*sections, verdicts(results)] if section))


if __name__ == "__main__":
    main()
