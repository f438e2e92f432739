# SPDX-License-Identifier: MIT
"""Every family and both towers against stored vectors of transformers and open_clip (tests/data/golden).

The checkpoints are written here, by numpy alone, with weights drawn by a rule (checkpoints.py); the vectors were made
by make_golden.py from the same folders. Then everything is done wrong on purpose, by editing a checkpoint or by
comparing with an oracle that was wrong, and must be far outside of the bounds.
"""
import copy
import shutil

import numpy as np
import pytest

from checkpoints import FAMILIES
from conftest import BF16_COSINE, F32_MAX_ABS, bf16_or_refusal, unit
from families import GOLDEN

F32_HERE = 1e-5  # tighter than what is promised (1e-4): the two forms of GELU differ by 1.3e-4 to 5e-4
WIDE = 10  # so many times the bound is a mistake at least
SLOW_BACKEND_INPUTS = 2


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    """A family with its `folder` and the stored answers, `golden`."""
    made = copy.copy(FAMILIES[request.param])
    made.name = request.param
    made.folder = made.build(tmp_path_factory.mktemp(request.param) / "model")
    with np.load(GOLDEN / f"{request.param}.npz") as stored:
        made.golden = {key: stored[key] for key in stored}
    yield made
    shutil.rmtree(made.folder)


def inputs(family, tower):
    return family.pixels() if tower == "image" else family.ids()


def errors(rows, expected):
    """Largest error of a component, smallest cosine."""
    rows = unit(rows)
    return float(np.abs(rows - expected).max()), float((rows * expected).sum(1).min())


def towers(family):
    return ["image", "text"] if family.text else ["image"]


def test_draws_what_the_golden_file_is_of(family):
    assert family.digest() == str(family.golden["digest"]), "drawn.py draws other values: see make_golden.py"


def test_equals_the_oracle(family, encode):
    for tower in towers(family):
        given, expected = inputs(family, tower), family.golden[tower]
        print(f"\n  {family.name} {tower}", end="")
        # Plain loops take minutes for a model of full size; those of a few megabytes have the same arithmetic.
        some = slice(0) if family.full_size and tower == "image" else slice(SLOW_BACKEND_INPUTS)
        runs = [("cpu", slice(None))] + ([("reference", some)] if len(given[some]) else [])
        for backend, part in runs:
            worst, _ = errors(encode(family.folder, given[part], backend=backend), expected[part])
            print(f", {backend} f32 {worst:.1e}", end="")
            assert worst <= F32_HERE, (tower, backend)
        rows = bf16_or_refusal(encode, family.folder, given)
        if rows is not None:
            _, cosine = errors(rows, expected)
            print(f", bf16 cosine {cosine:.6f}", end="")
            assert cosine >= BF16_COSINE, tower


def test_neighbours_never_change_a_vector(family, encode):
    for tower in towers(family):
        given = inputs(family, tower)
        alone = encode(family.folder, given, batch=1)
        for streams, batch in [(1, 8), (2, 3)]:
            found = encode(family.folder, given, streams=streams, batch=batch)
            assert np.array_equal(found.view(np.uint32), alone.view(np.uint32)), (tower, streams, batch)


# --- Wrong on purpose -----------------------------------------------------------------------------------------

def text_part(config):
    return config.get("text_config")


def image_part(config):
    return config.get("vision_config", config)


def other_gelu(config):
    found = [part for part in (image_part(config), text_part(config)) if part is not None]
    for part in found:
        now = part.get("hidden_act", "gelu_pytorch_tanh")
        part["hidden_act"] = {"gelu": "quick_gelu", "quick_gelu": "gelu", "gelu_pytorch_tanh": "quick_gelu", "silu": "gelu"}[now]


def other_gelu_of_open_clip(config):
    config["model_cfg"]["quick_gelu"] = not config["model_cfg"].get("quick_gelu", False)


def fewer_layers(config):
    if "model_cfg" in config:
        config["model_cfg"]["vision_cfg"]["layers"] -= 1
        config["model_cfg"]["text_cfg"]["layers"] -= 1
        return
    for part in (image_part(config), text_part(config)):
        if part is not None:
            part["num_hidden_layers"] -= 1


def rope_theta(config):
    config["rope_theta"] = 10000.0


def zeroed(*names):
    def edit(tensors):
        for name in names:
            tensors[name] = np.zeros_like(tensors[name])
    return edit


def ones(name):
    def edit(tensors):
        tensors[name] = np.ones_like(tensors[name])
    return edit


def halves_swapped(name, parts=2, order=(1, 0)):
    def edit(tensors):
        pieces = np.split(tensors[name], parts)
        tensors[name] = np.concatenate([pieces[i] for i in order])
    return edit


def grid_transposed(name, prefix=0):
    """Positions of patches with x and y swapped."""
    def edit(tensors):
        rows = tensors[name].reshape(-1, tensors[name].shape[-1])
        side = round((len(rows) - prefix) ** 0.5)
        patches = rows[prefix:].reshape(side, side, -1).transpose(1, 0, 2).reshape(side * side, -1)
        tensors[name] = np.concatenate([rows[:prefix], patches]).reshape(tensors[name].shape)
    return edit


def fewer_registers(config, tensors):
    config["num_register_tokens"] -= 1
    tensors["embeddings.register_tokens"] = tensors["embeddings.register_tokens"][:, :-1]


CLIP_BLOCK, DINO_BLOCK, OPEN_BLOCK = "encoder.layers.1.", "encoder.layer.1.", "transformer.resblocks.1."
# (what is wrong, the towers that show it, edit of the config, edit of the tensors)
CLIP_MISTAKES = [
    ("wrong GELU", "image text", other_gelu, None),
    ("dropped layer", "image text", fewer_layers, None),
    ("no bias of v", "image", None, zeroed(f"vision_model.{CLIP_BLOCK}self_attn.v_proj.bias")),
    ("no bias of q", "image", None, zeroed(f"vision_model.{CLIP_BLOCK}self_attn.q_proj.bias")),
    ("no bias of fc2", "image", None, zeroed(f"vision_model.{CLIP_BLOCK}mlp.fc2.bias")),
    ("no bias of out, text", "text", None, zeroed(f"text_model.{CLIP_BLOCK}self_attn.out_proj.bias")),
    ("no positions of words", "text", None, zeroed("text_model.embeddings.position_embedding.weight")),
]
SIGLIP_MISTAKES = CLIP_MISTAKES + [
    ("no patch bias", "image", None, zeroed("vision_model.embeddings.patch_embedding.bias")),
    ("x and y swapped", "image", None, grid_transposed("vision_model.embeddings.position_embedding.weight")),
    ("mean of the tokens in the head", "image", None, zeroed("vision_model.head.probe", "vision_model.head.attention.in_proj_bias")),
    ("k and v swapped in the head", "image", None, halves_swapped("vision_model.head.attention.in_proj_weight", 3, (0, 2, 1))),
    ("no bias of the head's out", "image", None, zeroed("vision_model.head.attention.out_proj.bias")),
    ("no bias of the head's fc2", "image", None, zeroed("vision_model.head.mlp.fc2.bias")),
    ("no bias of the projection of words", "text", None, zeroed("text_model.head.bias")),
]
DINO2_MISTAKES = [
    ("dropped layer", "image", fewer_layers, None),
    ("no patch bias", "image", None, zeroed("embeddings.patch_embeddings.projection.bias")),
    ("x and y swapped", "image", None, grid_transposed("embeddings.position_embeddings", 1)),
    ("unscaled attention", "image", None, ones(f"{DINO_BLOCK}layer_scale1.lambda1")),
    ("unscaled MLP", "image", None, ones(f"{DINO_BLOCK}layer_scale2.lambda1")),
    ("no bias of v", "image", None, zeroed(f"{DINO_BLOCK}attention.attention.value.bias")),
]
DINO3_MISTAKES = [
    ("wrong GELU", "image", other_gelu, None),
    ("dropped layer", "image", fewer_layers, None),
    ("rope theta", "image", rope_theta, None),
    ("no patch bias", "image", None, zeroed("embeddings.patch_embeddings.bias")),
    ("unscaled attention", "image", None, ones("layer.1.layer_scale1.lambda1")),
    ("unscaled MLP", "image", None, ones("layer.1.layer_scale2.lambda1")),
    ("no bias of v", "image", None, zeroed("layer.1.attention.v_proj.bias")),
]
OPEN_CLIP_MISTAKES = [
    ("wrong GELU", "image text", other_gelu_of_open_clip, None),
    ("dropped layer", "image text", fewer_layers, None),
    ("q and k swapped with v", "image", None, halves_swapped(f"visual.{OPEN_BLOCK}attn.in_proj_weight", 3, (2, 0, 1))),
    ("no bias of q, k, v", "image", None, zeroed(f"visual.{OPEN_BLOCK}attn.in_proj_bias")),
    ("no bias of c_proj, text", "text", None, zeroed(f"{OPEN_BLOCK}mlp.c_proj.bias")),
]
SWIGLU = [("gate and up swapped", "image", None, halves_swapped(f"{DINO_BLOCK}mlp.weights_in.weight"))]
GELU = [("wrong GELU", "image", other_gelu, None)]
TRUNK_BLOCK = "visual.trunk.blocks.1."
# dinov2-giant-new-names is dinov2-giant, open_clip-siglip2 is open_clip-siglip with another GELU in its text tower.
MISTAKES = {
    "clip": CLIP_MISTAKES + [("x and y swapped", "image", None, grid_transposed("vision_model.embeddings.position_embedding.weight", 1))],
    "clip-gelu": CLIP_MISTAKES,
    "siglip": SIGLIP_MISTAKES,
    "siglip-so400m": SIGLIP_MISTAKES,
    "siglip2": SIGLIP_MISTAKES,
    "dinov2": DINO2_MISTAKES + GELU,
    "dinov2-registers": DINO2_MISTAKES + GELU + [("dropped register", "image", fewer_registers, None)],
    "dinov2-giant": DINO2_MISTAKES + SWIGLU,
    "dinov3": DINO3_MISTAKES + [("dropped register", "image", fewer_registers, None)],
    "dinov3-gated": DINO3_MISTAKES,
    "open_clip-h14": OPEN_CLIP_MISTAKES,
    "open_clip-g14": OPEN_CLIP_MISTAKES,
    "open_clip-bigG14": OPEN_CLIP_MISTAKES,
    "open_clip-siglip": [
        ("k and v swapped in the head", "image", None, halves_swapped("visual.trunk.attn_pool.kv.weight")),
        ("no bias of q, k, v", "image", None, zeroed(f"{TRUNK_BLOCK}attn.qkv.bias")),
        ("no bias of the projection of words", "text", None, zeroed("text.text_projection.bias")),
    ],
}


def far(label, rows, expected, bound=F32_MAX_ABS):
    worst, cosine = errors(rows, expected)
    print(f"\n  {label:<40} max abs {worst:.1e}, min cosine {cosine:.6f}", end="")
    return worst > WIDE * bound


def test_is_far_from_a_wrong_oracle(family, encode):
    wrong = [key for key in family.golden if key.startswith("wrong/")]
    assert wrong
    for key in wrong:
        _, tower, mistake = key.split("/")
        assert far(f"{family.name}, {mistake}", encode(family.folder, inputs(family, tower)), family.golden[key]), key


@pytest.mark.parametrize("family", MISTAKES, indirect=True)
def test_a_wrong_checkpoint_is_far_off(family, encode, tmp_path):
    tensors = family.tensors()
    for number, (mistake, shown_by, edit_config, edit_tensors) in enumerate(MISTAKES[family.name]):
        config, edited = copy.deepcopy(family.config), dict(tensors)
        if edit_config is fewer_registers:
            edit_config(config, edited)
        elif edit_config:
            edit_config(config)
        if edit_tensors:
            edit_tensors(edited)
        folder = family.build(tmp_path / str(number), config, edited)
        for tower in shown_by.split():
            rows = encode(folder, inputs(family, tower))
            assert far(f"{family.name} {tower}, {mistake}", rows, family.golden[tower]), (mistake, tower)
        shutil.rmtree(folder)


@pytest.mark.parametrize("family", ["clip-gelu", "siglip", "siglip-so400m", "siglip2", "dinov2", "dinov3"], indirect=True)
def test_the_two_forms_of_gelu_are_told_apart(family, encode, tmp_path):
    config = copy.deepcopy(family.config)
    for part in (image_part(config), text_part(config)):
        if part is not None:
            part["hidden_act"] = "gelu_new" if part.get("hidden_act") == "gelu" else "gelu"
    folder = family.build(tmp_path / "other", config)
    for tower in towers(family):
        rows = encode(folder, inputs(family, tower))
        assert far(f"{family.name} {tower}, other form of GELU", rows, family.golden[tower], F32_HERE), tower
