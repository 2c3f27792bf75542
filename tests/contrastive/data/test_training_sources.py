"""Training data of every kind: the same pairs are the same batches, and what is broken or hostile is told."""

import io
import json
import os
import socket
import tarfile
import time
import warnings

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from contrastive.checkpoint.file import load
from contrastive.config import DataConfig
from contrastive.data import TrainingDataError, open_source, tars
from contrastive.data.order import batch_positions
from contrastive.data.pairs import load_pairs
from contrastive.data.saved import StoredPairs, first_rows
from contrastive.data.table import hash_table, name_table
from contrastive.data.tars import SIDECAR, TarShards, index_of
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from contrastive.training import loop
from strictio.errors import DataError, MachineError, UsageError
from strictio.hub import hub_fault
from strictio.images.in_process import UnreadableImage, read_under
from tests.support.training import TINY_VIT, after, assert_same_batches, prepared, run_text

TOKENIZER = train_bpe(["a"], 514, context=30)
HALVES = (range(10), range(10, 24))
CAPTIONS = [[f"number {i}", f"caf\u00e9 {i}"] if i % 3 else [f"only {i}"] for i in range(24)]


def png(i):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(i).integers(0, 256, (10, 13, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(root):
    for i, captions in enumerate(CAPTIONS):
        (root / f"{i // 10:03d}").mkdir(parents=True, exist_ok=True)
        (root / f"{i // 10:03d}" / f"{i:04d}.png").write_bytes(png(i))
        (root / f"{i // 10:03d}" / f"{i:04d}.txt").write_text("\n".join(captions), "utf-8")
    return root


def write_tar(path, members, link=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        if link:
            archive.addfile(link)
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def members(*numbers):
    return [
        (f"x/{i:04d}.{ending}", content)
        for i in numbers
        for ending, content in (("txt", "\n".join(CAPTIONS[i]).encode()), ("png", png(i)), ("pyd", b"cos\nsystem\n."))
    ]


def write_shards(root):
    for shard, numbers in enumerate(HALVES):
        write_tar(root / f"{shard:05d}.tar", members(*numbers))
    return root


def stored(numbers):
    features = {"image": datasets.Image(), "caption": datasets.List(datasets.Value("string"))}
    pictures = [{"bytes": png(i), "path": f"{i}.png" if i % 2 else None} for i in numbers]
    rows = {"image": pictures, "caption": [CAPTIONS[i] for i in numbers]}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def write_saved(root):
    stored(range(24)).save_to_disk(str(root))
    return root


def write_parquet(root):
    root.mkdir(parents=True, exist_ok=True)
    for shard, numbers in enumerate(HALVES):
        stored(numbers).to_parquet(str(root / f"train-{shard}.parquet"))
    return root


def write_jsonl(root):
    write_folder(root)
    lines = [json.dumps({"image": f"{i // 10:03d}/{i:04d}.png", "caption": CAPTIONS[i]}) for i in range(24)]
    (root / "pairs.jsonl").write_text("\n".join(lines) + "\n\n", "utf-8")
    return root / "pairs.jsonl"


KINDS = {"folder": write_folder, "tar": write_shards, "saved": write_saved, "parquet": write_parquet, "jsonl": write_jsonl}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep what `datasets` stores of Parquet files out of the home folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")


def pairs_of(path, **reading):
    config = DataConfig(str(path), **{"captions": "lines"} | reading)
    return load_pairs(open_source(config), Preprocess(8), TOKENIZER, config)


def batches(path, reading, seed=5, steps=7):
    pairs = pairs_of(path, templates=("{caption}", "see {caption}"), **reading)
    return [pairs.batch(batch_positions(seed, step, len(pairs), 8), step // 3, seed, 1) for step in range(steps)]


@pytest.mark.slow_except("tar-lazy", "saved-held")
@pytest.mark.parametrize("reading", [{}, {"memory_gib": 0.0, "workers": 3, "crop": 0.6}], ids=["held", "lazy"])
@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_every_kind_gives_the_batches_of_the_folder(tmp_path, kind, reading):
    folder = batches(write_folder(tmp_path / "folder"), reading)
    other = batches(KINDS[kind](tmp_path / "other"), reading)
    assert len(folder) == 7
    assert_same_batches(folder, other)


def opened(path, captions="lines"):
    return open_source(DataConfig(str(path), captions=captions))


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_and_an_error_name_no_path_of_the_machine(tmp_path, kind):
    source = opened(KINDS[kind](tmp_path / "mine"))
    assert str(tmp_path) not in source.card
    assert "the 24 pairs in " in source.card
    assert str(tmp_path) not in source.name(3)
    assert source.captions(4) == ("number 4", "caf\u00e9 4")
    assert source.identity == source.identity


@pytest.mark.slow_except("folder", "tar", "jsonl")
@pytest.mark.parametrize("kind", KINDS)
def test_the_identity_knows_a_caption(tmp_path, monkeypatch, kind):
    before, again = (opened(KINDS[kind](tmp_path / name)).identity for name in "ab")
    assert again == before
    monkeypatch.setitem(globals(), "CAPTIONS", [*CAPTIONS[:3], ["another"], *CAPTIONS[4:]])
    assert opened(KINDS[kind](tmp_path / "c")).identity != before


def test_an_image_without_a_text_file_is_a_broken_pair(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "000" / "0003.txt").unlink()
    (tmp_path / "000" / "0005.txt").write_bytes(b"\xff\xfe")
    pairs = pairs_of(tmp_path, max_broken=0.1)
    assert len(pairs) == 24
    assert torch.equal(pairs.plain(np.array([3]))[0], pairs.plain(np.array([4]))[0])
    assert [sentence.partition(":")[0] for sentence in pairs.replaced] == ["000/0003.png", "000/0005.png"]


def test_a_name_cannot_speak_to_the_terminal(tmp_path):
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "b\x1b[2J\n.png").write_bytes(b"torn")
    for name in ("a", "b\x1b[2J\n"):
        (tmp_path / f"{name}.txt").write_text("a")
    with pytest.raises(TrainingDataError) as caught:
        pairs_of(tmp_path)
    assert caught.value.why == "b\ufffd[2J\ufffd.png (not a readable image)"


def test_a_folder_without_captions_says_what_may_stand_there(tmp_path):
    (tmp_path / "a.png").write_bytes(png(0))
    with pytest.raises(TrainingDataError, match=r"no captioned images\nwhy: 1 images, none with a text file"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[1]", "line 2 is not an object"),
        ('{"image": "a"}', "line 2 lacks 'caption'"),
        ('{"image": ["a"], "caption": "a"}', "line 2 does not fit\nwhy: 'image' holds a list"),
        ('{"image": "a", "caption": {"en": "a"}}', "line 2 does not fit\nwhy: 'caption' holds an object"),
        ('{"image": "a", "caption": ["a", ["b"]]}', "line 2 does not fit"),
        ('{"image": "a", "image": "b", "caption": "a"}', "the key 'image' stands twice"),
        ('"' + "a" * 2**20 + '"', "line 2 has over"),
    ],
)
def test_lines_that_are_no_pair(tmp_path, line, words):
    (tmp_path / "x.jsonl").write_text('{"image": "a.png", "caption": "a"}\n' + line)
    with pytest.raises(DataError, match=words):
        opened(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, "outside") for name in ("/etc/hostname", "a/../../x", "\\x", "C:\\x", "file:/etc/hostname", "https://example.invalid/x.png")),
        *((name, "outside") for name in ("a\0b", "", ".", "far")), ("fifo", "not a file"), ("big", "64 MiB"),
    ],
)  # fmt: skip
def test_names_that_reach_nothing_and_a_link_that_does(tmp_path, name, words):
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "b").write_text("outside")
    (tmp_path / "in" / "far").symlink_to(tmp_path / "b")
    os.mkfifo(tmp_path / "in" / "fifo")  # reading it would wait for ever
    with (tmp_path / "in" / "big").open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(UnreadableImage, match=words):
        read_under(tmp_path / "in", name)
    (tmp_path / "in" / "c").write_text("inside")
    (tmp_path / "in" / "near").symlink_to("c")
    assert read_under(tmp_path / "in", "near") == b"inside"  # a link may lead within the folder


def test_string_tables_hash_what_they_say_and_not_how_they_are_held(monkeypatch):
    pairs = [(f"{i}.png", CAPTIONS[i]) for i in range(24)]
    whole = name_table(pairs)
    monkeypatch.setattr("contrastive.data.table._ROWS_AT_ONCE", 5)
    assert hash_table(name_table(pairs)) == hash_table(whole)
    assert name_table(pairs)["captions"].to_pylist() == CAPTIONS
    assert len({hash_table(name_table([row])) for row in (("a", ["b", "c"]), ("a", ["bc"]), ("ab", ["c"]))}) == 3
    assert name_table([]).num_rows == 0


ODD = ("a dog\nruns", "wait\x85 and see", "one\u2028two", "a\r\nb\r\n", "\ufeffend\n", " \n\n", "form\x0cfeed\x1e")


@pytest.mark.parametrize("kind", ["tar", "folder"])
def test_a_text_file_is_one_caption_unless_its_lines_are_declared_to_be(tmp_path, kind):
    files = [(f"{i}.{ending}", content) for i, text in enumerate(ODD) for ending, content in (("png", png(i)), ("txt", text.encode()))]
    path = write_tar(tmp_path / "a.tar", files) if kind == "tar" else tmp_path
    for name, content in files if kind == "folder" else ():
        (tmp_path / name).write_bytes(content)
    one, lines = (opened(path, captions) for captions in (None, "lines"))
    whole = [("a dog\nruns",), ("wait\x85 and see",), ("one\u2028two",), ("a\r\nb",), ("end",), (), ("form\x0cfeed",)]
    assert [one.captions(i) for i in range(7)] == whole  # str.splitlines would make 12 captions of them
    assert [lines.captions(i) for i in range(7)] == [("a dog", "runs"), *whole[1:3], ("a", "b"), *whole[4:]]
    said = "Each .txt file is one caption (2 of the first 7 have several lines; data.captions = 'lines' makes each line a caption)."
    assert one.card.endswith(said)
    assert lines.card.endswith(" Each line of a .txt file is one caption.")
    assert opened(write_shards(tmp_path / "plain") / "00000.tar", "file").captions(1) == ("number 1\ncaf\u00e9 1",)


def test_a_run_whose_text_files_were_read_by_line_is_not_resumed_with_other_captions(tmp_path):
    write_shards(tmp_path / "shards")
    for train, refused in ((tmp_path / "shards", True), (write_jsonl(tmp_path / "table"), False)):
        text = run_text(TINY_VIT, data="batch = 8; memory_gib = 0.0", optim="steps = 9; lr = 1e-3", out=str(tmp_path / "run"))
        (tmp_path / "run.toml").write_text(text.replace('"shapes"', f'"{train}"'))
        inputs = prepared(tmp_path / "run.toml", "run.save_every=1")
        training, _ = after(inputs, 1)
        loop.save_run(training, inputs)
        before = load(tmp_path / "run" / "ckpt.pt")
        del before.account["identity"]["data.captions"]  # as runs were recorded before the setting existed
        if refused:
            with pytest.raises(UsageError, match=r"holds another run.*\nwhy: data.captions was not set, now file"):
                loop.resume(inputs, before, tmp_path / "run" / "ckpt.pt")
        else:
            assert loop.resume(inputs, before, tmp_path / "run" / "ckpt.pt").step == 1
    with pytest.raises(UsageError, match=r"data\.captions is for \.txt files"):
        prepared(tmp_path / "run.toml", "data.captions=lines")


def test_the_sidecar_says_where_everything_lies_and_is_used_again(tmp_path, monkeypatch):
    path = write_tar(tmp_path / "0.tar", members(0, 1, 2))
    first = TarShards("x", [path], "lines")
    told = json.loads((tmp_path / f"0.tar{SIDECAR}").read_text())
    content = path.read_bytes()
    for i, (picture, caption) in enumerate(zip(told["pictures"], told["captions"], strict=True)):
        assert content[picture[0] : sum(picture)] == png(i)
        assert content[caption[0] : sum(caption)].decode().split("\n") == CAPTIONS[i]
    monkeypatch.setattr(tars, "_scan", lambda *_: pytest.fail("a shard is scanned once"))
    again = TarShards("x", [path], "lines")
    assert (again.identity, again.captions(2), again.name(2)) == (first.identity, first.captions(2), "0.tar:x/0002")


@pytest.mark.parametrize("edit", ["stale", "outside", "short", "torn", "other"])
def test_a_sidecar_that_does_not_fit_is_not_believed(tmp_path, edit):
    path, sidecar = write_tar(tmp_path / "0.tar", members(0, 1, 2)), tmp_path / f"0.tar{SIDECAR}"
    index_of(path)
    told = json.loads(sidecar.read_text())
    if edit == "stale":
        write_tar(path, members(1, 2, 3, 4))
    told["pictures"][1] = [path.stat().st_size - 5, 10] if edit == "outside" else told["pictures"][1]
    told["names"] = told["names"][:1] if edit == "short" else told["names"]
    told = [] if edit == "other" else told
    sidecar.write_text(json.dumps(told)[: -5 if edit == "torn" else None])
    assert index_of(path) == tars._scan(path, path.stat())
    assert TarShards("x", [path], "lines").captions(0) == tuple(CAPTIONS[1 if edit == "stale" else 0])


def test_members_that_are_no_regular_file_or_no_picture_are_left_alone(tmp_path):
    link = tarfile.TarInfo("a.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    others = [("a.txt", b"a link"), ("b.pyd", b"x"), ("c.tar.gz", b"x"), ("d.JPG", png(0)), ("d.Txt", b" \nd\n")]
    shards = TarShards("x", [write_tar(tmp_path / "0.tar", others, link)])
    assert [shards.name(i) for i in range(len(shards))] == ["0.tar:d"]
    assert shards.captions(0) == ("d",)


def test_a_name_that_comes_again_is_another_pair_and_long_names_are_read(tmp_path):
    long = "y" * 300
    twice = [("a.png", png(0)), ("a.txt", b"one"), ("a.png", png(1)), ("a.txt", b"two"), (f"{long}.png", png(2))]
    shards = TarShards("x", [write_tar(tmp_path / "0.tar", twice)])
    assert [shards.captions(i) for i in range(3)] == [("one",), ("two",), ()]
    assert shards.name(2) == f"0.tar:{long}"


def test_a_shard_that_shrank_after_it_was_opened_gives_broken_pairs(tmp_path):
    path = write_tar(tmp_path / "0.tar", members(0, 1))
    shards = TarShards("x", [path])
    os.truncate(path, index_of(path).pictures[1][0] + 10)
    assert shards.image(0).size == (13, 10)
    with pytest.raises(UnreadableImage, match="ends before"):
        shards.image(1)


def test_compressed_and_empty_shards_are_refused(tmp_path):
    with tarfile.open(tmp_path / "gz.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    write_tar(tmp_path / "none.tar", [("a.txt", b"a")])
    for name, words in (("gz", "not an uncompressed tar"), ("none", "holds no pairs"), ("missing", "cannot read")):
        with pytest.raises(TrainingDataError, match=words):
            opened(tmp_path / f"{name}.tar")


def test_a_stream_is_read_as_far_as_asked_and_then_at_random(tmp_path):
    files = sorted(map(str, write_parquet(tmp_path).glob("*.parquet")))
    stream = datasets.load_dataset("parquet", data_files={"train": files}, split="train", streaming=True)
    source = StoredPairs("x", first_rows(stream, 12, ("image", "caption")), "image", "caption")
    assert (len(source), source.captions(11)) == (12, tuple(CAPTIONS[11]))  # of the second file
    assert source.image(11).tobytes() == Image.open(io.BytesIO(png(11))).tobytes()


def test_columns_that_do_not_fit_are_named():
    data = datasets.Dataset.from_dict({"image": ["a.png"], "caption": ["a"], "n": [1]})
    pictures = datasets.Dataset.from_dict({"image": [{"bytes": png(0), "path": None}], "n": [1]})
    for given, column, words in (
        (data, "captoin", r"no column 'captoin'\nwhy: .*\nfix: data.caption_column=caption"),
        (data, "caption", "holds no encoded images"),
        (pictures, "n", "holds no text"),
    ):
        with pytest.raises(TrainingDataError, match=words):
            StoredPairs("x", given, "image", column)


def test_a_path_in_a_row_is_not_followed(tmp_path):
    (tmp_path / "a.png").write_bytes(png(0))
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    data = datasets.Dataset.from_dict({"image": [str(tmp_path / "a.png")], "caption": [None]}, features=features)
    source = StoredPairs("x", data, "image", "caption")
    with pytest.raises(UnreadableImage, match="no image in the row"):
        source.image(0)
    assert source.captions(0) == ()


def test_what_is_for_testing_is_not_trained_on(tmp_path):
    write_parquet(tmp_path / "files" / "data")
    stored([0]).to_parquet(str(tmp_path / "files" / "data" / "test-0.parquet"))
    assert len(opened(tmp_path / "files")) == 24
    assert len(opened(tmp_path / "files" / "data" / "test-0.parquet")) == 1
    part = stored(range(24))
    datasets.DatasetDict({"train": part, "test": part.select(range(2))}).save_to_disk(str(tmp_path / "both"))
    assert len(opened(tmp_path / "both")) == 24
    datasets.DatasetDict({"a": part, "b": part}).save_to_disk(str(tmp_path / "neither"))
    with pytest.raises(TrainingDataError, match="has no split 'train'"):
        opened(tmp_path / "neither")
    (tmp_path / "neither" / "dataset_dict.json").write_text("{")
    with pytest.raises(TrainingDataError, match="cannot read"):
        opened(tmp_path / "neither")


def test_a_place_on_the_hub_is_read_as_it_is_spelt_and_told_apart_from_a_hub_out_of_reach(monkeypatch):
    asked = []

    def unreachable(place, **arguments):
        asked.append((place, arguments))
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr("contrastive.data.saved.hub_fault", lambda: "")
    for name in ("hf:org/name@v2:small/val#500", "hf:org/name"):
        with pytest.raises(MachineError, match="hub is out of reach"):
            opened(name)
    assert asked == [
        ("org/name", {"split": "val", "streaming": True, "name": "small", "revision": "v2", "token": False}),
        ("org/name", {"split": "train", "streaming": False, "name": None, "revision": None, "token": False}),
    ]


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch, tmp_path):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    # Nothing listens on this port; the other address swallows what is sent to it. datasets alone would try six times, for half a minute.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert hub_fault(closed).startswith("the hub cannot be reached")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        assert hub_fault(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        assert time.monotonic() - began < 5
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub_fault() == "HF_HUB_OFFLINE is set"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    before = datasets.config.HF_HUB_OFFLINE
    with pytest.raises(MachineError, match=r"hub is out of reach.*\nwhy: HF_HUB_OFFLINE is set\n"):
        opened("hf:org/name")
    assert datasets.config.HF_HUB_OFFLINE is before


def test_a_data_set_that_the_hub_does_not_have(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("Couldn't find any data file at /somewhere/org/name")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    monkeypatch.setattr("contrastive.data.saved.hub_fault", lambda: "")
    with pytest.raises(TrainingDataError, match="no data set hf:org/name") as caught:
        opened("hf:org/name")
    assert "/somewhere" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        *((place, "malformed") for place in ("hf:", "hf:a/b/c", "hf:../x", "hf:org/name#0", "hf:org/name:a/b/c")),
        ("shape", r"cannot be 'shape'\nwhy: .*hf:ORG/NAME\nfix: did you mean shapes"),
    ],
)
def test_malformed_and_misspelt_places(location, words):
    with pytest.raises(UsageError, match=words):
        opened(location)


def test_a_picture_too_large_is_counted_without_a_warning_of_pillows(tmp_path):
    for name, side in (("a", 10_000), ("b", 8)):  # 10,000 x 10,000 pixels of one grey are a file of 12 kB
        Image.new("L", (side, side)).save(tmp_path / f"{name}.png")
    (tmp_path / "pairs.csv").write_text("image,caption\na.png,large\nb.png,small\n")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        pairs = pairs_of(tmp_path / "pairs.csv", max_broken=0.5, workers=2)
    assert not heard
    assert pairs.replaced == ("a.png: larger than 50 megapixels; the next whole pair takes its place",)


def test_no_python_list_of_strings_is_kept(tmp_path):
    source = opened(write_jsonl(tmp_path))
    assert not any(isinstance(value, (list, tuple)) for value in vars(source).values())
    assert source.folder == tmp_path


@pytest.mark.parametrize(
    ("gone", "share", "fix"),
    [
        ((3,), 0.0, "remove these rows, or let their neighbours stand in: data.max_broken=0.05"),  # 1 of 24: 4.2 %
        (range(13), 0.01, "remove these rows, or, where they lie elsewhere, name the folder"),  # more than the largest share
        (range(24), 0.01, "name the folder that the paths begin in or lie in: data.images=DIR"),
    ],
)
def test_missing_image_files_are_counted_in_the_whole_table(tmp_path, gone, share, fix):
    table = write_jsonl(tmp_path)
    for i in gone:
        (tmp_path / f"{i // 10:03d}" / f"{i:04d}.png").unlink()
    with pytest.raises(TrainingDataError, match=f"the image files of {len(gone)} of 24 are missing, 0 may be broken") as caught:
        pairs_of(table, max_broken=share)
    assert caught.value.fix.startswith(fix)
    if len(gone) == 1:
        assert len(pairs_of(table, max_broken=0.05).replaced) == 1


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(("encoding", "words"), [("latin-1", "is not UTF-8 (line 2)"), ("utf-16", "is UTF-16 (line 1)")])
def test_an_encoding_is_named_by_the_setting_that_reads_it(tmp_path, kind, encoding, words):
    path, line = tmp_path / f"x.{kind}", {"csv": "image,caption\n1.png,café\n", "jsonl": '{"image": "1.png", "caption": ""}\n' * 2}[kind]
    path.write_text(line.replace('""', '"café"'), encoding)
    if kind == "jsonl" and encoding == "latin-1":
        words = "is not UTF-8 (line 1)"
    with pytest.raises(DataError) as caught:
        open_source(DataConfig(str(path)))
    assert str(caught.value).startswith(f"x.{kind} {words}")
    assert caught.value.fix == f"data.encoding={encoding}, or save it as 'CSV UTF-8'"
    assert open_source(DataConfig(str(path), encoding=encoding)).captions(0) == ("café",)


def test_an_encoding_that_does_not_fit_is_refused(tmp_path):
    for name in ("nosuch", "hex", ""):
        with pytest.raises(UsageError, match=r"data\.encoding must be that of a text, such as latin-1"):
            DataConfig("x.csv", encoding=name)
    for name, words in (("x.xlsx", r"data\.encoding cannot be used with x\.xlsx"), ("shapes", r"data\.encoding is for a table")):
        with pytest.raises(UsageError, match=words):
            open_source(DataConfig(str(tmp_path / name) if "." in name else name, encoding="latin-1"))


def test_shards_are_named_as_webdataset_has_them(tmp_path):
    write_shards(tmp_path)
    both = [open_source(DataConfig(f"{tmp_path}/{name}")) for name in ("*.tar", "{00000,00001}.tar", f"00000.tar::{tmp_path}/00001.tar")]
    assert {source.identity for source in both} == {open_source(DataConfig(str(tmp_path))).identity}
    assert opened(f"{tmp_path}/{{00001,00000}}.tar").captions(0) == tuple(CAPTIONS[10])
    (tmp_path / "00000.tar").rename(tmp_path / "[x].tar")
    assert len(open_source(DataConfig(f"{tmp_path}/[x].tar"))) == 10  # a file of that name, not a pattern
    with pytest.raises(UsageError, match=r"no file fits '.*y\*\.tar'"):
        open_source(DataConfig(f"{tmp_path}/y*.tar"))
    with pytest.raises(TrainingDataError, match=r"cannot read .*00007\.tar"):
        open_source(DataConfig(f"{tmp_path}/{{00001,00007}}.tar"))
