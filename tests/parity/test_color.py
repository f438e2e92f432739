# SPDX-License-Identifier: MIT
"""--color=srgb equals Pillow's ImageCms.profileToProfile with its defaults, within one level.

Profiles come from lcms2 at test time (icc_probe). What Pillow would fail on is ignored here: those images equal
Pillow's without any conversion.
"""
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from test_decode import BUILD, photo, run_probe, saved

sys.path.append(str(pathlib.Path(__file__).parent.parent / "integration"))
import heif_files  # noqa: E402 - after sys.path

ICC_PROBE = BUILD / "tests" / "parity" / "icc_probe"


def profile(name):
    return subprocess.run([ICC_PROBE, name], check=True, capture_output=True).stdout


def ours(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    return run_probe("srgb", path)[0].astype(int)


def pillow(data, mode="RGB"):
    """The image through the profile that it carries."""
    image = Image.open(io.BytesIO(data))
    source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image.convert(mode), source, target, outputMode="RGB")).astype(int)


def plain(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def colours(width, height, seed=0):
    """A photo, and beside it random colours of the whole cube."""
    rng = np.random.default_rng(seed)
    random = rng.integers(0, 256, (height, width // 2, 3), dtype=np.uint8)
    return Image.fromarray(np.hstack([photo(width - width // 2, height, seed), random]))


@pytest.mark.parametrize("name", ["p3", "adobe", "prophoto", "table"])
@pytest.mark.parametrize("form,options", [
    ("JPEG", {"quality": 90}), ("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 80})])
def test_wide_gamut(tmp_path, name, form, options):
    data = saved(colours(160, 120), format=form, icc_profile=profile(name), **options)
    got, want = ours(tmp_path, data), pillow(data)
    assert np.abs(got - want).max() <= 1
    assert np.abs(got - plain(data)).mean() > 2  # and it did something


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_heif(tmp_path, kind):
    """Against the profile's conversion of the pixels that libheif's own tool gives."""
    image = Image.fromarray(photo(160, 120))
    image.info["icc_profile"] = profile("p3")
    data = heif_files.encode_heif(image, kind, "-q", "90", "-p", "chroma=444")  # which nobody upsamples in another way
    path, png = tmp_path / f"file.{kind}", tmp_path / "theirs.png"
    path.write_bytes(data)
    subprocess.run([heif_files.decoder_tool(), path, png], check=True, capture_output=True)
    pixels = Image.open(png).convert("RGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile("p3")))
    want = np.asarray(ImageCms.profileToProfile(pixels, source, ImageCms.createProfile("sRGB"), outputMode="RGB")).astype(int)
    got = ours(tmp_path, data)
    assert np.abs(got - want).max() <= 3  # one level more or less before a steep curve
    assert np.abs(got - want).mean() < 0.5
    assert np.abs(got - np.asarray(pixels).astype(int)).mean() > 2


@pytest.mark.parametrize("mode", ["P", "RGBA", "RGB"])
def test_png_kinds(tmp_path, mode):
    image = colours(97, 61)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(photo(97, 61, 9)[:, :, 1].copy()))
    image = image.quantize(64) if mode == "P" else image
    data = saved(image, format="PNG", icc_profile=profile("p3"))
    assert np.abs(ours(tmp_path, data) - pillow(data)).max() <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_grey(tmp_path, form):
    data = saved(colours(97, 61).convert("L"), format=form, icc_profile=profile("grey"))
    assert np.abs(ours(tmp_path, data) - pillow(data, "L")).max() <= 1


def test_a_profile_in_several_chunks(tmp_path):
    icc = bytearray(profile("adobe")) + bytes(150_000)
    icc[0:4] = len(icc).to_bytes(4, "big")
    data = saved(colours(97, 61), format="JPEG", icc_profile=bytes(icc))
    assert data.count(b"ICC_PROFILE\0") == 3
    assert np.abs(ours(tmp_path, data) - pillow(data)).max() <= 1


@pytest.mark.parametrize("name", ["srgb", "grey", "cmyk"])
def test_what_is_srgb_or_does_not_fit_changes_nothing(tmp_path, name):
    data = saved(colours(97, 61), format="JPEG", icc_profile=profile(name))
    np.testing.assert_array_equal(ours(tmp_path, data), plain(data))


@pytest.mark.parametrize("icc", [b"x", b"\0" * 500, None])
def test_a_broken_profile_changes_nothing(tmp_path, icc):
    icc = profile("p3")[:200] if icc is None else icc
    for form in ["JPEG", "PNG", "WEBP"]:
        data = saved(colours(97, 61), format=form, icc_profile=icc)
        np.testing.assert_array_equal(ours(tmp_path, data), plain(data))


def test_no_profile_changes_nothing(tmp_path):
    data = saved(colours(97, 61), format="JPEG")
    np.testing.assert_array_equal(ours(tmp_path, data), plain(data))


def test_cmyk_is_read_without_its_profile(tmp_path):
    data = saved(colours(97, 61).convert("CMYK"), format="JPEG", icc_profile=profile("cmyk"))
    np.testing.assert_array_equal(ours(tmp_path, data), plain(data))
