"""The whole count table of a measurement: by hand, read back, and what is left out of one that is too large."""

import numpy as np
import pandas as pd
import pytest

from audit.records.counts import CountRecord
from audit.results import AuditResult
from audit.statistics import counts as tables
from audit.statistics.counts import count_record, count_table
from audit.types import UNKNOWN, LabelSet, Measurement
from tests.support.answered import LABELS
from tests.support.answered import answered as answer

MEASUREMENT = Measurement("m", "?", LabelSet("l", LABELS, {}), "p", ())
LEVELS = {"race": ("B", "A"), "age": ("young", "old", "oldest")}


def answered(rows, y_pred, y_true=None):
    truth = None if y_true is None else np.array(y_true)
    return answer(np.array(y_pred), pd.DataFrame(rows, columns=["race", "age"], dtype="str"), truth)


def read_back(record: CountRecord) -> dict:
    """(levels..., true answer, answer) -> images."""
    axes = [*record.levels, *([record.answers] if record.truth else []), record.answers]
    codes = np.unravel_index(record.cells, [len(axis) for axis in axes])
    return {
        tuple(axis[code] for axis, code in zip(axes, row, strict=True)): n
        for row, n in zip(np.transpose(codes).tolist(), record.n, strict=True)
    }


def test_by_hand_in_any_order():
    """Grid 2 x 3 x 2: (B, young, no) is place 1, (A, old, yes) is 6 + 2 + 0."""
    found = count_record(MEASUREMENT, answered([["A", "old"], ["B", "young"], ["A", "old"]], ["yes", "no", "yes"]), LEVELS)
    assert found == CountRecord("m", ("race", "age"), (("B", "A"), ("young", "old", "oldest")), LABELS, False, (1, 8), (1, 2), ())
    rows, y_pred = [["A", "old"], ["B", "young"], ["A", "young"]], ["yes", "no", "no"]
    first, turned = (count_record(MEASUREMENT, answered(rows[::way], y_pred[::way]), LEVELS) for way in (1, -1))
    assert first == turned


def test_unknown_levels_and_true_answers_that_cannot_be_given_come_last():
    rows = [["A", UNKNOWN], ["B", "old"], ["A", "old"]]
    found = count_record(MEASUREMENT, answered(rows, ["yes"] * 3, ["maybe", UNKNOWN, "yes"]), LEVELS)
    assert found.levels == (("B", "A"), ("young", "old", "oldest", UNKNOWN))
    assert found.answers == ("yes", "no", "maybe", UNKNOWN)
    assert read_back(found) == {("A", UNKNOWN, "maybe", "yes"): 1, ("B", "old", UNKNOWN, "yes"): 1, ("A", "old", "yes", "yes"): 1}


@pytest.mark.parametrize("seed", range(3))
def test_read_back_it_is_the_count_table(seed):
    source = np.random.default_rng(seed)
    rows = np.stack([source.choice(levels, 500) for levels in LEVELS.values()], axis=1)
    predictions = answered(rows, source.choice(LABELS, 500), source.choice(LABELS, 500))
    expected = count_table(predictions.attributes, predictions.y_true, predictions.y_pred, list(LEVELS))
    found = read_back(count_record(MEASUREMENT, predictions, LEVELS))
    assert found == {tuple(row[:-1]): row[-1] for row in expected.itertuples(index=False, name=None)}


@pytest.mark.parametrize(
    ("most", "attributes", "left_out", "n"),
    [
        (5, ("race", "age"), (), (1, 1, 1, 1, 1)),
        (4, ("race",), ("age",), (1, 1, 2, 1)),  # (B, yes), (B, no), (A, yes), (A, no)
        (2, (), ("race", "age"), (3, 2)),
        (1, (), ("race", "age", "y_pred"), (5,)),
    ],
)
def test_a_table_that_is_too_large_loses_its_widest_attribute_and_says_so(monkeypatch, most, attributes, left_out, n):
    rows = [["B", "young"], ["B", "old"], ["A", "young"], ["A", "old"], ["A", "oldest"]]
    monkeypatch.setattr(tables, "MOST_ROWS", most)
    found = count_record(MEASUREMENT, answered(rows, ["yes", "no", "yes", "yes", "no"]), LEVELS)
    assert (found.attributes, found.left_out, found.n) == (attributes, left_out, n)


def test_a_grid_that_floats_cannot_number_is_coarsened(monkeypatch):
    monkeypatch.setattr(tables, "LARGEST_GRID", 12)
    found = count_record(MEASUREMENT, answered([["A", "old"], ["B", "old"]], ["yes", "no"]), LEVELS)  # 2 x 3 x 2 places
    assert (found.attributes, found.left_out) == (("race",), ("age",))


def test_no_image_is_an_empty_table_and_results_without_counts_are_still_read():
    found = count_record(MEASUREMENT, answered(np.empty((0, 2), str), np.array([], str)), LEVELS)
    assert (found.cells, found.n, found.left_out) == ((), (), ())
    assert AuditResult.__dataclass_fields__["counts"].default == ()
