"""Natural shifts: by hand, by what must not matter, with planted drops, and beside the other models of a run."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from audit.analyses.conditions import judged_together
from audit.errors import DataError
from audit.extensions.natural_shift.beside import ModelPoint, read_points, with_other_models
from audit.extensions.natural_shift.computation import ShiftAsked, shift_record, unequal_drops
from audit.statistics.intervals import newcombe
from audit.types import Settings
from reports.text.notes import sentence
from tests.support import report_samples as samples
from tests.support.answered import answered

LEVELS = {"light": ("day", "night", "unknown"), "group": ("a", "b", "c")}
ASKED = ShiftAsked("Who is lost at night?", "thing", "light", "day", "group")
SETTINGS = Settings(draws=999)
PLANTED = {("a", "day"): (90, 100), ("a", "night"): (80, 100), ("b", "day"): (80, 100), ("b", "night"): (30, 100), ("c", "day"): (5, 9)}


def rows(counts, **more):
    """Return predictions of 'x', which is right, or 'y': of each group and condition so many right of so many."""
    parts = [(group, light, "x" if place < right else "y") for (group, light), (right, n) in counts.items() for place in range(n)]
    attributes = pd.DataFrame(parts, columns=["group", "light", "y"], dtype="str")
    given = answered(attributes["y"].to_numpy(str), attributes[["group", "light"]])
    return replace(given, answers=("x", "y"), y_true=np.full(len(parts), "x"), **more)


def judged(given, asked=ASKED, levels=LEVELS):
    return judged_together([shift_record(asked, given, levels, SETTINGS)], 0.05, limited=False)[0]


def test_each_group_goes_from_its_rate_to_its_rate():
    """a loses 10 of 100, b 50 of 100; 115 of 200 less 175 of 209 of all; c has no image at night."""
    (night,) = (found := judged(rows(PLANTED))).results
    a, b, c = night.by_group
    assert [each.difference for each in (a, b)] == pytest.approx([-0.1, -0.5])
    assert (c.difference, c.standard.status, c.shifted.value) == (None, "not estimable", None)
    assert night.overall.difference == pytest.approx(110 / 200 - 175 / 209)
    low, high = newcombe(np.array([80]), np.array([100]), np.array([90]), np.array([100]), 0.05)
    assert (a.low, a.high) == pytest.approx((low[0], high[0]))
    assert (night.pair.first, night.pair.second, night.verdict) == (("a",), ("b",), "signal")
    assert night.pair.difference == pytest.approx(0.4)
    assert 0 < night.pair.low < 0.4 < night.pair.high
    assert (found.tests, night.p, night.p_adjusted) == (1, 0.001, 0.001)


def test_neither_the_order_of_images_nor_the_names_of_groups_matter():
    given = rows(PLANTED)
    order = np.random.default_rng(0).permutation(len(given.y_pred))
    mixed = replace(given, y_pred=given.y_pred[order], attributes=given.attributes.iloc[order], y_true=given.y_true[order])
    assert judged(mixed) == judged(given)
    renamed = rows({(f"{group}!", light): n for (group, light), n in PLANTED.items()})
    (again,) = judged(renamed, levels={**LEVELS, "group": ("a!", "b!", "c!")}).results
    (night,) = judged(given).results
    assert [each.difference for each in again.by_group] == [each.difference for each in night.by_group]
    assert again.p == night.p


def test_twice_the_images_change_no_rate():
    twice = {place: (2 * right, 2 * n) for place, (right, n) in PLANTED.items()}
    (one,), (two,) = judged(rows(PLANTED)).results, judged(rows(twice)).results
    assert [each.difference for each in one.by_group] == [each.difference for each in two.by_group]


def test_equal_drops_from_unequal_rates_seldom_alarm():
    """From 90 % and 60 % both lose 20 points: of 400 draws at most 1 in 13 alarms at 5 %."""
    rng, n, alarms = np.random.default_rng(5), np.full((2, 2), 150), 0
    for _ in range(400):
        events = np.stack([rng.binomial(150, (0.9, 0.6)), rng.binomial(150, (0.7, 0.4))], axis=1)
        alarms += unequal_drops(events, n, 199, rng).p <= 0.05
    assert alarms <= 400 / 13


def test_p_and_the_pair_are_those_of_a_slow_loop():
    """Three groups: changes in their own standard errors, shuffled within each condition."""
    n = np.array([[100, 60], [80, 120], [50, 40]])
    events = np.array([[90, 45], [40, 66], [45, 30]])

    def largest(table):
        rates, smooth = table / n, (table + 0.5) / (n + 1)
        error = smooth * (1 - smooth) / n
        t = {
            (a, b): abs((rates[a, 1] - rates[a, 0]) - (rates[b, 1] - rates[b, 0])) / np.sqrt(error[a].sum() + error[b].sum())
            for a, b in ((0, 1), (0, 2), (1, 2))
        }
        return max(t.values()), max(t, key=t.get)

    rng, draws = np.random.default_rng(7), 499
    shuffled = [rng.multivariate_hypergeometric(n[:, k], int(events[:, k].sum()), size=draws, method="marginals") for k in (0, 1)]
    observed, pair = largest(events)
    reached = sum(largest(np.stack([day, night], axis=1))[0] >= observed - 1e-9 for day, night in zip(*shuffled, strict=True))
    found = unequal_drops(events, n, draws, np.random.default_rng(7))
    assert found.p == pytest.approx((1 + reached) / (draws + 1))
    assert 0.01 < found.p < 0.2
    # The first changes from 90 to 75 %, the second from 50 to 55 %: the second upwards.
    assert (set(pair), found.first, found.second) == ({0, 1}, 1, 0)


def test_clusters_are_shown_with_wider_intervals_and_not_judged():
    """Each cluster has five images of one group and condition, which are right together."""
    given = rows({place: n for place, n in PLANTED.items() if place[0] != "c"})
    found = judged(replace(given, cluster=np.arange(len(given.y_pred)) // 5))
    (night,), (alone,) = found.results, judged(given).results
    assert (sentence(found.reason), night.p, night.verdict) == (
        "images come in clusters: shown with their intervals, and not judged", None, None,
    )  # fmt: skip
    assert night.overall.high - night.overall.low > alone.overall.high - alone.overall.low
    assert night.overall.standard.clusters == 40


def test_what_cannot_be_compared_says_why():
    day = {place: n for place, n in PLANTED.items() if place[1] == "day"}
    assert sentence(judged(rows(day)).reason) == "not estimable: no image says “day”, or none says anything else"
    weighted = judged(replace(rows(PLANTED), weight=np.ones(409)))
    assert (weighted.results, weighted.reason.code) == ((), "shift_of_weights")
    one = judged(rows({place: n for place, n in PLANTED.items() if place[0] == "a"}))
    assert one.reason.code == "conditions_few_groups"
    (night,) = judged(rows(PLANTED), replace(ASKED, attribute=None)).results
    assert (night.by_group, night.p) == ((), None)


# ---- beside other models -------------------------------------------------------------------------------------------------------------


def model(name, day, night):
    """An audit of a model that is right about so many of 100 by day and by night, of each group of 2,000."""
    counts = {(group, light): (20 * right, 2000) for group in "ab" for light, right in (("day", day), ("night", night))}
    base = samples.emoji()
    return replace(base, model=replace(base.model, name=name)).with_analyses({"natural_shifts": (judged(rows(counts)),)})


@cache
def five():
    """Return five models, computed for the first test that needs them."""
    return [model(f"m{i}", day, night) for i, (day, night) in enumerate([(50, 33), (67, 50), (80, 67), (89, 80), (75, 75)])]


def test_a_model_that_loses_nothing_is_above_the_line_of_the_others():
    """Odds of the others halve: of 75 % some 60 % is expected at night, and it keeps its 75 %."""
    *_, robust = with_other_models(five(), (), 0.05)
    (night,) = robust.analyses["natural_shifts"][0].results
    assert night.overall.effective.models == 4
    assert night.overall.effective.value == pytest.approx(0.15, abs=0.01)
    assert night.overall.effective.predicted == pytest.approx(0.6, abs=0.01)
    assert night.overall.effective.low > 0
    assert [rate.effective is not None for rate in night.by_group] == [True, True, False]


def test_with_three_other_models_it_is_not_estimable():
    first, *_ = with_other_models(five()[:4], (), 0.05)
    (night,) = first.analyses["natural_shifts"][0].results
    assert night.overall.effective is None
    said = "not estimable: 3 other models with an accuracy between 0 and 100\u00a0% are known, and a line needs 4"
    assert sentence(night.overall.not_estimable) == said


def test_given_models_are_used_for_their_condition_and_group_and_never_the_model_itself():
    given = [ModelPoint(f"p{place}", *point) for place, point in enumerate([(0.5, 0.33), (0.67, 0.5), (0.8, 0.67), (0.89, 0.8)])]
    (alone,) = with_other_models(five()[4:], given, 0.05)
    (night,) = alone.analyses["natural_shifts"][0].results
    assert (night.overall.effective.models, night.by_group[0].effective) == (4, None)
    own = [*given[:3], given[3]._replace(model="m4")]
    (alone,) = with_other_models(five()[4:], own, 0.05)
    assert alone.analyses["natural_shifts"][0].results[0].overall.effective is None
    by_group = [point._replace(condition="night", attribute="group", group="a") for point in given]
    (alone,) = with_other_models(five()[4:], by_group, 0.05)
    (night,) = alone.analyses["natural_shifts"][0].results
    assert (night.overall.effective, night.by_group[0].effective.models) == (None, 4)
    assert (
        with_other_models(five()[4:], [point._replace(condition="fog") for point in by_group], 0.05)[0]
        .analyses["natural_shifts"][0]
        .results[0]
        .by_group[0]
        .effective
        is None
    )


def test_a_table_of_other_models_is_read_and_what_is_wrong_is_named(tmp_path):
    path = tmp_path / "others.csv"
    path.write_text("model,standard,shifted,condition\nA,0.5,0.4,night\nB,,0.4,night\nA,0.5,0.4,night\n")
    assert read_points(path) == (ModelPoint("A", 0.5, 0.4, "night"),)
    path.write_text("model,standard\nA,0.5\n")
    with pytest.raises(DataError, match="no column 'shifted'"):
        read_points(path)
    for wrong in ("72", "many", "nan"):
        path.write_text(f"model,standard,shifted\nA,0.5,0.4\nB,{wrong},0.4\n")
        with pytest.raises(DataError, match=f"standard is '{wrong}': expected an accuracy from 0 to 1") as found:
            read_points(path)
        assert "line 3" in str(found.value.where)
