"""Row by row the same as on the count table."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError
from audit.statistics.counts import grouped_counts, row_codes
from audit.statistics.metrics import METRICS, row_events, tally
from audit.types import UNKNOWN
from tests.support.answered import answered

LEVELS = {"race": ("A", "B", "C"), "gender": ("F", "M")}


def predictions(n=400):
    source = np.random.default_rng(0)
    attributes = pd.DataFrame({"race": source.choice(["A", "B", UNKNOWN], n), "gender": source.choice(["F", "M"], n)})
    y_true, y_pred = source.choice(["cat", "dog", "cow", UNKNOWN], n), source.choice(["cat", "dog", "cow"], n)
    return answered(y_pred, attributes, y_true, ("cat", "dog", "cow"))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("by", [("race",), ("race", "gender")])
def test_sums_by_group_are_the_tally(name, by):
    given, metric = predictions(), METRICS[name]
    for outcome in (frozenset({"cat", "dog"}), *([] if metric.needs_outcome else [None])):
        counts = tally(grouped_counts(given, by, LEVELS), metric, outcome)
        groups, codes = row_codes(given.attributes, by, LEVELS)
        rows = row_events(given, metric, outcome)
        assert groups == counts.groups
        assert (np.bincount(codes[rows.counted], minlength=len(groups)) == counts.n).all()
        assert (np.bincount(codes[rows.event], minlength=len(groups)) == counts.events).all()


def test_an_undeclared_level_is_an_error():
    with pytest.raises(DataError, match="undeclared"):
        row_codes(pd.DataFrame({"race": ["D"]}), ("race",), LEVELS)


def test_a_missing_value_is_an_error_and_not_the_last_group():
    with pytest.raises(DataError, match="missing values in race"):
        row_codes(pd.DataFrame({"race": ["A", None, "B"]}), ("race",), LEVELS)
