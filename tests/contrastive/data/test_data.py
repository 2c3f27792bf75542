"""Sources, order and batches of the trainer."""

import csv
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contrastive.config import DataConfig
from contrastive.data import CaptionedImages, TrainingDataError, open_source
from contrastive.data.emoji import load_emoji
from contrastive.data.order import batch_positions, permutation, place, split, stream
from contrastive.data.pairs import load_pairs, trimmed
from contrastive.data.prefetch import prefetched
from contrastive.data.reading import square_crop
from contrastive.data.shapes import KINDS, ShapeImages
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from strictio.errors import DataError, UsageError
from strictio.images.in_process import UnreadableImage, open_rgb, to_rgb
from tests.support.training import assert_same_batches

TOKENIZER = train_bpe(["a", "b"], 514, context=20)


@given(st.integers(0, 2**63 - 1), st.integers(0, 1000), st.integers(1, 300))
def test_an_epoch_holds_every_position_once(seed, epoch, n):
    assert sorted(permutation(seed, epoch, n)) == list(range(n))


@given(st.integers(0, 100), st.integers(1, 40), st.data())
def test_the_steps_of_an_epoch_are_slices_of_its_order(seed, batch, data):
    n, step = data.draw(st.integers(batch, 100)), data.draw(st.integers(0, 50))
    epoch, start = place(step, n, batch)
    np.testing.assert_array_equal(batch_positions(seed, step, n, batch), permutation(seed, epoch, n)[start : start + batch])
    assert start + batch <= n
    assert step == epoch * (n // batch) + start // batch


def test_order_depends_on_seed_and_epoch_alone():
    first = permutation(3, 5, 1000)
    stream(3, "order", 5).random(10)  # draws elsewhere leave no trace
    np.testing.assert_array_equal(stream(3, "order", 5).permutation(1000), first)  # the order that docs and older runs have
    assert all((permutation(seed, epoch, 1000) != first).mean() > 0.9 for seed, epoch in ((3, 6), (4, 5)))


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch):
    """100 pairs in batches of 10: ten steps an epoch. A run that resumes in between has the same rows."""
    from contrastive.data import order

    drawn = []
    monkeypatch.setattr(order, "stream", lambda *which: drawn.append(which) or stream(*which))
    permutation.cache_clear()
    rows = [batch_positions(7, step, 100, 10) for step in range(25)]
    assert drawn == [(7, "order", 0), (7, "order", 1), (7, "order", 2)]
    permutation.cache_clear()
    resumed = [batch_positions(7, step, 100, 10) for step in (13, 14)]
    np.testing.assert_array_equal(resumed, rows[13:15])
    assert rows[0].dtype == np.int64


def test_streams_do_not_repeat_each_other():
    # 64 draws of neighbouring indices, epochs and purposes: a shared or overlapping counter would show as an equal number.
    streams = [stream(0, purpose, epoch, index) for purpose in ("order", "augmentation") for epoch in range(3) for index in range(20)]
    draws = np.concatenate([rng.integers(2**63, size=64) for rng in streams])
    assert len(set(draws.tolist())) == len(draws)


def test_a_split_is_a_partition_of_the_right_size():
    rows = np.arange(103)
    train, held_out = split(1, rows, share=0.1)
    assert len(held_out) == 10
    assert sorted([*train, *held_out]) == list(range(103))
    assert set(held_out) != set(split(2, rows, share=0.1)[1])
    assert len(split(1, rows, share=0.0)[1]) == 0


def test_a_group_is_on_one_side_of_a_split():
    # 40 images of 5 pairs each, their order shuffled: a tenth of 200 pairs is 20, so 4 images.
    images = np.random.default_rng(0).permutation(np.repeat(np.arange(40), 5))
    train, held_out = split(3, images, share=0.1)
    assert sorted([*train, *held_out]) == list(range(200))
    assert len(set(images[held_out])) == 4
    assert not set(images[held_out]) & set(images[train])
    assert len(split(3, np.zeros(20, int), share=0.5)[1]) == 0  # one image cannot be on both sides


def test_shapes_show_what_they_say():
    assert all(isinstance(source, CaptionedImages) for source in (load_emoji(), ShapeImages(count=3), Numbered(3)))
    shapes = ShapeImages()
    captions = [shapes.captions(index)[0] for index in range(len(KINDS))]
    assert len(set(captions)) == 144
    assert captions[:3] == ["one small red circle", "one large red circle", "two small red circles"]
    red = np.asarray(shapes.image(0)).astype(int)
    area = ((red == (0xD0, 0x20, 0x20)).all(-1)).sum()
    assert 25 <= area <= 45  # one disc of diameter 7 has 38 pixels
    assert shapes.image(7).tobytes() == ShapeImages().image(7).tobytes()
    assert shapes.image(7).tobytes() != ShapeImages(seed=1).image(7).tobytes()


def write_table(folder, rows, header=("image", "caption")):
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return DataConfig(str(folder / "pairs.csv"))


def test_a_table_of_ones_own(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "in" / "a.png")
    source = open_source(write_table(tmp_path, [("in/a.png", 'NA, "quoted"\nand long')]))
    assert (len(source), source.captions(0), source.image(0).getpixel((3, 3))) == (1, ('NA, "quoted"\nand long',), (255, 0, 0))
    assert "pairs.csv" in source.card
    assert str(tmp_path) not in source.card


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "missing.png", "folder", "link.png", "text.png"])
def test_pictures_that_may_not_or_cannot_be_read(tmp_path, path):
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    (home / "text.png").write_text("not a picture")
    with pytest.raises(UnreadableImage):
        open_source(write_table(home, [(path, "x"), ("text.png", "y")])).image(0)


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (
            ("image", "text"),
            [("a", "b")],
            "pairs.csv has no column 'caption'\nwhy: its columns are image, text\nfix: data.caption_column=text",
        ),
        (("image", "caption", "caption"), [("a", "b", "c")], "pairs.csv has the column 'caption' twice"),
        (("image", "caption"), [], "has no rows"),
        (("image", "caption"), [("a", "b"), ("a",)], "ragged \\(line 3\\)\nwhy: found 1 cells, expected 2"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, header, rows, words):
    with pytest.raises(DataError, match=words) as caught:
        open_source(write_table(tmp_path, rows, header))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("config", "kind", "words"),
    [
        (DataConfig("none.csv"), DataError, r"cannot read 'none\.csv'"),
        (DataConfig("emojis"), UsageError, "did you mean emoji"),
        (DataConfig("shapes", skew="misnamed-women"), UsageError, "for the emoji only"),
        (DataConfig("shapes", withhold=True), UsageError, r"data\.withhold is for the emoji only"),
    ],
    ids=["missing", "misspelt", "skewed", "withheld"],
)
def test_data_that_are_not_there_or_not_of_that_kind(config, kind, words):
    with pytest.raises(kind, match=words):
        open_source(config)


def test_pictures_are_flattened_as_a_person_sees_them(tmp_path):
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))  # fully transparent: its hidden colour is red
    assert to_rgb(clear).getpixel((0, 0)) == (255, 255, 255)
    grey = Image.fromarray(np.full((8, 8), 257 * 100, np.uint16))
    assert to_rgb(grey).getpixel((0, 0)) == (100, 100, 100)
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to see it"
    Image.new("RGB", (4, 9)).save(tmp_path / "turned.jpg", exif=exif)
    assert open_rgb(tmp_path / "turned.jpg").size == (9, 4)
    Image.new("1", (10_000, 5_001)).save(tmp_path / "huge.png")
    with pytest.raises(UnreadableImage, match="50 megapixels"):
        open_rgb(tmp_path / "huge.png")


@dataclass(frozen=True)
class Numbered:
    """Picture i is plain grey of value i, or what `draw` makes of i; some cannot be read."""

    count: int
    broken: frozenset[int] = frozenset()
    draw: Callable[[int], Image.Image] = lambda index: Image.new("RGB", (8, 8), (index, index, index))
    card: str = "numbers"
    identity: str = "numbers"

    def __len__(self):
        return self.count

    def name(self, index):
        return f"number {index}"

    def content(self, index):
        return self.image(index).tobytes()

    def image(self, index):
        if index in self.broken:
            raise UnreadableImage("torn")
        return self.draw(index)

    def captions(self, index):
        return (chr(ord("a") + index % 26) * (1 + index % 5),)


def pairs_of(source, *templates, **reading):
    return load_pairs(source, Preprocess(8), TOKENIZER, DataConfig("numbers", templates=templates or ("{caption}",), **reading))


def decoded(ids):
    return [TOKENIZER.decode(row.tolist()) for row in ids]


def test_pictures_and_captions_stay_together():
    pairs = pairs_of(Numbered(30), "{caption}", "{caption} b")
    pixels, ids = pairs.batch(np.array([7, 3]), epoch=0, seed=0, shift=0)
    assert pixels[:, 0, 0, 0].tolist() == [7, 3]
    assert [text.removesuffix(" b") for text in decoded(ids)] == ["hhh", "dddd"]
    assert ids.shape[1] <= 8  # start, at most four letters and the template, end: no column of padding alone
    plain, plain_ids = pairs.plain(np.array([7, 3]))
    assert torch.equal(plain, pixels)
    assert decoded(plain_ids) == ["hhh", "dddd"]


def test_a_pair_looks_the_same_whatever_surrounds_it():
    image = Image.fromarray(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3))
    pairs = pairs_of(Numbered(30, draw=lambda index: image), "{caption}", "{caption} b")
    alone, _ = pairs.batch(np.array([4]), epoch=2, seed=9, shift=2)
    among, _ = pairs.batch(np.array([1, 4, 8]), epoch=2, seed=9, shift=2)
    assert torch.equal(alone[0], among[1])
    looks = {tuple(pairs.batch(np.array([4]), epoch, 9, 2)[0].flatten().tolist()) for epoch in range(60)}
    assert 15 <= len(looks) <= 25  # 5 x 5 shifts


def test_a_shift_moves_whole_pixels_and_repeats_the_edge():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[3, 4] = 255
    pairs = pairs_of(Numbered(200, draw=lambda index: Image.fromarray(pixels)))
    moved, _ = pairs.batch(np.arange(200), epoch=0, seed=0, shift=1)
    places = torch.nonzero(moved[:, 0] == 255)[:, 1:]
    assert len(places) == 200  # never lost, never doubled
    assert set(map(tuple, places.tolist())) == {(y, x) for y in (2, 3, 4) for x in (3, 4, 5)}


def test_every_template_gets_its_turn():
    pairs = pairs_of(Numbered(26), "{caption}", "{caption} b", "{caption} bb")
    _, ids = pairs.batch(np.zeros(300, np.int64), epoch=0, seed=0, shift=0)
    assert len({tuple(row) for row in ids.tolist()}) == 1  # one pair, one epoch: one draw
    endings = [decoded(pairs.batch(np.array([0]), epoch, 0, 0)[1])[0] for epoch in range(90)]
    assert min(endings.count(text) for text in ("a", "a b", "a bb")) > 15


def test_a_picture_that_is_torn_or_without_a_caption_is_replaced_by_the_next_pair_and_reported():
    class Mute(Numbered):
        def captions(self, index):
            return () if index == 7 else super().captions(index)

    pairs = pairs_of(Mute(300, broken=frozenset({5, 299})))
    pixels, ids = pairs.plain(np.array([5, 7, 299]))
    assert len(pairs) == 300
    assert pixels[:, 0, 0, 0].tolist() == [6, 8, 0]  # the last one's neighbour is the first
    assert decoded(ids) == ["gg", "iiii", "a"]
    reasons = {5: "torn", 7: "no caption", 299: "torn"}
    assert pairs.replaced == tuple(f"number {i}: {reason}; the next whole pair takes its place" for i, reason in reasons.items())


@pytest.mark.parametrize(("n", "share", "broken", "named"), [(300, 0.01, 3, 0), (300, 0.01, 4, 4), (60, 0.0, 1, 1), (60, 1 / 3, 25, 20)])
@pytest.mark.parametrize("memory_gib", [1.0, 0.0])
def test_more_broken_pairs_than_allowed_stop_the_run_by_name(n, share, broken, named, memory_gib):
    source = Numbered(n, broken=frozenset(range(10, 10 + broken)))

    def read():
        return pairs_of(source, memory_gib=memory_gib, max_broken=share).plain(np.arange(n))

    if not named:
        assert read()[0][10:14, 0, 0, 0].tolist() == [13] * 4  # 10, 11 and 12 are broken: 13 stands in for each
        return
    with pytest.raises(TrainingDataError, match="too many pairs are broken") as caught:
        read()
    assert caught.value.exit_code == 3
    # It stops at the pair that is one too many, and names at most 20.
    assert caught.value.why.count("(torn)") == min(20, int(share * n + 1e-9) + 1) == named
    assert "number 10 (torn)" in caught.value.why


class Coloured(Numbered):
    def captions(self, index):
        return (*super().captions(index), "b")


def oblong(index):
    """A picture that differs from others in every pixel, so that a crop or shift that differs is seen."""
    return Image.fromarray(np.random.default_rng(index).integers(0, 256, (12, 20, 3), np.uint8))


def coloured(**reading):
    return pairs_of(Coloured(120, frozenset({17}), oblong), "{caption}", "{caption} a", **reading)


def batches(pairs, steps, depth=0):
    def make(step):
        epoch, _ = place(step, len(pairs), 16)
        return pairs.batch(batch_positions(3, step, len(pairs), 16), epoch, 3, 1)

    return list(prefetched(make, steps, depth))


def test_what_does_not_fit_into_memory_is_read_as_needed_and_gives_the_same_batches():
    def draw(index):
        if index < 10**7:
            raise AssertionError("nothing may be read that is not asked for")
        return Image.new("RGB", (8, 8), (index - 10**7,) * 3)

    pairs = pairs_of(Numbered(10**8, draw=draw))
    assert len(pairs) == 10**8
    assert pairs.plain(np.array([10**7 + 5]))[0][0, 0, 0, 0] == 5
    assert_same_batches(batches(coloured(), range(9)), batches(coloured(memory_gib=0.0), range(9)))


@pytest.mark.slow_except("None")
@pytest.mark.parametrize("crop", [None, 0.5])
def test_workers_prefetch_and_a_resume_never_change_a_batch(crop):
    straight = batches(coloured(memory_gib=0.0, workers=1, crop=crop), range(12))
    before = batches(coloured(memory_gib=0.0, workers=4, crop=crop), range(5), depth=3)
    after = batches(coloured(memory_gib=0.0, workers=2, crop=crop), range(5, 12), depth=1)  # step 5 of 7: in the middle of an epoch
    assert_same_batches(straight, [*before, *after])
    assert not torch.equal(straight[0][0], straight[7][0])


def test_the_paper_s_crop_is_a_square_at_every_place_of_the_longer_side():
    # 20 x 12, each column of its own grey: the largest square starts in one of 9 columns, and always in row 0.
    image = Image.fromarray(np.tile(np.arange(20, dtype=np.uint8)[None, :, None], (12, 1, 3)))
    crops = [square_crop(image, stream(0, "augmentation", index=index), 1.0) for index in range(300)]
    assert {crop.size for crop in crops} == {(12, 12)}
    assert {crop.getpixel((0, 0))[0] for crop in crops} == set(range(9))
    sides = [square_crop(image, stream(0, "augmentation", index=index), 0.25).size for index in range(300)]
    assert {width for width, height in sides if width == height} == set(range(6, 13))  # a quarter of the area is half the side


def test_the_hash_knows_what_decides_a_batch():
    numbered = pairs_of(Numbered(9)).sha256
    assert numbered == pairs_of(Numbered(9)).sha256
    assert numbered not in (pairs_of(Numbered(10)).sha256, pairs_of(Numbered(9), "{caption} b").sha256)
    base = coloured(memory_gib=0.0)
    assert base.sha256 == coloured(memory_gib=0.0, workers=3).sha256
    assert base.sha256 != coloured(memory_gib=0.0, crop=0.5).sha256
    assert base.sha256 != pairs_of(Coloured(120, draw=oblong), memory_gib=0.0).sha256


@pytest.mark.parametrize("depth", [0, 1, 3, 50])
def test_steps_come_in_order_and_an_error_at_its_step(depth):
    def make(step):
        if step == 4:
            raise TrainingDataError("torn")
        return step

    coming = prefetched(make, range(10), depth)
    assert [next(coming) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(TrainingDataError, match="torn"):
        next(coming)


def test_no_more_is_made_in_advance_than_asked_and_closing_ends_it():
    made, idle = [], threading.Event()

    def make(step):
        made.append(step)
        if step >= 6:  # five were taken, two more may wait
            idle.set()

    coming = prefetched(make, range(100), depth=2)
    for _ in range(5):
        next(coming)
    assert idle.wait(10)
    time.sleep(0.05)  # room for what must not happen
    assert made == [0, 1, 2, 3, 4, 5, 6]
    coming.close()
    assert len(made) == 7


def test_trimming_keeps_every_end():
    ids = TOKENIZER(["a", "abcd", "ab"])
    assert trimmed(ids, TOKENIZER.eot).shape == (3, 6)
    assert torch.equal(trimmed(ids, TOKENIZER.eot), ids[:, :6])
