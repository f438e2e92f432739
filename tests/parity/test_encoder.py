# SPDX-License-Identifier: MIT
"""Vectors against HuggingFace transformers on the same checkpoints and the same pixels (docs/architecture.md).

Every comparison is also made with a wrong GELU, a wrong resize and a dropped layer, and must fail then.
"""
import subprocess

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from conftest import BF16_COSINE, BUILD, F32_MAX_ABS, bf16_or_refusal, model_pixels, processor_for, unit

BF16_SHARE = 0.03  # of the median distance between different photos

TINY = [
    dict(architecture="CLIPModel", shape="tiny", activation="quick_gelu", seed=1),
    dict(architecture="CLIPModel", shape="tiny", activation="gelu", seed=2, dtype=torch.bfloat16),
    dict(architecture="CLIPVisionModel", shape="tiny", activation="gelu", seed=3),
    dict(architecture="CLIPVisionModelWithProjection", shape="tiny16", activation="gelu", seed=4, dtype=torch.float16),
    dict(architecture="CLIPVisionModelWithProjection", shape="tiny16", activation="quick_gelu", seed=5, shard="1MB"),
    dict(architecture="CLIPVisionModel", shape="tiny14-336", activation="quick_gelu", seed=6),
    dict(architecture="CLIPModel", shape="tiny", activation="gelu_new", seed=7),
]


def name_of(options):
    return "-".join(str(value).replace("torch.", "") for key, value in options.items() if key != "seed")


class Comparison:
    """How far vectors are from transformers', in the terms of the bounds."""

    def __init__(self, expected, origin):
        self.expected = expected
        similarity = expected @ expected.T
        self.different = similarity[origin[:, None] != origin[None, :]]
        self.median_distance = float(np.median(np.sqrt(np.maximum(0, 2 - 2 * self.different))))

    def measure(self, label, rows, subset=slice(None)):
        expected, found = self.expected[subset], unit(rows)
        self.max_abs = float(np.abs(found - expected).max())
        self.cosine = float((found * expected).sum(1).min())
        self.share = float(np.linalg.norm(found - expected, axis=1).max() / self.median_distance)
        print(f"  {label:<22} max abs {self.max_abs:.2e}  min cosine {self.cosine:.6f}  max error/median {self.share:.4f}")
        return self

    def f32_holds(self):
        return self.max_abs <= F32_MAX_ABS

    def bf16_holds(self):
        return self.cosine >= BF16_COSINE and self.share <= BF16_SHARE

    def describe(self):
        low, q1, median, q3, high = np.quantile(self.different, [0.01, 0.25, 0.5, 0.75, 0.99])
        print(f"\n  cosines of different photos: 1% {low:.3f}, quartiles {q1:.3f} {median:.3f} {q3:.3f}, 99% {high:.3f}; "
              f"median distance {self.median_distance:.3f}")


def check_all(checkpoint, crops, encode, wrong_step):
    """The bounds on all crops, and that each deliberate mistake is outside of them on every `wrong_step`-th."""
    pixels = crops.pixels(checkpoint.size)
    comparison = Comparison(checkpoint.reference(pixels), crops.origin)
    comparison.describe()
    some = slice(0, None, wrong_step)
    wrong_resize = crops.pixels(checkpoint.size, Image.Resampling.BILINEAR, wrong_step)
    mistakes = {
        "wrong GELU": (checkpoint.wrong_gelu(), pixels[some]),
        "dropped layer": (checkpoint.dropped_layer(), pixels[some]),
        "wrong resize": (checkpoint.folder, wrong_resize),
    }
    f32 = encode(checkpoint.folder, pixels)
    assert comparison.measure("f32", f32).f32_holds()
    for mistake, (folder, wrong_pixels) in mistakes.items():
        assert not comparison.measure("f32, " + mistake, encode(folder, wrong_pixels), some).f32_holds(), mistake

    bf16 = bf16_or_refusal(encode, checkpoint.folder, pixels)
    if bf16 is None:
        return
    assert comparison.measure("bf16", bf16).bf16_holds()
    for mistake, (folder, wrong_pixels) in mistakes.items():
        wrong = encode(folder, wrong_pixels, precision="bf16")
        assert not comparison.measure("bf16, " + mistake, wrong, some).bf16_holds(), mistake


@pytest.mark.parametrize("options", TINY, ids=name_of)
def test_tiny_shapes(make_checkpoint, crops, encode, options):
    check_all(make_checkpoint(**options), crops, encode, wrong_step=3)


def test_vit_b32_quick_gelu(make_checkpoint, crops, encode):
    checkpoint = make_checkpoint(architecture="CLIPModel", shape="b32", activation="quick_gelu", seed=11, projection=512)
    check_all(checkpoint, crops, encode, wrong_step=6)


def test_vit_b32_gelu(make_checkpoint, crops, encode):
    checkpoint = make_checkpoint(architecture="CLIPVisionModelWithProjection", shape="b32", activation="gelu", seed=12,
                                 projection=512)
    # One crop of each photograph: the arithmetic is that of the test above.
    check_all(checkpoint, crops.each(6), encode, wrong_step=3)


def test_reference_backend_agrees(make_checkpoint, crops, encode):
    checkpoint = make_checkpoint(**TINY[0])
    some = crops.each(20)
    pixels = some.pixels(checkpoint.size)
    comparison = Comparison(checkpoint.reference(pixels), some.origin)
    assert comparison.measure("reference", encode(checkpoint.folder, pixels, backend="reference")).max_abs <= 1e-5


def test_neighbours_never_change_a_vector(make_checkpoint, crops, encode):
    checkpoint = make_checkpoint(**TINY[4])
    pixels = crops.pixels(checkpoint.size)[:61]
    order = np.random.default_rng(1).permutation(len(pixels))
    for precision in ["f32"] if bf16_or_refusal(encode, checkpoint.folder, pixels[:1]) is None else ["f32", "bf16"]:
        alone = encode(checkpoint.folder, pixels, precision=precision, batch=1)
        for streams, batch in [(1, 8), (1, 32), (2, 1), (2, 8)]:
            found = encode(checkpoint.folder, pixels, precision=precision, streams=streams, batch=batch)
            assert np.array_equal(found.view(np.uint32), alone.view(np.uint32)), (precision, streams, batch)
            shuffled = encode(checkpoint.folder, pixels[order], precision=precision, streams=streams, batch=batch)
            assert np.array_equal(shuffled.view(np.uint32), alone[order].view(np.uint32)), (precision, streams, batch)


def test_init_model_is_a_model_for_transformers(tmp_path, crops, encode):
    folder = tmp_path / "tiny"
    for dtype, bound in [("f32", F32_MAX_ABS), ("bf16", F32_MAX_ABS), ("f16", F32_MAX_ABS)]:
        subprocess.run([BUILD / "bin/photovec", "init-model", "tiny", folder, "--seed", "7", "--dtype", dtype, "--force"],
                       check=True, capture_output=True)
        model, report = transformers.CLIPVisionModelWithProjection.from_pretrained(
            folder, torch_dtype=torch.float32, output_loading_info=True)
        assert not any(report.values()), report
        processor = transformers.CLIPImageProcessor.from_pretrained(folder)
        assert processor.to_dict() == {**processor_for(224).to_dict(), **processor.to_dict()}
        pixels = crops.pixels(224)
        values = processor(list(pixels), do_resize=False, do_center_crop=False, return_tensors="pt")
        comparison = Comparison(unit(model(**values).image_embeds.numpy()), crops.origin)
        assert comparison.measure(f"init-model {dtype}", encode(folder, pixels)).max_abs <= bound
    comparison.describe()
    # Random weights must still tell photos apart, and know a smaller copy again.
    assert np.quantile(comparison.different, 0.99) < 0.99 and np.median(comparison.different) < 0.8
    smaller = [image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.BICUBIC) for image in crops.images]
    copies = unit(encode(folder, model_pixels(smaller, 224)))
    nearest = (copies @ comparison.expected.T).argmax(1)
    first = float((nearest == np.arange(len(copies))).mean())
    print(f"  copies at two thirds of the size whose nearest neighbour is their original: {first:.1%}")
    assert first >= 0.99
