"""A lock of a table of predictions covers each column that can move a verdict; what changes is named with its number of rows."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from audit.__main__ import main
from audit.engine.locked_table import CELLS, locked_table, table_deviations
from audit.results import from_json
from audit.types import Predictions
from reports.text.plan_lock import deviation_lines

GATE = "gap[predictions.accuracy by race] > 0.1"
OPTIONS = ("--attributes", "race", "--fail-on", GATE)
UNITS = {"other weights": ("--weights", "weight"), "a group in three clusters": ("--cluster", "person")}


def answers():
    """600 answers, 77 % right for race C and 93 % for the others."""
    random, rows = np.random.default_rng(0), np.arange(600)
    race, y_true = np.array(list("ABC"))[rows % 3], np.array(["no", "yes"])[random.integers(0, 2, 600)]
    right = random.random(600) < np.where(race == "C", 0.77, 0.93)
    return pd.DataFrame({
        "id": [f"i{row}" for row in rows], "race": race, "person": [f"p{row // 2}" for row in rows], "weight": 1 + rows % 4,
        "y_true": y_true, "y_pred": np.where(right, y_true, np.where(y_true == "yes", "no", "yes")),
    })  # fmt: skip


TABLE = answers()
WRONG = TABLE.index[(TABLE.race == "C") & (TABLE.y_true != TABLE.y_pred)]
SOME = WRONG[: len(WRONG) * 65 // 100]
OF_C = TABLE.index[TABLE.race == "C"]


def with_cells(column, rows, values):
    table = TABLE.copy()
    table.loc[rows, column] = values
    return table


CHANGED = {
    "answers taken for the truth": (with_cells("y_true", SOME, TABLE.y_pred[SOME]), "True answers in column y_true", len(SOME)),
    "truth blanked": (with_cells("y_true", SOME, ""), "True answers in column y_true", len(SOME)),
    "other weights": (with_cells("weight", OF_C[:50], 9), "Column weight", 50),
    "a group in three clusters": (with_cells("person", OF_C, [f"c{row % 3}" for row in range(200)]), "Column person", 200),
    "a race emptied": (with_cells("race", SOME, ""), "Column race", len(SOME)),
    "rows left out": (TABLE.drop(SOME), "Rows of the table", len(SOME)),
    "truth and other rows": (with_cells("y_true", SOME[1:], "").drop(SOME[:1]), "True answers in column y_true", len(SOME) - 1),
}


def write_lock(folder, *more):
    """Write a lock that allows other answers, and return its path."""
    TABLE.to_csv(folder / "planned.csv", index=False)
    of = ("--predictions", str(folder / "planned.csv"), "--any-model", *OPTIONS, *more)
    assert main(["plan", *of, "--out", str(folder / "plan.lock.json")]) == 0
    return folder / "plan.lock.json"


def ran(table, folder, *more):
    """Run the command under a lock; return its exit code and the lines of its deviations."""
    lock = write_lock(folder, *more)
    table.to_csv(folder / "answers.csv", index=False)
    of = ("--predictions", str(folder / "answers.csv"), *OPTIONS, *more)
    code = main(["run", *of, "--lock", str(lock), "--out", str(folder / "out")])
    results = from_json((folder / "out" / "results.json").read_text())
    return code, [line.replace("\xa0", " ") for line in deviation_lines(results.audits[0], results)]


@pytest.mark.slow_except("answers taken for the truth")
@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_column_is_named_with_its_number_of_rows(change, tmp_path, capsys):
    table, column, rows = CHANGED[change]
    code, lines = ran(table, tmp_path, *UNITS.get(change, ()))
    found = [re.search(r"at least (\d+) ", line) for line in lines if line.startswith(f"{column}: ")]
    assert [rows - 2 <= int(match[1]) <= rows for match in found] == [True], lines
    assert code == 1  # no gate is decided by rows that deviate
    assert main(["verify", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["audits"][0]["lock"]["planned"] == []
    of_rows = [one for one in results["audits"][0]["lock"]["deviations"] if one["rows"] is not None]
    of_rows[-1]["rows"] -= 1
    (tmp_path / "out" / "results.json").write_text(json.dumps(results))
    assert main(["verify", str(tmp_path / "out")]) == 1
    assert re.search(rf"lock\.deviations\[\d\]\.rows: recorded {of_rows[-1]['rows']}, ", capsys.readouterr().out)


@pytest.mark.slow
def test_other_answers_in_another_order_are_not_a_deviation(tmp_path):
    shuffled = TABLE.sample(frac=1, random_state=1).assign(y_pred=TABLE.y_pred.where(TABLE.race != "C", TABLE.y_true))
    code, lines = ran(shuffled, tmp_path, "--cluster", "person")
    assert (code, lines) == (0, [])
    assert main(["verify", str(tmp_path / "out")]) == 0


def changed(path, lock, change):
    """Write a changed copy of a lock in its own form."""
    fields = json.loads(lock.read_text())
    change(fields)
    path.write_text(json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


# ---- without a command ---------------------------------------------------------------------------------------------------------------


def locked_rows(table, **more):
    """Lock a table with attributes by its rows, and with true answers if it has a column of them."""
    y_true = table.get("y_true")
    rows = table[["race"]].set_axis(table.get("id", pd.RangeIndex(1, len(table) + 1)).astype(str))
    given = Predictions((), (), np.zeros((len(table), 0)), table.y_pred.to_numpy(), None if y_true is None else y_true.to_numpy(), rows,
                        np.zeros(0), **more)  # fmt: skip
    return locked_table({"predictions": given}, None, None, identified="id" in table)


def differences(one, other):
    """Field and number of rows of each deviation."""
    return {deviation.field[2:]: deviation.rows for deviation in table_deviations(one, other)}


def test_a_column_that_is_gone_or_new_is_named():
    one, other = locked_rows(TABLE), locked_rows(TABLE.drop(columns="y_true"))
    assert differences(one, other) == differences(other, one) == {("columns", "y_true"): 600}
    assert differences(one, None) == differences(None, one) == {(): None}
    assert differences(None, None) == {}


def test_without_identifiers_the_rows_are_known_together():
    anonymous = TABLE.drop(columns="id")
    one, relabelled = locked_rows(anonymous), anonymous.assign(y_true=CHANGED["answers taken for the truth"][0].y_true)
    assert differences(one, locked_rows(anonymous[::-1])) == {}
    to_yes, to_no = ((TABLE.y_pred[SOME] == answer).sum() for answer in ("yes", "no"))
    assert to_yes != to_no
    # "yes" for "no" in one row and the reverse in another cancel out: rows are not told apart.
    assert differences(one, locked_rows(relabelled)) == {("rows",): abs(to_yes - to_no), ("columns", "y_true"): abs(to_yes - to_no)}
    assert differences(one, locked_rows(TABLE)) == {("identified",): None}


def test_counted_rows_are_locked_with_their_counts():
    cells = TABLE.drop(columns="id")[:6]
    counts = np.array([5, 4, 3, 2, 1, 1])
    one, more = (locked_rows(cells, count=count) for count in (counts, counts + np.array([0, 0, 7, 0, 0, 0])))
    assert one.rows.rows == counts.sum()
    assert differences(one, more) == {("rows",): 7, ("columns", "race"): 7, ("columns", "y_true"): 7}


@pytest.mark.slow
def test_the_number_of_rows_is_a_lower_bound_and_nearly_exact():
    ids = [str(row) for row in range(20_000)]
    one = pd.DataFrame({"id": ids, "race": "A", "y_pred": "yes"})
    other = one.assign(race=np.where(np.arange(20_000) < 3000, "B", "A"))
    [rows] = differences(locked_rows(one), locked_rows(other)).values()
    assert 3000 - 3 * 3000**2 / CELLS <= rows <= 3000


def test_a_lock_of_an_older_version_or_with_damaged_counts_is_refused(tmp_path, capsys):
    lock = write_lock(tmp_path)
    old = changed(tmp_path / "old.json", lock, lambda fields: fields.update(schema_version="1"))
    assert main(["run", "--predictions", str(lock.parent / "planned.csv"), "--lock", str(old), *OPTIONS]) == 3
    assert "plan.lock.json has schema version '1'; this program reads '2'" in capsys.readouterr().err

    def damage(fields):
        fields["probes"]["predictions"]["data"]["table"]["columns"]["race"] |= {"sha256": "0" * 64, "cells": "eJw="}

    damaged = changed(tmp_path / "damaged.json", lock, damage)
    assert main(["run", "--predictions", str(lock.parent / "planned.csv"), "--lock", str(damaged), *OPTIONS]) == 3
    assert "the rows that it counts cannot be read" in capsys.readouterr().err


def test_what_the_lock_covers_is_said_when_it_is_written(tmp_path, capsys):
    for name, table, whose in (
        ("a", TABLE, "each row, by its identifier"),
        ("b", TABLE.drop(columns="id"), "the rows together, which have"),
    ):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        assert main(["plan", "--predictions", str(tmp_path / f"{name}.csv"), "--out", str(tmp_path / f"{name}.json"), *OPTIONS]) == 0
        assert f"covers race, y_true of {whose}" in " ".join(capsys.readouterr().out.split())
