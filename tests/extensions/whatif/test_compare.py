"""What a change does, told by hand: paired intervals, endings, cost; and the frontier."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from audit.errors import DataError, UsageError
from audit.extensions.whatif.compare import Tried, furthest_pair, what_if
from audit.extensions.whatif.frontier import frontier, holm_corrected
from audit.statistics.intervals import newcombe
from audit.statistics.metrics import METRICS
from audit.statistics.null import gap_test
from audit.statistics.paired.counted import Judge, control_gaps
from audit.statistics.paired.intervals import agresti_min
from audit.types import UNKNOWN, Note, Settings
from tests.support.answered import answered

PAIR = (("a",), ("b",))


def predictions(group, y_pred, y_true=None):
    return answered(y_pred, pd.DataFrame({"g": group}), np.repeat("yes", len(group)) if y_true is None else y_true)


def both(cells, metric="selection_rate"):
    """Group -> (yes to yes, yes to no, no to yes, no to no): predictions before and after."""
    kinds = [["yes", "yes"], ["yes", "no"], ["no", "yes"], ["no", "no"]]
    group = np.repeat(list(cells), [sum(four) for four in cells.values()])
    answers = np.concatenate([np.repeat(kinds, four, axis=0) for four in cells.values()])
    return predictions(group, answers[:, 0]), predictions(group, answers[:, 1]), judge(tuple(cells), metric)


def judge(levels, metric="selection_rate", **settings):
    outcome = frozenset({"yes"}) if METRICS[metric].needs_outcome else None
    named = tuple(level for level in levels if level != UNKNOWN)
    return Judge("f", METRICS[metric], outcome, ("g",), {"g": named}, Settings(**{"draws": 1999, **settings}))


def tried(before, after, **given):
    return Tried("method", "setting", (Note("nothing"),), True, before, after, **given)


def told(cells, metric="selection_rate", pair=PAIR, **given):
    before, after, by = both(cells, metric)
    return what_if(tried(before, after, **given), pair, by)


def test_by_hand():
    """a: 60 of 200 before, 40 after; b: 20 of 100 before, 21 after."""
    found = told({"a": (38, 22, 2, 138), "b": (18, 2, 3, 77)})
    assert (found.gap_before.value, found.gap.value) == (pytest.approx(0.1), pytest.approx(0.01))
    low, high = newcombe(60, 200, 20, 100, 0.05)
    assert low < 0
    assert (found.gap_before.low, found.gap_before.high) == (0.0, pytest.approx(high))
    assert found.change.value == pytest.approx(-0.09)
    assert found.change.low < -0.09 < found.change.high
    assert (found.pair_before, found.pair_after.value) == (pytest.approx(0.1), pytest.approx(-0.01))
    assert (found.pair_after.low, found.pair_after.high) == pytest.approx(newcombe(40, 200, 21, 100, 0.05))
    a, b = found.by_group
    assert (a.group, a.n, a.before, a.after, a.moved) == (("a",), 200, 0.3, 0.2, 0.12)
    assert (b.before, b.after, b.moved) == (0.2, 0.21, 0.05)
    assert (found.method, found.setting, found.needs, found.default) == ("method", "setting", (Note("nothing"),), True)
    assert found.beats_random is None
    null = gap_test(np.array([40, 21]), np.array([200, 100]), 9999, np.random.default_rng(0))
    assert (found.p, found.null_95) == (pytest.approx(null.p, abs=0.03), pytest.approx(null.upper, abs=0.01))
    # No changed answer is no certainty.
    found = told({"a": (30, 0, 0, 70), "b": (20, 0, 0, 80)})
    assert (found.change.value, found.outcome) == (0, "unchanged")
    assert -0.1 < found.change.low < 0 < found.change.high < 0.1
    # The interval of the gap is corrected for the pairs.
    found = told({"a": (60, 0, 0, 140), "b": (20, 0, 0, 80), "c": (30, 0, 0, 90)})
    assert (found.gap.low, found.gap.high) == (0.0, pytest.approx(newcombe(60, 200, 20, 100, 0.05 / 3)[1]))


def test_cost_by_hand():
    """100 images, all truly "yes": 70 right before; 12 lost, 5 gained, so 63 after."""
    found = told({"a": (30, 7, 3, 10), "b": (28, 5, 2, 15)}).utility
    assert (found.n, found.before, found.after, found.change.value) == (100, 0.7, 0.63, -0.07)
    assert (found.change.low, found.change.high) == agresti_min(5, 12, 100, 0.05)
    assert found.p == pytest.approx(mcnemar([[0, 12], [5, 0]], exact=True).pvalue)
    assert (found.answered, found.among_answered) == (1.0, 0.63)


def test_no_what_if_without_its_cost():
    before, after, by = both({"a": (30, 5, 5, 60), "b": (30, 5, 5, 60)})
    blind = [replace(each, y_true=None) for each in (before, after)]
    with pytest.raises(UsageError, match="cost"):
        what_if(tried(*blind), PAIR, by)
    assert what_if(tried(*blind, truth=(before, after)), PAIR, by).utility.n == 200


ENDINGS = {
    "smaller": ({"a": (150, 150, 0, 700), "b": (100, 0, 0, 900)}, "selection_rate"),
    "larger": ({"a": (150, 0, 150, 700), "b": (150, 0, 0, 850)}, "selection_rate"),
    "unchanged": ({"a": (300, 5, 5, 690), "b": (100, 5, 5, 890)}, "selection_rate"),
    "indistinguishable": ({"a": (100, 100, 0, 800), "b": (100, 0, 0, 900)}, "selection_rate"),
    "reversed": ({"a": (50, 250, 0, 700), "b": (150, 0, 0, 850)}, "selection_rate"),
    "levelled down": ({"a": (750, 150, 0, 100), "b": (700, 0, 0, 300)}, "true_positive_rate"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings(ending):
    assert holm_corrected([told(*ENDINGS[ending])], 0.05)[0].outcome == ending


def test_a_gap_is_no_longer_told_from_chance_only_where_the_change_itself_is_shown():
    """a from 39 to 36 of 100 while b has 24: p of .03 before and of .09 after, for a change of 3 points that nothing shows."""
    found = told({"a": (34, 5, 2, 59), "b": (24, 0, 0, 76)})
    assert gap_test(np.array([39, 24]), np.array([100, 100]), 1999, np.random.default_rng(0)).p < 0.05 < found.p
    assert found.change.low < 0 < found.change.high
    assert found.outcome == "unchanged"
    # Shown alone and not among as many tries as there were (Holm): p of .02 and .03 make .06 and .06.
    shown = told(*ENDINGS["indistinguishable"][:1])
    assert [each.outcome for each in holm_corrected([replace(shown, change_p=p) for p in (0.02, 0.03, 0.9)], 0.05)] == ["unchanged"] * 3
    assert holm_corrected([replace(shown, change_p=0.02)], 0.05)[0].outcome == shown.outcome == "indistinguishable"


def test_reversed_is_only_what_was_the_other_way_round_by_a_p_of_its_own():
    """a 120 of 200, b 160 of 200, before and after: a was ahead on the fitted half alone, and nothing has turned."""
    cells = {"a": (120, 0, 0, 80), "b": (160, 0, 0, 40)}
    for pair in (PAIR, PAIR[::-1]):
        found = told(cells, pair=pair)
        assert abs(found.pair_after.value) == pytest.approx(0.2)
        assert found.reversal_p == 1.0
        assert holm_corrected([found], 0.05)[0].outcome == "unchanged"
    # a from 300 to 150 of 1,000, b from 150 to 300: the gap is as large as before, and the two have changed places.
    for cells in ({"a": (150, 150, 0, 700), "b": (150, 0, 150, 700)}, {"a": (150, 0, 150, 700), "b": (150, 150, 0, 700)}):
        found = told(cells)
        assert (found.change.value, found.change_p > 0.9, found.reversal_p < 1e-9) == (0, True, True)
        assert holm_corrected([found], 0.05)[0].outcome == "reversed"


def test_a_reversal_that_does_not_survive_the_number_of_tries_is_none():
    """p of .02 and .03 among three settings: Holm makes .06 and .06. What is then said of the gap rests on its own test."""
    turned = told(ENDINGS["reversed"][0])
    found = holm_corrected([replace(turned, reversal_p=p) for p in (0.02, 0.03, 1.0)], 0.05)
    assert [each.reversal_p_adjusted for each in found] == pytest.approx([0.06, 0.06, 1.0])
    assert {each.outcome for each in found} == {turned.outcome} == {"unchanged"}
    assert [each.outcome for each in holm_corrected([replace(turned, reversal_p=p) for p in (0.01, 0.03, 1.0)], 0.05)] == [
        "reversed", "unchanged", "unchanged"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "metric", "pair", "outcome"),
    [
        # The same gap, closed from below: a stays at 900 of 1,000 and b rises from 700 to 850.
        ((900, 0, 0, 100), (700, 0, 150, 150), "true_positive_rate", PAIR, "smaller"),
        # Closing from both sides: a falls from 900 to 850 of 1,000 while b rises from 700 to 800: somebody is better off.
        ((850, 50, 0, 100), (700, 0, 100, 200), "true_positive_rate", PAIR, "smaller"),
        # False negatives: a misses 100 before and 250 after, b 300 both times: the best group got worse and nobody better.
        ((750, 150, 0, 100), (700, 0, 0, 300), "false_negative_rate", PAIR[::-1], "levelled down"),
    ],
)
def test_levelling_down_is_where_nobody_is_better_off(a, b, metric, pair, outcome):
    assert told({"a": a, "b": b}, metric, pair).outcome == outcome


@pytest.mark.slow
@pytest.mark.parametrize(("before", "down"), [([0.4, 0.2], [0.5, 0.0]), ([0.2, 0.2], [0.1, 0.1]), ([0.2, 0.2], [0.5, 0.0])])
def test_the_interval_of_the_change_holds(before, down):
    """A gap of .2 that closes, no gap that stays, a gap of .1 that opens: where the percentile interval held .42 to .89."""
    source, n, held = np.random.default_rng(1), 400, []
    truth = abs(before[0] * (1 - down[0]) - before[1] * (1 - down[1])) - abs(before[0] - before[1])
    for _ in range(150):
        cells = {}
        for group, p, q in zip("ab", before, down, strict=True):
            yes = source.binomial(n, p)
            lost = source.binomial(yes, q)
            cells[group] = (yes - lost, lost, 0, n - yes)
        one, two, _ = both(cells)
        found = what_if(tried(one, two), PAIR, judge("ab", draws=299)).change
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.90


def test_order_and_names_do_not_matter():
    cells = {"a": (38, 22, 2, 138), "b": (18, 2, 3, 77)}
    before, after, by = both(cells)
    order = np.random.default_rng(0).permutation(300)
    rows = before.attributes.iloc[order]
    mixed = [replace(each, y_pred=each.y_pred[order], y_true=each.y_true[order], attributes=rows) for each in (before, after)]
    assert what_if(tried(*mixed), PAIR, by) == what_if(tried(before, after), PAIR, by)


def test_small_and_unknown_groups_are_not_shown_as_improved_and_precision_and_other_images_are_refused():
    found = told({"a": (30, 5, 5, 60), "b": (20, 5, 5, 70), "c": (10, 0, 0, 5), UNKNOWN: (0, 90, 0, 10)})
    assert [group.group for group in found.by_group] == [("a",), ("b",)]
    assert found.not_compared == (("c",), (UNKNOWN,))
    with pytest.raises(DataError, match="too few images of c"):
        told({"a": (30, 5, 5, 60), "b": (20, 5, 5, 70), "c": (10, 0, 0, 5)}, pair=(("a",), ("c",)))
    before, after, _ = both({"a": (30, 5, 5, 60), "b": (20, 5, 5, 70)})
    with pytest.raises(UsageError, match="precision"):
        what_if(tried(before, after), PAIR, judge("ab", "precision"))
    shifted = replace(after, attributes=after.attributes.set_axis(after.attributes.index + 1))
    with pytest.raises(DataError, match="other images"):
        what_if(tried(before, shifted), PAIR, judge("ab"))


def test_an_improvement_that_random_controls_match_is_none():
    before, after, by = both({"a": (38, 22, 2, 138), "b": (18, 2, 3, 77)})
    found = what_if(tried(before, after, random_gaps=(0.2, 0.005, 0.01, 0.3)), PAIR, by)
    assert found.beats_random == 0.5  # a gap of .01 is smaller than .2 and .3 only

    def shuffled(rng):
        return replace(before, y_pred=rng.permutation(before.y_pred))

    gaps = control_gaps(shuffled, by, 50, np.random.default_rng(0))
    assert len(gaps) == 50
    assert 0 < np.mean(gaps) < 0.1
    # .2 to .05; of 99 random changes, 4 leave a gap as small, or 5: with ours, 5 and 6 of 100.
    for equals, outcome in ((4, "smaller"), (5, "no better than random")):
        assert told(ENDINGS["smaller"][0], random_gaps=(0.001,) * equals + (0.2,) * (99 - equals)).outcome == outcome
    assert told(ENDINGS["larger"][0], random_gaps=(0.001,) * 99).outcome == "larger"
    assert holm_corrected([told(ENDINGS["reversed"][0], random_gaps=(0.001,) * 99)], 0.05)[0].outcome == "reversed"


def test_the_p_of_a_change_belongs_to_its_interval():
    """The interval at level 1 - p begins to hold 0."""
    before, after, by = both({"a": (90, 24, 4, 282), "b": (36, 4, 4, 156)})
    p = what_if(tried(before, after), PAIR, by).change_p
    assert 0.001 < p < 0.2
    for alpha, holds in ((0.8 * p, True), (min(1.25 * p, 1.0), False)):
        found = what_if(tried(before, after), PAIR, replace(by, settings=replace(by.settings, alpha=alpha))).change
        assert (found.low < 0 < found.high) == holds


def test_what_does_not_survive_the_number_of_tries_is_unchanged():
    """p of .02, .03 and .9: Holm makes .06, .06 and .9. Alone, .02 stays a smaller gap."""
    template = told(ENDINGS["smaller"][0])
    several = [replace(template, change_p=p) for p in (0.02, 0.03, 0.9)]
    found = holm_corrected(several, 0.05)
    assert [each.change_p_adjusted for each in found] == pytest.approx([0.06, 0.06, 0.9])
    assert {each.outcome for each in found} == {"unchanged"}
    assert holm_corrected(several[:1], 0.05)[0].outcome == "smaller"


def point(gap, accuracy):
    """A what-if with this gap and accuracy after; .3 and .9 before."""
    template = told({"a": (60, 0, 0, 140), "b": (20, 0, 0, 80)})
    before, after = (replace(template.gap, value=value) for value in (0.3, gap))
    return replace(template, gap_before=before, gap=after, utility=replace(template.utility, before=0.9, after=accuracy))


def test_the_frontier_by_hand():
    """Before (.3, .9). (.2, .9) beats it; (.1, .8) trades; (.1, .7) and (.25, .85) are beaten; an equal of a good one is good."""
    found = frontier([point(0.2, 0.9), point(0.1, 0.8), point(0.1, 0.7), point(0.25, 0.85), point(0.1, 0.8)], "f", 150)
    assert [each.efficient for each in found.points] == [True, True, False, False, True]
    assert (found.unmodified_efficient, found.gap, found.accuracy, found.fitted_on, found.shown_on) == (False, 0.3, 0.9, 150, 300)
    assert frontier([point(0.2, 0.8)], "f", 0).unmodified_efficient


def test_the_pair_furthest_apart():
    before, _, by = both({"a": (30, 0, 0, 70), "b": (60, 0, 0, 40), "c": (10, 0, 0, 90)})
    assert furthest_pair(before, before, by) == (("b",), ("c",))
    shown, _, _ = both({"a": (30, 0, 0, 70), "b": (3, 0, 0, 4), "c": (10, 0, 0, 90)})
    assert furthest_pair(before, shown, by) == (("a",), ("c",))  # the shown half has too few of b
    assert furthest_pair(before, both({"a": (30, 0, 0, 70)})[0], by) is None
    assert by.too_few() == Note("too_few_images", {"images": 30})
