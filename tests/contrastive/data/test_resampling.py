"""Draws with replacement, epochs of another length, and factors for sets of shards: expected counts, purity, exact resuming."""

from dataclasses import replace

import numpy as np
import pytest

from contrastive.config import DataConfig, read_config
from contrastive.data import open_source
from contrastive.data.groups import read_factors
from contrastive.data.order import Sampling, batch_draws, drawn
from contrastive.data.source import PART, column_values
from contrastive.train import main
from contrastive.training import loop
from strictio.errors import UsageError
from tests.contrastive.data.test_training_sources import png, write_tar
from tests.support.training import TINY_CONV, after, assert_same_bytes, run_text, saved_and_resumed

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = run_text(TINY_CONV, data="batch = 4", optim="steps = 6; lr = 1e-3", run="save_every = 2")


@pytest.fixture
def names(tmp_path):
    """Two sets of shards: a has 2 shards of 3 pairs, b one shard of 4."""
    for name, first, count in (("a0", 0, 3), ("a1", 3, 3), ("b0", 6, 4)):
        rows = range(first, first + count)
        write_tar(tmp_path / f"{name}.tar", [part for i in rows for part in ((f"{i}.png", png(i)), (f"{i}.txt", f"number {i}".encode()))])
    return f"{tmp_path}/{{a0,a1}}.tar::{tmp_path}/b0.tar"


def prepared(run, names, *settings):
    return loop.prepare(read_config(run, [f"data.train={names}", *settings]))


def epoch_counts(inputs, epochs):
    """How often each pair is drawn over whole epochs."""
    sampling, seed = inputs.grouping.sampling, inputs.config.run.seed
    drawn_rows = [inputs.train_rows[drawn(seed, epoch, sampling)[0]] for epoch in range(epochs)]
    assert {len(rows) for rows in drawn_rows} == {inputs.epoch_draws}
    return np.bincount(np.concatenate(drawn_rows), minlength=len(inputs.train_rows))


def test_each_name_of_shards_has_its_factor(run, names):
    """6 pairs with factor 1 and 4 with factor 3 share 10 draws: 10 / 18 and 30 / 18 on average, each rounded up or down."""
    inputs = prepared(run, names, "data.upsampling=[1.0, 3.0]")
    np.testing.assert_allclose(inputs.grouping.sampling.expected_n, [10 / 18] * 6 + [30 / 18] * 4)
    for epoch in range(5):
        counts = np.bincount(drawn(0, epoch, inputs.grouping.sampling)[0], minlength=10)
        assert set(counts[:6]) <= {0, 1}
        assert set(counts[6:]) <= {1, 2}
    source = open_source(DataConfig(names))
    assert column_values(source, (PART,)) == [["0"] * 6 + ["1"] * 4]
    assert read_factors(source, DataConfig(names)) is None
    assert "with the factors 1, 3 for the sets of shards in their order" in inputs.data_card


def test_factors_reach_shards_read_one_after_another_and_changed_captions(run, names):
    for settings in (["data.shuffle_buffer=3", "data.fix_text=true"], ["data.intervention.words={number = 'no.'}"]):
        inputs = prepared(run, names, "data.upsampling=[0.0, 1.0]", *settings)
        rows = np.concatenate([inputs.rows(step) for step in range(10)])
        assert set(rows.tolist()) == {6, 7, 8, 9}
        assert "6 with weight 0 were never drawn" in inputs.data_card


def test_with_replacement_counts_are_those_of_independent_draws(run, names):
    """400 epochs of 10 draws of 10 pairs: mean 1, variance 0.9 (binomial) per epoch; without replacement it would be 0."""
    inputs = prepared(run, names, "optim.sampling=resampled")
    sampling = inputs.grouping.sampling
    counts = np.array([np.bincount(drawn(0, epoch, sampling)[0], minlength=10) for epoch in range(400)])
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.2)
    assert counts.var(axis=0).mean() == pytest.approx(0.9, abs=0.1)
    assert "drew pairs with replacement" in inputs.data_card
    positions, before = drawn(0, 7, sampling)
    assert all(before[i] == (positions[:i] == positions[i]).sum() for i in range(10))


def test_an_epoch_of_another_length_draws_every_pair_equally_often_over_time(run, names):
    """Epochs of 4 draws: 0.4 draws per pair. Epochs of 25: 2 or 3. A hundred epochs of 4 draws are 40 of each pair, give or take chance."""
    short, long = (prepared(run, names, f"optim.epoch_draws={n}") for n in (4, 25))
    np.testing.assert_allclose(epoch_counts(short, 100), 40, atol=16)
    assert set(np.bincount(drawn(0, 3, long.grouping.sampling)[0]).tolist()) == {2, 3}
    assert prepared(run, names, "optim.epoch_draws=10").grouping.sampling is None
    epochs = [
        loop.prepare(read_config(run, [f"data.train={names}", "optim.steps=0", "optim.epochs=3", f"optim.epoch_draws={n}"]))
        for n in (4, 25)
    ]
    assert [inputs.config.optim.steps for inputs in epochs] == [3, 18]


def test_draws_depend_on_seed_and_step_alone_and_equal_weights_keep_the_natural_order():
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    one, other = (Sampling.weighted(weights, draws=6, replacement=True) for _ in range(2))
    for step in (0, 1, 5):
        assert [part.tolist() for part in batch_draws(3, step, 6, 3, None, one)] == [
            part.tolist() for part in batch_draws(3, step, 6, 3, None, other)
        ]
    old = Sampling.weighted(weights)
    assert old.draws == 4
    assert replace(old, replacement=True).draws == 4


@pytest.mark.slow_except("settings1")
@pytest.mark.parametrize("settings", [["optim.sampling=resampled", "data.upsampling=[1.0, 2.0]"], ["optim.epoch_draws=8"]])
def test_resumed_it_is_equal_to_the_bit(run, names, settings, tmp_path):
    inputs = prepared(run, names, f"run.out={tmp_path}/out", *settings)
    (tmp_path / "out").mkdir(exist_ok=True)
    whole, numbers = after(inputs, 6)
    half, _ = after(inputs, 3)
    resumed, last = after(inputs, 3, saved_and_resumed(half, inputs))
    assert_same_bytes(whole.model.state_dict(), resumed.model.state_dict())
    assert numbers[3:] == last


def test_what_does_not_fit_is_refused(run, names, capsys):
    for settings, words in (
        (["data.upsampling=[1.0]"], "data.upsampling has 1 factors, data.train 2 names of tar shards"),
        (["data.upsampling=[1.0, 2.0]", "optim.sampling=balanced", 'data.groups=["x"]'], "cannot be used with optim.sampling = 'balanced'"),
        (["optim.epoch_draws=3"], "optim.epoch_draws = 3 does not fill a batch of 4"),
    ):
        with pytest.raises(UsageError, match=words.replace("[", r"\[")):
            prepared(run, names, *settings)
    with pytest.raises(UsageError, match="needs a factor for each of several names"):
        loop.prepare(read_config(run, ["data.upsampling=[1.0, 2.0]"]))
    assert main([run, "--quiet", "--fresh", f"data.train={names}", "optim.sampling=resampled", "data.upsampling=[1.0, 0.0]"]) == 0
    assert "warning" not in capsys.readouterr().err
