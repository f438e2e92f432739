# SPDX-License-Identifier: MIT
"""Vectors of `photovec embed` against float32 transformers on the same pixels (docs/architecture.md).

The images are PNGs of the model's own size, so that decoding and resizing change nothing; what stands before the first
'-' of a name says which photo it was cut from. The same bounds must be broken when transformers is given a wrong GELU or
one layer less: else they would prove nothing. (fp8's are so wide that this is only reported.)
"""
import json
import pathlib

import numpy as np
import torch
from PIL import Image

from clip_reference import Normalize, load_model

BATCH = 32
# max abs error on unit vectors, least cosine, greatest error / median distance between different photos
BOUNDS = {"f32": {"max_abs": 1e-4}, "bf16": {"cosine": 0.9995, "share": 0.03}, "f16": {"cosine": 0.9995, "share": 0.03},
          "fp8": {"cosine": 0.995}}
MISTAKES_MUST_SHOW = {"f32", "bf16", "f16"}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def read_vectors(npy):
    """{file name: vector}: photovec's rows and the lines beside them."""
    rows = np.load(npy)
    lines = [json.loads(line) for line in npy.with_suffix(".jsonl").read_text().splitlines()]
    failed = [line["path"] for line in lines if line["row"] is None]
    if failed:
        raise SystemExit(f"parity: {len(failed)} images have no vector, {failed[0]} first")
    return {pathlib.Path(line["path"]).name: rows[line["row"]] for line in lines}


def read_pixels(paths, size):
    pixels = []
    for path in paths:
        with Image.open(path) as image:
            if image.size != (size, size):
                raise SystemExit(f"parity: {path.name} is {image.size[0]} x {image.size[1]}, the model takes {size} x {size}")
            pixels.append(np.asarray(image.convert("RGB")))
    return torch.from_numpy(np.stack(pixels))


def vectors_of(model, normalize, pixels, device):
    rows = [model(pixel_values=normalize(pixels[i : i + BATCH].to(device))).image_embeds.double().cpu().numpy()
            for i in range(0, len(pixels), BATCH)]
    return unit(np.concatenate(rows))


class Errors:
    """How far `found` is from `expected`, both [N, D] unit vectors, in the terms of the bounds."""

    def __init__(self, expected, found, median_distance):
        cosines = (expected * found).sum(1)
        self.figures = {"max_abs": float(np.abs(expected - found).max()), "cosine": float(cosines.min()),
                        "cosine_mean": float(cosines.mean()),
                        "share": float(np.linalg.norm(expected - found, axis=1).max() / median_distance)}

    def missed(self, precision):
        """The bounds that do not hold, in words. NaN holds none."""
        missed = []
        for name, bound in BOUNDS[precision].items():
            value = self.figures[name]
            if not (value >= bound if name == "cosine" else value <= bound):
                missed.append(f"{name} {value:.3g}, the bound is {bound:g}")
        return missed

    def __str__(self):
        figures = self.figures
        return (f"max abs {figures['max_abs']:.2e}, cosine min {figures['cosine']:.7f} mean {figures['cosine_mean']:.7f}, "
                f"max error/median distance {figures['share']:.4f}")


def median_distance_of(expected, names):
    origin = np.array([name.split("-")[0] for name in names])
    different = origin[:, None] != origin[None, :]
    if not different.any():
        raise SystemExit("parity: all images come from one photo; names must begin with the photo's, before a '-'")
    similarity = expected @ expected.T
    return float(np.median(np.sqrt(np.maximum(0, 2 - 2 * similarity[different])))), len(set(origin))


class QuickGelu(torch.nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


def mistakes(model):
    """Puts one deliberate mistake after the other into the model, and yields its name."""
    layers = model.vision_model.encoder.layers
    for block in layers:
        block.mlp.right_activation = block.mlp.activation_fn
    quick = model.config.hidden_act == "quick_gelu"
    wrong = torch.nn.GELU() if quick else QuickGelu()
    for block in layers:
        block.mlp.activation_fn = wrong
    yield "wrong GELU"
    for block in layers:
        block.mlp.activation_fn = block.mlp.right_activation
    model.vision_model.encoder.layers = layers[:-1]
    yield "one layer less"
    model.vision_model.encoder.layers = layers


class Judge:
    """Transformers' vectors of a folder of images, right and with each mistake."""

    def __init__(self, options, names):
        self.model, self.names = options.model.name, names
        device = torch.device(options.device)
        normalize = Normalize(options.model, torch.float32, device)
        model = load_model(options.model, torch.float32, device, "eager")
        pixels = read_pixels([options.images / name for name in names], normalize.size)
        self.expected = vectors_of(model, normalize, pixels, device)
        self.wrong = {mistake: vectors_of(model, normalize, pixels, device) for mistake in mistakes(model)}
        self.median, self.photos = median_distance_of(self.expected, names)

    def judge(self, precision, found):
        """Prints and returns the comparison of one precision's {name: vector}."""
        if sorted(found) != self.names:
            raise SystemExit(f"parity: {precision} has other images than the first precision")
        rows = unit(np.stack([found[name] for name in self.names]).astype(np.float64))
        errors = Errors(self.expected, rows, self.median)
        print(f"{self.model} {precision}: {errors}")
        report = {"precision": precision, "bounds": BOUNDS[precision], **errors.figures, "mistakes": {}}
        problems = errors.missed(precision)
        for mistake, expected in self.wrong.items():
            wrong = Errors(expected, rows, self.median)
            print(f"    with {mistake}: {wrong}")
            report["mistakes"][mistake] = wrong.figures
            if precision in MISTAKES_MUST_SHOW and not wrong.missed(precision):
                problems.append(f"{mistake} goes unseen")
        print(f"    {'MISSED: ' + '; '.join(problems) if problems else 'within the bounds'}", flush=True)
        return {**report, "missed": problems}


def compare(options):
    """0, or 1 when a bound is missed or a mistake goes unseen in one of the precisions."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    found = {precision: read_vectors(npy) for precision, npy in options.vectors.items()}
    judge = Judge(options, sorted(next(iter(found.values()))))
    print(f"{judge.model}: {len(judge.names)} images of {judge.photos} photos, median distance {judge.median:.3f}")
    report = {"model": judge.model, "images": len(judge.names), "photos": judge.photos, "median_distance": judge.median,
              "precisions": [judge.judge(precision, vectors) for precision, vectors in found.items()]}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if any(part["missed"] for part in report["precisions"]) else 0
