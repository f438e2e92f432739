# SPDX-License-Identifier: MIT
"""Every family against transformers, timm and open_clip of today, live: `scripts/test --parity`.

Models of full shape on crops of photographs, whole files through the real processors, and checkpoints as those
libraries save them. Weights are drawn (drawn.py): heavy tails, outlier channels, spread gains.
"""
import json
import os
import shutil

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
import transformers
from open_clip.push_to_hf_hub import save_config_for_hf
from PIL import Image

from checkpoints import BARE_SIGLIP, FAMILIES, SIGLIP2_IDS, SIGLIP_IDS, clip, dino2, dino3, open_clip as open_clip_family, siglip
from conftest import BF16_COSINE, F32_MAX_ABS, JPEGS, bf16_or_refusal, embed, unit
from oracle import ORACLES

# Of a processor that rounds nothing between its resize and the model (DINOv3's), while photovec's pixels are bytes.
FLOAT_RESIZE_COSINE = 0.9999
BF16_SHARE = 0.03  # of the median distance between different photos
BASE, LARGE = (768, 12, 12, 3072), (1024, 16, 24, 4096)

FULL_SHAPES = {
    "clip-b32": clip(BASE, (512, 8, 12, 2048), 32, 224, 512, vocabulary=49408, seed=21),
    "siglip-b16": siglip(BARE_SIGLIP, BARE_SIGLIP, dict(SIGLIP_IDS, vocabulary=32000), seed=22),
    "dinov2-b14": dino2(768, 12, 12, seed=23),
}
LARGER_SHAPES = {
    "clip-l14": clip(LARGE, (768, 12, 12, 3072), 14, 224, 768, vocabulary=49408, seed=24),
    "siglip2-so400m14-384": siglip((1152, 16, 27, 4304), (1152, 16, 27, 4304), dict(SIGLIP2_IDS, vocabulary=256000),
                                   dict(patch_size=14, image_size=384), resample=2, seed=25),
    "dinov2-l14-registers": dino2(1024, 16, 24, registers=4, seed=26),
    "dinov3-l16": dino3(LARGE, seed=27),
    "open_clip-h14": open_clip_family((1280, 80, 32, 14), (1024, 16, 24), 1024, dict(image_size=224), seed=28),
}
CHOSEN = FULL_SHAPES | (LARGER_SHAPES if os.environ.get("PHOTOVEC_PARITY_FULL") else {})
PHOTOS_OF_LARGER = 8


def processor_of(folder, backend):
    """What makes [N, 3, S, S] f32 of PIL images for the folder's model."""
    if (folder / "open_clip_config.json").exists():
        made = open_clip.create_model_and_transforms(f"local-dir:{folder}")[2]
        return lambda images: np.stack([made(image).numpy() for image in images])
    made = transformers.AutoImageProcessor.from_pretrained(folder, backend=backend)
    return lambda images: made(images, return_tensors="np")["pixel_values"]


def as_bytes(values, family):
    """[N, S, S, 3] u8, the pixels that the normalised [N, 3, S, S] were."""
    said = family.processor or {f"image_{key}": value for key, value in family.config["preprocess_cfg"].items()}
    mean, std = (np.array(said[key], np.float32)[:, None, None] for key in ("image_mean", "image_std"))
    levels = np.rint((values * std + mean) * 255).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def median_distance(rows, origin):
    similarity = rows @ rows.T
    different = similarity[origin[:, None] != origin[None, :]]
    return float(np.median(np.sqrt(np.maximum(0, 2 - 2 * different))))


def report(label, rows, expected):
    rows = unit(rows)
    worst, cosine = float(np.abs(rows - expected).max()), float((rows * expected).sum(1).min())
    print(f"\n  {label:<44} max abs {worst:.1e}, min cosine {cosine:.6f}", end="", flush=True)
    return worst, cosine


@pytest.fixture
def checkpoint(tmp_path):
    """Builds a family's folder, which goes when the test ends: some have 4 GB."""
    made = []

    def build(family, name="model"):
        made.append(family.build(tmp_path / name))
        return made[-1]

    yield build
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def photos_for(name, crops):
    if name in LARGER_SHAPES:
        return crops.each(len(crops.images) // PHOTOS_OF_LARGER)
    return crops if name == "clip-b32" else crops.each(3)


@pytest.mark.parametrize("name", CHOSEN)
def test_full_shapes(name, checkpoint, crops, encode):
    family, some = CHOSEN[name], photos_for(name, crops)
    folder = checkpoint(family)
    prepare, images = processor_of(folder, "pil"), some.images
    pixels = np.concatenate([as_bytes(prepare(images[i : i + 32]), family) for i in range(0, len(images), 32)])
    oracle = ORACLES[family.kind](folder)
    expected, words = oracle.images(pixels), oracle.texts(family.ids()) if family.text else None
    del oracle  # its weights
    print(f"\n  {name}: {len(pixels)} crops, median distance {median_distance(expected, some.origin):.2f}", end="")
    for tower, given, right in [("image", pixels, expected), ("text", family.ids(), words)]:
        if right is None:
            continue
        assert report(f"{name} {tower} f32", encode(folder, given), right)[0] <= F32_MAX_ABS, tower
        rows = bf16_or_refusal(encode, folder, given)
        if rows is None:
            continue
        assert report(f"{name} {tower} bf16", rows, right)[1] >= BF16_COSINE, tower
        if tower == "image":
            share = np.linalg.norm(unit(rows) - right, axis=1).max() / median_distance(right, some.origin)
            print(f", {share:.2%} of the median distance", end="")
            assert share <= BF16_SHARE


WHOLE_WAY = ["clip", "siglip", "siglip-so400m", "siglip2", "dinov2", "dinov2-registers", "dinov3", "open_clip-h14",
             "open_clip-g14"]


@pytest.mark.parametrize("name", WHOLE_WAY)
def test_files_to_vectors(name, checkpoint, jpegs, tmp_path):
    """220 JPEGs through `photovec embed` and through the real processor and model."""
    family = FAMILIES[name]
    folder = checkpoint(family)
    found = embed(jpegs, folder, tmp_path / "found.npy", "exact")
    paths = sorted(jpegs.glob("*.jpg"))
    assert len(paths) == JPEGS
    rows = np.stack([found[path.name] for path in paths])
    images = []
    for path in paths:
        with Image.open(path) as image:
            images.append(image.convert("RGB"))
    oracle, answers = ORACLES[family.kind](folder), {}
    for backend in ["pil"] if family.kind == "open_clip" else ["pil", "torchvision"]:
        prepare = processor_of(folder, backend)
        values = [prepare(images[i : i + 32]) for i in range(0, len(images), 32)]
        answers[backend] = oracle.images_of_values(torch.from_numpy(np.concatenate(values)))
    worst, cosine = report(f"{name}, files, Pillow's resize", rows, answers["pil"])
    if "torchvision" in answers:
        report(f"{name}, files, torchvision's resize", rows, answers["torchvision"])
    if name.startswith("dinov3"):  # has no other backend, and resizes floats
        assert cosine >= FLOAT_RESIZE_COSINE
    else:
        assert worst <= F32_MAX_ABS


SAVED = ["clip", "clip-gelu", "siglip", "siglip2", "dinov2", "dinov2-registers", "dinov2-giant", "dinov3", "dinov3-gated"]


@pytest.mark.parametrize("original", [True, False], ids=["original names", "new names"])
@pytest.mark.parametrize("name", SAVED)
def test_saved_by_transformers(name, original, checkpoint, encode, tmp_path):
    """The folders that save_pretrained writes give the same bits, in both generations of names, in shards too."""
    family = FAMILIES[name]
    folder = checkpoint(family)
    oracle = ORACLES[family.kind](folder)
    wanted = {tower: encode(folder, given) for tower, given in given_of(family)}
    for shards in ["10GB", "1MB"]:
        saved = tmp_path / f"saved-{shards}"
        oracle.model.save_pretrained(saved, save_original_format=original, max_shard_size=shards)
        assert (saved / "model.safetensors.index.json").exists() == (shards == "1MB")
        transformers.AutoImageProcessor.from_pretrained(folder).save_pretrained(saved)
        for tower, given in given_of(family):
            assert np.array_equal(encode(saved, given), wanted[tower]), (tower, shards)


def given_of(family):
    return [("image", family.pixels())] + ([("text", family.ids())] if family.text else [])


@pytest.mark.parametrize("name", ["open_clip-h14", "open_clip-g14", "open_clip-bigG14"])
def test_saved_by_open_clip(name, checkpoint, encode, tmp_path):
    family = FAMILIES[name]
    folder = checkpoint(family)
    saved = tmp_path / "saved"
    saved.mkdir()
    model = ORACLES["open_clip"](folder).model
    safetensors.torch.save_file(model.state_dict(), saved / "open_clip_model.safetensors")
    save_config_for_hf(model, saved / "open_clip_config.json", family.config["model_cfg"])
    for tower, given in given_of(family):
        assert np.array_equal(encode(saved, given), encode(folder, given)), tower


@pytest.mark.parametrize("name", ["clip", "siglip", "dinov2", "dinov3"])
def test_processor_config_alone(name, checkpoint, encode):
    """What AutoProcessor of transformers 5 writes: processor_config.json and no preprocessor_config.json."""
    family = FAMILIES[name]
    folder = checkpoint(family)
    wanted = encode(folder, family.pixels())
    processor = transformers.AutoImageProcessor.from_pretrained(folder).to_dict()
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": processor}))
    assert np.array_equal(encode(folder, family.pixels()), wanted)
