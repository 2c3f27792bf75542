"""Training by groups against an oracle of a few lines: one process, dense losses, loops over pairs; fp64, 12 steps, or 5 every time.

A group of processes is started once and runs all its cases as the trainer does (`take_step`), with its share of each batch.
"""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from contrastive import distributed
from contrastive.checkpoint.file import load
from contrastive.config import read_config
from contrastive.data.order import permutation, stream
from contrastive.loss import GroupDRO
from contrastive.model.clip import CLIP
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.optimizer import clamp_logit_scale, learning_rate, make_optimizer, set_learning_rate
from contrastive.training.step import batch_of
from strictio.errors import DataError, UsageError, VlmAuditError
from tests.support.oracle import TOLERANCE, distances
from tests.support.spawn import spawn
from tests.support.training import (
    TINY_VIT,
    after,
    assert_same_bytes,
    finish_in_a_group,
    logged_events,
    prepared,
    run_text,
    saved_and_resumed,
    train_and_die,
)

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

STEPS, FEW_STEPS = 12, 5
"""In the first steps the learning rate rises, the few are drawn again and the weights of groups are learned."""
RUN = run_text(
    TINY_VIT,
    data="batch = 24; shift = 1; templates = ['{caption}', 'see {caption}']; groups = ['kind']; group_pattern = '^(?P<kind>image) [0-9]$'",
    optim="steps = 12; lr = 1e-2; warmup = 2; clip = 0.0",
    run="save_every = 5; log_every = 1; precision = 'fp32'",
)
"""1,440 pairs: 10 are of the group "image" (image 0 to image 9), 1,430 of the group "(none)". An epoch has 60 steps."""
SETTINGS = {
    "balanced": ["optim.sampling=balanced"],
    "target shares": ["optim.sampling=weighted", "optim.target_shares={image = 0.3, '(none)' = 0.7}"],
    "loss weights": ["optim.loss_weights={image = 30.0}"],
    "balanced with loss weights": ["optim.sampling=balanced", "optim.loss_weights={image = 3, '(none)' = 0}", "loss.kind=sigmoid"],
    "group DRO": ["optim.objective=group_dro", "optim.dro_rate=0.5"],
    "balanced group DRO": ["optim.objective=group_dro", "optim.dro_rate=0.5", "optim.sampling=balanced", "loss.kind=sigmoid"],
}
SHARES = {"balanced": Fraction(1, 2), "weighted": Fraction(3, 10)}
"""Share of the draws of the few."""
SIZES = (1, 2)
GRID = list(itertools.product(SETTINGS, ["ddp", "fsdp2"], [1, 5]))
ONCE = [(settings, ["ddp", "fsdp2"][place % 2], [1, 5][place // 2 % 2]) for place, settings in enumerate(SETTINGS)]
"""Each setting once, wrapped in each way and with one part of a batch or five."""


def is_few(row):
    return row < 10


# The oracle.


def oracle_rows(inputs, n=1440, batch=24):
    """Return the rows of each step of the first epoch, and how often each was drawn before in it: by walking along the expected draws."""
    seed, rows = inputs.config.run.seed, list(range(n))
    if inputs.config.optim.sampling != "natural":
        few = SHARES[inputs.config.optim.sampling]
        rng, expected = stream(seed, "sampling", 0), [few * n / 10 if is_few(row) else (1 - few) * n / (n - 10) for row in range(n)]
        shuffled, start = sorted(rng.permutation(n).tolist(), key=is_few), Fraction(rng.random())
        mark, walked, rows = 1 - start, Fraction(0), []
        for row in shuffled:
            walked += expected[row]
            while walked >= mark:
                rows.append(row)
                mark += 1
        rows.sort()
    drawn = [(row, rows[:at].count(row)) for at, row in enumerate(rows)]
    order = [drawn[at] for at in permutation(seed, 0, n)]
    return [order[start : start + batch] for start in range(0, n, batch)]


def pair_losses(kind, image, text, scale, bias):
    """Return the loss of each pair: half of its row and half of its column."""
    logits = scale * image @ text.T
    if kind == "softmax":
        return -(torch.log_softmax(logits, 1).diagonal() + torch.log_softmax(logits, 0).diagonal()) / 2
    right = torch.eye(len(image))
    terms = torch.nn.functional.binary_cross_entropy_with_logits(logits + bias, right, reduction="none")
    return (terms.sum(0) + terms.sum(1)) / 2


def oracle_loss(optim, losses, few, state):
    """Return the loss of a batch; `few`: which pairs are of the few; `state`: the weights of group DRO of the many and of the few."""
    if optim.objective == "group_dro":
        means = {group: losses[few == group].mean() for group in (False, True) if (few == group).any()}
        for group, mean in means.items():
            state[group] *= float((optim.dro_rate * mean.detach()).exp())
        total = sum(state.values())
        state |= {group: q / total for group, q in state.items()}
        return sum(state[group] * mean for group, mean in means.items())
    weights = {True: optim.loss_weights.get("image", 1.0), False: optim.loss_weights.get("(none)", 1.0)}
    shares = {True: 1 / 2, False: 1 / 2} if optim.sampling == "balanced" else {True: 10 / 1440, False: 1430 / 1440}
    mean = sum(weights[group] * shares[group] for group in weights)
    return sum(weights[group] / mean * loss for group, loss in zip(few.tolist(), losses, strict=True)) / len(losses)


def train_oracle(inputs, steps):
    """Return the gradients of the first step with its loss, and the parameters after all steps, with the weights of group DRO."""
    config, first, state = inputs.config, {}, {False: 0.5, True: 0.5}
    model = CLIP(inputs.model, torch.Generator().manual_seed(config.run.seed)).train()
    optimizer = make_optimizer(model, config.optim)
    for step, draws in enumerate(oracle_rows(inputs)[:steps]):
        rows, before = (np.array(part) for part in zip(*draws, strict=True))
        pixels, ids = inputs.pairs.batch(rows, 0, config.run.seed, config.data.shift, before)
        features = model(inputs.preprocess.normalise(pixels).double(), ids)
        losses = pair_losses(config.loss.kind, *features, model.logit_bias)
        value = oracle_loss(config.optim, losses, is_few(rows), state)
        optimizer.zero_grad()
        value.backward()
        first = first or {"loss": value.detach(), **{name: p.grad.clone() for name, p in model.named_parameters()}}
        set_learning_rate(optimizer, learning_rate(step, config.optim))
        optimizer.step()
        clamp_logit_scale(model.logit_scale)
    return first, {**dict(model.named_parameters()), "group weights": torch.tensor(list(state.values()))}


# The trainer.


def train_shared(inputs, steps):
    """What the trainer does, in the form of `train_oracle`."""
    training, first = loop.start(inputs), {}
    for step in range(steps):
        images, ids = batch_of(inputs, step, training.device)
        numbers = loop.take_step(training, inputs, (images.double(), ids))
        gradients = {name: p.grad for name, p in training.learner.named_parameters()}
        first = first or {"loss": torch.tensor(numbers["loss"]), **distributed.full_tensors(gradients)}
        first = {name: tensor.clone() for name, tensor in first.items()} if step == 0 else first
    last = distributed.full_tensors(dict(training.learner.named_parameters()))
    learned = training.group_loss.q_g if isinstance(training.group_loss, GroupDRO) else [0.5, 0.5]
    return first, {**last, "group weights": torch.tensor(np.array(learned))}


def run_all(run, cases, steps):
    """In a process of a group: how far each case is from the oracle."""
    torch.set_default_dtype(torch.float64)
    found, expected, base = [], {}, prepared(run)
    for settings, mode, parts in cases:
        config = read_config(run, [*SETTINGS[settings], f"run.dist={mode}", f"optim.accumulate={parts}"])
        rule = "sigmoid" if config.loss.kind == "sigmoid" else "softmax"
        model = replace(base.model, score_rule=rule)
        inputs = replace(base, config=config, model=model, grouping=replace(base.grouping, config=config))
        if settings not in expected:
            expected[settings] = train_oracle(inputs, steps)
        found.append(distances(train_shared(inputs, steps), expected[settings]))
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.toml"
    path.write_text(RUN.replace("OUT", str(path.parent / "out")))
    return str(path)


@pytest.fixture(scope="module")
def two(path):
    return spawn(run_all, 2, path, ONCE, FEW_STEPS)


@pytest.mark.parametrize("case", ONCE, ids=str)
def test_the_trainer_is_the_oracle(two, case):
    for found in two:
        assert_one(found[ONCE.index(case)])


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_trainer_is_the_oracle_in_every_case(path, size):
    for found in spawn(run_all, size, path, GRID, STEPS):
        for on_a_process in found:
            assert_one(on_a_process)


def assert_one(on_a_process):
    assert max(on_a_process.values()) < TOLERANCE, on_a_process


@pytest.mark.slow_except("loss weights")
@pytest.mark.parametrize("settings", SETTINGS)
def test_stopped_anywhere_and_resumed_is_the_same_run(run, settings):
    inputs = prepared(run, *SETTINGS[settings])
    straight, _ = after(inputs, 9)
    for stop in (1, 4, 8):
        training, _ = after(inputs, stop)
        again = saved_and_resumed(training, inputs)
        after(inputs, 9 - stop, again)
        assert_same_bytes(again.model.state_dict(), straight.model.state_dict())


def test_a_step_that_is_not_finite_leaves_the_learned_weights(run):
    inputs = prepared(run, *SETTINGS["balanced group DRO"])
    training, numbers = after(inputs, 2)
    weights = training.group_loss.q_g
    assert [numbers[1][f"weight/{name}"] for name in ("(none)", "image")] == weights.tolist()
    assert weights.tolist() != [0.5, 0.5]
    images, ids = batch_of(inputs, 2, training.device)
    assert loop.take_step(training, inputs, (images * torch.nan, ids))["skipped"] == 1
    assert training.group_loss.q_g.tolist() == weights.tolist()
    loop.take_step(training, inputs)
    assert training.group_loss.q_g.tolist() != weights.tolist()


def test_the_learned_weights_are_in_the_account_and_a_state_without_them_is_refused(run, tmp_path):
    inputs = prepared(run, *SETTINGS["balanced group DRO"])
    training, _ = after(inputs, 2)
    loop.save_run(training, inputs)
    path = tmp_path / "out" / "ckpt.pt"
    stored = load(path)
    assert stored.account["group_weights"] == dict(zip(["(none)", "image"], training.group_loss.q_g.tolist(), strict=True))
    for weights in ({}, {"group_weights": [1.0]}, {"group_weights": [0.7, 0.7]}, {"group_weights": [2, -1]}, {"group_weights": ["x", 1]}):
        state = {name: value for name, value in stored.training.items() if name != "group_weights"} | weights
        with pytest.raises(DataError, match="state of the optimiser does not fit"):
            loop.resume(inputs, replace(stored, training=state), path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["optim.loss_weights={imag = 2}"],
            "names the group 'imag', which has no training pairs\nfix: did you mean image",
        ),
        (["optim.loss_weights={image = 0, '(none)' = 0}"], "gives every group the weight 0"),
        (["optim.loss_weights={image = -1}"], "optim.loss_weights.*must be at least 0"),
        (["optim.loss_weights={image = nan}"], "optim.loss_weights.*must be a finite number"),
        (["optim.loss_weights={image = 2}", "optim.objective=group_dro"], "cannot be used with optim.objective = 'group_dro'"),
        (["optim.loss_weights={image = 2}", "loss.kind=caption"], "optim.loss_weights cannot be used with loss.kind = 'caption'"),
        (["optim.objective=group_dro", "loss.kind=bag-of-words"], "optim.objective cannot be used with loss.kind = 'bag-of-words'"),
        (["optim.objective=group_dro", "data.groups=[]"], "data.groups must be one or more of the named groups"),
        (["optim.objective=dro"], "did you mean group_dro"),
    ],
)
def test_incompatible_weights(run, options, words):
    with pytest.raises(UsageError, match=words):
        prepared(run, *options)


def be_killed(run, *options):
    return train_and_die(7 if distributed.rank() == distributed.world_size() - 1 else None, run, *options)


@pytest.mark.slow_except("false-balanced group DRO")
@pytest.mark.parametrize("settings", ["target shares", "balanced group DRO"])
@pytest.mark.parametrize("sharded", ["false", "true"])
def test_killed_and_resumed_is_the_same_run(run, tmp_path, settings, sharded):
    options = [*SETTINGS[settings], f"run.sharded={sharded}"]
    with pytest.raises(VlmAuditError, match="process 0 of 1 ended with -9"):
        spawn(be_killed, 1, run, *options, group=False)
    assert main([run, "--quiet", *options]) == 0
    assert main([run, "--quiet", *SETTINGS[settings], f"run.out={tmp_path / 'straight'}"]) == 0
    assert_same_end(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "sharded"), [("ddp", "false"), ("fsdp2", "true")])
def test_two_processes_killed_and_resumed_are_the_same_run(run, tmp_path, mode, sharded):
    options = [*SETTINGS["balanced group DRO"], f"run.dist={mode}", f"run.sharded={sharded}", "optim.accumulate=2"]
    with pytest.raises(VlmAuditError, match="process 1 of 2 ended with -9"):
        spawn(be_killed, 2, run, *options, grace_s=30.0)
    assert "from step 5" in finish_in_a_group(run, tmp_path / "out", *options)
    finish_in_a_group(run, tmp_path / "straight", *options)
    assert_same_end(tmp_path)


def assert_same_end(folder):
    resumed, straight = (load(folder / name / "ckpt.pt") for name in ("out", "straight"))
    assert_same_bytes(resumed.model.state_dict(), straight.model.state_dict())
    assert resumed.account.get("group_weights") == straight.account.get("group_weights")
    assert [line["step"] for line in logged_events(folder / "out") if line["event"] == "step"] == list(range(1, 13))


@pytest.mark.slow
def test_a_run_is_not_resumed_with_other_groups(run, tmp_path, capsys):
    options = ["--quiet", *SETTINGS["balanced"], "optim.steps=1", "optim.warmup=0"]
    assert main([run, *options]) == 0
    assert main([run, *options, "data.group_pattern=(?P<kind>image) 9"]) == 2
    assert "why: data.group_pattern was" in capsys.readouterr().err
    card = load(tmp_path / "out" / "ckpt.pt").data_card
    assert "Training drew every group equally often" in card
    assert "the 2 groups of kind ((none) 1,430, image 10)" in card
    assert "up to 72 times per epoch. A batch of 24 holds up to 1.2 copies of a pair on average" in card
