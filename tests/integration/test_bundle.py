# SPDX-License-Identifier: MIT
"""scripts/bundle: what it makes runs at another place, with no environment, with nothing of ours around it."""
import pathlib
import re
import subprocess
import tarfile

import numpy
import pytest
from conftest import BINARY

BUNDLE = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts/bundle"
GLIBC = {"ld-linux-x86-64.so.2", "linux-vdso.so.1", "libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0",
         "libdl.so.2", "librt.so.1", "libresolv.so.2", "libutil.so.1"}
CUDA = re.compile(r"lib(cuda|cublas|cudnn|nv)")
OPENED_BY_NAME = re.compile(r"lib(heif|tiff|jxl|openjp2|raw)\b")


def alone(*command):
    """Runs with an empty environment."""
    return subprocess.run(["/usr/bin/env", "-i", *map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Made in one folder, unpacked in another."""
    made, moved = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("moved to a place with spaces")
    done = subprocess.run([BUNDLE, "--build", BINARY.parent.parent, "--out", made, "--level", "1"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    archives = list(made.iterdir())
    assert [path.name.startswith("photovec-") and path.name.endswith("-linux-x86_64.tar.xz") for path in archives] == [True]
    with tarfile.open(archives[0]) as archive:
        archive.extractall(moved)
    archives[0].unlink()
    return moved / archives[0].name.removesuffix(".tar.xz")


def test_nothing_but_glibc_comes_from_outside(bundle):
    files = [path for folder in ("bin", "lib") for path in (bundle / folder).iterdir()]
    assert {"photovec", "photovec-lab", "photovec-decoder", "libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1"} <= {p.name for p in files}
    assert not any(CUDA.match(path.name) or OPENED_BY_NAME.match(path.name) or path.name in GLIBC for path in files)
    for path in files:
        for line in alone("/usr/bin/ldd", path).stdout.splitlines():
            name = pathlib.PurePath(line.split()[0]).name
            if name in GLIBC or (path.name == "libphotovec_cuda.so" and CUDA.match(name)):
                continue
            assert f"=> {bundle}/lib/{name} " in line.replace("/bin/../lib/", "/lib/"), f"{path.name}: {line}"


def test_the_libraries_bring_their_licences(bundle):
    texts = list((bundle / "share/doc/photovec/licenses").iterdir())
    assert len(texts) > 20 and all(path.stat().st_size > 0 for path in texts)
    assert {"LICENSE", "README.md"} <= {path.name for path in (bundle / "share/doc/photovec").iterdir()}


def test_doctor_finds_the_decoder(bundle):
    done = alone(bundle / "bin/photovec", "doctor")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "photovec" in done.stdout and "decoder" in done.stdout


def test_embed_gives_the_vectors_of_the_build(bundle, model, image_root, tmp_path):
    def vectors(binary, out, *before):
        done = subprocess.run([*before, binary, "embed", image_root / "album", "-o", out, "--model", model, "--device", "cpu",
                               "--precision", "f32"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return numpy.load(out)

    moved = vectors(bundle / "bin/photovec", tmp_path / "moved.npy", "/usr/bin/env", "-i")
    assert moved.shape[0] == 1
    assert numpy.array_equal(moved, vectors(BINARY, tmp_path / "built.npy"))
