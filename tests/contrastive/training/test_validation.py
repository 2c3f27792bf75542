"""What a model is measured on: pairs held out by the content of their images, or a set of its own."""

import re

import numpy as np
import pytest
from PIL import Image

from contrastive.config import read_config
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.doctor import learning
from tests.support.training import TINY_CONV, logged_events, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_CONV, data="batch = 16", optim="steps = 2; lr = 1e-3").replace('"shapes"', '"TABLE"')
WORDS = ["red", "green", "blue", "grey", "white", "black", "pink", "brown", "violet", "yellow"]


def smooth(seed):
    """A picture without sharp edges, which JPEG changes little: a few random values, enlarged."""
    values = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), np.uint8)
    return Image.fromarray(values).resize((48, 48), Image.Resampling.BICUBIC)


def write_pairs(folder, images, captions=5):
    """Twenty pictures with five captions each, a row a caption; every second row names a copy of the file under another name."""
    rows = ["image,caption"]
    for index in images:
        for name in (f"{index}.png", f"copy-{index}.png"):
            smooth(index).save(folder / name)
        rows += [f"{'copy-' if k % 2 else ''}{index}.png,{WORDS[index % 10]} {WORDS[k]} {index}" for k in range(captions)]
    path = folder / "pairs.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def table(tmp_path):
    return write_pairs(tmp_path, range(20))


@pytest.fixture
def ready(run, table):
    text = (table.with_name("run.toml")).read_text().replace("TABLE", str(table))
    table.with_name("run.toml").write_text(text)
    return run


@pytest.mark.slow
def test_pairs_of_one_image_are_on_one_side_of_the_split(ready, capsys):
    # 100 pairs of 20 images: a fifth are 4 images, all of whose 5 rows (3 of the file, 2 of its copy) are held out.
    inputs = loop.prepare(read_config(ready, ["data.held_out=0.2"]))
    image = np.repeat(np.arange(20), 5)
    assert len(inputs.held_out_rows) == 20
    assert not set(image[inputs.held_out_rows]) & set(image[inputs.train_rows])
    assert main([ready, "--quiet", "data.held_out=0.2"]) == 0
    assert "80 pairs of 16 pictures, 20 pairs of 4 pictures held out, batch 16" in capsys.readouterr().out
    assert inputs.data_card.startswith("Trained on the 100 pairs of 40 pictures in pairs.csv (sha256 of names and captions ")
    assert "20 pairs of 4 pictures were held out of training." in inputs.data_card
    lazy = loop.prepare(read_config(ready, ["data.held_out=0.2", "data.memory_gib=0.0"]))
    assert np.array_equal(lazy.held_out_rows, inputs.held_out_rows)


def test_one_image_cannot_be_held_out(tmp_path, run, capsys):
    table = write_pairs(tmp_path, [3], captions=10)
    assert main([run, "--quiet", f"data.train={table}", "data.held_out=0.2", "data.batch=4"]) == 3
    assert "error: no image can be held out of training\nwhy: 10 pairs are of 1 images" in capsys.readouterr().err


def test_a_validation_set_of_its_own_is_measured(ready, tmp_path, monkeypatch, capsys):
    # 6 pictures, as JPEG in another size: not the same bytes as any of the 20 to train on, but the same pictures.
    monkeypatch.setattr(learning, "STEPS", 3)
    (tmp_path / "validation").mkdir()
    rows = ["image,caption"]
    for index in range(6):
        smooth(index).resize((60, 60)).save(tmp_path / "validation" / f"{index}.jpg", quality=90)
        rows.append(f"{index}.jpg,{WORDS[index]} once more")
    (tmp_path / "validation" / "pairs.csv").write_text("\n".join(rows))
    setting = f"data.validation={tmp_path / 'validation' / 'pairs.csv'}"
    assert main([ready, "--quiet", setting]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"data   .*: 100 pairs of 40 pictures, 6 pairs to measure on \(.*validation/pairs.csv\), batch 16", shown)
    assert "held out, 6 pairs: loss" in shown
    assert logged_events(tmp_path / "out")[-1]["held_out"]["pairs"] == 6
    assert main([ready, "--quiet"]) == 0  # what is measured on does not decide the parameters
    assert "already finished" in capsys.readouterr().out
    main([ready, "--doctor", setting])
    said = capsys.readouterr().out.splitlines()
    line = next(line for line in said if "near duplicates" in line)
    assert line.startswith(
        "LOOK   near duplicates: 6 of 6 held-out pairs have a near duplicate of their picture among 100 pairs to train on: loss"
    )
    assert any("better than on new images; leave these out of " in line for line in said)
    main([ready, "--doctor", "data.held_out=0.2"])
    line = next(line for line in capsys.readouterr().out.splitlines() if "near duplicates" in line)
    assert line == "ok     near duplicates: 0 of 20 held-out pairs have a near duplicate of their picture among 80 pairs to train on"


def test_a_share_and_a_set_at_once_are_refused(ready, capsys):
    assert main([ready, "--quiet", "data.held_out=0.2", "data.validation=x.csv"]) == 2
    assert "error: data.held_out must be 0 where data.validation names what to measure on" in capsys.readouterr().err


@pytest.mark.slow
def test_a_picture_and_a_caption_are_each_known_once(ready, tmp_path):
    # 5 captions of each of 20 pictures, under two file names, and the words of picture 0 once more beside picture 1.
    table = tmp_path / "pairs.csv"
    (tmp_path / "validation.csv").write_text(table.read_text() + f"1.png,{WORDS[0]} {WORDS[0]} 0\n")
    inputs = loop.prepare(read_config(ready, [f"data.validation={tmp_path / 'validation.csv'}"]))
    image, text = inputs.held_out_same
    assert [len(set(each)) for each in (image, text)] == [20, 100]
    assert (image[100], text[100]) == (image[5], text[0])
    split = loop.prepare(read_config(ready, ["data.held_out=0.2"]))
    assert [len(each) for each in split.held_out_same] == [20, 20]
    assert [len(set(each)) for each in split.held_out_same] == [4, 20]


def test_a_missing_validation_image_is_left_out_and_named(ready, tmp_path, capsys):
    # Six pictures, of which the third is missing, the fourth torn: what is measured is what the other four give, with a warning and no
    # neighbour in their places. Of two rows of a missing picture, pairs are counted.
    rows = ["image,caption", *(f"v{index}.png,{WORDS[index]}" for index in range(6))]
    for index in (0, 1, 4, 5):
        smooth(50 + index).save(tmp_path / f"v{index}.png")
    (tmp_path / "v3.png").write_bytes((tmp_path / "v0.png").read_bytes()[:60])
    whole, torn, twice, none = (tmp_path / f"{name}.csv" for name in ("whole", "torn", "twice", "none"))
    whole.write_text("\n".join([*rows[:3], *rows[5:]]))
    torn.write_text("\n".join(rows))
    twice.write_text("\n".join([*rows[:3], "v2.png,a", "v2.png,b"]))
    none.write_text("\n".join([rows[0], rows[3], rows[4]]))
    sentence = "left out 2 of 6 validation images (first: no such file): v2.png"
    for memory in ("8.0", "0.0"):
        found = []
        for table in (whole, torn):
            out = tmp_path / f"{table.stem}{memory}"
            assert main([ready, "--quiet", f"data.validation={table}", f"run.out={out}", f"data.memory_gib={memory}"]) == 0
            assert (sentence in capsys.readouterr().err) == (table is torn)
            events = logged_events(out)
            assert events[0]["left_out"] == ([sentence] if table is torn else [])
            assert ("Left out 2 of 6 validation images" in events[0]["data_card"]) == (table is torn)
            found.append(events[-1]["held_out"])
        assert found[0] == found[1]
        assert found[0]["pairs"] == 4
        options = [f"data.memory_gib={memory}"]
        left_out = loop.prepare(read_config(ready, [*options, f"data.validation={twice}"])).left_out
        assert left_out == ("left out 2 of 4 validation pairs (first: no such file): v2.png",)
        assert main([ready, "--quiet", f"data.validation={none}", *options]) == 3
        assert re.match(r"error: no validation image can be read \(.*none.csv\)\nwhy: v2.png \(no such file\)", capsys.readouterr().err)


def test_a_missing_image_to_train_on_is_named_once(ready, tmp_path, capsys):
    (tmp_path / "4.png").unlink()
    inputs = loop.prepare(read_config(ready, ["data.max_broken=0.1"]))
    assert inputs.pairs.replaced == ("4.png: no such file; the next whole pair takes its place",)
    assert list(inputs.pairs.broken) == [20, 22, 24]
