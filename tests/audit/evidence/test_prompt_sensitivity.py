"""The specification curve: the default's extreme pair, followed through every wording."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from audit.evidence.prompt_sensitivity import largest_layout, specification_curve, variance_shares
from audit.statistics.findings import findings
from audit.statistics.intervals import newcombe
from audit.statistics.max_t import LabelShuffles
from audit.statistics.metrics import METRICS
from audit.statistics.null import generator
from audit.types import Claim, LabelSet, Measurement, Settings, Specification, SpecificationPlan
from tests.support.answered import LABELS, selected

CLAIM = Claim("selection_rate", ("group",), "harm")
SETTINGS = Settings(draws=999)
LEVELS = {"group": ("a", "b", "c")}


def shuffles(seed=0):
    return LabelShuffles(partial(generator, seed))


def specification(name):
    return Specification(name, "plain", Measurement(name, "?", LabelSet("l", LABELS, {}), name, (CLAIM,), outcomes={"harm": ("yes",)}))


def answered(**cells):
    """k "yes" of n images of each group."""
    return selected(cells)


def curve(*answers, default=0, settings=SETTINGS):
    plan = SpecificationPlan("Does it matter?", CLAIM, tuple(specification(f"p{i}") for i in range(len(answers))), default)
    return specification_curve(plan, dict(enumerate(answers)), LEVELS, settings, shuffles())


DEFAULT = answered(a=(30, 100), b=(60, 100), c=(50, 100))
MILD = answered(a=(48, 100), b=(50, 100), c=(90, 100))
REVERSED = answered(a=(70, 100), b=(60, 100), c=(65, 100))
STRONG = answered(a=(10, 100), b=(80, 100), c=(50, 100))


def test_every_point_is_the_same_pair_with_the_same_sign_and_the_summary_is_of_them():
    """Default: b .6 highest, a .3 lowest. Then b - a is .02, -.10 and .70, though c has the extremes in between."""
    found = curve(DEFAULT, MILD, REVERSED, STRONG)
    assert (found.first, found.second) == (("b",), ("a",))
    assert [point.difference for point in found.points] == [pytest.approx(d) for d in (0.3, 0.02, -0.1, 0.7)]
    assert [point.gap for point in found.points] == [pytest.approx(gap) for gap in (0.3, 0.42, 0.1, 0.7)]
    assert [point.default for point in found.points] == [True, False, False, False]
    assert [point.preset for point in found.points] == ["p0", "p1", "p2", "p3"]
    assert (found.points[1].low, found.points[1].high) == newcombe(50, 100, 48, 100, 0.05 / 3)  # simultaneous over the three pairs
    assert (found.question, found.metric, found.outcome, found.attributes) == ("Does it matter?", "selection_rate", "harm", ("group",))
    # Differences -.10, .02, .30, .70: median .16; three of four have the default's sign; all but the reversed one are detected.
    assert found.median == pytest.approx(0.16)
    assert (found.smallest, found.largest) == (pytest.approx(-0.1), pytest.approx(0.7))
    assert found.share_same_sign == 0.75
    assert [point.p <= 0.05 for point in found.points] == [True, True, False, True]
    assert found.share_detected == 0.75


def test_detection_is_corrected_over_the_specifications():
    """61 against 45 of 100 is detected alone (p about .034); one such among four is not (Benjamini-Hochberg: .034 * 4 / 1)."""
    borderline, nothing = answered(a=(45, 100), b=(61, 100)), answered(a=(50, 100), b=(50, 100))
    alone = curve(borderline)
    assert 0.02 < alone.points[0].p < 0.05
    assert alone.share_detected == 1.0
    assert curve(borderline, nothing, nothing, nothing).share_detected == 0.0


def test_the_default_need_not_come_first():
    found = curve(STRONG, REVERSED, default=1)
    assert (found.first, found.second) == (("a",), ("b",))
    assert [point.default for point in found.points] == [False, True]
    assert found.share_same_sign == 0.5


def test_the_point_of_the_default_is_its_finding():
    """The same p to the last digit, and the rates of record."""
    found = curve(DEFAULT, STRONG)
    for i, answers in enumerate((DEFAULT, STRONG)):
        (finding,) = findings(specification(f"p{i}").measurement, answers, LEVELS, SETTINGS)
        assert found.points[i].p == finding.gap.p
        assert found.points[i].gap == finding.gap.value
        by_group = {rate.group: rate.value for rate in finding.by_group}
        assert found.points[i].difference == by_group["b",] - by_group["a",]
    default, other = curve(STRONG, STRONG, settings=Settings(draws=9999)).points
    assert (default.p, other.p) == (0.0001, 0.0005)  # of templates that are not the default at most 1,999 shuffles


def test_what_cannot_be_estimated_is_none_and_outside_the_summary():
    """Under the second wording b has 29 images: no difference, though a and c still make a gap; under the third only a is left."""
    found = curve(DEFAULT, answered(a=(10, 100), b=(20, 29), c=(50, 100)), answered(a=(10, 100), b=(2, 3)))
    second, third = found.points[1:]
    assert (second.difference, second.low, second.high, second.gap) == (None, None, None, 0.4)
    assert (third.difference, third.p, third.gap) == (None, None, None)
    assert found.median == found.smallest == found.largest == found.points[0].difference
    assert (found.share_same_sign, found.share_detected) == (1.0, 1.0)


def test_a_default_that_cannot_be_estimated_has_no_pair():
    found = curve(answered(a=(10, 100), b=(2, 3)), STRONG)
    assert (found.first, found.second) == ((), ())
    assert [point.difference for point in found.points] == [None, None]
    assert (found.median, found.smallest, found.largest, found.share_same_sign) == (None, None, None, None)
    assert found.points[1].p == 0.001
    assert found.share_detected == 1.0
    assert curve(answered(a=(2, 3))).share_detected is None  # nothing estimable at all


def test_a_default_without_a_difference_has_no_sign():
    found = curve(answered(a=(50, 100), b=(50, 100)), STRONG)
    assert (found.points[0].difference, found.share_same_sign) == (0.0, None)


def test_each_measurement_brings_its_own_outcome():
    """A variant in which the harm is called "no"."""
    other = Measurement("p1", "?", LabelSet("l", LABELS, {}), "p1", (CLAIM,), outcomes={"harm": ("no",)})
    plan = SpecificationPlan("?", CLAIM, (specification("p0"), Specification("p1", "no", other)), 0)
    found = specification_curve(plan, [DEFAULT, DEFAULT], LEVELS, SETTINGS, shuffles())
    assert found == specification_curve(plan, {0: DEFAULT, 1: DEFAULT}, LEVELS, SETTINGS, shuffles())  # a list of predictions will do
    assert [point.difference for point in found.points] == [pytest.approx(0.3), pytest.approx(-0.3)]
    assert CLAIM.metric in METRICS


def layout(**met):
    """A curve over presets: each with its variants and b's share of 100 (a's is 0), so that the difference is that share."""
    points = [(preset, variant, share) for preset, shares in met.items() for variant, share in shares.items()]
    plan = SpecificationPlan("?", CLAIM, tuple(Specification(p, v, specification(p).measurement) for p, v, _ in points), 0)
    return specification_curve(plan, [answered(a=(0, 100), b=(share, 100)) for *_, share in points], LEVELS, SETTINGS, shuffles()).shares


def test_the_shares_are_of_the_whole_layout_with_the_most_points():
    """Two presets met three variants (6 points), all four met two (8): there the prompts carry half, the variants a quarter."""
    found = layout(
        first={"plain": 20, "gendered": 20, "toned": 60},
        second={"plain": 40, "gendered": 40, "toned": 80},
        third={"plain": 60, "toned": 60},
        fourth={"plain": 80, "toned": 80},
    )
    assert found.presets == ("first", "second", "third", "fourth")
    assert found.variants == ("plain", "toned")
    # Rows (20, 60), (40, 80), (60, 60), (80, 80), mean 60: 1600 + 4 x 400 = 3200 in all. Rows' means 40, 60, 60, 80: 2 (400 + 400);
    # columns' means 50, 70: 4 (100 + 100).
    assert (found.prompts, found.label_set) == (pytest.approx(1600 / 3200), pytest.approx(800 / 3200))


def test_a_variant_of_one_preset_does_not_take_the_shares_away():
    """Four presets with two variants and a fifth point, the third variant of the first preset: the shares are of the eight."""
    two = {name: {"seven": 10 * i, "summed": 10 * i} for i, name in enumerate(("p", "q", "r", "s"), 1)}
    found = layout(**{**two, "p": {**two["p"], "by age": 90}})
    assert (found.presets, found.variants) == (("p", "q", "r", "s"), ("seven", "summed"))
    assert (found.prompts, found.label_set) == (pytest.approx(1), pytest.approx(0))


def test_of_layouts_of_one_size_the_one_with_more_presets_counts():
    """2 x 3 and 3 x 2 points; then 2 x 2 twice, where the presets named first win."""
    wide = [(preset, variant) for preset in "ab" for variant in "xyz"]
    assert largest_layout([*wide, ("c", "x"), ("c", "y")]) == (("a", "b", "c"), ("x", "y"))
    assert largest_layout([(p, v) for p in "ab" for v in "xy"] + [(p, v) for p in "cd" for v in "zw"]) == (("a", "b"), ("x", "y"))
    assert largest_layout([("a", "x"), ("b", "x"), ("c", "y")]) == ((), ())
    own = [("a", "x"), ("a", "y"), ("a", "z"), ("b", "x"), ("b", "y"), ("b", "w")]  # what both met is less than either met
    assert largest_layout(own) == (("a", "b"), ("x", "y"))


def test_a_wording_without_an_effect_is_outside_the_layout():
    """b has 3 images under the last wording of the third preset: the layout is of the two presets that are whole."""
    names = [(preset, variant) for preset in ("p", "q", "r") for variant in ("x", "y")]
    plan = SpecificationPlan("?", CLAIM, tuple(Specification(p, v, specification(p).measurement) for p, v in names), 0)
    answers = [answered(a=(0, 100), b=(share, 100)) for share in (10, 10, 30, 30, 50)]
    found = specification_curve(plan, [*answers, answered(a=(0, 100), b=(1, 3))], LEVELS, SETTINGS, shuffles())
    assert found.shares.presets == ("p", "q")
    assert (found.shares.prompts, found.shares.label_set) == (pytest.approx(1), pytest.approx(0))


def test_equal_the_sums_of_squares_of_statsmodels():
    effects = np.random.default_rng(0).normal(size=(6, 4)) + np.arange(6)[:, None]
    frame = pd.DataFrame([(t, s, effects[t, s]) for t in range(6) for s in range(4)], columns=["prompt", "labels", "effect"])
    squares = anova_lm(ols("effect ~ C(prompt) + C(labels)", frame).fit())["sum_sq"]
    found = variance_shares(effects)
    assert (found.prompts, found.label_set, found.interaction) == pytest.approx(tuple(squares / squares.sum()))
    assert variance_shares(effects.T).prompts == pytest.approx(found.label_set)
    assert variance_shares(7 * effects + 3).interaction == pytest.approx(found.interaction)
    # Pure interplay; and no shares without spread.
    shares = variance_shares(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert (shares.prompts, shares.label_set, shares.interaction) == (0.0, 0.0, 1.0)
    assert variance_shares(np.full((3, 2), 0.1)) is None


def test_a_missing_effect_is_an_error():
    with pytest.raises(ValueError, match="every specification"):
        variance_shares(np.array([[1.0, np.nan]]))
