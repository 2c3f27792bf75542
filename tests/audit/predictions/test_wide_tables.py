"""Tables of thousands of columns: what cannot be an attribute is not read, and by default few of those that can are."""

import time

import numpy as np
import pandas as pd
import pytest

import audit
from audit.predictions import rows
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions


def wide(columns, cell, n=300):
    """Return answers with `race` and so many columns behind it."""
    drawn = np.random.default_rng(0)
    known = {"race": np.tile(["A", "B"], n // 2), "y_true": drawn.choice(["x", "y"], n), "y_pred": drawn.choice(["x", "y"], n)}
    return pd.DataFrame({**known, **{f"c{place}": cell(drawn, n) for place in range(columns)}})


def levels(drawn, n):
    return drawn.choice(["u", "v", "w"], n)


def fractions(drawn, n):
    return drawn.random(n).astype(str)


def note(found, code):
    said = next(each for each in found.notes if each.code == code)
    return said.values  # noqa: PD011


def test_by_default_the_first_20_columns_are_attributes_and_the_rest_is_counted():
    found = load_predictions(wide(300, levels), ColumnOptions())
    assert list(found.answers[0].predictions.attributes.columns) == ["race", *(f"c{place}" for place in range(19))]
    assert note(found, "attributes_past_limit") == {"limit": 20, "count": 281, "first": "'c19'"}
    named = load_predictions(wide(300, levels), ColumnOptions(("c250", "race")))
    assert list(named.answers[0].predictions.attributes.columns) == ["c250", "race"]
    assert "attributes_past_limit" not in {each.code for each in named.notes}
    exactly = load_predictions(wide(19, levels), ColumnOptions())
    assert "attributes_past_limit" not in {each.code for each in exactly.notes}


@pytest.mark.slow
def test_a_column_of_numbers_is_told_by_its_first_rows_and_not_read(monkeypatch):
    frame, read, whole = wide(50, fractions, n=2000), [], rows.as_text
    monkeypatch.setattr(rows, "as_text", lambda column, name: read.append((name, len(column))) or whole(column, name))
    found = load_predictions(frame, ColumnOptions())
    assert {size for name, size in read if name.startswith("c")} == {1000}
    assert note(found, "attributes_by_rule_of_several")["others"][0] == "'c0' (numbers: --bins c0=4)"
    assert len(note(found, "attributes_by_rule_of_several")["others"]) == 50


@pytest.mark.slow
@pytest.mark.parametrize("cell", [levels, fractions])
def test_an_audit_of_300_rows_and_5000_columns_takes_seconds(cell):
    began = time.process_time()
    result = audit.audit(predictions=wide(5000, cell), draws=99, depth=1).results.audits[0]
    assert time.process_time() - began < 30
    assert {name for finding in result.findings for name in finding.attributes} <= {"race", *(f"c{place}" for place in range(19))}


@pytest.mark.slow
def test_sixty_named_attributes_are_audited_though_the_count_table_has_no_room_for_them():
    names = ("race", *(f"c{place}" for place in range(59)))
    result = audit.audit(predictions=wide(59, levels), attributes=names, draws=99, depth=1).results.audits[0]
    assert {finding.attributes for finding in result.findings if finding.metric == "accuracy"} == {(name,) for name in names}
    assert result.counts[0].left_out
