// SPDX-License-Identifier: MIT
#include "commands/engine_flags.h"

namespace photovec::commands {

void DeclareDecodeFlags(cli::FlagSet& flags, engine::EngineOptions* options) {
  flags.Group("Decoding");
  flags.Choice(
      "decode", &options->decode_mode,
      "process: in sandboxed processes, for images from strangers; thread: in this process, for images "
      "that you trust");
  flags.Choice(
      "sandbox", &options->sandbox,
      "with --decode=process; auto: every layer that the kernel allows; require: refuse to start without "
      "one (namespaces excepted)");
  flags.Choice(
      "decode-device", &options->decode_device,
      "who decodes plain JPEGs; gpu: nvJPEG, in this process, for images that you trust; mixed: GPU and CPU "
      "side by side, whoever is free first; everything else is decoded on the CPU in any case");
  flags.Choice(
      "gpu-jpeg", &options->gpu_jpeg,
      "what of the GPU decodes JPEGs; engines: its JPEG engines (A100, H100, H200), cuda: its "
      "multiprocessors; auto: both, where there are both. bench decode --decode-device=gpu compares them");
  flags.Text("decoder-program", &options->decoder_program, "FILE",
             "with --decode=process; empty: photovec-decoder beside photovec");
  flags.Integer("decoders", &options->decoders, 0, 1024, "images decoded at the same time; 0: one per CPU");
  flags.Choice(
      "jpeg-scaling", &options->decode.jpeg_scaling,
      "fast: smallest DCT scale that is still twice the model's size; exact: as Pillow, bit for bit");
  flags.Choice(
      "jpeg-decoder", &options->decode.jpeg_decoder,
      "auto: the own decoder for plain JPEGs, libjpeg-turbo for the rest; libjpeg-turbo: only that, to "
      "compare; the pixels are the same");
  flags.Choice("damaged", &options->decode.damaged,
               "photos that are damaged inside (cut off, wrong codes, lost restart markers); strict: errors; "
               "tolerant: read, and marked, when half of their rows are sound");
  flags.Choice("alpha", &options->decode.alpha,
               "transparent pixels: drop keeps their colour as Pillow does, white composes over white");
  flags.Choice(
      "color", &options->decode.color,
      "ICC profiles: ignore them as Pillow's pipelines do, or convert wide-gamut photos (Display P3, Adobe "
      "RGB) to srgb");
  flags.Integer("max-pixels", &options->decode.limits.max_pixels, 1, 1'000'000'000, "pixels of one photo");
  flags.Integer("max-side", &options->decode.limits.max_side, 1, 65'535, "pixels along one side of a photo");
  flags.Size("max-image-bytes", &options->decode.limits.max_file_bytes, 1, "encoded size of one photo",
             "100,000,000 B");
  flags.Size("decode-memory", &options->decode_memory_bytes, 0,
             "memory of all decoders together: big photos take turns; 0: half of what the models leave, at "
             "most 2 GiB "
             "and 256 MiB for each decoder",
             "0");
  flags.Size("max-decoder-bytes", &options->decode.limits.max_decoder_bytes, uint64_t{1} << 20,
             "memory of one decode, the picture included, where --decode-memory allows as much");
  flags.Integer("max-decode-cpu", &options->decode.limits.max_cpu_s, 1, 86'400,
                "seconds of CPU time that one photo may want by its pixels and scans");
  flags.Number(
      "decode-cpu", &options->decode_cpu_s, 0.1, 3'600,
      "with --decode=process: seconds of CPU time of a plain photo; one that promises more work gets "
      "more in proportion");
  flags.Number("decode-stall", &options->decode_stall_s, 0.1, 3'600,
               "with --decode=process: seconds that a photo's decoder may sleep");
  flags.Integer("max-jpeg-scans", &options->decode.limits.max_jpeg_scans, 1, 100'000,
                "scans of a progressive JPEG");
}

void DeclareEngineFlags(cli::FlagSet& flags, engine::EngineOptions* options) {
  flags.Group("Model");
  flags.List("model", &options->models, "[NAME=]DIR",
             "HuggingFace model folder; NAME is what clients call it (default: the folder's name)");
  flags.Switch("no-text", &options->no_text,
               "leave out the model's text tower: images alone, in less memory");
  flags.Choice(
      "text-clean", &options->text_clean,
      "what is done to a text before it is tokenized; auto: as transformers does with the same folder "
      "(open_clip, "
      "where its config lies there); canonicalize: lower case without punctuation, as SigLIP was trained");
  flags.Choice(
      "text-special", &options->text_special,
      "<|endoftext|> in a text; parse: the token, as transformers has it; literal: its letters, for words "
      "of strangers");
  flags.Group("Encoder");
  flags.Text("device", &options->device, "DEVICE",
             "auto (the first GPU if photovec can use one, else the CPU), cpu, cuda, cuda:N or cuda:all");
  flags.Choice(
      "precision", &options->precision,
      "arithmetic; auto: on a GPU f16, on a CPU bf16 where it has AVX512-BF16 or AMX, else f32; f16 and "
      "fp8 (Hopper) on GPUs only");
  flags.Integer(
      "streams", &options->streams, 0, 1024,
      "lanes that run batches at the same time: CUDA streams, or teams of threads on a CPU; 0: from the "
      "machine");
  flags.Integer("threads-per-stream", &options->threads_per_stream, 0, 1024,
                "threads of one stream, on a CPU; 0: from the machine");
  flags.Integer(
      "text-streams", &options->text_streams, 0, 1024,
      "more streams, for texts alone: a text finds one of them free while photos keep the others busy");
  flags.Integer("max-batch", &options->max_batch, 0, 1024, "images in one batch; 0: the backend's choice");
  flags.Integer("batch-wait-us", &options->batch_wait_us, 0, 10'000'000,
                "microseconds that a free stream waits for a fuller batch");
  flags.Size(
      "memory-budget", &options->memory_budget_bytes, 0,
      "memory that requests may take: bodies, photos, results, replies; 0: a quarter of the machine's or "
      "the container's, at most 2 GiB and what model and decoders leave",
      "0");
  DeclareDecodeFlags(flags, options);
}

}  // namespace photovec::commands
