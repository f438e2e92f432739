# SPDX-License-Identifier: MIT
"""The race's verdict, from the reports of `photovec experiment` and the rates of the two engines alone."""
import dataclasses
import json
import math
import pathlib
import re
import statistics

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
    """{server's name: Figures} of a report.json (docs/experiment.md). Raises Void when a run, a request or an image failed."""
    report = json.loads(pathlib.Path(path).read_text())
    if report["interrupted"]:
        raise Void(f"it was interrupted ({path})")
    return {variant["name"]: variant_figures(variant, real(report["cpus"]), path) for variant in report["variants"]}


def real(micro):
    """Real numbers are integers of a millionth in a report."""
    return micro / 1e6


def column(table, name, fallback=0):
    """A column of a table of a report, which leaves out columns that hold nothing but the fallback."""
    return table.get(name) or [fallback] * table["count"]


def latencies_ms(run, what):
    """Of every request, from the moment it was to start until its whole reply was there."""
    client = run["client"]
    if run["failure"] or client["count"] == 0:
        raise Void(f"{what}: {run['failure'] or 'no request was answered'}")
    for status, lost, error in zip(column(client, "status"), column(client, "failed_images"), column(client, "error")):
        if status != 200 or lost > 0:
            raise Void(f"{what}: a request failed (status {status}, {lost} images lost): {run['errors'][error]}")
    failed = [run["codes"][code] for code in column(run["items"], "code") if code != 0]
    if failed:
        raise Void(f"{what}: {len(failed)} images failed on the server, the first with {failed[0]}")
    return [(done - intended) / 1000 for done, intended in zip(column(client, "done_us"), column(client, "intended_us"))]


def variant_figures(variant, cpus, path):
    runs = variant["runs"]
    if not runs:
        raise Void(f"{variant['name']} was not run ({path})")
    totals = [ms for run in runs for ms in latencies_ms(run, f"{variant['name']}, repetition {run['repetition'] + 1} ({path})")]

    def whole(field):
        return sum(run[field] for run in runs)

    seconds = real(whole("seconds"))
    return Figures(images_per_s=whole("images_completed") / seconds, requests_per_s=whole("requests_completed") / seconds,
                   p50_ms=quantile(totals, 0.5), p95_ms=quantile(totals, 0.95),
                   cpu_ms_per_image=1000 * real(whole("server_cpu_seconds")) / whole("images_completed"),
                   load_cpu_share=real(whole("load_cpu_seconds")) / seconds / cpus, requests=len(totals))


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


def slowest_download_ms(latency, images_min, images_max, q):
    """The quantile q, over requests, of the longest of a request's download latencies: no server that downloads everything
    at once can have a lower quantile of its total. `latency`: as for photovec object-store, log-normal, or 0."""
    spec = re.fullmatch(r"p50=([\d.]+)(ms|s),p95=([\d.]+)(ms|s)", latency)
    if not spec:
        return 0.0
    p50, p95 = (float(number) * (1000 if unit == "s" else 1) for number, unit in (spec.group(1, 2), spec.group(3, 4)))
    normal = statistics.NormalDist()
    sigma = math.log(p95 / p50) / normal.inv_cdf(0.95)
    counts = range(images_min, images_max + 1)
    low, high = -10.0, 10.0  # in standard deviations of the logarithm
    for _ in range(60):
        z = (low + high) / 2
        if statistics.fmean(normal.cdf(z) ** count for count in counts) < q:
            low = z
        else:
            high = z
    return p50 * math.exp(sigma * high)


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


def summary(model, closed, opened, engines, download_p95_ms):
    """Markdown of one model's race. `closed`, `opened`: {name: Figures}; `download_p95_ms`: see slowest_download_ms."""
    lines = [f"## {model}", "",
             "| server | closed loop: img/s | p95 ms | CPU ms a photo | open loop: img/s | p50 ms | p95 ms |",
             "|---|---|---|---|---|---|---|"]
    for name in closed:
        c, o = closed[name], opened[name]
        lines.append(f"| {name} | {c.images_per_s:.1f} | {c.p95_ms:.0f} | {c.cpu_ms_per_image:.2f} | {o.images_per_s:.1f} | "
                     f"{o.p50_ms:.0f} | {o.p95_ms:.0f} |")
    rate = OPEN_LOOP_SHARE * closed[BASELINE].requests_per_s
    encode = ", ".join(f"photovec {precision} {rate:.1f}" for precision, rate in engines.photovec.items())
    lines += ["", f"* Open loop: Poisson, {rate:.2f} requests/s, {OPEN_LOOP_SHARE:.0%} of the baseline's closed-loop throughput.",
              f"* Encoding alone, img/s: PyTorch {engines.pytorch:.1f} ({engines.pytorch_how}), {encode}.",
              f"* libjpeg-turbo's full decode of a photo alone: {engines.libjpeg_ms:.2f} ms of CPU time.",
              f"* The load generator used at most {100 * max(f.load_cpu_share for f in (*closed.values(), *opened.values())):.1f}% "
              "of the machine.",
              f"* A request's slowest download alone has a p95 of {download_p95_ms:.0f} ms (the store's latencies, computed): no p95 goes below.", ""]
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
