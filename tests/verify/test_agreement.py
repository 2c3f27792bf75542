"""A second implementation, from the method page, finds the numbers of the first on audits of every kind; a changed number is named."""

import ast
import copy
import json
import random
import sys
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest, fisher_exact

from tests.support.house import ROOT
from tests.support.verified import DESIGNS, compared, verified, verified_comparison, written
from verify import formulas
from verify.ledger import leaves

ALLOWED = {"numpy", "scipy", "pyarrow", "verify"} | set(sys.stdlib_module_names)


def test_it_shares_no_code_with_the_program():
    files = sorted((ROOT / "verify").rglob("*.py"))
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert len(files) > 10
    assert {name.split(".")[0] for name in names} <= ALLOWED


@pytest.fixture(scope="module")
def audit_of(tmp_path_factory):
    """Return a function that gives the results of a design, a new copy each time, and the path of its answers, not to be written to."""

    @cache
    def once(kind):
        results, path = written(DESIGNS[kind], tmp_path_factory.mktemp("answers"))
        return json.dumps(results), path

    def audit_of(kind):
        text, path = once(kind)
        return json.loads(text), path

    return audit_of


@pytest.mark.slow_except(
    "one true answer",
    "a constant model",
    "rare errors in clusters",
    "three groups in spanning clusters",
    "weights",
    "weights and clusters",
    "pairs",
)
@pytest.mark.parametrize("design", DESIGNS)
def test_it_agrees(design, audit_of):
    results, path = audit_of(design)
    ledger = verified(results, path)
    assert [str(difference) for difference in ledger.differences] == []
    assert len(ledger.verified) > 150
    clustered = results["audits"][0]["data"]["cluster"] or results["audits"][0]["data"]["weights"]
    assert not ledger.drawn or clustered or results["audits"][0]["paired"]  # independent images: bit for bit, from the recorded seed
    left = {leaf[4:] for leaf in leaves(results) if leaf not in ledger.verified | ledger.drawn and leaf[2:3] == ("findings",)}
    assert {names[1] for names in left if names[0] == "gap"} <= {"minimum_detectable", "more_images"}
    inputs = {"attributes", "better", "measurement", "metric", "outcome", "primary", "tolerance", "ratio_tolerance"}
    assert {names[0] for names in left} <= inputs | {"gap", "evidence"}


def test_two_groups_of_one_audit_worked_by_hand(tmp_path):
    """150 images each, 14 against 60 events: Wilson's limits from scipy, Newcombe's from them."""
    low, high = formulas.wilson(np.array([14, 60]), np.array([150, 150]), 0.05)
    for at, events in enumerate((14, 60)):
        exact = binomtest(events, 150).proportion_ci(method="wilson")
        assert (low[at], high[at]) == pytest.approx((exact.low, exact.high), abs=1e-12)
    ends = formulas.newcombe(np.array([56]), np.array([70]), np.array([48]), np.array([80]), 0.05)
    assert [round(float(end[0]), 4) for end in ends] == [0.0524, 0.3339]
    p = formulas.two_rates_p(np.array([3]), np.array([10]), np.array([0]), np.array([10]))[0]
    assert p == pytest.approx(fisher_exact([[3, 7], [0, 10]]).pvalue, abs=1e-12)


KINDS = ["two groups", "many groups", "a useless model", "nested clusters", "spanning clusters", "weights"]


def of_each_field(results, ledger):
    """Return the first of the verified values of each field."""
    fields = {}
    for leaf in leaves(results):
        if leaf in ledger.verified:
            fields.setdefault(tuple(part for part in leaf if isinstance(part, str)), leaf)
    return list(fields.values())


def not_named(results, path, changes):
    """Return those of the changed values in which the second look finds no difference."""
    forged = copy.deepcopy(results)
    for leaf in changes:
        changed(forged, leaf)
    named = {difference.path for difference in verified(forged, path).differences}
    return [leaf for leaf in changes if not any(leaf[: len(one)] == one for one in named)]


@pytest.mark.slow_except("a useless model", "spanning clusters")
@pytest.mark.parametrize("kind", KINDS)
def test_changed_numbers_are_named_also_where_many_are(kind, audit_of):
    """Of every field that it recomputes, one value is changed; each difference has its path."""
    results, path = audit_of(kind)
    chosen = of_each_field(results, verified(results, path))
    assert len(chosen) > 50
    follow = [leaf for leaf in chosen if leaf[-1] == "beyond_tolerance"]  # from others, which are changed apart
    gates = [leaf for leaf in chosen if leaf[0] == "gates"]  # by the audit's own rules, which read no results that contradict themselves
    for changes in (follow, gates, [leaf for leaf in chosen if leaf not in follow + gates]):
        assert not_named(results, path, changes) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_changed_number_is_named(kind, audit_of):
    """Alone: no other change is beside it."""
    results, path = audit_of(kind)
    for leaf in of_each_field(results, verified(results, path)):
        assert not_named(results, path, [leaf]) == []


def test_results_without_their_counts_are_compared_as_far_as_they_go(audit_of):
    """Older files have none; whoever takes them out cannot hide a number that follows from them."""
    results, path = audit_of("two groups")
    results["audits"][0]["counts"] = []
    composed = [finding for finding in results["audits"][0]["findings"] if finding["composition"]]
    ledger = verified(results, path)
    assert len(ledger.verified) > 50
    assert len([one for one in ledger.differences if "composition" in one.path]) == len(composed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fifty_values_drawn_at_random_and_ten_cells_are_named(kind, audit_of, tmp_path):
    """360 of five hundred single changes; the others are in `test_command`. No two are of one place."""
    results, path = audit_of(kind)
    ledger, source = verified(results, path), random.Random(kind)
    for leaf in source.sample([leaf for leaf in leaves(results) if leaf in ledger.verified], 50):
        assert not_named(results, path, [leaf]) == []
    table, path = pq.read_table(path), tmp_path / "changed.parquet"
    columns = [name for name in ("y_pred", "y_true", "race", "person") if name in table.column_names]
    for number, row in enumerate(source.sample(range(table.num_rows), 10)):
        column = columns[number % len(columns)]
        values = table[column].to_pylist()
        values[row] = next((value for value in values if value != values[row]), "another")
        pq.write_table(table.set_column(table.column_names.index(column), column, pa.array(values, pa.string())), path)
        assert verified(results, path).differences, (column, row)


def changed(results, leaf):
    """Change one value by little: a number by a hundredth, a count by one, a name or verdict to another."""
    *above, last = leaf
    place = results
    for part in above:
        place = place[part]
    value = place[last]
    if isinstance(value, bool):
        place[last] = not value
    elif isinstance(value, str):
        place[last] = {"disparity": "equivalent", "held": "breached"}.get(value, f"{value}.")
    else:
        place[last] = value + 1 if isinstance(value, int) else value + 0.01


@pytest.mark.slow_except("person")
@pytest.mark.parametrize("column", ["y_pred", "y_true", "race", "person"])
def test_a_changed_cell_of_the_answers_is_noticed(column, audit_of, tmp_path):
    results, path = audit_of("nested clusters")
    table, path = pq.read_table(path), tmp_path / "changed.parquet"
    values = table[column].to_pylist()
    values[7] = next(value for value in values if value != values[7])
    pq.write_table(table.set_column(table.column_names.index(column), column, pa.array(values, pa.string())), path)
    assert verified(results, path).differences


def test_a_dropped_row_is_noticed(audit_of, tmp_path):
    results, path = audit_of("two groups")
    pq.write_table(pq.read_table(path).slice(1), tmp_path / "shorter.parquet")
    assert verified(results, tmp_path / "shorter.parquet").differences


@pytest.mark.slow_except("a small group", "nested clusters")
@pytest.mark.parametrize(
    "design", ["a small group", "no truth", "nested clusters", "spanning clusters", pytest.param("many groups", marks=pytest.mark.slow)]
)
def test_it_agrees_about_the_changes_between_two_models(design, tmp_path):
    comparison, sides = compared(DESIGNS[design], tmp_path)
    ledger = verified_comparison(comparison, sides)
    assert [str(difference) for difference in ledger.differences] == []
    assert len(ledger.verified) > 100
    change = comparison["comparisons"][0]["changes"][0]
    for name, value in (("gained", change["overall"]["gained"] + 1), ("p", change["overall"]["p"] / 2 + 0.1)):
        forged = copy.deepcopy(comparison)
        forged["comparisons"][0]["changes"][0]["overall"][name] = value
        assert ("overall", name) in [difference.path[-2:] for difference in verified_comparison(forged, sides).differences]
