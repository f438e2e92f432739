# SPDX-License-Identifier: MIT
"""What transformers and open_clip of today make of a checkpoint folder. Runs only where those are installed
(requirements-live.txt); the golden tests keep its answers in tests/data/golden.

An oracle can also be wrong on purpose: photovec must then be far from it.
"""
import contextlib
import json
import unittest.mock

import numpy as np
import torch
import transformers
from transformers.models.clip import modeling_clip
from transformers.models.dinov3_vit import modeling_dinov3_vit
from transformers.models.siglip import modeling_siglip

torch.set_grad_enabled(False)
transformers.logging.set_verbosity_error()
BATCH = 8


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def whole(report):
    """Fails unless a folder's tensors are exactly those of the model."""
    wrong = {kind: found for kind, found in report.items() if found}
    assert not wrong, f"not the model's tensors: {wrong}"


class Oracle:
    """A model of transformers; `images` and `texts` give unit vectors, f32."""

    def __init__(self, folder, model_class, **options):
        self.folder = folder
        self.model, report = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                         output_loading_info=True, **options)
        whole(report)
        self.model.eval()

    def normalised(self, pixels):
        """[N, 3, S, S] f32 from [N, S, S, 3] u8."""
        config = json.loads((self.folder / "preprocessor_config.json").read_text())
        return self._normalised(pixels, config["image_mean"], config["image_std"])

    @staticmethod
    def _normalised(pixels, mean, std):
        values = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(torch.float32) / 255
        return (values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]

    def images(self, pixels, wrong=None):
        return self.images_of_values(self.normalised(pixels), wrong)

    def images_of_values(self, values, wrong=None):
        assert wrong is None or wrong in self.wrong_images()
        with self.mistake(wrong):
            rows = [self.image_rows(values[i : i + BATCH], wrong) for i in range(0, len(values), BATCH)]
        return unit(torch.cat(rows).numpy())

    def texts(self, ids, wrong=None):
        assert wrong is None or wrong in self.wrong_texts()
        with self.mistake(wrong):
            return unit(torch.cat([self.text_rows(self.filled(ids[i : i + BATCH])) for i in range(0, len(ids), BATCH)]).numpy())

    def mistake(self, _):
        return contextlib.nullcontext()

    def wrong_images(self):
        return ["mean pooling"]

    def wrong_texts(self):
        return []

    def filled(self, ids):
        return torch.tensor(ids)

    def image_rows(self, values, wrong):
        raise NotImplementedError

    def text_rows(self, ids):
        return self.model.get_text_features(ids).pooler_output


class Clip(Oracle):
    def __init__(self, folder):
        super().__init__(folder, transformers.CLIPModel)

    def image_rows(self, values, wrong):
        if wrong is None:
            return self.model.get_image_features(values).pooler_output
        rows = self.model.vision_model(values).last_hidden_state[:, 1:].mean(1)
        return self.model.visual_projection(self.model.vision_model.post_layernorm(rows))

    def filled(self, ids):
        """As the tokenizer fills: with end-of-text, up to all positions."""
        positions = self.model.config.text_config.max_position_embeddings
        return torch.tensor([row + [row[-1]] * (positions - len(row)) for row in ids])

    def wrong_texts(self):
        return ["not causal"]

    def mistake(self, wrong):
        if wrong != "not causal":
            return contextlib.nullcontext()
        return unittest.mock.patch.object(modeling_clip, "create_causal_mask", lambda **_: None)


class Siglip(Oracle):
    def __init__(self, folder):
        super().__init__(folder, transformers.SiglipModel)

    def image_rows(self, values, wrong):
        if wrong is None:
            return self.model.get_image_features(values).pooler_output
        return self.model.vision_model(values).last_hidden_state.mean(1)

    def wrong_texts(self):
        return ["causal"]

    def mistake(self, wrong):
        if wrong != "causal":
            return contextlib.nullcontext()

        def causal(inputs_embeds, **_):
            length = inputs_embeds.shape[1]
            return torch.full((1, 1, length, length), -torch.inf).triu(1)

        return unittest.mock.patch.object(modeling_siglip, "create_bidirectional_mask", causal)


class Dino(Oracle):
    def __init__(self, folder):
        kind = json.loads((folder / "config.json").read_text())["model_type"]
        self.learned = kind != "dinov3_vit"
        super().__init__(folder, {"dinov2": transformers.Dinov2Model, "dinov3_vit": transformers.DINOv3ViTModel,
                                  "dinov2_with_registers": transformers.Dinov2WithRegistersModel}[kind])

    def image_rows(self, values, wrong):
        out = self.model(values)
        if wrong != "mean pooling":
            return out.pooler_output
        return out.last_hidden_state[:, 1 + getattr(self.model.config, "num_register_tokens", 0) :].mean(1)

    def wrong_images(self):
        return super().wrong_images() + ["other antialias" if self.learned else "x and y swapped"]

    def mistake(self, wrong):
        if wrong == "x and y swapped":
            right_places = modeling_dinov3_vit.get_patches_center_coordinates
            return unittest.mock.patch.object(modeling_dinov3_vit, "get_patches_center_coordinates",
                                              lambda *size, **options: right_places(*size, **options).flip(-1))
        if wrong != "other antialias":
            return contextlib.nullcontext()
        right = torch.nn.functional.interpolate

        def other(*arguments, antialias=False, **options):
            return right(*arguments, antialias=not antialias, **options)

        return unittest.mock.patch.object(torch.nn.functional, "interpolate", other)


class OpenClip(Oracle):
    def __init__(self, folder):
        import open_clip

        self.folder = folder
        self.config = json.loads((folder / "open_clip_config.json").read_text())
        self.model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
        self.trunk = hasattr(self.model.visual, "trunk")
        self.text = self.model.text if hasattr(self.model, "text") else self.model

    def normalised(self, pixels):
        pre = self.config["preprocess_cfg"]
        return self._normalised(pixels, pre["mean"], pre["std"])

    def image_rows(self, values, wrong):
        if wrong is not None and self.trunk:
            return self.model.visual.trunk.forward_features(values).mean(1)
        return self.model.encode_image(values)

    def text_rows(self, ids):
        return self.model.encode_text(ids)

    def filled(self, ids):
        """As open_clip's tokenizer fills: with zeros, up to all positions."""
        positions = self.config["model_cfg"]["text_cfg"]["context_length"]
        return torch.tensor([row + [0] * (positions - len(row)) for row in ids])

    def wrong_texts(self):
        return ["causal" if self.trunk else "not causal"]

    def mistake(self, wrong):
        if wrong == "mean pooling" and not self.trunk:
            return unittest.mock.patch.object(self.model.visual, "pool_type", "avg")
        if wrong == "not causal":
            return unittest.mock.patch.object(self.text, "attn_mask", None)
        if wrong == "causal":
            length = self.config["model_cfg"]["text_cfg"]["context_length"]
            mask = torch.full((length, length), -torch.inf).triu(1)
            return unittest.mock.patch.object(self.text, "attn_mask", mask)
        return contextlib.nullcontext()


ORACLES = {"clip": Clip, "siglip": Siglip, "dino": Dino, "open_clip": OpenClip}
