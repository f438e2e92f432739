# SPDX-License-Identifier: MIT
"""HuggingFace's CLIP image tower, loaded the same way by transformers 4.40 to 5.x, and the pixels it wants."""
import json
import pathlib

import torch
import transformers

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def load_model(folder, dtype, device, attention):
    """CLIPVisionModelWithProjection. `attention` as transformers calls it: eager, sdpa."""
    load = transformers.CLIPVisionModelWithProjection.from_pretrained
    try:
        model = load(folder, local_files_only=True, attn_implementation=attention)
    except (TypeError, ValueError):  # older releases have one kind of attention for CLIP and refuse others
        model = load(folder, local_files_only=True)
    return model.to(dtype).eval().to(device)  # releases disagree about the name of the dtype argument


def attention_of(model):
    return getattr(model.config, "_attn_implementation", "eager")


class Normalize(torch.nn.Module):
    """[B, S, S, 3] u8 to what the model wants: [B, 3, S, S], (x / 255 - mean) / std, on the device."""

    def __init__(self, folder, dtype, device):
        super().__init__()
        config = json.loads((pathlib.Path(folder) / "preprocessor_config.json").read_text())
        self.size = config["crop_size"]["height"]
        self.dtype = dtype
        mean = torch.tensor(config["image_mean"], dtype=torch.float64)
        std = torch.tensor(config["image_std"], dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * std)).to(dtype).view(1, 3, 1, 1).to(device))
        self.register_buffer("shift", (-mean / std).to(dtype).view(1, 3, 1, 1).to(device))

    def forward(self, pixels):
        return pixels.permute(0, 3, 1, 2).to(self.dtype) * self.scale + self.shift


class Encoder(torch.nn.Module):
    """[B, S, S, 3] u8 to [B, D] f32, not normalised: the work that photovec's encoder does."""

    def __init__(self, folder, dtype, device, attention="sdpa"):
        super().__init__()
        self.normalize = Normalize(folder, dtype, device)
        self.model = load_model(folder, dtype, device, attention)

    @property
    def size(self):
        return self.normalize.size

    def forward(self, pixels):
        return self.model(pixel_values=self.normalize(pixels)).image_embeds.float()
