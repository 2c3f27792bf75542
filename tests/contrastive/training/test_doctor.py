"""The doctor: each thing that can be wrong is found and said, and a healthy run is left in peace."""

import math
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contrastive import distributed
from contrastive.checkpoint.file import load
from contrastive.data.shapes import ShapeImages
from contrastive.loss import Contrast
from contrastive.model.clip import CLIP
from contrastive.train import main
from contrastive.training.doctor import examine, learning
from contrastive.training.doctor.data import Result, distinct, duplicates, end_of_text, image_check
from contrastive.training.doctor.examine import _checks, _output_folder
from contrastive.training.doctor.learning import first_loss, memory, overfit, speed
from contrastive.training.loop import start
from strictio.errors import UsageError
from tests.support.tiers import first
from tests.support.training import TINY_CONV, TINY_VIT, prepared, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_CONV, data="batch = 16; held_out = 0.1", optim="steps = 12; lr = 3e-3")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("doctor") / "run.toml"
    path.write_text(RUN.replace("OUT", str(path.with_name("out"))))
    return prepared(path)


def examined(config, steps, monkeypatch):
    """Return the code of an examination in so many steps, and what it says."""
    monkeypatch.setattr(learning, "STEPS", steps)
    monkeypatch.setattr(learning, "_seconds", lambda action: (action(), 1.0)[1])  # how fast this machine is does not matter here
    said = []
    return examine(config, said.append), said


def with_optim(inputs, **changes):
    return replace(inputs, config=replace(inputs.config, optim=replace(inputs.config.optim, **changes)))


@pytest.fixture
def training(inputs):
    return start(inputs)


def test_a_healthy_run_is_left_in_peace_and_nothing_is_written(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = examined(inputs.config, 60, monkeypatch)
    names = [line[7:].split(":")[0] for line in said[:-1]]
    assert [line for line in said if line.startswith("WRONG")] == []
    assert (code, said[-1]) == (0, "nothing is wrong")
    assert names == [
        *("images", "text length", "near duplicates", "end of text", "duplicate captions", "first loss", "speed", "overfitting"),
        *("new images", "memory"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_run_ends_with_the_names_of_what_is_wrong_and_several_processes_are_refused(inputs, monkeypatch):
    code, said = examined(with_optim(inputs, lr=1e-12).config, 3, monkeypatch)
    assert (code, said[-1]) == (3, "wrong: overfitting, new images")
    assert any("nothing is learned; optim.lr (now 1e-12)" in line for line in said)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    with pytest.raises(UsageError, match="without torchrun"):
        examine(inputs.config)


def test_groups_are_counted_where_the_run_names_them(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN.replace("OUT", str(tmp_path / "out")))
    grouped = prepared(path, 'data.groups=["size"]')
    (_, _), (name, found) = islice(_checks(grouped, start(grouped)), 2)
    small = int((np.array(grouped.grouping.groups.names)[grouped.grouping.groups.group_n] == "small").sum())
    large = len(grouped.grouping.groups.group_n) - small
    assert (name, found) == (
        "groups",
        Result(f"the 2 groups of size (large {large}, small {small}); who is called what in their captions: vlm-audit words"),
    )


def test_a_text_without_an_end_is_found():
    ids = torch.tensor([[1, 9, 0], [1, 2, 3], [2, 9, 0]])
    assert end_of_text(ids, eot=9) == Result("1 of 3 texts have no end: their feature would be that of another token", wrong=True)
    assert not end_of_text(ids[[0, 2]], eot=9).wrong


def test_duplicates_are_counted_within_a_batch_and_over_all():
    a, b, c, d = torch.eye(4, dtype=torch.long)
    # first batch: a a b c: two of four share; second: a b c d: none. Of eight captions four are distinct.
    result = duplicates([torch.stack([a, a, b, c]), torch.stack([a, b, c, d])], "softmax")
    assert not result.wrong
    assert result.words.startswith("25.0% of the pairs share their caption with another of their batch; 50.0% of 8 captions are repeats")
    assert f"cannot fall below about {2 * math.log(2) / 8:.2f}" in result.words
    assert duplicates([torch.stack([a, a, a, b])], "softmax").wrong  # three of four
    assert "cannot fall" not in duplicates([torch.stack([a, a, b, c])], "sigmoid").words


def test_a_first_loss_that_is_not_of_a_guess_and_cannot_be_is_found(inputs, training):
    result = first_loss(training.model, training.objective, inputs, inputs.train_rows[:16])
    assert not result.wrong
    assert f"a guess among 16 has {math.log(16):.3f}" in result.words

    class Fixed(CLIP):
        def forward(self, images, ids, kept=None):
            features = torch.eye(len(images))
            return features, features if self.right else features.roll(1, 0), torch.tensor([100.0])

    model, rows = Fixed(inputs.model), inputs.train_rows[:16]
    for right, words in ((True, "gives the answers away"), (False, "sure of wrong answers")):
        model.right = right
        assert first_loss(model, Contrast(), inputs, rows).wrong
        assert words in first_loss(model, Contrast(), inputs, rows).words
    model.forward = lambda images, ids, kept=None: (torch.full((16, 2), math.nan), torch.ones(16, 2), torch.ones(1))
    assert "not a finite number" in first_loss(model, Contrast(), inputs, rows).words


def test_pictures_that_are_all_the_same_are_found(inputs):
    blank = torch.zeros_like(inputs.pairs.pixels_nchw)
    same = replace(inputs.pairs, pixels_nchw=blank, replaced=("one",), broken={3: "torn"})
    assert not image_check(inputs).wrong
    assert "1 broken (first: one); the first 64 images are all the same" in image_check(replace(inputs, pairs=same)).words


def test_slow_data_are_said_to_be_slow(inputs, training, monkeypatch):
    # Two batches, then two steps, each in so many seconds: the faster of each counts. Of a fifth less than it takes the model waits.
    measured = [*(2.0, 3.0, 1.0, 2.0), *(1.0, 1.0, 9.0, 8.0), *(5.0, 6.0, 4.0, 9.0), *(16.0, 20.0, 13.0, 15.0)]
    monkeypatch.setattr(learning, "_seconds", lambda action: measured.pop(0))
    rows = [inputs.train_rows[:16]] * 2
    slow, fast, bound, near = (speed(training, inputs, rows) for _ in range(4))
    assert (slow.wrong, slow.words.split(":")[0]) == (True, "data 8 pairs/s, model 16 pairs/s")
    assert (fast.wrong, fast.words) == (False, "data 16 pairs/s, model 2 pairs/s")
    assert (bound.wrong, near.wrong) == (True, False)


def test_a_rate_that_makes_it_diverge_is_found(inputs, training):
    result = overfit(training, with_optim(inputs, lr=1e30), inputs.train_rows[:16])
    assert result.wrong
    assert "diverged" in result.words or "nothing is learned" in result.words


def test_the_pairs_that_are_learned_have_distinct_captions(inputs):
    rows = distinct(inputs.pairs, inputs.train_rows, 20)
    _, ids = inputs.pairs.plain(rows)
    assert len(rows) == len(np.unique(ids.numpy(), axis=0)) == 20
    assert set(rows) <= set(inputs.train_rows)


def test_a_table_that_fills_no_batch_and_has_few_captions_is_examined_with_a_smaller_one(tmp_path, capsys):
    """16 pairs of four captions: a batch of 64 is too large, one of four fits, and overfitting would say nothing."""
    for index in range(16):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / f"{index}.png")
    lines = [f"{index}.png,{('red', 'green', 'blue', 'grey')[index % 4]}" for index in range(16)]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,caption", *lines]))
    text = run_text(TINY_VIT, data="batch = 16", optim="steps = 12; lr = 3e-3", out=tmp_path / "out")
    (tmp_path / "run.toml").write_text(text.replace('"shapes"', f'"{tmp_path / "pairs.csv"}"'))
    run = [str(tmp_path / "run.toml"), "--doctor"]
    assert main([*run, "data.batch=64", "optim.accumulate=8"]) == 3
    shown = capsys.readouterr()
    lines = {line[7:].split(":")[0]: line for line in shown.out.splitlines()}
    fix = "set data.batch=4, with which the rest was examined"
    assert (shown.err, lines["batch size"]) == ("", f"WRONG  batch size: 16 pairs do not fill a batch of 64; {fix}")
    assert lines["distinct captions"].startswith("WRONG  distinct captions: only 4 among 16 pairs to train on")
    assert ("overfitting" in lines, "batch size" in list(lines)[-1], "distinct captions" in list(lines)[-1]) == (False, True, True)
    assert main([*run, "data.batch=4"]) == 3
    assert "batch size" not in capsys.readouterr().out


def test_memory_that_is_nearly_used_up_is_found(monkeypatch):
    assert not memory(torch.device("cpu")).wrong
    monkeypatch.setattr(learning, "_memory_mib", lambda device: 100.0)
    monkeypatch.setattr(learning, "peak_memory_mib", lambda device: 95.0)
    assert memory(torch.device("cpu")).words.startswith("95 MiB at most, of 100: nearly all")


def test_texts_that_are_cut_are_counted_in_card_warning_and_doctor(tmp_path, capsys):
    # 3 of 16 texts have 200 words of one token each, 202 with start and end; the others 4 (7 of them) or 5; the context has 12 places.
    words = " ".join(["red"] * 200)
    lines = [f"{index}.png,{words if index < 3 else f'red {index}'}" for index in range(16)]
    for index in range(16):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / f"{index}.png")
    (tmp_path / "pairs.csv").write_text("\n".join(["image,caption", *lines]))
    (tmp_path / "run.toml").write_text(RUN.replace('"shapes"', f'"{tmp_path / "pairs.csv"}"').replace("OUT", str(tmp_path / "out")))
    run = [str(tmp_path / "run.toml"), "model.text.context=12", "data.held_out=0.0", "data.batch=4", "--quiet"]
    sentence = (
        "19 % of 16 texts (captions under templates) are longer than the 12 tokens that the model reads and were cut there; "
        "their median length is 5 tokens, the longest has 202"
    )
    assert main([*run, "--doctor"]) == 3
    line = next(line for line in capsys.readouterr().out.splitlines() if "text length" in line)
    assert line == f"WRONG  text length: {sentence}; take a larger model.text.context (now 12), or shorter captions"
    assert main([*run, "optim.steps=1", "optim.warmup=0"]) == 0
    shown = capsys.readouterr()
    assert f"warning: {sentence}." in shown.err
    assert f"{sentence}." in load(tmp_path / "out" / "ckpt.pt").data_card
    assert main([*run, "optim.steps=1", "model.text.context=202", "--fresh"]) == 0
    assert capsys.readouterr().err == ""
    assert "cut" not in load(tmp_path / "out" / "ckpt.pt").data_card


@pytest.mark.slow
@pytest.mark.parametrize("held_out", first(["0.1"], of=["0.1", "0.0"]))
def test_shuffled_captions_are_found_although_they_can_be_learned_by_heart(inputs, held_out, tmp_path, monkeypatch, capsys):
    source = ShapeImages()
    order = np.random.default_rng(0).permutation(288)
    for name, texts in (("right", range(288)), ("shuffled", order)):
        lines = [f"{index}.png,{source.captions(int(text))[0]}" for index, text in zip(range(288), texts, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["image,caption", *lines]))
    for index in range(288):
        source.image(index).save(tmp_path / f"{index}.png")
    (tmp_path / "run.toml").write_text(RUN.replace('"shapes"', '"TABLE"'))
    monkeypatch.setattr(learning, "STEPS", 5)
    found = {}
    for name in ("right", "shuffled"):
        run = [str(tmp_path / "run.toml"), f"data.train={tmp_path / name}.csv", f"data.held_out={held_out}", "optim.lr=4e-3"]
        main([*run, "--doctor"])
        found[name] = next(line for line in capsys.readouterr().out.splitlines() if "new images:" in line)
    assert found["right"].startswith("ok     new images: 100 steps: the right one of ")
    assert found["shuffled"].startswith("WRONG  new images: 100 steps: the right one of ")
    assert "10% by a guess: nothing that holds for new images is learned" in found["shuffled"]
    assert "do the captions belong to these images?" in found["shuffled"]


@pytest.mark.parametrize(("given", "used"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "9"}, None)])
def test_threads_that_wait_sleep_unless_the_environment_says_otherwise(given, used, tmp_path, monkeypatch):
    """Spinning ones took thirty times as long on a machine with other work (five processes on two cores)."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "")  # put back afterwards, also where the command sets it
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "run.toml").write_text(RUN.replace("OUT", str(tmp_path / "out")))
    assert main([str(tmp_path / "run.toml"), "--doctor", "run.device=cuda:99"]) == 2  # goes no further
    assert os.environ.get("OMP_WAIT_POLICY") == used


def test_an_output_folder_that_cannot_be_made_is_found(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert _output_folder(tmp_path / "new" / "deep") == []
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        ((name, found),) = _output_folder(out)
        assert (name, found.wrong, f"{tmp_path / 'file'} is a file" in found.words) == ("output folder", True, True)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot be written to" in _output_folder(tmp_path / "new")[0][1].words
    assert "cannot be written to" in _output_folder(Path("new"))[0][1].words
