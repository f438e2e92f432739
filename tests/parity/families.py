# SPDX-License-Identifier: MIT
"""Checkpoint folders of every family with drawn weights (drawn.py): files, keys and tensor names as published.

FAMILIES[name] is a Family. `Family.build(folder)` writes the folder, with numpy and safetensors alone. What the same
folder means to transformers or open_clip is in oracle.py.
"""
import dataclasses
import hashlib
import json
import pathlib

import numpy as np
import safetensors.numpy

import drawn

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data/golden"

IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
CLIP_PIXELS = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
BLOCK_PARTS = {  # our name: CLIP's and SigLIP's, DINOv2's as published, DINOv2's since transformers 5, DINOv3's
    "norm1": ("layer_norm1", "norm1", "norm1", "norm1"),
    "q": ("self_attn.q_proj", "attention.attention.query", "attention.q_proj", "attention.q_proj"),
    "k": ("self_attn.k_proj", "attention.attention.key", "attention.k_proj", "attention.k_proj"),
    "v": ("self_attn.v_proj", "attention.attention.value", "attention.v_proj", "attention.v_proj"),
    "out": ("self_attn.out_proj", "attention.output.dense", "attention.o_proj", "attention.o_proj"),
    "scale1": (None, "layer_scale1.lambda1", "layer_scale1.lambda1", "layer_scale1.lambda1"),
    "norm2": ("layer_norm2", "norm2", "norm2", "norm2"),
    "fc1": ("mlp.fc1", "mlp.fc1", "mlp.fc1", "mlp.up_proj"),
    "fc2": ("mlp.fc2", "mlp.fc2", "mlp.fc2", "mlp.down_proj"),
    "scale2": (None, "layer_scale2.lambda1", "layer_scale2.lambda1", "layer_scale2.lambda1"),
}
GATED_PARTS = {"fc1": "mlp.gate_proj", "up": "mlp.up_proj", "fc2": "mlp.down_proj"}


def renamed(tensors, table, prefix=""):
    """The tensors that `table` names ("q" stands for "q.weight" and "q.bias"), under those names."""
    out = {}
    for name, value in tensors.items():
        stem, _, kind = name.rpartition(".")
        if name in table:
            out[prefix + table[name]] = value
        elif stem in table:
            out[f"{prefix}{table[stem]}.{kind}"] = value
    return out


def block(tensors, index):
    """The tensors of one block, without its number."""
    return {name.partition(".")[2]: value for name, value in tensors.items() if name.startswith(f"{index}.")}


def blocks_of(tensors):
    return sorted({int(name.partition(".")[0]) for name in tensors if name[0].isdigit()})


def hugging_face_blocks(tensors, prefix, spelling, gated=False):
    out = {}
    for i in blocks_of(tensors):
        table = {part: names[spelling] for part, names in BLOCK_PARTS.items()} | (GATED_PARTS if gated else {})
        out |= renamed(block(tensors, i), table, f"{prefix}{i}.")
    return out


def fused(tensors, parts="qkv"):
    return {kind: np.concatenate([tensors[f"{part}.{kind}"] for part in parts]) for kind in ("weight", "bias")}


def clip_vision(tensors):
    top = {"patch": "embeddings.patch_embedding", "class": "embeddings.class_embedding", "pre_norm": "pre_layrnorm",
           "position": "embeddings.position_embedding.weight", "post_norm": "post_layernorm", "probe": "head.probe",
           "pool.out": "head.attention.out_proj", "pool.norm": "head.layernorm", "pool.fc1": "head.mlp.fc1",
           "pool.fc2": "head.mlp.fc2"}
    out = renamed(tensors, top, "vision_model.") | hugging_face_blocks(tensors, "vision_model.encoder.layers.", 0)
    if "probe" in tensors:
        out["vision_model.head.probe"] = tensors["probe"].reshape(1, 1, -1)
        both = fused(tensors, ["pool.q", "pool.k", "pool.v"])
        out["vision_model.head.attention.in_proj_weight"] = both["weight"]
        out["vision_model.head.attention.in_proj_bias"] = both["bias"]
    return out | renamed(tensors, {"projection": "visual_projection"})


def clip_text(tensors, siglip=False):
    top = {"tokens": "embeddings.token_embedding.weight", "position": "embeddings.position_embedding.weight",
           "final_norm": "final_layer_norm"} | ({"projection": "head"} if siglip else {})
    out = renamed(tensors, top, "text_model.") | hugging_face_blocks(tensors, "text_model.encoder.layers.", 0)
    return out if siglip else out | renamed(tensors, {"projection": "text_projection"})


def dinov2(tensors, new_names=False, gated=False):
    top = {"patch": "embeddings.patch_embeddings.projection", "post_norm": "layernorm"}
    out = renamed(tensors, top)
    for ours, theirs in [("class", "cls_token"), ("position", "position_embeddings"), ("registers", "register_tokens")]:
        if ours in tensors:
            out[f"embeddings.{theirs}"] = tensors[ours].reshape(1, -1, tensors[ours].shape[-1])
    out["embeddings.mask_token"] = np.zeros((1, len(tensors["class"])), np.float32)
    out |= hugging_face_blocks(tensors, "encoder.layer.", 2 if new_names else 1, gated)
    if gated and not new_names:
        for i in blocks_of(tensors):
            for kind, value in fused(block(tensors, i), ["fc1", "up"]).items():
                out[f"encoder.layer.{i}.mlp.weights_in.{kind}"] = value
                out[f"encoder.layer.{i}.mlp.weights_out.{kind}"] = out.pop(f"encoder.layer.{i}.mlp.down_proj.{kind}")
                del out[f"encoder.layer.{i}.mlp.gate_proj.{kind}"], out[f"encoder.layer.{i}.mlp.up_proj.{kind}"]
    return out


def dinov3(tensors, gated=False):
    out = renamed(tensors, {"patch": "embeddings.patch_embeddings", "post_norm": "norm"})
    for ours, theirs in [("class", "cls_token"), ("registers", "register_tokens")]:
        out[f"embeddings.{theirs}"] = tensors[ours].reshape(1, -1, tensors[ours].shape[-1])
    out["embeddings.mask_token"] = np.zeros((1, 1, len(tensors["class"])), np.float32)
    return out | hugging_face_blocks(tensors, "layer.", 3, gated)


def open_clip_blocks(tensors, prefix):
    table = {"norm1": "ln_1", "out": "attn.out_proj", "norm2": "ln_2", "fc1": "mlp.c_fc", "fc2": "mlp.c_proj"}
    out = {}
    for i in blocks_of(tensors):
        out |= renamed(block(tensors, i), table, f"{prefix}{i}.")
        for kind, value in fused(block(tensors, i)).items():
            out[f"{prefix}{i}.attn.in_proj_{kind}"] = value
    return out


def open_clip_vision(tensors):
    top = {"patch": "conv1", "class": "class_embedding", "position": "positional_embedding", "pre_norm": "ln_pre",
           "post_norm": "ln_post"}
    out = renamed(tensors, top, "visual.") | open_clip_blocks(tensors, "visual.transformer.resblocks.")
    return out | {"visual.proj": np.ascontiguousarray(tensors["projection.weight"].T)}


def open_clip_text(tensors, prefix=""):
    top = {"tokens": "token_embedding.weight", "position": "positional_embedding", "final_norm": "ln_final"}
    out = renamed(tensors, top, prefix) | open_clip_blocks(tensors, f"{prefix}transformer.resblocks.")
    if "projection.bias" in tensors:
        return out | renamed(tensors, {"projection": "text_projection"}, prefix)
    return out | {f"{prefix}text_projection": np.ascontiguousarray(tensors["projection.weight"].T)}


def timm_siglip(tensors):
    top = {"patch": "patch_embed.proj", "post_norm": "norm", "pool.q": "attn_pool.q", "pool.out": "attn_pool.proj",
           "pool.norm": "attn_pool.norm", "pool.fc1": "attn_pool.mlp.fc1", "pool.fc2": "attn_pool.mlp.fc2"}
    prefix = "visual.trunk."
    out = renamed(tensors, top, prefix)
    out[prefix + "pos_embed"] = tensors["position"][None]
    out[prefix + "attn_pool.latent"] = tensors["probe"].reshape(1, 1, -1)
    for kind, value in fused(tensors, ["pool.k", "pool.v"]).items():
        out[f"{prefix}attn_pool.kv.{kind}"] = value
    table = {"norm1": "norm1", "out": "attn.proj", "norm2": "norm2", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
    for i in blocks_of(tensors):
        out |= renamed(block(tensors, i), table, f"{prefix}blocks.{i}.")
        for kind, value in fused(block(tensors, i)).items():
            out[f"{prefix}blocks.{i}.attn.qkv.{kind}"] = value
    return out


def bf16_bits(values):
    """Rounded to bf16, to nearest, ties to even: [..] u16."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_safetensors(path, tensors, bf16=False):
    if not bf16:
        safetensors.numpy.save_file({name: np.asarray(value, order="C") for name, value in tensors.items()}, path)
        return
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": [at, at + 2 * value.size]}
        at += 2 * value.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            out.write(bf16_bits(value).tobytes())


@dataclasses.dataclass
class Family:
    """One checkpoint. `make(draw)` gives its tensors, under the published names."""
    make: object
    config: dict
    processor: dict | None
    side: int  # of the model's input
    kind: str  # which oracle: "clip", "siglip", "dino", "open_clip"
    text: dict | None = None  # arguments of drawn.sentences, or nothing
    images: int = 6
    bf16: bool = False
    full_size: bool = False
    seed: int = 1

    def tensors(self):
        return self.make(drawn.Draw(self.seed))

    def build(self, folder, config=None, tensors=None):
        """Writes the folder, with another config or other tensors where a test wants to be wrong on purpose."""
        folder.mkdir(parents=True, exist_ok=True)
        open_clip = self.kind == "open_clip"
        name = "open_clip_config.json" if open_clip else "config.json"
        (folder / name).write_text(json.dumps(config or self.config, indent=2))
        if self.processor is not None:
            (folder / "preprocessor_config.json").write_text(json.dumps(self.processor, indent=2))
        weights = "open_clip_model.safetensors" if open_clip else "model.safetensors"
        write_safetensors(folder / weights, tensors or self.tensors(), self.bf16)
        return folder

    def pixels(self):
        return drawn.pictures(f"pictures/{self.side}", self.images, self.side)

    def ids(self):
        return drawn.sentences("sentences", **self.text) if self.text else []

    def digest(self):
        """Of weights and inputs: says when drawn.py draws other ones than those that a golden file is of."""
        total = hashlib.sha256()
        for name, value in sorted(self.tensors().items()):
            total.update(name.encode() + repr(value.shape).encode() + value.tobytes())
        total.update(self.pixels().tobytes() + repr(self.ids()).encode())
        return total.hexdigest()
