# SPDX-License-Identifier: MIT
"""Preprocessing against the software that defines it: Pillow and transformers bit for bit, OpenCV within one level.
What transformers 5 and open_clip themselves give for the same folders: bench/processors.

Runs tests/parity/preprocess_probe from PHOTOVEC_BUILD_DIR on crops of real photos: those of the shared `photos`
fixture, else the JPEGs below PHOTOVEC_PHOTOS, else noise with a photo's 1/f spectrum.
"""
import io
import json
import os
import pathlib
import random
import subprocess
import time

import cv2
import numpy as np
import pytest
import transformers
from PIL import Image, ImageOps
from transformers import CLIPImageProcessor

BILINEAR, BICUBIC, LANCZOS = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS
FILTERS = (BICUBIC, BILINEAR, LANCZOS)
ORIENTATION_TAG = 0x0112
SAMPLES = 240

# What the resize takes of a filter's second difference at a DCT scale: half the variance of a mean of that many photo
# pixels, in units of a scaled one; at 1/2 a quarter of it.
SHARPENING = {1: 0, 2: 1 / 128, 4: 5 / 128, 8: 21 / 512}

# (resize_short, crop): CLIP's sizes, DINOv2's 256/224, a crop larger than the photo, odd ones.
SIZES = [(224, 224), (224, 224), (336, 336), (256, 224), (224, 256), (97, 96), (50, 33), (17, 17)]


class Probe:
    """One preprocess_probe process that answers job after job."""

    def __init__(self, folder, *flags):
        binary = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"]) / "tests/parity/preprocess_probe"
        self.source, self.result = folder / "pixels.rgb", folder / "slot.rgb"
        self.micros = 0.0
        self.process = subprocess.Popen([binary, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, pixels, orientation=1, mode="shortest_edge", resample=BICUBIC, short=224, crop=224, full=None, scale=1):
        """The [crop, crop, 3] slot for stored pixels [H, W, 3]; `full` is the photo's (width, height) at scale 1."""
        width, height = full or (pixels.shape[1], pixels.shape[0])
        np.ascontiguousarray(pixels).tofile(self.source)
        self.process.stdin.write(f"{self.source} {width} {height} {scale} {orientation} {mode} {int(resample)} "
                                 f"{short} {crop} {self.result}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "preprocess_probe died"
        self.micros = float(answer)
        return np.fromfile(self.result, np.uint8).reshape(crop, crop, 3)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


@pytest.fixture
def probe(tmp_path):
    probe = Probe(tmp_path)
    yield probe
    probe.close()


@pytest.fixture
def wrong_probe(tmp_path):
    """Resizes with another filter than asked: what every comparison here must notice."""
    folder = tmp_path / "wrong"
    folder.mkdir()
    probe = Probe(folder, "--wrong=filter")
    yield probe
    probe.close()


def one_over_f(width, height, seed):
    """Noise with the amplitude spectrum of photographs: 1/f, fading near the pixel's limit as lenses make it."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(fx, fy)
    spectrum = np.exp(-((frequency / 0.25) ** 2)) / np.maximum(frequency, 1 / max(width, height))
    light, *tints = (np.fft.irfft2(spectrum * np.fft.rfft2(rng.standard_normal((height, width))), (height, width)) for _ in range(4))
    image = np.stack([light + 0.25 * tint for tint in tints], -1)  # channels of photos differ little
    return np.clip(128 + 55 * image / image.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def originals(request):
    """At least 30 distinct photos [H, W, 3]; sides up to 2,400 pixels."""
    try:
        paths = list(request.getfixturevalue("photos"))
    except pytest.FixtureLookupError:
        found = pathlib.Path(os.environ.get("PHOTOVEC_PHOTOS", "/nonexistent")).rglob("*.jpg")
        by_name = {str(path.parent.name) + path.stem: path for path in sorted(found)}
        paths = list(by_name.values())[:40]
    if len(paths) < 30:
        return [one_over_f(600 + 37 * i, 900 - 13 * i, i) for i in range(32)]
    images = []
    for path in paths[:40]:
        image = Image.open(path)
        image.draft("RGB", (2400, 2400))
        image = image.convert("RGB")
        left, top = max(0, image.width - 2400) // 2, max(0, image.height - 2400) // 2
        images.append(np.asarray(image.crop((left, top, left + min(2400, image.width), top + min(2400, image.height)))))
    return images


def has_detail(pixels):
    """Whether a resize can be told from another: some wallpapers are plain colours in places."""
    return np.abs(np.diff(pixels.astype(np.int16), axis=1)).mean() > 0.5 or min(pixels.shape[:2]) < 4


def random_crops(originals, count, seed, smallest=20):
    """(index, pixels) of `count` crops of random size and aspect, taking the originals in turn."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        photo = originals[made % len(originals)]
        for _ in range(20):
            sizes = [min(side, max(smallest, int(smallest * (side / smallest) ** chance.random()))) for side in photo.shape[:2]]
            top, left = (chance.randint(0, side - size) for side, size in zip(photo.shape[:2], sizes))
            pixels = photo[top : top + sizes[0], left : left + sizes[1]]
            if has_detail(pixels):
                break
        yield made, pixels
        made += 1


def exif_transposed(pixels, orientation):
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.getexif()[ORIENTATION_TAG] = orientation
    return ImageOps.exif_transpose(image)


def resized_size(width, height, short):
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)


def center_crop(pixels, size):
    """transformers' center_crop; an odd padding has its larger half first."""
    out = np.zeros((size, size, 3), np.uint8)
    height, width = pixels.shape[:2]
    top, left = (height - size) // 2, (width - size) // 2  # floor: negative means padding
    kept = pixels[max(top, 0) : max(top, 0) + size, max(left, 0) : max(left, 0) + size]
    out[max(-top, 0) :, max(-left, 0) :][: kept.shape[0], : kept.shape[1]] = kept
    return out


def kernel(resample, x):
    x = np.abs(x)
    if resample == BILINEAR:
        return np.maximum(1 - x, 0)
    if resample == BICUBIC:
        return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


def resampling_matrix(begin, end, in_size, out_size, resample, scale):
    """Pillow's 8-bit coefficients [out_size, in_size]; at a DCT scale 1/scale the blur of that scaling is undone."""
    step = (np.float64(np.float32(end)) - np.float32(begin)) / out_size
    stretch = max(step, 1)
    reach = {BILINEAR: 1, BICUBIC: 2, LANCZOS: 3}[resample] * stretch
    matrix = np.zeros((out_size, in_size))
    for out, row in enumerate(matrix):
        centre = np.float32(begin) + (out + 0.5) * step
        first, last = max(0, int(centre - reach + 0.5)), min(in_size, int(centre + reach + 0.5))
        weights = kernel(resample, (np.arange(first, last) - centre + 0.5) / stretch)
        weights -= SHARPENING[scale] * np.diff(weights, 2, prepend=0, append=0)
        row[first:last] = weights / weights.sum()
    return np.sign(matrix) * np.floor(np.abs(matrix) * 2**22 + 0.5)


def resampled(pixels, size, resample, box, scale):
    """Pillow's resize(size, resample, box) of [H, W, 3] in plain numpy, with the blur of DCT scaling undone."""
    height, width = pixels.shape[:2]
    wide = np.einsum("ow,hwc->hoc", resampling_matrix(box[0], box[2], width, size[0], resample, scale), pixels, optimize=True)
    wide = np.clip((wide + 2**21) // 2**22, 0, 255)
    tall = np.einsum("oh,hwc->owc", resampling_matrix(box[1], box[3], height, size[1], resample, scale), wide, optimize=True)
    return np.clip((tall + 2**21) // 2**22, 0, 255).astype(np.uint8)


def psnr(a, b):
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def clip_processor(image, resample, short, crop):
    processor = CLIPImageProcessor(size={"shortest_edge": short}, crop_size=crop, resample=resample,
                                   do_rescale=False, do_normalize=False)
    return processor(image, data_format="channels_last", input_data_format="channels_last")["pixel_values"][0]


def jobs(originals, count, seed, **bounds):
    for i, pixels in random_crops(originals, count, seed, **bounds):
        short, crop = SIZES[i % len(SIZES)]
        yield pixels, i % 8 + 1, FILTERS[i // 2 % 3], short, crop


def test_equals_transformers_bit_for_bit(originals, probe, wrong_probe):
    compared = noticed = 0
    covered = set()
    for pixels, orientation, resample, short, crop in jobs(originals, SAMPLES, seed=1):
        image = exif_transposed(pixels, orientation)
        # transformers 4.40 returns a crop that is one pixel short when it pads by an odd number.
        if any(side < crop and (crop - side) % 2 for side in resized_size(*image.size, short)):
            short = crop
        want = clip_processor(image, resample, short, crop)
        job = dict(orientation=orientation, resample=resample, short=short, crop=crop)
        got = probe.run(pixels, **job)
        assert got.shape == want.shape and want.dtype == np.uint8
        assert np.array_equal(got, want), f"{pixels.shape[1]}x{pixels.shape[0]} {job}: {np.abs(got.astype(int) - want).max()} levels"
        noticed += not np.array_equal(wrong_probe.run(pixels, **job), want)
        compared += 1
        covered.add((orientation, resample))
    assert compared >= 200 and len(covered) == 24
    assert noticed > 0.95 * compared, "a wrong filter would pass"


def longest_edge(image, size, resample):
    """open_clip's "longest": ResizeKeepRatio, then padded with black."""
    ratio = max(image.height / size, image.width / size)
    resized = image.resize((max(1, round(image.width / ratio)), max(1, round(image.height / ratio))), resample)
    out = Image.new("RGB", (size, size))
    out.paste(resized, ((size - resized.width) // 2, (size - resized.height) // 2))
    return np.asarray(out)


def shortest_edge(image, size):
    """open_clip's "shortest": torchvision's Resize and CenterCrop, of Pillow images."""
    resized = image.resize(resized_size(*image.size, size), BICUBIC)
    left, top = (int(round((side - size) / 2.0)) for side in resized.size)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def by_class(name):
    """What the installed transformers, whose processors use Pillow, make of the folder."""
    def run(image, folder):
        processor = getattr(transformers, name).from_pretrained(folder, do_rescale=False, do_normalize=False)
        return processor(image, data_format="channels_last", input_data_format="channels_last")["pixel_values"][0]
    return run


IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
DINOV2 = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, **IMAGENET}
DINOV3 = {"image_processor_type": "DINOv3ViTImageProcessorFast", "do_center_crop": None, "resample": 2, "size": {"height": 224, "width": 224}}


def siglip(size, **keys):
    return {"image_processor_type": "SiglipImageProcessor", "size": {"height": size, "width": size}, **keys}


def open_clip(size, **keys):
    return {"model_cfg": {"vision_cfg": {"image_size": size}}, "preprocess_cfg": keys}


# name: the file, what lies in it, and what it must give for a Pillow image.
PROCESSORS = {
    "siglip": ("preprocessor_config.json", siglip(224), by_class("SiglipImageProcessor")),
    "siglip-384": ("preprocessor_config.json", siglip(384, resample=3), by_class("SiglipImageProcessor")),
    "siglip2": ("preprocessor_config.json", siglip(256, resample=2), by_class("SiglipImageProcessor")),
    "siglip-transformers5": ("processor_config.json", {"image_processor": siglip(224, resample=2)},
                             lambda image, _: np.asarray(image.resize((224, 224), BILINEAR))),
    "clip-transformers5": ("processor_config.json", {"image_processor": {"image_processor_type": "CLIPImageProcessor"}},
                           lambda image, _: clip_processor(image, BICUBIC, 224, 224)),
    "dinov2": ("preprocessor_config.json", DINOV2, by_class("BitImageProcessor")),
    "dinov3-as-bytes": ("preprocessor_config.json", DINOV3, lambda image, _: np.asarray(image.resize((224, 224), BILINEAR))),
    "open_clip": ("open_clip_config.json", open_clip(223), lambda image, _: shortest_edge(image, 223)),
    "open_clip-longest": ("open_clip_config.json", open_clip(224, resize_mode="longest"),
                          lambda image, _: longest_edge(image, 224, BICUBIC)),
    "open_clip-siglip": ("open_clip_config.json", open_clip(224, resize_mode="squash", interpolation="bilinear"),
                         lambda image, _: np.asarray(image.resize((224, 224), BILINEAR))),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_processor_bit_for_bit(originals, probe, wrong_probe, tmp_path, name):
    file, config, expected = PROCESSORS[name]
    folder = tmp_path / name
    folder.mkdir()
    (folder / file).write_text(json.dumps(config))
    noticed = 0
    for i, pixels in random_crops(originals, 200, seed=5):
        orientation = i % 8 + 1
        want = expected(exif_transposed(pixels, orientation), folder)
        job = dict(orientation=orientation, mode=f"folder:{folder}", crop=want.shape[0])
        got = probe.run(pixels, **job)
        assert np.array_equal(got, want), f"{i}: {pixels.shape[1]}x{pixels.shape[0]} {np.abs(got.astype(int) - want).max()} levels"
        if i % 5 == 0:
            noticed += not np.array_equal(wrong_probe.run(pixels, **job), want)
    assert noticed > 35, "a wrong filter would pass"


def test_open_clip_and_transformers_crop_apart(originals, probe, tmp_path):
    """The two round an odd surplus in different ways; a test that cannot tell them would not mean anything."""
    (tmp_path / "open_clip_config.json").write_text(json.dumps(open_clip(223)))
    differ = 0
    for _, pixels in random_crops(originals, 60, seed=6):
        ours = probe.run(pixels, mode=f"folder:{tmp_path}", crop=223)
        differ += not np.array_equal(ours, probe.run(pixels, short=223, crop=223))
    assert differ > 5


def test_dinov3_is_within_a_level_of_floats(originals, probe, tmp_path):
    """transformers resizes DINOv3's photos as floats; here they are rounded to bytes between the passes and behind them."""
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(DINOV3))
    largest, means = 0.0, []
    for _, pixels in random_crops(originals, 40, seed=7):
        channels = [Image.fromarray(pixels[..., c].astype(np.float32)).resize((224, 224), BILINEAR) for c in range(3)]
        off = probe.run(pixels, mode=f"folder:{tmp_path}") - np.stack([np.asarray(channel) for channel in channels], -1)
        largest = max(largest, np.abs(off).max())
        means.append(off.mean())
    assert 0.4 < largest <= 1.0 + 1e-4
    assert np.abs(means).max() < 0.02, "a shift of all pixels would pass"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_its_absence_are_noticed(originals, probe, orientation):
    pixels = originals[0][:300, :401]
    want = clip_processor(exif_transposed(pixels, orientation), BICUBIC, 64, 64)
    for claimed in range(1, 9):
        assert np.array_equal(probe.run(pixels, orientation=claimed, short=64, crop=64), want) == (claimed == orientation)


@pytest.mark.parametrize("width,height", [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (3, 3), (2, 999), (1500, 3), (7, 5)])
def test_tiny_and_narrow_equal_pillow(originals, probe, width, height):
    pixels = np.ascontiguousarray(np.tile(originals[1], (2, 1, 1))[:height, :width])
    for orientation in range(1, 9):
        image = exif_transposed(pixels, orientation)
        for resample in FILTERS:
            resized = image.resize(resized_size(*image.size, 24), resample)
            for crop in (24, 16, 31):
                got = probe.run(pixels, orientation=orientation, resample=resample, short=24, crop=crop)
                assert np.array_equal(got, center_crop(np.asarray(resized), crop)), (orientation, resample, crop)


def test_scaled_source_has_a_fractional_box_and_loses_its_blur(originals, probe, wrong_probe):
    """DCT-scaled pixels: the box is full / scale, fractional, and the sizes come from the full photo. The blur of the
    scaling is undone, which Pillow cannot: a numpy resize does, and is Pillow's without it."""
    boxless_differs = wrong_differs = blurred_differs = 0
    for index, (full, orientation, resample, short, crop) in enumerate(jobs(originals, 96, seed=2, smallest=300)):
        scale = (2, 4, 8)[index % 3]
        height, width = full.shape[:2]
        pixels = full[: -(-height // scale), : -(-width // scale)]  # any pixels of that size will do
        image = exif_transposed(pixels, orientation)
        extent = (width / scale, height / scale)
        if orientation >= 5:
            extent, width, height = extent[::-1], height, width
        x0 = image.width - extent[0] if orientation in (2, 3, 6, 7) else 0
        y0 = image.height - extent[1] if orientation in (3, 4, 7, 8) else 0
        box = (x0, y0, x0 + extent[0], y0 + extent[1])
        size = resized_size(width, height, short)
        blurred = np.asarray(image.resize(size, resample, box=box))
        upright = np.asarray(image)
        assert np.array_equal(resampled(upright, size, resample, box, 1), blurred), (index, full.shape)
        want = center_crop(resampled(upright, size, resample, box, scale), crop)
        blurred_differs += not np.array_equal(center_crop(blurred, crop), want)
        job = dict(orientation=orientation, resample=resample, short=short, crop=crop, full=full.shape[1::-1], scale=scale)
        assert np.array_equal(probe.run(pixels, **job), want), (index, full.shape, job)
        wrong_differs += not np.array_equal(wrong_probe.run(pixels, **job), want)
        naive = center_crop(resampled(upright, size, resample, (0, 0, *image.size), scale), crop)
        boxless_differs += not np.array_equal(naive, want)
    assert boxless_differs > 48, "whole-pixel boxes would pass"
    assert blurred_differs > 48, "a resize that leaves the blur would pass"
    assert wrong_differs > 90, "a wrong filter would pass"


def test_fast_scaling_stays_close_to_exact(originals, probe, capsys):
    """libjpeg's scaled decode through the fractional box: at least 45 dB of the full decode, where it applies."""
    decibels, naive_decibels, bits, total = [], [], 0, 0
    for i, photo in random_crops(originals, 120, seed=3, smallest=450):
        height, width = photo.shape[:2]
        crop = (224, 96)[i % 2]
        need = resized_size(width, height, crop)
        scale = next((d for d in (8, 4, 2) if width >= 2 * d * need[0] and height >= 2 * d * need[1]), 1)
        if scale == 1:
            continue
        data = io.BytesIO()
        Image.fromarray(photo).save(data, "JPEG", quality=88)
        bits, total = bits + 8 * data.tell(), total + width * height
        exact = probe.run(np.asarray(Image.open(data)), short=crop, crop=crop)
        scaled = Image.open(data)
        scaled.draft("RGB", (width // scale, height // scale))
        scaled = np.asarray(scaled)
        assert scaled.shape[:2] == (-(-height // scale), -(-width // scale))
        decibels.append(psnr(probe.run(scaled, short=crop, crop=crop, full=(width, height), scale=scale), exact))
        naive_decibels.append(psnr(probe.run(scaled, short=crop, crop=crop), exact))
    assert len(decibels) >= 30
    with capsys.disabled():
        print(f"\nfast against exact, {len(decibels)} crops at {bits / total:.2f} bits per pixel: PSNR min {min(decibels):.1f}, "
              f"median {np.median(decibels):.1f} dB; without the fractional box min {min(naive_decibels):.1f} dB")
    assert min(decibels) >= 45
    assert min(naive_decibels) < 45, "the fractional box would not be missed"


def test_squash_equals_opencv_within_one_level(originals, probe, wrong_probe):
    compared = noticed = differing = values = 0
    for i, pixels in random_crops(originals, SAMPLES, seed=4, smallest=2):
        orientation, crop = i % 8 + 1, (224, 224, 64, 336, 33)[i % 5]
        seen = np.ascontiguousarray(np.asarray(exif_transposed(pixels, orientation)))
        want = cv2.resize(seen, (crop, crop), interpolation=cv2.INTER_CUBIC)
        got = probe.run(pixels, orientation=orientation, mode="squash", crop=crop)
        off = np.abs(got.astype(int) - want)
        assert off.max() <= 1, (i, pixels.shape, crop, off.max())
        differing, values, compared = differing + np.count_nonzero(off), values + off.size, compared + 1
        wrong = wrong_probe.run(pixels, orientation=orientation, mode="squash", crop=crop)
        noticed += np.abs(wrong.astype(int) - want).max() > 1
    assert compared >= 200
    assert noticed > 0.9 * compared, "an antialiased resize would pass"
    assert differing < values / 1000


def test_faster_than_pillow(originals, tmp_path, capsys):
    """Best of several runs of each, in turn, on one core; the floor is far below what a quiet machine gives."""
    lines = []
    timed = Probe(tmp_path, "--repeat=5")
    for width, height in [(1632, 1224), (816, 612)]:
        pixels = np.ascontiguousarray(np.tile(originals[2], (3, 3, 1))[:height, :width])
        image = Image.fromarray(pixels)
        ours, theirs = [], []
        for _ in range(7):
            timed.run(pixels)
            ours.append(timed.micros / 1000)
            start = time.perf_counter()
            image.resize(resized_size(width, height, 224), BICUBIC)
            theirs.append((time.perf_counter() - start) * 1000)
        lines.append(f"{width}x{height} to 224: {min(ours):.2f} ms, Pillow {min(theirs):.2f} ms, ratio {min(theirs) / min(ours):.1f}")
        assert min(theirs) > 3 * min(ours), lines[-1]
    timed.close()
    with capsys.disabled():
        print("\n" + "\n".join(lines))
