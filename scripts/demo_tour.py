# SPDX-License-Identifier: MIT
"""The part of scripts/demo after building: embed by HTTP, embed by command line, compare, show neighbours."""
import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from photovec_client import Server, find_binary, multipart, post_patiently, run_threads, stage_table  # noqa: E402 - after sys.path

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif"}
PER_REQUEST = 32
CLIENTS = 4


def embed_by_http(server, paths):
    """Vectors [N,D] in the order of `paths` (zeros where a photo failed), the errors, and the seconds it took."""
    chunks = [paths[i:i + PER_REQUEST] for i in range(0, len(paths), PER_REQUEST)]
    rows, errors = [None] * len(chunks), {}

    def client(index):
        connection = server.connect()
        for chunk in range(index, len(chunks), CLIENTS):
            content_type, body = multipart([p.read_bytes() for p in chunks[chunk]])
            response, answer = post_patiently(connection, "/embed", body, {"Content-Type": content_type})
            answer = json.loads(answer)
            if response.status != 200:
                raise SystemExit(f"POST /embed: {response.status} {answer}")
            width = max(len(v) for v in answer["embeddings"] if v)
            rows[chunk] = np.array([v or [0.0] * width for v in answer["embeddings"]], dtype=np.float32)
            for error in answer.get("errors", []):
                errors[chunks[chunk][error["index"]]] = f"{error['code']}: {error['message']}"

    start = time.monotonic()
    run_threads(CLIENTS, client)
    return np.concatenate(rows), errors, time.monotonic() - start


def show_neighbours(vectors, paths, copies):
    """Nearest neighbours of a few photos; with known copies, each copy's original must rank first."""
    names = [p.name for p in paths]
    centred = vectors - vectors.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    similarity = centred @ centred.T
    np.fill_diagonal(similarity, -2)
    index = {name: i for i, name in enumerate(names)}
    pairs = [(c, o) for c, o in copies.items() if c in index and o in index]
    shown = [index[o] for _, o in pairs[:3]] or list(range(0, len(names), max(1, len(names) // 3)))[:3]
    for i in shown:
        best = np.argsort(-similarity[i])[:3]
        print(f"  {names[i]:<34} " + "  ".join(f"{names[j]} ({similarity[i, j]:.3f})" for j in best))
    if not pairs:
        return True
    family = {}
    for copy, original in pairs:
        family.setdefault(original, {original}).add(copy)
    first = sum(names[int(np.argmax(similarity[index[c]]))] in family[o] for c, o in pairs)
    print(f"  re-encoded or resized copies whose nearest neighbour is the photo they were made of: {first} of {len(pairs)}")
    return first == len(pairs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--photos", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    paths = sorted(p for p in args.photos.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise SystemExit(f"demo: no photos (jpg, png, webp, gif) under {args.photos}")
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = args.photos / "copies.json"
    copies = json.loads(manifest.read_text()) if manifest.exists() else {}

    print(f"\nBy HTTP: {len(paths)} photos, {PER_REQUEST} a request, {CLIENTS} clients")
    with Server(args.model) as server:
        embed_by_http(server, paths[:2 * PER_REQUEST])  # warm caches, so that the timed pass is steady
        before = server.stats()["photovec_images_total"]
        vectors, errors, seconds = embed_by_http(server, paths)
        assert before
        print(stage_table(server.stats()))
    for path, error in list(errors.items())[:5]:
        print(f"  failed: {path.name}: {error}")
    http_rate = len(paths) / seconds
    print(f"  {len(paths)} photos in {seconds:.1f} s: {http_rate:.1f} img/s, {len(errors)} failed")

    out = args.out / "vectors.npy"
    print(f"\nBy command line: photovec embed {args.photos} -o {out}")
    sys.stdout.flush()
    done = subprocess.run([str(find_binary()), "embed", "--model", str(args.model), str(args.photos), "-o", str(out)], check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"photovec embed ended with exit code {done.returncode}")
    lines = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    matrix = np.load(out)
    by_name = {pathlib.Path(line["path"]).resolve(): line["row"] for line in lines if line.get("row") is not None}
    both = [(i, by_name[p.resolve()]) for i, p in enumerate(paths) if p.resolve() in by_name and p not in errors]
    worst = max((float(np.abs(vectors[i] - matrix[row]).max()) for i, row in both), default=0.0)
    print(f"  {matrix.shape[0]} vectors of {matrix.shape[1]} dimensions; largest difference from those by HTTP: {worst:.1e}")

    print("\nCeiling: photovec bench encode (this machine's bare matrix products of the same shapes)")
    sys.stdout.flush()
    bench = subprocess.run([str(find_binary()), "bench", "encode", "--model", str(args.model), "--batch", "8", "--rounds", "5", "--json"],
                           check=True, capture_output=True, text=True)
    best = json.loads(bench.stdout)
    print(f"  encode alone {best['images_per_s']:.1f} img/s ({best['precision']}, {best['share_of_ceiling'] * 100:.0f}% of the "
          f"{best['ceiling_gflops']:.0f} GFLOP/s ceiling); decode + encode + HTTP above: {http_rate:.1f} img/s")

    print("\nNearest neighbours (cosine, mean removed)")
    if not show_neighbours(vectors, paths, copies):
        raise SystemExit("demo: a copy did not find its original")
    if worst > 1e-6:
        raise SystemExit("demo: HTTP and command line disagree")


if __name__ == "__main__":
    main()
