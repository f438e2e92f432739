# SPDX-License-Identifier: MIT
"""The whole way, JPEG to vector, through `photovec embed`: exact scaling against Pillow and transformers, fast
scaling against exact. On 220 JPEGs derived from the photographs (photos.py)."""
import subprocess

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from conftest import BUILD, F32_MAX_ABS, JPEGS, PHOTOVEC, embed, unit

FAST_MIN_COSINE = 0.99
FAST_MIN_PSNR = 45


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    subprocess.run([PHOTOVEC, "init-model", "tiny", folder, "--seed", "7"], check=True, capture_output=True)
    return folder


def slots(mode, paths, side=224):
    """[N, side, side, 3]: the model's input as photovec decodes it, `mode` being "model" (exact) or "fast"."""
    out = subprocess.run([BUILD / "tests/parity/decode_probe", mode, str(side), *paths], check=True, capture_output=True).stdout
    size, found = side * side * 3, []
    while out:
        head, out = out.split(b"\n", 1)
        assert head.startswith(b"ok "), head
        found.append(np.frombuffer(out[:size], np.uint8).reshape(side, side, 3))
        out = out[size:]
    return found


def by_transformers(paths, model_dir, resample=Image.Resampling.BICUBIC):
    processor = transformers.CLIPImageProcessor.from_pretrained(model_dir)
    model = transformers.CLIPVisionModelWithProjection.from_pretrained(model_dir).eval()
    rows = []
    for path in paths:
        with Image.open(path) as image:
            rows.append(processor(image.convert("RGB"), resample=resample, return_tensors="pt")["pixel_values"])
    with torch.no_grad():
        return unit(np.concatenate([model(pixel_values=torch.cat(rows[i : i + 32])).image_embeds.numpy() for i in range(0, len(rows), 32)]))


def test_exact_scaling_equals_transformers(jpegs, model, tmp_path):
    found = embed(jpegs, model, tmp_path / "exact.npy", "exact")
    paths = sorted(jpegs.glob("*.jpg"))
    expected = by_transformers(paths, model)
    error = np.abs(expected - np.stack([found[path.name] for path in paths])).max(axis=1)
    print(f"\n  embed, exact: max abs error over {len(paths)} JPEGs {error.max():.1e}")
    assert error.max() <= F32_MAX_ABS
    some = paths[::8]
    wrong = by_transformers(some, model, Image.Resampling.BILINEAR)
    error = np.abs(wrong - np.stack([found[path.name] for path in some])).max(axis=1)
    print(f"  and with bilinear pixels {error.max():.1e}")
    assert error.max() > F32_MAX_ABS


def test_fast_scaling_stays_close(jpegs, model, tmp_path):
    exact = embed(jpegs, model, tmp_path / "exact.npy", "exact")
    fast = embed(jpegs, model, tmp_path / "fast.npy", "fast")
    scaled = [name for name in sorted(exact) if not np.array_equal(exact[name], fast[name])]
    cosines = [float(exact[name].astype(np.float64) @ fast[name]) for name in scaled]
    low, p1, median = np.quantile(cosines, [0, 0.01, 0.5])
    print(f"\n  fast against exact, cosines of {len(scaled)} scaled of {JPEGS} JPEGs: min {low:.6f}, 1% {p1:.6f}, median {median:.7f}")
    assert low >= FAST_MIN_COSINE
    assert len(scaled) >= JPEGS / 4, "fast scaling was hardly ever used"


def test_fast_pixels_stay_close(jpegs):
    paths = []
    for path in sorted(jpegs.glob("*.jpg")):
        with Image.open(path) as image:
            if min(image.size) >= 2 * 224:
                paths.append(path)
    assert len(paths) >= 150
    levels = []
    for exact, fast in zip(slots("model", paths), slots("fast", paths)):
        error = np.mean((exact.astype(np.float64) - fast) ** 2)
        levels.append(10 * np.log10(255**2 / error) if error > 0 else 99.0)
    scaled = [level for level in levels if level < 99]
    print(f"\n  fast against exact, PSNR of {len(scaled)} scaled of {len(levels)} JPEGs: min {min(scaled):.1f}, "
          f"1% {np.quantile(scaled, 0.01):.1f}, median {np.median(scaled):.1f} dB")
    assert len(scaled) >= len(levels) / 3
    assert min(levels) >= FAST_MIN_PSNR, paths[int(np.argmin(levels))]
