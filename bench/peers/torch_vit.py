#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch and HuggingFace transformers on the work of photovec's encoder, to race and to judge it.

    torch_vit.py MODEL [--batches 1,8,32,256] [--modes eager,compile] [--json FILE]
        fp16 (f32 on a CPU) with sdpa attention, from pinned u8 [B, S, S, 3]: copy to the GPU, normalise there, forward,
        copy the vectors back. "compile" is torch.compile(mode="reduce-overhead"), which replays CUDA graphs; "graph" is
        the eager model captured in one CUDA graph. Reported: a batch by itself (p50, p95) and images/s with two batches
        in flight, where the copies of one run beside the compute of the other. A mode that fails is reported, not fatal.

    torch_vit.py MODEL --parity IMAGES f32=VECTORS.npy f16=OTHERS.npy ... [--json FILE]
        compares vectors of `photovec embed` in these precisions (f32, bf16, f16, fp8) with float32 transformers on the
        same pixels: see torch_parity.py. Exit code 1 when a bound of docs/architecture.md is missed.

MODEL is a HuggingFace folder, such as `photovec init-model` makes.
"""
import argparse
import json
import pathlib
import sys
import time

import torch
import transformers

import torch_parity
from clip_reference import Encoder, attention_of

WARM_UP = 5
FEWEST_BATCHES = 20
LEAST_COSINE = 0.999  # between the modes, on random pixels


class Slot:
    """The buffers of one batch in flight."""

    def __init__(self, pixels, dim, device):
        cuda = device.type == "cuda"
        self.pixels = pixels.pin_memory() if cuda else pixels.clone()
        self.on_device = torch.empty_like(pixels, device=device)
        self.vectors = torch.empty(len(pixels), dim, pin_memory=cuda)
        self.copied, self.done = (torch.cuda.Event(), torch.cuda.Event()) if cuda else (None, None)


class Runner:
    """Batches through `forward`, on the current stream; pixels arrive on a stream of their own."""

    def __init__(self, forward, pixels, dim, device):
        self.forward, self.device = forward, device
        self.slots = [Slot(pixels, dim, device) for _ in range(2)]
        self.copies = torch.cuda.Stream() if device.type == "cuda" else None
        # CUDA graphs of torch.compile reuse their outputs unless told where an iteration begins.
        self.begin = getattr(getattr(torch, "compiler", None), "cudagraph_mark_step_begin", lambda: None)

    def start(self, slot):
        self.begin()
        if self.copies is None:
            slot.on_device.copy_(slot.pixels)
            slot.vectors.copy_(self.forward(slot.on_device))
            return
        with torch.cuda.stream(self.copies):
            slot.on_device.copy_(slot.pixels, non_blocking=True)
            slot.copied.record(self.copies)
        stream = torch.cuda.current_stream()
        stream.wait_event(slot.copied)
        slot.vectors.copy_(self.forward(slot.on_device), non_blocking=True)
        slot.done.record(stream)

    @staticmethod
    def wait(slot):
        if slot.done is not None:
            slot.done.synchronize()

    def alone(self, batches):
        """Seconds of each batch, from pixels to vectors on the host."""
        times = []
        for _ in range(batches):
            begin = time.perf_counter()
            self.start(self.slots[0])
            self.wait(self.slots[0])
            times.append(time.perf_counter() - begin)
        return times

    def loaded(self, batches):
        """Seconds for all of them, two in flight."""
        begin = time.perf_counter()
        for i in range(batches):
            slot = self.slots[i % 2]
            if i >= 2:
                self.wait(slot)
            self.start(slot)
        for slot in self.slots:
            self.wait(slot)
        return time.perf_counter() - begin


class Graph:
    """The eager model captured in one CUDA graph."""

    def __init__(self, encoder, pixels):
        self.input = pixels.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                encoder(self.input)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = encoder(self.input)

    def __call__(self, pixels):
        self.input.copy_(pixels)
        self.graph.replay()
        return self.output


def make_forward(mode, encoder, pixels):
    if mode == "eager":
        return encoder
    if mode == "graph":
        return Graph(encoder, pixels)
    torch._dynamo.utils.counters.clear()
    torch._dynamo.reset()  # each batch size for itself: no shape is made dynamic
    return torch.compile(encoder, mode="reduce-overhead", dynamic=False)


def graphs_refused(mode):
    """How often torch.compile went without CUDA graphs: then it is not the rival that it should be."""
    return torch._dynamo.utils.counters["inductor"]["cudagraph_skips"] if mode == "compile" else 0


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def measure(mode, encoder, batch, options, device):
    generator = torch.Generator().manual_seed(batch)
    pixels = torch.randint(0, 256, (batch, encoder.size, encoder.size, 3), dtype=torch.uint8, generator=generator)
    on_device = pixels.to(device)
    expected = encoder(on_device)
    begin = time.perf_counter()
    forward = make_forward(mode, encoder, on_device)
    runner = Runner(forward, pixels, expected.shape[1], device)
    runner.alone(WARM_UP)
    runner.loaded(WARM_UP)
    prepared = time.perf_counter() - begin
    for slot in runner.slots:  # verify before timing
        cosine = torch.nn.functional.cosine_similarity(slot.vectors, expected.float().cpu()).min().item()
        if not cosine >= LEAST_COSINE:
            raise RuntimeError(f"wrong vectors: cosine {cosine:.5f} with the eager model")
    once = quantile(runner.alone(FEWEST_BATCHES), 0.5)
    batches = max(FEWEST_BATCHES, min(2000, round(options.seconds / once)))
    alone = runner.alone(batches)
    rates = [batch * batches / runner.loaded(batches) for _ in range(3)]
    return {"mode": mode, "batch": batch, "batches": batches, "alone_p50_ms": 1e3 * quantile(alone, 0.5),
            "alone_p95_ms": 1e3 * quantile(alone, 0.95), "images_per_s": quantile(rates, 0.5), "prepared_s": prepared,
            "graphs_refused": graphs_refused(mode)}


def try_to_measure(mode, encoder, batch, options, device):
    try:
        return measure(mode, encoder, batch, options, device)
    except Exception as error:  # whatever a compiler throws: the other modes still count, and this one says why not
        return {"mode": mode, "batch": batch, "error": f"{type(error).__name__}: {str(error).strip()[:500]}"}


def describe(device, encoder, options):
    return {"model": options.model.name, "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
            "torch": torch.__version__, "transformers": transformers.__version__, "cuda": torch.version.cuda,
            "dtype": str(encoder.normalize.dtype).replace("torch.", ""), "attention": attention_of(encoder.model)}


def race(options, device):
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    encoder = Encoder(options.model, dtype, device)
    report = {**describe(device, encoder, options), "rows": []}
    print(", ".join(f"{key} {value}" for key, value in report.items() if key != "rows"), flush=True)
    print(f"{'mode':<8} {'batch':>5} {'alone p50 ms':>13} {'p95 ms':>9} {'images/s':>10} {'prepared s':>11}", flush=True)
    for mode in options.modes:
        for batch in options.batches:
            row = try_to_measure(mode, encoder, batch, options, device)
            report["rows"].append(row)
            if "error" in row:
                print(f"{mode:<8} {batch:>5} FAILED: {row['error'].splitlines()[0]}", flush=True)
            else:
                print(f"{mode:<8} {batch:>5} {row['alone_p50_ms']:13.3f} {row['alone_p95_ms']:9.3f} "
                      f"{row['images_per_s']:10.0f} {row['prepared_s']:11.1f}"
                      f"{'  without CUDA graphs' if row['graphs_refused'] else ''}", flush=True)
            if options.json:  # after each row: whoever stops us keeps what there is
                options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if any("error" not in row for row in report["rows"]) else 1


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--batches", default="1,8,32,256", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--modes", default="eager,compile", type=lambda text: text.split(","),
                        help="of eager, compile, graph (default eager,compile)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of the four measurements of a row")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="where the figures go")
    parser.add_argument("--parity", nargs="+", metavar=("IMAGES", "PRECISION=VECTORS.npy"))
    options = parser.parse_args()
    if options.parity:
        options.images, options.vectors = pathlib.Path(options.parity[0]), {}
        for text in options.parity[1:]:
            precision, _, npy = text.partition("=")
            if precision not in torch_parity.BOUNDS or not npy:
                parser.error(f"--parity {text}: must look like f16=VECTORS.npy, of {', '.join(torch_parity.BOUNDS)}")
            options.vectors[precision] = pathlib.Path(npy)
        if not options.vectors:
            parser.error("--parity needs vectors, such as f16=VECTORS.npy")
    if not set(options.modes) <= {"eager", "compile", "graph"}:
        parser.error(f"--modes {','.join(options.modes)}: there are eager, compile and graph")
    if any(batch < 1 for batch in options.batches):
        parser.error("--batches must be whole numbers from 1 on")
    return options


def main():
    options = parse()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch_vit: PyTorch finds no GPU here (--device cpu to try the script)")
    with torch.inference_mode():
        if options.parity:
            return torch_parity.compare(options)
        return race(options, torch.device(options.device))


if __name__ == "__main__":
    sys.exit(main())
