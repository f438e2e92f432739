# SPDX-License-Identifier: MIT
"""Weights and inputs of the parity tests, drawn by a rule instead of stored: the same values wherever numpy runs.

Only numpy, because the golden tests run where neither torch nor transformers of today are. Only the raw output of
PCG64 is used, which numpy promises to keep, and every value is rounded to a grid, so that no library's last bit shows.

The weights have what makes trained transformers hard on arithmetic (docs/models.md, "Random weights"): Student-t
tails, a few outlier channels in the residual stream, layernorm gains spread by factors, MLPs that are mostly off.
Tensors have names of our own here; families.py gives them those of a published checkpoint.
"""
import hashlib

import numpy as np

POOL = 1_000_003  # prime: no row of a tensor begins where another does
TAIL = 32


def grid(values, step=2.0**-12):
    """The nearest multiples of `step`, f32."""
    return (np.round(np.asarray(values, np.float64) / step) * step).astype(np.float32)


def words(name, count):
    """[count] u64 that depend on `name` alone."""
    return np.random.PCG64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")).random_raw(count)


class Draw:
    """draw(name, shape): Student-t values of 4 degrees of freedom and unit variance."""

    def __init__(self, seed):
        u = ((words(f"pool/{seed}", POOL) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        # The quantile in closed form: W. T. Shaw, "Sampling Student's T distribution", 2006, section 2.2.
        root = np.sqrt(4 * u * (1 - u))
        t = 2 * np.sqrt(np.maximum(np.cos(np.arccos(root) / 3) / root - 1, 0)) * np.sign(u - 0.5)
        self.pool = grid(np.clip(t / np.sqrt(2), -TAIL, TAIL))

    def __call__(self, name, shape, std=1.0, mean=0.0):
        count = int(np.prod(shape))
        start = int(words(name, 1)[0]) % POOL
        repeated = np.tile(self.pool, (start + count) // POOL + 1)[start : start + count]
        return (repeated * np.float32(std) + np.float32(mean)).reshape(shape)


class Tower:
    """The tensors of one tower, in `tensors`."""

    ENERGY = 1.5  # of the outlier channels, over that of all others

    def __init__(self, draw, kind, width, layers, mlp, gated=False, key_bias=True, layer_scale=False):
        self.draw, self.kind, self.width, self.tensors = draw, kind, width, {}
        self.layers, self.mlp, self.gated, self.key_bias, self.layer_scale = layers, mlp, gated, key_bias, layer_scale
        self.outliers = np.argsort(words(f"{kind}/outliers", width), kind="stable")[: max(2, width // 200)]
        self.outlier = float(grid((self.ENERGY * width / len(self.outliers)) ** 0.5))
        self.gain = (1 + self.ENERGY) ** 0.5
        self.depth_gain = (12 / layers) ** 0.5

    def put(self, name, shape, std=1.0, mean=0.0):
        self.tensors[name] = self.draw(f"{self.kind}/{name}", shape, std, mean)
        return self.tensors[name]

    def norm(self, name, mean=1.0):
        spread = np.clip(self.put(f"{name}.weight", (self.width,)), -3, 3).astype(np.float64)
        self.tensors[f"{name}.weight"] = grid(mean * np.exp(0.3 * spread))
        self.tensors[f"{name}.weight"][self.outliers] *= np.float32(0.0625)
        self.put(f"{name}.bias", (self.width,), 0.1)

    def linear(self, name, rows, columns, std, bias_std=0.1, bias_mean=0.0, bias=True):
        self.put(f"{name}.weight", (rows, columns), std / columns**0.5)
        if bias:
            self.put(f"{name}.bias", (rows,), bias_std, bias_mean)

    def scale(self, name):
        if self.layer_scale:
            spread = np.clip(self.put(name, (self.width,)), -3, 3).astype(np.float64)
            self.tensors[name] = grid(0.7 * np.exp(0.4 * spread))

    def blocks(self):
        for i in range(self.layers):
            self.norm(f"{i}.norm1", self.gain)
            self.linear(f"{i}.q", self.width, self.width, 0.8)
            self.linear(f"{i}.k", self.width, self.width, 0.8, bias=self.key_bias)
            self.linear(f"{i}.v", self.width, self.width, 1.0)
            self.linear(f"{i}.out", self.width, self.width, 0.5 * self.depth_gain)
            self.scale(f"{i}.scale1")
            self.norm(f"{i}.norm2", self.gain)
            self.linear(f"{i}.fc1", self.mlp, self.width, 0.8, 0.3, -1.5)
            if self.gated:
                self.linear(f"{i}.up", self.mlp, self.width, 0.8)
            self.linear(f"{i}.fc2", self.width, self.mlp, 1.6 * self.depth_gain)
            weight = self.tensors[f"{i}.fc2.weight"]
            self.tensors[f"{i}.fc2.weight"] = grid(weight - weight.mean(1, keepdims=True, dtype=np.float64), 2.0**-20)
            self.scale(f"{i}.scale2")


def vision_tower(draw, width, layers, mlp, patch, patches, class_token=True, registers=0, patch_bias=False,
                 positions=True, pre_norm=False, pool=False, projection=0, **options):
    """Tensors of an image tower; `patches` positions beside the class token's."""
    tower = Tower(draw, "vision", width, layers, mlp, **options)
    put, tensors = tower.put, tower.tensors
    filters = put("patch.weight", (width, 3, patch, patch)).astype(np.float64)
    edges = np.arange(width) % 4 != 3  # three filters of four look at edges, the others at colour
    filters[edges] -= filters[edges].mean((2, 3), keepdims=True)
    norms = np.sqrt((filters**2).sum((1, 2, 3), keepdims=True))
    loud = 1 if pre_norm else 4  # without that layernorm the patches must outweigh what all pictures share
    tensors["patch.weight"] = grid(loud * filters * np.where(edges, 1.5, 0.3)[:, None, None, None] / norms, 2.0**-16)
    if patch_bias:
        put("patch.bias", (width,), 0.3)[tower.outliers] += tower.outlier * (0 if pre_norm else 1)
    if class_token:
        put("class", (width,), 0.003 if pre_norm else 0.1)
        if not pre_norm:
            tensors["class"][tower.outliers] += tower.outlier
    if registers:
        put("registers", (registers, width), 0.7)[:, tower.outliers] += tower.outlier
    if positions:
        rows = put("position", (patches + class_token, width), 0.2 if pre_norm else 0.4).astype(np.float64)
        rows[class_token:] -= rows[class_token:].mean(0)
        if class_token:
            rows[0] *= 0.015
        tensors["position"] = grid(rows, 2.0**-16)
    if pre_norm:
        tower.norm("pre_norm")
        tensors["pre_norm.weight"][tower.outliers] *= 16
        tensors["pre_norm.bias"][tower.outliers] += tower.outlier
    tower.blocks()
    tower.norm("post_norm")
    if pool:
        put("probe", (width,))
        for name, std in [("q", 0.8), ("k", 0.8), ("v", 1.0), ("out", 1.0)]:
            tower.linear(f"pool.{name}", width, width, std)
        tower.norm("pool.norm")
        tower.linear("pool.fc1", mlp, width, 0.8, 0.3, -1.5)
        tower.linear("pool.fc2", width, mlp, 1.6)
    if projection:
        tower.linear("projection", projection, width, 1.0, bias=False)
    return tensors


def text_tower(draw, width, layers, mlp, vocabulary, tokens, projection=0, projection_bias=False):
    """Tensors of a text tower for texts of up to `tokens` tokens."""
    tower = Tower(draw, "text", width, layers, mlp)
    tower.put("tokens", (vocabulary, width))[:, tower.outliers] += tower.outlier
    tower.put("position", (tokens, width), 0.4)
    tower.blocks()
    tower.norm("final_norm")
    if projection:
        tower.linear("projection", projection, width, 1.0, bias=projection_bias)
    return tower.tensors


def pictures(name, count, side):
    """[count, side, side, 3] u8: coloured patches of every size, mixed differently in each picture. Integers alone."""
    total = np.zeros((count, side, side, 3), np.int64)
    mix = (words(f"{name}/mix", count * 6) % np.uint64(24)).astype(np.int64).reshape(count, 6) + 1
    for octave in range(6):
        cells = 2 << octave
        values = (words(f"{name}/{octave}", count * cells * cells * 3) % np.uint64(256)).astype(np.int64)
        index = np.arange(side) * cells // side
        total += values.reshape(count, cells, cells, 3)[:, index][:, :, index] * mix[:, octave, None, None, None]
    return (total // mix.sum(1)[:, None, None, None]).astype(np.uint8)


def sentences(name, lengths, vocabulary, bos=None, eos=None, fill=None, total=0):
    """Lists of ids: `lengths[i]` words between bos and eos; where the model wants them filled, up to `total` by `fill`."""
    rows = []
    for number, length in enumerate(lengths):
        middle = (words(f"{name}/{number}", length + 1)[:length] % np.uint64(vocabulary - 8) + np.uint64(4)).astype(int)
        row = ([] if bos is None else [bos]) + middle.tolist() + ([] if eos is None else [eos])
        rows.append(row + [fill] * (total - len(row)) if fill is not None else row)
    return rows
