"""Words in captions: by hand in every layout, against a plain loop, and what must not matter."""

import io
import json
import re
import tarfile
from dataclasses import dataclass

import datasets
import numpy as np
import pytest
from PIL import Image

from contrastive.config import DataConfig
from contrastive.data import open_source
from contrastive.data.words import (
    MOST_WORDS,
    NEITHER,
    SEVERAL,
    Finder,
    count_words,
    count_words_of_run,
    groups_of_images,
    read_terms,
    tokens_of,
    usual_group_terms,
)
from strictio.errors import UsageError
from tests.support.training import TINY_CONV, run_text

PAIRS = [
    ("a.png", "woman", ["A nurse smiles.", "the NURSE's hat"]),
    ("b.png", "woman", ["a police-officer"]),
    ("c.png", "man", ["a nurse and another nurse", "a doctor"]),
    ("d.png", "man", ["two doctors; an officer of the police"]),
    ("e.png", "", ["a nurse"]),
]
WORDS = ["nurse", "doctor = doctor | doctors", "police officer", "officer", "pilot"]
BY_HAND = {
    ("nurse", "a.png"): 2, ("nurse", "c.png"): 1, ("nurse", "e.png"): 1, ("doctor", "c.png"): 1, ("doctor", "d.png"): 1,
    ("police officer", "b.png"): 1, ("officer", "b.png"): 1, ("officer", "d.png"): 1,
}  # fmt: skip
"""(word, image) -> captions of the image with the word."""


def picture(i):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def csv_rows(root):
    """One row per caption: rows of one image name one file."""
    lines = [f'{name},"{caption}",{gender}' for name, gender, captions in PAIRS for caption in captions]
    (root / "pairs.csv").write_text("\n".join(["image,caption,gender", *lines]))
    return root / "pairs.csv"


def json_lists(root):
    lines = [json.dumps({"image": name, "caption": captions, "gender": gender}) for name, gender, captions in PAIRS]
    (root / "pairs.jsonl").write_text("\n".join(lines))
    return root / "pairs.jsonl"


def tar_of_lines(root):
    with tarfile.open(root / "pairs.tar", "w") as archive:
        for i, (name, gender, captions) in enumerate(PAIRS):
            facts = json.dumps({"gender": gender} if gender else {}).encode()
            for ending, content in ((".png", picture(i)), (".txt", "\n".join(captions).encode()), (".json", facts)):
                header = tarfile.TarInfo(name.replace(".png", ending))
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))
    return root / "pairs.tar"


def parquet(root):
    columns = {
        "image": [{"bytes": picture(i), "path": name} for i, (name, _, _) in enumerate(PAIRS)],
        "caption": [captions for _, _, captions in PAIRS], "gender": [gender or None for _, gender, _ in PAIRS],
    }  # fmt: skip
    text = datasets.Value("string")
    kinds = datasets.Features({"image": datasets.Image(), "caption": datasets.List(text), "gender": text})
    datasets.Dataset.from_dict(columns, kinds).to_parquet(str(root / "pairs.parquet"))
    return root / "pairs.parquet"


def folder(root):
    for i, (name, _, captions) in enumerate(PAIRS):
        (root / "folder").mkdir(exist_ok=True)
        (root / "folder" / name).write_bytes(picture(i))
        (root / "folder" / name.replace(".png", ".txt")).write_text("\n".join(captions))
    return root / "folder"


LAYOUTS = {"csv": csv_rows, "jsonl": json_lists, "tar": tar_of_lines, "parquet": parquet, "folder": folder}


def run_of(root, layout):
    """Write the pairs and a configuration; return its path."""
    path = LAYOUTS[layout](root)
    settings = 'captions = "lines"; batch = 2' if layout in ("tar", "folder") else "batch = 2"
    (root / "run.toml").write_text(run_text(TINY_CONV, data=settings, optim="steps = 1; lr = 1e-3").replace('"shapes"', f'"{path}"'))
    return str(root / "run.toml")


def by_name(counts, terms):
    return {
        (terms[word].name, PAIRS[image][0]): int(events)
        for word, image, events in zip(counts.word_h, counts.image_h, counts.events_h, strict=True)
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_counts_worked_out_by_hand(layout, tmp_path):
    terms = read_terms(WORDS, "here")
    found = count_words_of_run(run_of(tmp_path, layout), (), terms, ())
    assert by_name(found.counts, terms) == BY_HAND
    assert found.counts.captions_m.tolist() == [2, 1, 2, 1, 1]
    # Without a column of groups, images are those of the words for women and men, which stand in none of these captions.
    assert (found.columns, found.groups, set(found.group_m.tolist())) == ((), ("woman", "man"), {NEITHER})


@pytest.mark.parametrize("layout", ["csv", "jsonl", "tar", "parquet"])
def test_groups_are_those_of_the_columns_of_the_data(layout, tmp_path):
    found = count_words_of_run(run_of(tmp_path, layout), ['data.groups=["gender"]'], read_terms(WORDS, "here"), ())
    groups = [found.groups[group] if group >= 0 else None for group in found.group_m]
    assert (found.columns, found.group_terms) == (("gender",), ())
    assert groups == ["woman", "woman", "man", "man", None]
    assert by_name(found.counts, read_terms(WORDS, "here")) == BY_HAND


def test_groups_from_captions_are_of_the_image_and_of_one_group_only(tmp_path):
    rows = ["a,She waves", "a,a nurse", "b,a man and a woman", "c,a nurse", "d,the man's hat", "e,human mankind"]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,caption", *rows]))
    run = run_of(tmp_path, "folder").replace("x", "x")
    found = count_words_of_run(run, [f"data.train={tmp_path / 'pairs.csv'}"], read_terms(["nurse"], "here"), usual_group_terms())
    assert found.group_m.tolist() == [0, SEVERAL, NEITHER, 1, NEITHER]
    # The words for groups are counted in the same pass, and are not among the words that were asked for.
    assert (found.counts.word_h.tolist(), found.counts.image_h.tolist()) == ([0, 0], [0, 2])


def test_an_image_whose_rows_name_several_groups_is_in_none():
    assert groups_of_images(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, -1, 2]), 4).tolist() == [SEVERAL, 1, 2, NEITHER]


@dataclass
class Made:
    """Captions of pairs."""

    texts: list
    names: list

    def __len__(self):
        return len(self.texts)

    def name(self, index):
        return self.names[index]

    def captions(self, index):
        return self.texts[index]


def drawn(seed, pairs=400):
    rng = np.random.default_rng(seed)
    vocabulary = ["nurse", "NURSES", "police", "officer", "Café", "cafe\u0301", "the", "in", "मानव", "2nd", "—", "o'clock", "İ", "straße"]
    texts = [
        tuple(" ".join(rng.choice(vocabulary, rng.integers(0, 8))) + rng.choice(["", ".", "-x"]) for _ in range(rng.integers(0, 4)))
        for _ in range(pairs)
    ]
    return Made(texts, [f"{rng.integers(0, pairs // 2)}.png" for _ in range(pairs)])


LISTED = ["nurse", "nurse or nurses = nurse|nurses", "police officer", "officer police", "café", "मानव", "2nd", "o clock", "STRASSE", "i̇"]


def plain_loop(source, terms):
    """Count with one regular expression per form and caption, over the tokens."""
    images, counted = {}, {}
    for index in range(len(source)):
        image = images.setdefault(source.name(index), len(images))
        for caption in source.captions(index):
            text = " ".join(tokens_of(caption))
            for number, term in enumerate(terms):
                forms = "|".join(re.escape(" ".join(form)) for form in term.forms)
                if re.search(f"(?:^| )(?:{forms})(?: |$)", text):
                    counted[number, image] = counted.get((number, image), 0) + 1
    return counted


@pytest.mark.parametrize("seed", range(3))
def test_counts_agree_with_a_plain_loop(seed):
    source, terms = drawn(seed), read_terms(LISTED, "here")
    counts = count_words(source, terms)
    found = dict(zip(zip(counts.word_h.tolist(), counts.image_h.tolist(), strict=True), counts.events_h.tolist(), strict=True))
    assert found == plain_loop(source, terms)
    assert len(found) > 100
    assert counts.captions_m.sum() == sum(map(len, source.texts))


def test_order_case_and_repeated_words_do_not_matter():
    source = drawn(7)
    order = np.random.default_rng(1).permutation(len(source))
    shuffled = Made([source.texts[i] for i in order], [source.names[i] for i in order])
    loud = Made([tuple(text.upper() for text in texts) for texts in source.texts], source.names)

    def by_image(made, listed):
        terms = read_terms(listed, "here")
        counts, names = count_words(made, terms), dict.fromkeys(made.names)
        named = dict(enumerate(names))
        return {
            (terms[word].name, named[image], events)
            for word, image, events in zip(counts.word_h.tolist(), counts.image_h.tolist(), counts.events_h.tolist(), strict=True)
        }

    expected = by_image(source, LISTED)
    assert (
        by_image(shuffled, LISTED) == by_image(source, LISTED[::-1]) == by_image(source, [*LISTED, "Nurse", "police-officer"]) == expected
    )
    assert by_image(loud, ["nurse", "police officer"]) == {row for row in expected if row[0] in ("nurse", "police officer")}


def test_a_word_is_counted_once_per_caption_and_only_as_a_whole():
    finder = Finder(read_terms(["art", "art dealer", "dealer"], "here"))
    found = {
        text: sorted(finder.numbers(text)) for text in ("art and ART", "an artist", "art-dealer", "dealer of art", "smart dealers", "")
    }
    assert found == {
        "art and ART": [0], "an artist": [], "art-dealer": [0, 1, 2], "dealer of art": [0, 2], "smart dealers": [], "": [],
    }  # fmt: skip


def test_letters_of_scripts_without_spaces_are_tokens_with_their_marks():
    assert tokens_of("女doctorマンション") == ["女", "doctor", "マンション"]
    assert tokens_of("หญิง2") == ["ห", "ญิ", "ง", "2"]
    assert sorted(Finder(read_terms(["女", "マン", "หญิง", "ญ"], "here")).numbers("女性とマンション ผู้หญิง")) == [0, 2]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["nurse", "…"], "'…' is not a word"),
        (["nurse = nurse | "], "is not a word"),
        (["= nurse"], "is not a word"),
        ([" ", ""], "no words to count"),
        (["nurse", "nurse = nurse | nurses"], "has two lists of forms"),
        ([f"word{i}" for i in range(MOST_WORDS + 1)], "5,001 words to count"),
    ],
)
def test_a_list_that_cannot_be_counted_is_refused(entries, said):
    with pytest.raises(UsageError, match=said):
        read_terms(entries, "--words")


def test_captions_are_read_once_each(tmp_path):
    source = open_source(DataConfig(train=str(csv_rows(tmp_path))))
    read = []

    class Watched(Made):
        def captions(self, index):
            read.append(index)
            return source.captions(index)

    count_words(Watched([()] * len(source), [str(i) for i in range(len(source))]), read_terms([f"w{i}" for i in range(300)], "here"))
    assert read == list(range(len(source)))
