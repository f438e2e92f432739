# SPDX-License-Identifier: MIT
"""The small checkpoints that golden files exist for: FAMILIES[name] is a families.Family.

Configs are as the published ones of the same family: what those leave out is left out here. Only sizes are given,
where a published config relies on the family's defaults for them.
"""
from drawn import text_tower, vision_tower
from families import (CLIP_PIXELS, HALF, IMAGENET, Family, clip_text, clip_vision, dinov2, dinov3, open_clip_text,
                      open_clip_vision, timm_siglip)

VOCABULARY = 1000
SIGLIP_IDS = dict(lengths=[0, 1, 4, 8, 9, 31, 63], vocabulary=VOCABULARY, eos=1, fill=1, total=64)
SIGLIP2_IDS = dict(SIGLIP_IDS, fill=0)
SHORT_IDS = dict(lengths=[0, 1, 4, 8, 15], vocabulary=VOCABULARY, eos=1, fill=1, total=16)
BARE_SIGLIP = (768, 12, 12, 3072)  # what a config without sizes means
RESCALE = 0.00392156862745098


def clip_ids(vocabulary=VOCABULARY):
    return dict(lengths=[0, 1, 4, 8, 9, 31, 75], vocabulary=vocabulary, bos=vocabulary - 2, eos=vocabulary - 1)


def clip_processor(side):
    return dict(crop_size=side, do_center_crop=True, do_normalize=True, do_resize=True,
                feature_extractor_type="CLIPFeatureExtractor", resample=3, size=side, **CLIP_PIXELS)


def siglip_processor(side, resample=3):
    return dict(do_normalize=True, do_rescale=True, do_resize=True, image_processor_type="SiglipImageProcessor",
                processor_class="SiglipProcessor", resample=resample, rescale_factor=RESCALE,
                size=dict(height=side, width=side), **HALF)


def dinov2_processor(side=224, shortest=256):
    return dict(crop_size=dict(height=side, width=side), do_center_crop=True, do_convert_rgb=True, do_normalize=True,
                do_rescale=True, do_resize=True, image_processor_type="BitImageProcessor", resample=3,
                rescale_factor=RESCALE, size=dict(shortest_edge=shortest), **IMAGENET)


def dinov3_processor(side=224):
    return dict(crop_size=None, data_format="channels_first", default_to_square=True, device=None, disable_grouping=None,
                do_center_crop=None, do_convert_rgb=None, do_normalize=True, do_rescale=True, do_resize=True,
                image_processor_type="DINOv3ViTImageProcessorFast", input_data_format=None, resample=2,
                rescale_factor=RESCALE, return_tensors=None, size=dict(height=side, width=side), **IMAGENET)


def sizes(width, heads, layers, mlp):
    return dict(hidden_size=width, num_attention_heads=heads, num_hidden_layers=layers, intermediate_size=mlp)


def clip(vision, text, patch, side, projection, activation="quick_gelu", eos=2, vocabulary=VOCABULARY, **more):
    """A CLIPModel; `vision` and `text` are (width, heads, layers, mlp)."""
    def make(draw):
        width, _, layers, mlp = vision
        image = vision_tower(draw, width, layers, mlp, patch, (side // patch) ** 2, pre_norm=True, projection=projection)
        width, _, layers, mlp = text
        words = text_tower(draw, width, layers, mlp, vocabulary, 77, projection)
        return clip_vision(image) | clip_text(words) | {"logit_scale": draw("logit_scale", (), 0, 4.6052)}

    common = dict(hidden_act=activation, layer_norm_eps=1e-05, projection_dim=projection, attention_dropout=0.0)
    config = dict(
        architectures=["CLIPModel"], model_type="clip", projection_dim=projection, logit_scale_init_value=2.6592,
        torch_dtype="float32",
        text_config=dict(common, model_type="clip_text_model", vocab_size=vocabulary, max_position_embeddings=77,
                         bos_token_id=0 if eos == 2 else vocabulary - 2, eos_token_id=eos, pad_token_id=1, **sizes(*text)),
        vision_config=dict(common, model_type="clip_vision_model", image_size=side, patch_size=patch, **sizes(*vision)))
    return Family(make, config, clip_processor(side), side, "clip", clip_ids(vocabulary), **more)


def siglip(vision, text, ids, vision_extra=None, text_extra=None, architectures=True, resample=3,
           **more):
    """A SiglipModel; the extras are what its config says beyond the defaults. Without extras and with BARE_SIGLIP for
    both towers it is as empty as google/siglip-base-patch16-224's."""
    vision_extra, text_extra = vision_extra or {}, dict(text_extra or {})
    patch, side = vision_extra.get("patch_size", 16), vision_extra.get("image_size", 224)

    def make(draw):
        width, _, layers, mlp = vision
        image = vision_tower(draw, width, layers, mlp, patch, (side // patch) ** 2, class_token=False, patch_bias=True,
                             pool=True)
        wide, _, layers, mlp = text
        words = text_tower(draw, wide, layers, mlp, ids["vocabulary"], ids["total"], width, projection_bias=True)
        return clip_vision(image) | clip_text(words, siglip=True) | {
            "logit_scale": draw("logit_scale", (1,), 0, 4.7), "logit_bias": draw("logit_bias", (1,), 0, -16.5)}

    def said(shape):
        return {} if shape == BARE_SIGLIP else sizes(*shape)

    if ids["vocabulary"] != 32000:
        text_extra["vocab_size"] = ids["vocabulary"]
    config = dict(initializer_factor=1.0, model_type="siglip", torch_dtype="float32",
                  text_config=dict(said(text), model_type="siglip_text_model", **text_extra),
                  vision_config=dict(said(vision), model_type="siglip_vision_model", **vision_extra))
    if architectures:
        config["architectures"] = ["SiglipModel"]
    return Family(make, config, siglip_processor(side, resample), side, "siglip", ids, **more)


def dino2(width, heads, layers, registers=0, gated=False, new_names=False, **more):
    """DINOv2 as published: positions of 518 pixels, a processor that makes 224."""
    mlp = (int(width * 4 * 2 / 3) + 7) // 8 * 8 if gated else 4 * width

    def make(draw):
        tensors = vision_tower(draw, width, layers, mlp, 14, 37 * 37, registers=registers, patch_bias=True, gated=gated,
                               layer_scale=True)
        return dinov2(tensors, new_names, gated)

    config = dict(
        architectures=["Dinov2WithRegistersModel" if registers else "Dinov2Model"], apply_layernorm=True,
        attention_probs_dropout_prob=0.0, drop_path_rate=0.0, hidden_act="gelu", hidden_dropout_prob=0.0, image_size=518,
        hidden_size=width, initializer_range=0.02, layer_norm_eps=1e-06, layerscale_value=1.0, mlp_ratio=4,
        model_type="dinov2_with_registers" if registers else "dinov2", num_attention_heads=heads, num_channels=3,
        num_hidden_layers=layers, patch_size=14, qkv_bias=True, torch_dtype="float32", use_swiglu_ffn=gated)
    if registers:
        config["num_register_tokens"] = registers
    return Family(make, config, dinov2_processor(), 224, "dino", **more)


def dino3(vision, gated=False, **more):
    def make(draw):
        width, _, layers, mlp = vision
        tensors = vision_tower(draw, width, layers, mlp, 16, 0, registers=4, patch_bias=True, positions=False,
                               gated=gated, key_bias=False, layer_scale=True)
        return dinov3(tensors, gated)

    config = dict(
        architectures=["DINOv3ViTModel"], attention_dropout=0.0, drop_path_rate=0.0, hidden_act="silu" if gated else "gelu",
        image_size=224, initializer_range=0.02, key_bias=False, layer_norm_eps=1e-05, layerscale_value=1.0, mlp_bias=True,
        model_type="dinov3_vit", num_channels=3, num_register_tokens=4, patch_size=16, pos_embed_jitter=None,
        pos_embed_rescale=2.0, pos_embed_shift=None, proj_bias=True, query_bias=True, rope_theta=100.0,
        torch_dtype="float32", use_gated_mlp=gated, value_bias=True, **sizes(*vision))
    return Family(make, config, dinov3_processor(), 224, "dino", **more)


def open_clip(vision, text, embed, vision_extra, top=None, **more):
    """An open_clip ViT; `vision` is (width, head width, layers, patch), `text` (width, heads, layers)."""
    width, head_width, layers, patch = vision
    side = vision_extra["image_size"]
    mlp = int(width * vision_extra.get("mlp_ratio", 4))

    def make(draw):
        image = vision_tower(draw, width, layers, mlp, patch, (side // patch) ** 2, pre_norm=True, projection=embed)
        wide, _, deep = text
        words = text_tower(draw, wide, deep, 4 * wide, VOCABULARY, 77, embed)
        return open_clip_vision(image) | open_clip_text(words) | {"logit_scale": draw("logit_scale", (), 0, 4.6052)}

    config = dict(
        model_cfg=dict(embed_dim=embed, **(top or {}),
                       vision_cfg=dict(layers=layers, width=width, head_width=head_width, patch_size=patch, **vision_extra),
                       text_cfg=dict(context_length=77, vocab_size=VOCABULARY, width=text[0], heads=text[1], layers=text[2])),
        preprocess_cfg=dict(mean=CLIP_PIXELS["image_mean"], std=CLIP_PIXELS["image_std"]))
    return Family(make, config, None, side, "open_clip", clip_ids(), **more)


def open_clip_siglip(text, timm_name, text_extra=None, **more):
    """open_clip's SigLIP B/16: the image tower is timm's, whose sizes only its name tells."""
    def make(draw):
        image = vision_tower(draw, 768, 12, 3072, 16, 196, class_token=False, patch_bias=True, pool=True)
        wide, _, deep = text
        words = text_tower(draw, wide, deep, 4 * wide, VOCABULARY, 64, 768, projection_bias=True)
        return timm_siglip(image) | open_clip_text(words, "text.") | {
            "logit_scale": draw("logit_scale", (), 0, 4.7), "logit_bias": draw("logit_bias", (), 0, -16.5)}

    config = dict(
        model_cfg=dict(
            embed_dim=768, init_logit_bias=-10, custom_text=True,
            vision_cfg=dict(image_size=224, timm_model_name=timm_name, timm_model_pretrained=False, timm_pool="map",
                            timm_proj="none"),
            text_cfg=dict(context_length=64, vocab_size=VOCABULARY, hf_tokenizer_name="timm/ViT-B-16-SigLIP",
                          tokenizer_kwargs=dict(clean="canonicalize"), width=text[0], heads=text[1], layers=text[2],
                          no_causal_mask=True, proj_bias=True, pool_type="last", norm_kwargs=dict(eps=1e-06),
                          **(text_extra or {}))),
        preprocess_cfg=dict(mean=HALF["image_mean"], std=HALF["image_std"], interpolation="bicubic", resize_mode="squash"))
    return Family(make, config, None, 224, "open_clip", SIGLIP_IDS, full_size=True, bf16=True, images=4, **more)


# Not narrower: below a width of about 150 so few products share the rounding that bf16 alone nears its bound.
FAMILIES = {
    "clip": clip((192, 3, 3, 768), (192, 3, 3, 768), patch=32, side=224, projection=96),
    "clip-gelu": clip((240, 5, 2, 600), (192, 3, 2, 768), 16, 112, 96, activation="gelu", eos=VOCABULARY - 1, seed=2),
    "siglip": siglip((192, 3, 3, 768), (192, 3, 3, 768), SIGLIP_IDS, seed=3),
    # Heads of 72, a side that 14 does not divide, 16 tokens: so400m.
    "siglip-so400m": siglip((216, 3, 2, 808), (216, 3, 2, 808), SHORT_IDS, dict(patch_size=14, image_size=124),
                            dict(max_position_embeddings=16), seed=4),
    # Heads of 96, a text tower of another width than the image tower's: giant-opt.
    "siglip2": siglip((192, 2, 3, 768), (176, 2, 3, 700), SIGLIP2_IDS, text_extra=dict(projection_size=192),
                      architectures=False, resample=2, seed=5),
    "dinov2": dino2(192, 3, 3, seed=6),
    "dinov2-registers": dino2(192, 3, 3, registers=4, seed=7),
    "dinov2-giant": dino2(256, 4, 2, gated=True, seed=8),
    "dinov2-giant-new-names": dino2(256, 4, 2, gated=True, new_names=True, seed=8),
    "dinov3": dino3((192, 3, 3, 768), seed=9),
    "dinov3-gated": dino3((192, 3, 3, 512), gated=True, seed=10),
    "open_clip-h14": open_clip((240, 80, 3, 14), (192, 3, 3), 96, dict(image_size=112), seed=11),
    "open_clip-g14": open_clip((176, 88, 3, 14), (192, 3, 2), 96, dict(image_size=112, mlp_ratio=4.3637),
                               dict(quick_gelu=True), seed=12),
    "open_clip-bigG14": open_clip((208, 104, 3, 14), (192, 3, 2), 96, dict(image_size=112, mlp_ratio=4.9231), seed=13),
    "open_clip-siglip": open_clip_siglip((192, 3, 3), "vit_base_patch16_siglip_224", seed=14),
    "open_clip-siglip2": open_clip_siglip((192, 3, 3), "vit_base_patch16_siglip_224",
                                          dict(act_kwargs=dict(approximate="tanh")), seed=15),
}
