#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real photographs for tests and the demo, and JPEGs derived from them.

The originals are photographs among Debian's wallpaper packages (free licences, always reachable): downloaded with
`apt-get download` and unpacked, not installed, into build/photos. A folder named by PHOTOVEC_PHOTOS is used
instead when set: either such packages unpacked, or any 30 distinct photos.

    photos.py --derive 300 OUTDIR   300 JPEGs of 0.3 to 12 megapixels; every tenth is a resized, recompressed copy of
                                    another, and copies.json says of which
    photos.py --list                the paths of the originals

Needs python3-pil, python3-numpy and, when photos must be fetched, apt. The same seed gives the same pictures.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
NEEDED = 30
SMALLEST_MP = 0.3

# Photographs only: drawings and renderings have other statistics. A path may end in a folder, of which the
# largest picture counts.
MATE = "usr/share/backgrounds/mate/nature/"
LOMIRI = "usr/share/backgrounds/"
PLASMA = "usr/share/wallpapers/"
PHOTOGRAPHS = {
    "mate-backgrounds": [MATE + name + ".jpg" for name in (
        "Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings Wood YellowFlower").split()],
    "lomiri-wallpapers-16.04": [LOMIRI + name + ".jpg" for name in (
        "Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Picture_0B_by_freespace Picture_1A_by_freespace "
        "Wine_by_Jakkub_Mede aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi "
        "greentock_by_Peter_Nerlich life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi "
        "seeding_by_Clements_Engelhardt sunset_by_Aitzol_Berasategi").split()],
    "lomiri-wallpapers-20.04": [LOMIRI + "Kleiber_by_Lukas_Baubkus.jpg"],
    "plasma-workspace-wallpapers": [PLASMA + name + "/contents/images" for name in (
        "BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite OneStandsOut Path Volna "
        "summer_1am").split()],
}


def fetch(package, folder):
    """Downloads and unpacks one Debian package below `folder`, unless it is there; returns where."""
    target = folder / package
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        # As root, apt would hand the download to its own user, who may not write here.
        as_root = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        done = subprocess.run(["apt-get", *as_root, "download", "-q", package], cwd=work, capture_output=True, text=True, check=False)
        found = list(pathlib.Path(work).glob("*.deb"))
        if done.returncode != 0 or len(found) != 1:
            raise SystemExit(f"photos: cannot download the package {package}: {done.stderr.strip() or done.stdout.strip()}\n"
                             "photos: run `apt-get update`, or set PHOTOVEC_PHOTOS to a folder with 30 photos")
        subprocess.run(["dpkg-deb", "-x", found[0], pathlib.Path(work) / "root"], check=True)
        os.replace(pathlib.Path(work) / "root", target)
    return target


def pick(path):
    """A listed path as a picture, or None."""
    if path.is_dir():
        pictures = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file() and not p.is_symlink()]
        return max(pictures, key=lambda p: (p.stat().st_size, p.name), default=None)
    return path if path.is_file() else None


def listed_below(folder):
    """Our photographs in a folder where the packages were unpacked, each into a folder of its own or all into one."""
    roots = [folder, *sorted(p for p in folder.iterdir() if p.is_dir())]
    found = {}
    for package, paths in PHOTOGRAPHS.items():
        for path in paths:
            for root in roots:
                picture = pick(root / path)
                if picture is not None:
                    found.setdefault(path, picture)
    return list(found.values())


def any_below(folder):
    """All photos of at least 0.2 megapixels, without duplicates."""
    seen = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        with Image.open(path) as image:
            if image.width * image.height >= 200_000:
                seen.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    return list(seen.values())


def originals():
    """At least 30 distinct photographs, as paths, always in the same order."""
    given = os.environ.get("PHOTOVEC_PHOTOS")
    if given:
        folder = pathlib.Path(given)
        if not folder.is_dir():
            raise SystemExit(f"photos: PHOTOVEC_PHOTOS={given} is no folder")
        found = listed_below(folder)
        found = found if len(found) >= NEEDED else any_below(folder)
    else:
        cache = REPOSITORY / "build/photos"
        for package in PHOTOGRAPHS:
            fetch(package, cache)
        found = listed_below(cache)
    if len(found) < NEEDED:
        raise SystemExit(f"photos: only {len(found)} photographs found, {NEEDED} needed")
    return found


def load(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def random_crop(image, chance, smallest=0.45, whole=1 / 6):
    """A crop of `smallest` to 1 of each side; the whole photo with probability `whole`."""
    if chance.random() < whole:
        return image
    width, height = (round(side * chance.uniform(smallest, 1)) for side in image.size)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def to_size(image, megapixels, chance):
    """That many megapixels. What must be enlarged gets a camera's noise, so that its JPEG is not too easy to decode."""
    scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(size, Image.Resampling.LANCZOS)
    if scale <= 1:
        return resized
    noise = np.random.default_rng(chance.getrandbits(32)).standard_normal((size[1], size[0], 1), np.float32)
    return Image.fromarray(np.clip(np.asarray(resized) + 4 * noise, 0, 255).astype(np.uint8))


def derive_from(path, numbers, seed, outdir, largest_mp):
    """Writes the JPEGs with these numbers, all from one original; returns (name, pixels, bytes) of each."""
    photo = load(path)
    made = []
    for number in numbers:
        chance = random.Random(f"{seed}/{number}")
        crop = random_crop(photo, chance)
        # Mostly what the original has; one of ten is as large as a phone's photo.
        high = min(largest_mp, max(SMALLEST_MP, crop.width * crop.height / 1e6))
        low = SMALLEST_MP
        if chance.random() < 0.1:
            low, high = largest_mp * 2 / 3, largest_mp
        picture = to_size(crop, low * (high / low) ** chance.random(), chance)
        name = f"{number:04d}-{path.stem if path.parent.name != 'images' else path.parent.parent.parent.name}.jpg"
        picture.save(outdir / name, "JPEG", quality=chance.randint(78, 95), progressive=chance.random() < 0.15,
                     subsampling=chance.choice(["4:2:0", "4:2:0", "4:2:0", "4:4:4"]))
        made.append((name, picture.width * picture.height, (outdir / name).stat().st_size))
    return made


def copy_of(number, source, seed, outdir):
    """A smaller, more compressed copy, as photo services make them."""
    chance = random.Random(f"{seed}/copy/{number}")
    picture = load(outdir / source)
    smallest = (SMALLEST_MP * 1e6 / (picture.width * picture.height)) ** 0.5
    scale = min(1.0, max(chance.uniform(0.4, 0.9), smallest))
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    name = f"{number:04d}-copy-of-{source}"
    picture.save(outdir / name, "JPEG", quality=chance.randint(55, 75))
    return name, picture.width * picture.height, (outdir / name).stat().st_size


def derive(count, outdir, seed=1, largest_mp=12.0):
    """Writes `count` JPEGs into `outdir` (emptied of earlier ones) and copies.json; returns {copy: original}."""
    outdir = pathlib.Path(outdir)
    outdir.mkdir(parents=True, exist_ok=True)
    for old in outdir.glob("[0-9][0-9][0-9][0-9]-*.jpg"):
        old.unlink()
    sources = originals()
    copies = [n for n in range(count) if n % 10 == 9]
    plain = [n for n in range(count) if n % 10 != 9]
    shares = [(path, plain[i :: len(sources)]) for i, path in enumerate(sources) if plain[i :: len(sources)]]
    with concurrent.futures.ProcessPoolExecutor() as pool:
        jobs = [pool.submit(derive_from, *share, seed, outdir, largest_mp) for share in shares]
        made = [one for job in jobs for one in job.result()]
        names = {int(name[:4]): name for name, _, _ in made}
        chosen = {n: names[random.Random(f"{seed}/pick/{n}").choice([m for m in plain if m < n])] for n in copies}
        jobs = [pool.submit(copy_of, n, source, seed, outdir) for n, source in chosen.items()]
        made_copies = [job.result() for job in jobs]
    manifest = {copy[0]: chosen[int(copy[0][:4])] for copy in made_copies}
    (outdir / "copies.json").write_text(json.dumps(manifest, indent=1) + "\n")
    report(made + made_copies, len(sources))
    return manifest


def report(made, sources):
    megapixels = sorted(pixels / 1e6 for _, pixels, _ in made)
    bits = sorted(8 * size / pixels for _, pixels, size in made)
    print(f"{len(made)} JPEGs from {sources} photographs: {megapixels[0]:.2f} to {megapixels[-1]:.1f} MP "
          f"(median {statistics.median(megapixels):.2f}), {bits[0]:.2f} to {bits[-1]:.2f} bits per pixel "
          f"(median {statistics.median(bits):.2f}), {sum(size for *_, size in made) / 1e6:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--derive", type=int, metavar="N", help="write N JPEGs into OUTDIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the paths of the originals")
    parser.add_argument("outdir", nargs="?", metavar="OUTDIR", type=pathlib.Path)
    args = parser.parse_args()
    if args.list:
        print(*originals(), sep="\n")
    elif args.derive and args.outdir:
        if shutil.which("dpkg-deb") is None and not os.environ.get("PHOTOVEC_PHOTOS"):
            raise SystemExit("photos: dpkg-deb is missing; set PHOTOVEC_PHOTOS to a folder with 30 photos")
        derive(args.derive, args.outdir, args.seed)
    else:
        parser.print_usage()
        sys.exit(2)


if __name__ == "__main__":
    main()
