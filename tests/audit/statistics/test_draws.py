"""Draws that no version of a library changes: pinned values, and what they are distributed like."""

import hashlib

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from audit.statistics.draws import binomial, correlated_normal, multinomial


def digest(drawn):
    return hashlib.sha256(np.ascontiguousarray(drawn, dtype="<i8").tobytes()).hexdigest()[:12]


def test_a_stream_gives_these_numbers_under_every_numpy():
    """The second row is where numpy 2.5 draws other numbers than numpy 2.4 (numpy/numpy#31238)."""
    rng = np.random.default_rng
    assert digest(binomial(np.arange(1, 200), 0.5, (50, 199), rng(5))) == "9b9f8adc9242"
    assert digest(binomial(1000, 0.3, (20_000,), rng(7))) == "374598e36750"
    assert digest(multinomial(294, np.array([0.3, 0.35, 0.0, 0.06, 0.29]), (5000,), rng(5))) == "0d64bc5e0d5e"


def test_a_multinomial_has_the_moments_of_one_and_draws_nothing_that_cannot_occur():
    shares = np.array([0.3, 0.5, 0.0, 0.2])
    drawn = multinomial(np.array([[1000], [0]]), shares, (2, 30_000), np.random.default_rng(0))
    assert (drawn.sum(axis=-1) == [[1000], [0]]).all()
    assert not drawn[..., 2].any()
    covariance = np.cov(drawn[0].T)
    assert drawn[0].mean(axis=0) == pytest.approx(1000 * shares, abs=0.5)
    assert covariance[0, 0] == pytest.approx(210, rel=0.04)
    assert covariance[0, 1] == pytest.approx(-150, rel=0.06)


def test_the_last_outcome_and_one_that_is_certain_take_what_is_left():
    assert multinomial(7, np.array([0.0, 1.0, 0.0]), (2,), np.random.default_rng(0)).tolist() == [[0, 7, 0], [0, 7, 0]]
    assert multinomial(7, np.array([1.0]), (2,), np.random.default_rng(0)).tolist() == [[7], [7]]


@pytest.mark.parametrize(("n", "p"), [(100, 0.5), (1000, 0.3)])
def test_binomial_draws_are_distributed_as_they_should(n, p):
    drawn = binomial(n, p, (200_000,), np.random.default_rng(1))
    kept = np.flatnonzero(binom.pmf(np.arange(n + 1), n, p) * len(drawn) > 10)
    expected = binom.pmf(kept, n, p)
    seen = np.bincount(drawn, minlength=n + 1)[kept]
    assert chisquare(seen, expected / expected.sum() * seen.sum()).pvalue > 1e-4


def test_normal_draws_do_not_depend_on_the_eigenvectors_of_the_library(monkeypatch):
    """Of three groups that are alike, any two directions at right angles are eigenvectors."""
    correlation = np.full((3, 3), 0.2) + 0.8 * np.eye(3)
    drawn = correlated_normal(correlation, 5, np.random.default_rng(0))
    values, vectors = np.linalg.eigh(correlation)
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, -1]])
    monkeypatch.setattr(np.linalg, "eigh", lambda _: (values, vectors @ turn))
    np.testing.assert_allclose(correlated_normal(correlation, 5, np.random.default_rng(0)), drawn, rtol=1e-12)


def test_normal_draws_of_groups_that_always_agree_agree():
    drawn = correlated_normal(np.ones((2, 2)), 1000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 1], atol=1e-12)
    assert drawn[:, 0].std() == pytest.approx(1, abs=0.08)
