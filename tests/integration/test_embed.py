# SPDX-License-Identifier: MIT
"""`photovec embed`: its files are right or absent, whatever ends it. bench/embed_kill does the first two tests at length."""
import json
import os
import shutil
import signal
import subprocess
import time

import embed_faults
import numpy
import pytest
from conftest import BINARY
from embed_faults import Embed


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return embed_faults.make_photos(tmp_path_factory.mktemp("photos"), 160)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return embed_faults.make_photos(tmp_path_factory.mktemp("few"), 8, seed=2)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return embed_faults.build_shim(tmp_path_factory.mktemp("shim"))


def lines(out):
    return [json.loads(line) for line in (out / "v.jsonl").read_text().splitlines()]


def names(out):
    return [line["path"].rsplit("/", 1)[-1] + ("" if line["error"] is None else ":" + line["error"]["code"]) for line in lines(out)]




def test_kills_at_random(photos, few, model, tmp_path):
    embed = Embed(BINARY, model, photos, tmp_path / "out", "--checkpoint-every", 10)
    done = embed_faults.kill_at_random(embed, Embed(BINARY, model, few, tmp_path / "out"), kills=12, seed=3)
    assert done["kills"] == 12


@pytest.mark.parametrize("kind", ["once", "stays", "kill"])
def test_disk_full_or_killed_at_a_call(few, model, tmp_path, shim, kind):
    embed = Embed(BINARY, model, few, tmp_path / "out", "--checkpoint-every", 4)
    older = Embed(BINARY, model, few / "000" / "00000.jpg", tmp_path / "out")
    done = embed_faults.fail_every_call(embed, older, shim, kind, step=7)
    assert done["older"] > 0 and done["tried"] >= 6, done


class List:
    """A run over a list in a pipe, which the test writes: it cannot end before the test lets it."""

    def __init__(self, embed, *flags):
        self.process = subprocess.Popen([*embed.command, "--from", "-", *map(str, flags)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def write(self, paths):
        self.process.stdin.write("".join(f"{path}\n" for path in paths))
        self.process.stdin.flush()

    def end(self, signals=()):
        for number in signals:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def list_embed(model, tmp_path, *flags):
    embed = Embed(BINARY, model, "", tmp_path / "out", *flags)
    embed.command.remove("")
    return embed


def wait_for_checkpoint(out, images):
    """Until the journal has a checkpoint of that many images."""
    journal = out / "v.partial" / "run" / "journal"
    deadline = time.monotonic() + 60
    while not (journal.exists() and f'"lines":{images},' in journal.read_text(errors="replace")):
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.01)


def test_ctrl_c_keeps_the_older_result_and_the_checkpoint(photos, few, model, tmp_path):
    embed = list_embed(model, tmp_path, "--checkpoint-every", 1)
    paths = sorted(photos.rglob("*.jpg"))
    assert Embed(BINARY, model, few, tmp_path / "out").run().returncode == 3
    before = embed.bytes()
    stopped = List(embed)
    stopped.write(paths[:100])
    wait_for_checkpoint(embed.out, 100)
    code, _, err = stopped.end([signal.SIGINT])
    assert code == 1 and "v.npy is as it was before" in err and "(100 images)" in err and "--resume" in err, err
    assert embed.bytes() == before and embed.check().returncode == 0
    assert embed.leftovers() == ["v.partial"]
    assert len(numpy.load(embed.out / "v.partial" / "run" / "vectors.npy")) == 97, "what there is can be looked at"

    another = List(embed, "--resume")
    another.write(paths[:50])
    code, _, err = another.end()
    assert code == 1 and "its name number 51 was" in err, err
    resumed = List(embed, "--resume")
    resumed.write(paths)
    code, out, err = resumed.end()
    assert code == 3 and "resumed after 100 images: 100 kept, 0 changed" in out, (out, err)
    wanted = Embed(BINARY, model, photos, tmp_path / "wanted")
    assert wanted.run().returncode == 3
    assert embed.digests() == wanted.digests() and embed.leftovers() == []


def test_a_second_run_is_refused_while_the_first_lives(few, model, tmp_path):
    embed = list_embed(model, tmp_path, "--checkpoint-every", 1)
    paths = sorted(few.rglob("*.jpg"))
    first = List(embed)
    first.write(paths)
    wait_for_checkpoint(embed.out, len(paths))
    for flags in ([], ["--resume"]):
        second = Embed(BINARY, model, few, tmp_path / "out", *flags).run()
        assert second.returncode == 1 and f"another run (process {first.process.pid}) is writing" in second.err, second.err
    first.process.kill()
    first.end()
    third = Embed(BINARY, model, few, tmp_path / "out").run()
    assert third.returncode == 3 and "begins anew: the checkpoint of 8 images" in third.err, third.err
    assert embed.leftovers() == []


def test_resume_refuses_another_command_and_merges_other_files(photos, model, tmp_path, shim):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)  # with its times
    embed = Embed(BINARY, model, folder, tmp_path / "out", "--checkpoint-every", 16)
    # In its second checkpoint: 64 images are safe.
    assert embed.run(environment={"LD_PRELOAD": str(shim), "FAULT_UNDER": str(embed.out), "FAULT_AT": "35",
                                  "FAULT_KIND": "kill"}).returncode == -signal.SIGKILL
    journal = (embed.out / "v.partial" / "run" / "journal").read_text()
    assert '"lines":64,' in journal and '"lines":128,' not in journal, journal
    for flags, words in ((["--jpeg-scaling", "exact"], "--jpeg-scaling was fast and is exact"), (["--all-files"], "--all-files was off and is on"),
                         ([few_name := str(folder / "000")], f'INPUT was ["{folder}"] and is ["{folder}","{few_name}"]')):
        refused = embed.run("--resume", *flags)
        assert refused.returncode == 1 and words in refused.err, refused.err
    changed = folder / "000" / "00007.jpg"
    changed.write_bytes((folder / "000" / "00008.jpg").read_bytes())
    (folder / "000" / "00009.jpg").unlink()
    shutil.copy(folder / "000" / "00010.jpg", folder / "000" / "00010a.jpg")
    (folder / "000" / "00003.jpg").write_bytes(b"broken now")
    resumed = embed.run("--resume")
    assert resumed.returncode == 3, resumed.err
    assert "2 changed since and embedded anew, 1 new among them, 1 gone" in resumed.out, resumed.out
    wanted = Embed(BINARY, model, folder, tmp_path / "wanted")
    assert wanted.run().returncode == 3
    assert embed.digests() == wanted.digests() and embed.check().returncode == 0 and embed.leftovers() == []


def test_resume_with_nothing_to_resume_begins(few, model, tmp_path):
    embed = Embed(BINARY, model, few, tmp_path / "out")
    done = embed.run("--resume")
    assert done.returncode == 3 and len(lines(embed.out)) == 8, done.err


def test_lists(few, model, tmp_path):
    paths = sorted(few.rglob("*.jpg"))
    odd = tmp_path / "new\nline.jpg"
    shutil.copy(paths[0], odd)
    (tmp_path / "list").write_text(f"{paths[1]}\n\n{paths[0]}\nnone.jpg\n{few}\n{paths[0]}")
    embed = list_embed(model, tmp_path)
    done = embed.run("--from", tmp_path / "list")
    assert done.returncode == 3, done.err
    assert names(embed.out) == ["00001.jpg", "00000.jpg", "none.jpg:not_found", few.name + ":source_failed", "00000.jpg"]
    assert json.loads((embed.out / "v.meta.json").read_text())["passed_over"]["empty_lines"] == 1
    vectors = numpy.load(embed.out / "v.npy")
    assert len(vectors) == 3 and (vectors[1] == vectors[2]).all()

    (tmp_path / "zeros").write_bytes(b"\0".join(os.fsencode(path) for path in [odd, paths[2]]) + b"\0")
    done = embed.run("--from", tmp_path / "zeros", "--null")
    assert done.returncode == 0 and [line["path"] for line in lines(embed.out)] == [str(odd), str(paths[2])], done.err

    before = embed.bytes()
    for flags, code, words in ((["--from", tmp_path / "zeros"], 1, "is it one for --null?"), (["--from", tmp_path / "no"], 1, "cannot read"),
                               (["--from", tmp_path / "list", few], 2, "not both"), ([], 2, "name at least one INPUT"),
                               (["--null", few], 2, "--null is about the list"), (["--from", tmp_path], 1, "Is a directory")):
        done = embed.run(*flags)
        assert done.returncode == code and words in done.err, done.err
        assert embed.bytes() == before


def test_what_cannot_be_read_is_told(few, model, tmp_path, shim):
    folder = tmp_path / "in"
    shutil.copytree(few, folder)
    (folder / "locked").mkdir()
    (folder / "archive").symlink_to("/nowhere/mounted")
    shutil.copy(folder / "000" / "00000.jpg", folder / "locked")
    (folder / "000" / "00001.jpg").chmod(0)
    (folder / "000" / "loop").symlink_to("..")
    (folder / "locked").chmod(0)
    embed = Embed(BINARY, model, folder, tmp_path / "out")
    # Also root may not read it then.
    through = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    try:
        done = subprocess.run([*through, *embed.command], capture_output=True, text=True, check=False)
    finally:
        (folder / "locked").chmod(0o700)
    assert done.returncode == 3, done.stderr
    assert names(embed.out) == ["00000.jpg", "00001.jpg:source_failed", "00002.jpg", "00003.jpg", "00004.jpg", "00005.jpg:unsupported_format",
                                "00006.jpg", "00007.jpg", "archive:not_found", "locked:unavailable"]
    assert "Permission denied" in lines(embed.out)[-1]["error"]["message"]
    assert "leads back to a folder that it lies in" in done.stderr
    assert json.loads((embed.out / "v.meta.json").read_text())["passed_over"]["loops"] == 1

    done = Embed(BINARY, model, few, tmp_path / "listing").run(environment={"LD_PRELOAD": str(shim), "FAULT_LISTING": "6"})
    assert done.returncode == 3, done.err
    told, = [line for line in lines(tmp_path / "listing") if "Input/output error" in (line["error"] or {}).get("message", "")]
    assert told["path"].startswith(str(few)) and told["error"]["code"] == "unavailable"


def test_nothing_that_can_be_read_replaces_nothing(few, model, tmp_path):
    embed = Embed(BINARY, model, few, tmp_path / "out")
    assert embed.run().returncode == 3
    before = embed.bytes()
    done = Embed(BINARY, model, tmp_path / "typo", tmp_path / "out").run()
    assert done.returncode == 1 and "nothing could be read (not_found 1)" in done.err and "typo: No such file" in done.err, done.err
    (tmp_path / "unmounted").mkdir()
    done = Embed(BINARY, model, tmp_path / "unmounted", tmp_path / "out").run()
    assert done.returncode == 1 and "no images were found; no result is written" in done.err, done.err
    assert embed.bytes() == before and embed.leftovers() == []


def test_the_folder_of_its_own_making_is_no_input(few, model, tmp_path):
    shutil.copytree(few, tmp_path / "out")
    embed = Embed(BINARY, model, tmp_path / "out", tmp_path / "out", "--all-files", "--checkpoint-every", 1)
    assert embed.run().returncode == 3
    assert len(lines(embed.out)) == 8 and json.loads((embed.out / "v.meta.json").read_text())["passed_over"]["by_name"] == 0


def test_check_names_what_does_not_belong(few, model, tmp_path):
    embed = Embed(BINARY, model, few, tmp_path / "out")
    assert embed.run().returncode == 3
    assert embed.check().returncode == 0 and "7 vectors of 8 inputs" in embed.check().stdout
    older = (embed.out / "v.npy").read_bytes()
    others = embed_faults.make_photos(tmp_path / "others", 8, seed=3)
    assert Embed(BINARY, model, others, tmp_path / "out").run().returncode == 3
    (embed.out / "v.npy").write_bytes(older)
    told = embed.check()
    assert told.returncode == 1 and f"{embed.out}/v.npy (" in told.stderr and "is not the file that" in told.stderr, told.stderr
