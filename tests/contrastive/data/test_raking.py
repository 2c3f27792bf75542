"""Weights for target shares of groups: by hand, and by the conditions of the problem that they solve."""

import numpy as np
import pytest

from contrastive.config import Config, DataConfig, ModelSource, OptimConfig, RunConfig
from contrastive.data import TrainingDataError, open_source
from contrastive.data.groups import Grouping, Groups, read_grouping
from contrastive.data.raking import raked
from strictio.errors import UsageError
from tests.contrastive.data.test_groups import as_csv


def config_of(train="pairs.csv", **settings):
    optim = {name: settings.pop(name) for name in ("target_shares", "sampling", "loss_weights") if name in settings}
    optim = {"sampling": "weighted", **optim}
    return Config(ModelSource("tiny-conv"), DataConfig(train, batch=2, **settings), OptimConfig(1, lr=0.1, **optim), RunConfig("out"))


def test_shares_by_hand():
    # 3 men and 1 woman, and 2 drawings of others. Half of the men's and women's 4 draws each: men 2/3, the woman 2; the others stay 1.
    weights = raked(np.ones(6), np.array([0, 0, 1, 0, -1, -1]), np.array([0.5, 0.5]), {})
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2, 2 / 3, 1, 1])
    # Weights of one's own: the men have 1, 2 and 3, so 6 of 8 together; they keep their ratios.
    weights = raked(np.array([1.0, 2, 2, 3]), np.array([0, 0, 1, 0]), np.array([0.5, 0.5]), {})
    np.testing.assert_allclose(weights, [2 / 3, 4 / 3, 4, 2])


def test_shares_within_values_by_hand():
    # Nurses: 1 man, 3 women; mechanics: 3 men, 1 woman. Half each, within 4 draws: factor 2 for the rare, 2/3 for the others.
    groups, jobs = np.array([0, 1, 1, 1, 0, 0, 0, 1]), ["nurse"] * 4 + ["mechanic"] * 4
    weights = raked(np.ones(8), groups, np.array([0.5, 0.5]), {"job": jobs})
    np.testing.assert_allclose(weights, [2, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 2])
    # Balanced overall they were before: without `job`, nothing changes.
    np.testing.assert_allclose(raked(np.ones(8), groups, np.array([0.5, 0.5]), {}), np.ones(8))


def test_two_columns_are_the_solution_of_the_convex_problem():
    """Smallest relative entropy with these shares: the constraints hold, and so do the conditions of Karush, Kuhn and Tucker."""
    rng = np.random.default_rng(0)
    groups, share = np.concatenate([[0] * 12, rng.integers(0, 2, 48)]), np.array([0.3, 0.7])
    columns = {
        "job": [("nurse", "cook", "")[i] for i in rng.integers(0, 3, 60)],
        "tone": [("dark", "light")[i] for i in rng.integers(0, 2, 60)],
    }
    before = rng.uniform(0.5, 2, 60)
    weights = raked(before, groups, share, columns)

    rows, targets = [], []
    for values in ([""] * 60, *columns.values()):
        for value in sorted({*values} - {""} or {""}):
            block = np.array([other == value for other in values])
            for group in (0, 1):
                rows.append(block & (groups == group))
                targets.append(share[group] * before[block].sum())
    matrix, targets = np.array(rows, float), np.array(targets)
    np.testing.assert_allclose(matrix @ weights, targets, rtol=1e-9)
    # The problem is convex, so its solution is where the gradient, log(w / before), is a combination of the gradients of the constraints.
    gradient = np.log(weights / before)
    factors = np.linalg.lstsq(matrix.T, gradient, rcond=None)[0]
    np.testing.assert_allclose(matrix.T @ factors, gradient, atol=1e-9)
    assert np.ptp(gradient) > 0.5


def test_duplicating_all_pairs_and_renaming_values_changes_no_weight():
    groups, jobs = np.array([0, 1, 1, 0, 0, 1]), ["b", "b", "a", "a", "a", "a"]
    weights = raked(np.ones(6), groups, np.array([0.4, 0.6]), {"job": jobs})
    twice = raked(np.ones(12), np.tile(groups, 2), np.array([0.4, 0.6]), {"job": [{"a": "z", "b": "y"}[job] for job in jobs] * 2})
    np.testing.assert_allclose(twice, np.tile(weights, 2))


def test_infeasible_shares_are_refused():
    groups, jobs = np.array([0, 1, 0, 1]), ["nurse", "nurse", "mechanic", ""]
    with pytest.raises(TrainingDataError, match=r"a group of optim\.target_shares has no pairs with job = 'mechanic'"):
        raked(np.ones(4), groups, np.array([0.5, 0.5]), {"job": jobs})
    # Of group 0 there are only a-x (which must be half of a and half of x) and b-y, and a weighs 3 and x weighs 4.
    groups = np.array([0, 0, 1, 1, 1, 1])
    columns = {"letter": list("abaabb"), "end": list("xyyyxx")}
    with pytest.raises(TrainingDataError, match="no weights give the groups these shares"):
        raked(np.array([1.0, 1, 2, 2, 1, 2]), groups, np.array([0.5, 0.5]), columns)


def test_target_shares_are_the_shares_of_draws_and_said_in_the_data_card(tmp_path):
    config = config_of(str(as_csv(tmp_path)), groups=("gender",), target_shares={"woman": 0.75, "man": 0.25}, balance_within=("tone",))
    with pytest.raises(TrainingDataError, match="no pairs with tone = 'light'"):  # a man and no woman
        read_grouping(open_source(config.data), config, np.arange(6))
    rows = np.array([0, 1, 3, 4, 5])
    grouping = read_grouping(open_source(config.data), config, rows)  # woman, man, (none), man, woman, all dark but the third
    np.testing.assert_allclose(grouping.sampling.expected_n, [1.5, 0.5, 1, 0.5, 1.5])
    assert grouping.sentences[:2] == (
        "Training drew pairs with weights that give groups these shares of their draws: woman 0.75, man 0.25, and within each value of "
        "tone.",
        "Its pairs are of the 3 groups of gender ((none) 1, man 2, woman 2).",
    )
    natural = config_of(config.data.train, groups=("gender",), sampling="natural")
    assert grouping.identity != read_grouping(open_source(config.data), natural, rows).identity


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_shares": {"woman": 0.5}}, "optim.target_shares must be shares with sum 1; it is 0.5"),
        ({"target_shares": {"woman": 1.5}}, "shares with sum 1"),
        ({"target_shares": {"woman": 1.0}, "sampling": "balanced", "groups": ("a",)}, 'optim.sampling must be "weighted"'),
        ({"target_shares": {"woman": 1.0}}, "optim.target_shares needs the setting data.groups"),
        ({"balance_within": ("a",), "weight": "b"}, "data.balance_within needs the setting optim.target_shares"),
        ({}, "needs the setting data.weight or optim.target_shares"),
    ],
)
def test_incompatible_settings(settings, words):
    with pytest.raises(UsageError, match=words):
        config_of(**settings)


@pytest.mark.parametrize(
    ("shares", "weights", "words"),
    [
        ({"womn": 1.0}, None, "names the group 'womn', which has no training pairs\nfix: did you mean woman"),
        ({"woman": 1.0}, [0.0, 1.0], "names the group 'woman', which has no training pairs\nwhy: their weights are 0"),
    ],
)
def test_target_shares_of_groups_without_pairs(shares, weights, words):
    groups = Groups.of(["gender"], [["woman", "man"]])
    with pytest.raises(UsageError, match=words):
        _ = Grouping(config_of(groups=("gender",), target_shares=shares), groups, weights and np.array(weights)).sampling
