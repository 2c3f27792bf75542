"""Variance shares against statsmodels' analysis of variance."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from audit.statistics.evidence.variance_shares import variance_shares


def test_equal_the_sums_of_squares_of_statsmodels():
    effects = np.random.default_rng(0).normal(size=(6, 4)) + np.arange(6)[:, None]
    frame = pd.DataFrame([(t, s, effects[t, s]) for t in range(6) for s in range(4)], columns=["wording", "labels", "effect"])
    squares = anova_lm(ols("effect ~ C(wording) + C(labels)", frame).fit())["sum_sq"]
    found = variance_shares(effects)
    assert (found.wording, found.label_set, found.interplay) == pytest.approx(tuple(squares / squares.sum()))
    assert variance_shares(effects.T).wording == pytest.approx(found.label_set)
    assert variance_shares(7 * effects + 3).interplay == pytest.approx(found.interplay)


def test_pure_interplay():
    shares = variance_shares(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert (shares.wording, shares.label_set, shares.interplay) == (0.0, 0.0, 1.0)


def test_no_spread_has_no_shares():
    assert variance_shares(np.full((3, 2), 0.1)) is None


def test_a_missing_effect_is_an_error():
    with pytest.raises(ValueError, match="every specification"):
        variance_shares(np.array([[1.0, np.nan]]))
