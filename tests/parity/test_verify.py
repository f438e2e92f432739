# SPDX-License-Identifier: MIT
"""`photovec verify`: what it compares, what it finds, what it says that it did not compare. OpenAI's real vocabulary, random weights."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from test_tokenizers import data  # noqa: F401, the fixture

BINARY = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"]) / "bin/photovec"


def verify(*arguments):
    """Exit code, stdout by lines, stderr."""
    done = subprocess.run([BINARY, "verify", "--device=cpu", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def line(lines, part):
    """What is said about a part, the last time."""
    return [found for found in lines if found[12:].startswith(part + " ")][-1]


@pytest.fixture(scope="module")
def bytes_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny-text"
    subprocess.run([BINARY, "init-model", "tiny-text", folder, "--seed", "7"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def clip_model(bytes_model, data, tmp_path_factory):  # noqa: F811
    """The same with OpenAI's vocabulary, as open_clip's folders have it."""
    folder = tmp_path_factory.mktemp("models") / "openai-vocabulary"
    shutil.copytree(bytes_model, folder)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "bpe_simple_vocab_16e6.txt.gz").write_bytes(data["bpe_simple_vocab_16e6.txt.gz"])
    tensors = load_file(folder / "model.safetensors")
    table = next(name for name in tensors if name.endswith("token_embedding.weight"))
    tensors[table] = np.random.default_rng(1).standard_normal((49_408, tensors[table].shape[1]), np.float32) * 0.02
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(vocab_size=49_408, bos_token_id=49_406, eos_token_id=49_407)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def photo_folder(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for path in photos[:14]:
        (folder / f"{path.stem}-{path.parent.name}{path.suffix}").symlink_to(path)
    return folder


def test_photos_and_published_ids(clip_model, photo_folder):
    code, lines, errors = verify(clip_model, "--images", photo_folder)
    assert code == 0, (lines, errors)
    assert line(lines, "tokenizer").startswith("  ok        tokenizer")
    assert "18 of 18 published texts have their ids" in line(lines, "tokenizer")
    assert line(lines, "arithmetic").startswith("  ok")
    assert "decoded, 0 left out" in line(lines, "photos")
    bf16 = [found for found in lines if "cpu bf16" in found]
    assert any("of the ten nearest are the same" in found for found in bf16) or "not done" in bf16[0]
    assert "Verdict: what was compared agrees" in lines
    assert "published numbers" in lines[-1] and lines[-1].startswith("  not compared")


def test_a_wrong_vocabulary_is_found(clip_model, tmp_path):
    folder = tmp_path / "wrong"
    shutil.copytree(clip_model, folder)
    packed = folder / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode().split("\n")
    at = merges.index("c at</w>")
    merges[at], merges[at + 1] = merges[at + 1], merges[at]
    packed.write_bytes(gzip.compress("\n".join(merges).encode()))
    code, lines, _ = verify(folder)
    assert code == 1
    assert "  DIFFERS   tokenizer" in line(lines, "tokenizer")
    assert any("'a photo of a cat': token 5 is" in found and "published is 2368" in found for found in lines)
    assert "Verdict: something DIFFERS" in lines


def test_made_up_pictures_and_an_unknown_vocabulary(bytes_model):
    code, lines, _ = verify(bytes_model)
    assert code == 0
    assert line(lines, "tokenizer").startswith("  not done  tokenizer")
    assert "made-up pictures" in line(lines, "photos")


def test_refusals(bytes_model, tmp_path):
    code, _, errors = verify(tmp_path / "nothing")
    assert code == 1 and "nothing" in errors
    code, _, errors = verify(bytes_model, "--images", tmp_path)
    assert code == 2 and "no photos" in errors
    code, _, errors = verify(bytes_model, "--image", tmp_path / "missing.jpg")
    assert code == 1 and "missing.jpg" in errors
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    code, _, errors = verify(bytes_model, "--image", text)
    assert code == 1 and "none of the photos can be decoded" in errors and "text.jpg" in errors
    assert verify()[0] == 2
    help_text = subprocess.run([BINARY, "verify", "--help"], capture_output=True, text=True, check=True).stdout
    assert "--images" in help_text and "--max-images" in help_text
