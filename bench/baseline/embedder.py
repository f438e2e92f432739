# SPDX-License-Identifier: MIT
"""Resize and encode, as the replaced service did both: one pool job a request, images resized one after another, batches
of 64 of that request alone."""
import contextlib
import dataclasses
import json
import os
import pathlib
import queue

import cv2
import numpy as np
import torch
import transformers

from request_log import now_us

BATCH = 64
CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


@dataclasses.dataclass
class Embedded:
    vectors: dict[str, torch.Tensor]  # name -> [D] f32 on the CPU, not normalised
    preprocess_us: int
    embed_us: int
    job_us: int


def load_model(folder, device):
    """A CLIP image tower with projection, f32, from a HuggingFace directory; a whole CLIPModel does too."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.eval().to(device)


def default_streams(device):
    """CUDA: 1, as the owners began. CPU: one for each core, because forward passes of one thread each lose nothing to
    barriers between threads (README.md, "Tuning")."""
    return 1 if device.type == "cuda" else os.cpu_count() or 1


class Embedder:
    """Thread-safe: every pool thread may run a job. `streams` forward passes run at the same time, each on a CUDA stream of
    its own where there is CUDA; other jobs wait in their pool threads, as the owners' jobs waited for the device."""

    def __init__(self, model_dir, device, bf16=False, streams=0):
        self.device = torch.device(device)
        self.model = load_model(model_dir, self.device)
        self.size = self.model.config.image_size
        self.bf16 = bf16
        self.stream_count = streams or default_streams(self.device)
        self.free_streams = queue.SimpleQueue()
        for _ in range(self.stream_count):
            self.free_streams.put(torch.cuda.Stream(self.device) if self.device.type == "cuda" else None)
        config = pathlib.Path(model_dir, "preprocessor_config.json")
        preprocessing = json.loads(config.read_text()) if config.exists() else {}
        self.mean = self.channel_constant(preprocessing.get("image_mean", CLIP_MEAN))
        self.std = self.channel_constant(preprocessing.get("image_std", CLIP_STD))

    def channel_constant(self, values):
        return torch.tensor(values, dtype=torch.float32, device=self.device).view(1, 3, 1, 1)

    def preprocess(self, images):
        """[H, W, 3] u8 each -> [N, 3, S, S] f32 on the device."""
        resized = [cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_CUBIC) for image in images]
        # Contiguous, because the permuted strides would live on: on CPUs without AVX-512 the patch convolution takes twice as long.
        pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous().to(self.device, dtype=torch.float32) / 255.0
        return (pixels - self.mean) / self.std

    @contextlib.contextmanager
    def stream(self):
        stream = self.free_streams.get()
        try:
            if stream is None:
                yield
                return
            stream.wait_stream(torch.cuda.current_stream(self.device))  # which copies and normalises the pixels
            with torch.cuda.stream(stream):
                yield
        finally:
            self.free_streams.put(stream)

    def forward(self, pixels):
        """[N, 3, S, S] f32 on the device -> [N, D] f32 on the CPU."""
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.model(pixel_values=pixels).image_embeds.float().cpu()

    def run(self, names, images):
        """One request's job, for a pool thread."""
        began = now_us()
        with torch.inference_mode():
            batches = [self.preprocess(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        preprocessed = now_us()
        vectors = {}
        for number, pixels in enumerate(batches):
            with self.stream():
                features = self.forward(pixels)
            # Rows are views of the whole batch, and a pickle holds a view's whole storage: the owners' replies were that large.
            vectors.update(zip(names[number * BATCH :], features))
        ended = now_us()
        return Embedded(vectors, preprocessed - began, ended - preprocessed, ended - began)

    def warm_up(self):
        with self.stream():
            self.forward(torch.zeros(BATCH, 3, self.size, self.size, device=self.device))
