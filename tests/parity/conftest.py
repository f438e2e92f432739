# SPDX-License-Identifier: MIT
"""What the parity tests share: real photos, CLIP checkpoints made by transformers, the probes of the build folder."""
import functools
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import photos as photo_source

BUILD = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"])
PHOTOVEC = BUILD / "bin/photovec"
CROPS_PER_PHOTO = 6
JPEGS = 220
# What a family's vectors may differ by from transformers' (docs/models.md).
F32_MAX_ABS = 1e-4  # of a unit vector's components
BF16_COSINE = 0.9995
torch.set_grad_enabled(False)
transformers.logging.set_verbosity_error()


@pytest.fixture(scope="session")
def photos():
    """Paths of at least 30 distinct photographs."""
    return photo_source.originals()


@pytest.fixture(scope="session")
def jpegs():
    """A folder of JPEGs derived from the photographs, kept in the build folder for as long as photos.py stays the same."""
    version = hashlib.sha256(pathlib.Path(photo_source.__file__).read_bytes()).hexdigest()[:12]
    folder = BUILD / "parity-photos" / f"{JPEGS}-{version}"
    if not (folder / "copies.json").exists():  # written last
        photo_source.derive(JPEGS, folder, largest_mp=4.0)
    return folder


def cut_crops(paths):
    """CROPS_PER_PHOTO crops of each photograph; the first is the whole photo, the others are not."""
    images, origin, bits = [], [], []
    for number, path in enumerate(paths):
        with Image.open(path) as opened:
            bits.append(8 * path.stat().st_size / (opened.width * opened.height))
            opened.draft("RGB", (700, 700))  # large enough for every crop below, and fast
            photo = opened.convert("RGB")
        chance = random.Random(f"crop/{number}")
        for crop in range(CROPS_PER_PHOTO):
            images.append(photo_source.random_crop(photo, chance, whole=crop == 0))
            origin.append(number)
    print(f"\n{len(images)} crops of {len(paths)} photographs, {min(bits):.2f} to {max(bits):.2f} "
          f"(median {np.median(bits):.2f}) bits per pixel")
    return Crops(images, np.array(origin))


class Crops:
    """Crops of photographs: `images[i]` (PIL, RGB) comes from original number `origin[i]`."""

    def __init__(self, images, origin):
        self.images, self.origin = images, origin

    def each(self, step):
        """Every `step`-th of the crops."""
        return Crops(self.images[::step], self.origin[::step])

    @functools.cache
    def pixels(self, size, resample=Image.Resampling.BICUBIC, step=1):
        """model_pixels() of every `step`-th crop, made once for all tests."""
        return model_pixels(self.images[::step], size, resample)


@pytest.fixture(scope="session")
def crops(photos):
    made = cut_crops(photos)
    assert len(made.images) >= 200 and len(set(made.origin)) >= 30
    return made


def processor_for(size):
    """transformers' image processor of CLIP, the Pillow-based one."""
    return transformers.CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def model_pixels(images, size, resample=Image.Resampling.BICUBIC):
    """[N, S, S, 3] u8: what the processor makes of photos before it normalises."""
    processor = processor_for(size)
    out = processor(images, do_rescale=False, do_normalize=False, resample=resample, return_tensors="np")["pixel_values"]
    return np.ascontiguousarray(out.transpose(0, 2, 3, 1)).astype(np.uint8)


# --- Checkpoints ----------------------------------------------------------------------------------------------

def heavy_tailed(rng):
    """A source of Student-t values (4 degrees of freedom, unit variance), cheap enough for 90 million of them."""
    pool = torch.from_numpy((rng.standard_t(4, size=1 << 21) / np.sqrt(2)).astype(np.float32))

    def draw(shape, std=1.0, mean=0.0):
        count = int(np.prod(shape))
        start = int(rng.integers(len(pool)))
        repeats = (start + count) // len(pool) + 1
        return pool.repeat(repeats)[start : start + count].reshape(shape) * std + mean

    return draw


def plant(vision, seed):
    """Overwrites a CLIP vision tower with weights like trained ones: heavy tails, outlier channels, spread gains,
    mostly-off MLPs. transformers' own initialisation is so tame that a wrong GELU hardly shows."""
    rng = np.random.default_rng(seed)
    draw = heavy_tailed(rng)
    config = vision.config
    width, depth_gain = config.hidden_size, (12 / config.num_hidden_layers) ** 0.5
    outliers = torch.from_numpy(rng.choice(width, max(2, width // 200), replace=False))
    energy = 1.5  # of the outliers, over that of all other channels
    outlier, gain = (energy * width / len(outliers)) ** 0.5, (1 + energy) ** 0.5

    def norm(layer, mean):
        layer.weight.data = mean * torch.exp(0.3 * draw((width,)).clamp(-3, 3))
        layer.weight.data[outliers] *= 0.05
        layer.bias.data = draw((width,), 0.1)

    def linear(layer, std, bias_std=0.05, bias_mean=0.0):
        layer.weight.data = draw(tuple(layer.weight.shape), std / layer.weight.shape[1] ** 0.5)
        layer.bias.data = draw(tuple(layer.bias.shape), bias_std, bias_mean)

    embeddings = vision.embeddings
    filters = draw(tuple(embeddings.patch_embedding.weight.shape))
    edges = torch.arange(width) % 4 != 3  # three filters of four look at edges, the others at colour
    filters[edges] -= filters[edges].mean((2, 3), keepdim=True)
    filters *= torch.where(edges, 1.5, 0.3)[:, None, None, None] / filters.flatten(1).norm(dim=1)[:, None, None, None]
    embeddings.patch_embedding.weight.data = filters
    embeddings.class_embedding.data = draw((width,), 3e-3)
    positions = draw(tuple(embeddings.position_embedding.weight.shape), 0.2)
    positions[1:] -= positions[1:].mean(0)
    positions[0] *= 0.015
    embeddings.position_embedding.weight.data = positions
    norm(vision.pre_layrnorm, 1.0)
    vision.pre_layrnorm.weight.data[outliers] *= 20
    vision.pre_layrnorm.bias.data[outliers] += outlier
    for block in vision.encoder.layers:
        norm(block.layer_norm1, gain)
        linear(block.self_attn.q_proj, 0.7)
        linear(block.self_attn.k_proj, 0.7)
        linear(block.self_attn.v_proj, 1.0)
        linear(block.self_attn.out_proj, 0.5 * depth_gain)
        norm(block.layer_norm2, gain)
        linear(block.mlp.fc1, 0.8, 0.3, -1.5)
        linear(block.mlp.fc2, 1.6 * depth_gain)
        block.mlp.fc2.weight.data -= block.mlp.fc2.weight.data.mean(1, keepdim=True)
    norm(vision.post_layernorm, 1.0)


# Not narrower: below a width of about 150 so few products share the rounding that bf16 alone nears its bound.
SHAPES = {
    "b32": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072, patch_size=32),
    "tiny": dict(hidden_size=256, num_hidden_layers=3, num_attention_heads=4, intermediate_size=1024, patch_size=32),
    "tiny16": dict(hidden_size=240, num_hidden_layers=2, num_attention_heads=5, intermediate_size=600, patch_size=16),
    "tiny14-336": dict(hidden_size=192, num_hidden_layers=2, num_attention_heads=2, intermediate_size=768, patch_size=14,
                       image_size=336),
}


class Checkpoint:
    """A model directory, and transformers' own answer for it."""

    def __init__(self, folder, architecture, shape, activation, seed, dtype=torch.float32, shard=None, projection=48):
        self.folder, self.architecture = folder, getattr(transformers, architecture)
        vision = dict(SHAPES[shape], hidden_act=activation, projection_dim=projection)
        self.size = vision.get("image_size", 224)
        if architecture == "CLIPModel":
            text = dict(vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1)
            config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)
        else:
            config = transformers.CLIPVisionConfig(**vision)
        torch.manual_seed(seed)
        model = self.architecture(config)
        plant(model.vision_model, seed)
        model.to(dtype).save_pretrained(folder, safe_serialization=True, max_shard_size=shard or "10GB")
        assert bool(shard) == (folder / "model.safetensors.index.json").exists()
        processor_for(self.size).save_pretrained(folder)

    def reference(self, pixels, batch=16):
        """[N, D] unit vectors by transformers in f32, from [N, S, S, 3] u8 pixels."""
        model = self.architecture.from_pretrained(self.folder, torch_dtype=torch.float32).eval()
        processor = processor_for(self.size)
        rows = []
        for start in range(0, len(pixels), batch):
            values = processor(list(pixels[start : start + batch]), do_resize=False, do_center_crop=False, return_tensors="pt")
            if isinstance(model, transformers.CLIPModel):
                rows.append(model.get_image_features(**values))
            elif isinstance(model, transformers.CLIPVisionModelWithProjection):
                rows.append(model(**values).image_embeds)
            else:
                rows.append(model(**values).pooler_output)
        return unit(torch.cat(rows).numpy())

    def altered(self, name, **vision):
        """The same weights under another config.json: the ways to be wrong on purpose."""
        folder = self.folder.parent / f"{self.folder.name}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in self.folder.iterdir():
            (folder / file.name).symlink_to(file)
        config = json.loads((self.folder / "config.json").read_text())
        (config["vision_config"] if "vision_config" in config else config).update(vision)
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def wrong_gelu(self):
        config = json.loads((self.folder / "config.json").read_text())
        now = config.get("vision_config", config).get("hidden_act", "quick_gelu")
        return self.altered("wrong-gelu", hidden_act="gelu" if now == "quick_gelu" else "quick_gelu")

    def dropped_layer(self):
        config = json.loads((self.folder / "config.json").read_text())
        layers = config.get("vision_config", config).get("num_hidden_layers", 12)
        return self.altered("dropped-layer", num_hidden_layers=layers - 1)


@pytest.fixture
def make_checkpoint(tmp_path):
    """Makes checkpoints; a B/32 has 350 MB, so all go when the test ends."""
    made = []

    def make(name="model", **options):
        made.append(tmp_path / name)
        return Checkpoint(tmp_path / name, **options)

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


# --- Photovec -------------------------------------------------------------------------------------------------

def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Refused(Exception):
    """The probe ended with an error; the text is its message."""


def embed(folder, model, out, scaling):
    """{file name: unit vector} of the JPEGs by `photovec embed`."""
    subprocess.run([PHOTOVEC, "embed", folder, "-o", out, "--model", model, "--precision", "f32", "--jpeg-scaling", scaling],
                   check=True, capture_output=True)
    rows = np.load(out)
    lines = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    assert len(lines) == len(rows) == JPEGS
    assert not any(line.get("error") for line in lines)
    return {pathlib.Path(line["path"]).name: rows[line["row"]] for line in lines}


@pytest.fixture
def encode(tmp_path):
    """encode(folder, inputs, ...) -> [N, D] f32 as photovec makes it, not normalised; of [N, S, S, 3] u8 pixels, or of
    texts: lists of ids."""
    def run(folder, inputs, backend="cpu", precision="f32", streams=1, batch=8):
        source, result = tmp_path / "inputs", tmp_path / "vectors.f32"
        texts = isinstance(inputs, list)
        if texts:
            source.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in inputs))
        else:
            np.ascontiguousarray(inputs).tofile(source)
        command = [BUILD / "tests/parity/encode_probe", folder, backend, precision, streams, batch,
                   "texts" if texts else "images", source, result]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or f"exit code {done.returncode}")
        assert done.stdout.startswith(precision)
        return np.fromfile(result, np.float32).reshape(len(inputs), -1)

    return run


def bf16_or_refusal(encode, folder, pixels):
    """Vectors in bf16, or None where the CPU lacks the instructions and photovec says so."""
    flags = open("/proc/cpuinfo", encoding="utf-8").read()
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        return encode(folder, pixels, precision="bf16")
    with pytest.raises(Refused, match="bf16"):
        encode(folder, pixels[:1], precision="bf16")
    return None
