"""The doctor: each thing that can be wrong is found and said, and a healthy run is left in peace."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from contrastive.errors import UsageError
from contrastive.loss import Contrast
from contrastive.model.clip import CLIP
from contrastive.training import doctor
from contrastive.training.doctor import distinct, duplicates, end_of_text, examine, first_loss, image_check, memory, overfit, speed
from contrastive.training.loop import start
from tests.support.training import TINY_CONV, prepared, run_text

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = run_text(TINY_CONV, data="batch = 16; held_out = 0.1", optim="steps = 12; lr = 3e-3")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("doctor") / "run.toml"
    path.write_text(RUN.replace("OUT", str(path.with_name("out"))))
    return prepared(path)


def examined(config, steps, monkeypatch):
    """Return the code of an examination in so many steps, and what it says."""
    monkeypatch.setattr(doctor, "STEPS", steps)
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
    assert " ".join(names) == "images end of text duplicate captions first loss speed overfitting memory"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_run_ends_with_the_names_of_what_is_wrong_and_several_processes_are_refused(inputs, monkeypatch):
    code, said = examined(with_optim(inputs, lr=1e-12).config, 3, monkeypatch)
    assert (code, said[-1]) == (3, "wrong: overfitting")
    assert any("nothing is learned; optim.lr (now 1e-12)" in line for line in said)
    monkeypatch.setattr(doctor.distributed, "world_size", lambda: 2)
    with pytest.raises(UsageError, match="without torchrun"):
        examine(inputs.config)


def test_a_text_without_an_end_is_found():
    ids = torch.tensor([[1, 9, 0], [1, 2, 3], [2, 9, 0]])
    assert end_of_text(ids, eot=9) == ("1 of 3 texts have no end: their feature would be that of another token", True)
    assert not end_of_text(ids[[0, 2]], eot=9).wrong
    assert "100% fill all 2 places" in end_of_text(ids[[0, 2], :2], eot=9).words


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
    same = replace(inputs.pairs, pixels_nchw=torch.zeros_like(inputs.pairs.pixels_nchw), replaced=("one",))
    assert not image_check(inputs).wrong
    assert "1 broken (first: one); the first 64 images are all the same" in image_check(replace(inputs, pairs=same)).words


def test_slow_data_are_said_to_be_slow(inputs, training, monkeypatch):
    # Batches in 2 and 3 s, then steps of 1 and 2 s: the faster of each counts. And batches in 1 and 1 s, steps of 9 and 8 s.
    clock = iter([0.0, 2.0, 2.0, 5.0, 5.0, 6.0, 6.0, 8.0, 0.0, 1.0, 1.0, 2.0, 2.0, 11.0, 11.0, 19.0])
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(clock))
    rows = [inputs.train_rows[:16]] * 2
    slow, fast = speed(training, inputs, rows), speed(training, inputs, rows)
    assert (slow.wrong, slow.words.split(":")[0]) == (True, "data 8 pairs/s, model 16 pairs/s")
    assert (fast.wrong, fast.words) == (False, "data 16 pairs/s, model 2 pairs/s")


def test_a_rate_that_makes_it_diverge_and_too_few_captions_are_found(inputs, training):
    assert "too few captions are distinct (3)" in overfit(training, inputs, inputs.train_rows[:3]).words
    result = overfit(training, with_optim(inputs, lr=1e30), inputs.train_rows[:16])
    assert result.wrong
    assert "diverged" in result.words or "nothing is learned" in result.words


def test_the_pairs_that_are_learned_have_distinct_captions(inputs):
    rows = distinct(inputs, 20)
    _, ids = inputs.pairs.plain(rows)
    assert len(rows) == len(np.unique(ids.numpy(), axis=0)) == 20
    assert set(rows) <= set(inputs.train_rows)


def test_memory_that_is_nearly_used_up_is_found(monkeypatch):
    assert not memory(torch.device("cpu")).wrong
    monkeypatch.setattr(doctor, "_memory_mib", lambda device: 100.0)
    monkeypatch.setattr(doctor, "peak_memory_mib", lambda device: 95.0)
    assert memory(torch.device("cpu")).words.startswith("95 MiB at most, of 100: nearly all")
