# SPDX-License-Identifier: MIT
"""Texts, from lines to vectors: `photovec embed --texts` against the tokenizer classes and models of transformers 5."""
import json
import shutil
import subprocess

import numpy as np
import pytest
import transformers

import texts
from checkpoints import SIGLIP_IDS, clip as clip_family, siglip as siglip_family
from conftest import F32_MAX_ABS, PHOTOVEC
from oracle import ORACLES
from test_tokenizers import clip, clip_folder, data, siglip_folder, unigram  # noqa: F401 (fixtures)

LINES = 300
TINY = (192, 3, 3, 768)


def embed_texts(given, model, out):
    source = out.with_suffix(".jsonl.in").with_suffix(".ndjson")
    source.write_text("".join(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(given)))
    subprocess.run([PHOTOVEC, "embed", "--texts", source, "-o", out, "--model", model, "--precision", "f32"], check=True,
                   capture_output=True)
    rows, lines = np.load(out), [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    assert len(lines) == len(given) and not any(line.get("error") for line in lines)
    return np.stack([rows[line["row"]] for line in sorted(lines, key=lambda line: int(line["id"]))])


def usable():
    """Texts that have something in them: an empty one is an error, for photovec."""
    return [text for text in texts.lines(2 * LINES, "vectors") if text.strip()][:LINES]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_lines_to_vectors(kind, clip_folder, siglip_folder, tmp_path):  # noqa: F811
    given = usable()
    if kind == "clip":
        family, files = clip_family(TINY, TINY, 32, 224, 96, vocabulary=49408, seed=31), clip_folder
    else:
        family, files = siglip_family(TINY, TINY, dict(SIGLIP_IDS, vocabulary=4000), seed=32), siglip_folder
    folder = family.build(tmp_path / "model")
    for path in files.iterdir():
        if path.name != "config.json":
            shutil.copy(path, folder)
    if kind == "clip":
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    else:
        tokenizer = transformers.SiglipTokenizer.from_pretrained(folder)
    ids = [tokenizer(text, truncation=True, max_length=77 if kind == "clip" else 64, padding="max_length")["input_ids"]
           for text in given]
    expected = ORACLES[family.kind](folder).texts(ids)
    found = embed_texts(given, folder, tmp_path / "out.npy")
    error = np.abs(found - expected).max(axis=1)
    print(f"\n  {kind}: {len(given)} texts, max abs {error.max():.1e}", end="")
    assert error.max() <= F32_MAX_ABS, given[int(error.argmax())]
    # Vectors that hardly differ would let anything pass.
    assert np.abs(expected[:-1] - expected[1:]).max(axis=1).mean() > 100 * F32_MAX_ABS
