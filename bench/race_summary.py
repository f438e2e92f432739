# SPDX-License-Identifier: MIT
"""The race's verdict, from the reports of `photovec experiment` and the rates of the two engines alone."""
import dataclasses
import json
import pathlib

BASELINE = "baseline"
OPEN_LOOP_SHARE = 0.8  # of what the baseline reached in the closed loop


class Void(Exception):
    """The race says nothing, and why."""


@dataclasses.dataclass
class Figures:
    """One server under one load, all repetitions together."""

    images_per_s: float
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    cpu_ms_per_image: float
    load_cpu_share: float  # what the load generator used of the machine, 0..1
    requests: int


def quantile(values, q):
    """Linear between the two nearest ranks."""
    values = sorted(values)
    at = q * (len(values) - 1)
    low = int(at)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (at - low)


def read_report(path):
    """{server's name: Figures} of a report.json. Raises Void when a run or a request failed."""
    report = json.loads(pathlib.Path(path).read_text())
    return {variant["name"]: variant_figures(variant, report["cpus"], path) for variant in report["variants"]}


def variant_figures(variant, cpus, path):
    name, runs = variant["name"], variant["runs"]
    if not runs:
        raise Void(f"{name} was not run ({path})")
    latencies_ms = []
    for run in runs:
        if run["failure"]:
            raise Void(f"{name}, repetition {run['repetition'] + 1}: {run['failure']} ({path})")
        client = run["client"]
        for i, status in enumerate(client["status"]):
            if status != 200 or client["failed_images"][i] > 0:
                raise Void(f"{name}: a request failed (status {status}, {client['failed_images'][i]} images lost; {path})")
            latencies_ms.append((client["done_us"][i] - client["intended_us"][i]) / 1000)
        if not client["status"]:
            raise Void(f"{name}, repetition {run['repetition'] + 1}: no request was answered ({path})")
    seconds = sum(run["seconds"] for run in runs)
    images = sum(run["images_completed"] for run in runs)
    return Figures(images_per_s=images / seconds, requests_per_s=sum(run["requests_completed"] for run in runs) / seconds,
                   p50_ms=quantile(latencies_ms, 0.5), p95_ms=quantile(latencies_ms, 0.95),
                   cpu_ms_per_image=1000 * sum(run["server_cpu_seconds"] for run in runs) / images,
                   load_cpu_share=sum(run["load_cpu_seconds"] for run in runs) / seconds / cpus, requests=len(latencies_ms))


@dataclasses.dataclass
class Engines:
    """What the encoders reach alone, img/s, and what decoding costs."""

    pytorch: float
    pytorch_how: str
    photovec: dict[str, float]  # by precision
    libjpeg_ms: float  # CPU time of libjpeg-turbo's full decode of one of the photos

    def bound(self, precision):
        """The ratio of throughputs if nothing but encoding took time."""
        return self.photovec[precision] / self.pytorch


def targets(model, precision, engines):
    """(lowest ratio of throughputs, highest ratio of p95s) that this race is about; None: none was set."""
    if model == "tiny":
        return 2.5, 0.25
    if precision == "f32":
        return 0.9 * engines.bound(precision), None
    return 2.5, 0.25


def verdict(value, target, at_least):
    if target is None:
        return ""
    met = value >= target if at_least else value <= target
    return f"(target {'>=' if at_least else '<='} {target:.2f}: {'met' if met else 'MISSED'})"


def summary(model, closed, opened, engines):
    """Markdown of one model's race. \\param closed, opened: {name: Figures}; engines: Engines."""
    lines = [f"## {model}", "",
             "| server | closed loop: img/s | p95 ms | CPU ms a photo | open loop: img/s | p50 ms | p95 ms |",
             "|---|---|---|---|---|---|---|"]
    for name in closed:
        c, o = closed[name], opened[name]
        lines.append(f"| {name} | {c.images_per_s:.1f} | {c.p95_ms:.0f} | {c.cpu_ms_per_image:.2f} | {o.images_per_s:.1f} | "
                     f"{o.p50_ms:.0f} | {o.p95_ms:.0f} |")
    rate = OPEN_LOOP_SHARE * closed[BASELINE].requests_per_s
    encode = ", ".join(f"photovec {precision} {rate:.1f}" for precision, rate in engines.photovec.items())
    lines += ["", f"Open loop: Poisson, {rate:.2f} requests/s, {OPEN_LOOP_SHARE:.0%} of the baseline's closed-loop throughput.",
              f"Encoding alone, img/s: PyTorch {engines.pytorch:.1f} ({engines.pytorch_how}), {encode}.",
              f"libjpeg-turbo's full decode of a photo alone: {engines.libjpeg_ms:.2f} ms of CPU time.",
              f"The load generator used at most {100 * max(f.load_cpu_share for f in (*closed.values(), *opened.values())):.1f}% "
              "of the machine.", ""]
    for name in closed:
        if name != BASELINE:
            lines.append(comparison(model, name, closed, opened, engines))
    return "\n".join(lines) + "\n"


def comparison(model, name, closed, opened, engines):
    precision = name.rpartition("-")[2]
    faster = closed[name].images_per_s / closed[BASELINE].images_per_s
    p95 = opened[name].p95_ms / opened[BASELINE].p95_ms
    lowest, highest = targets(model, precision, engines)
    bound = engines.bound(precision)
    return (f"* **{name}**: {faster:.2f}x the throughput {verdict(faster, lowest, True)}, open-loop p95 {p95:.3f} of the baseline's "
            f"{verdict(p95, highest, False)}. Encode rates alone: {bound:.2f}x, of which {faster / bound:.2f} is reached.").replace(" ,", ",").replace(" .", ".")
