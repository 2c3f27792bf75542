"""Plots: every mark stands where its number is, in percent or percentage points; what is not compared is hollow, grey or hatched."""

from dataclasses import replace

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex

from audit.api.audits import Audit
from audit.errors import UsageError
from tests.support import report_samples as samples

BY_GENDER = "role.accuracy by gender"


@pytest.fixture(autouse=True)
def _no_display():
    from matplotlib import pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def found():
    """Men 98 of 100, women 72, persons 97; the 15 intersections have 20 drawings each."""
    return Audit(samples.results(samples.emoji()))


def dots(axes):
    """The places of the dots, top to bottom, and whether each is filled."""
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    return [(round(float(line.get_xdata()[0]), 6), to_hex(line.get_markerfacecolor()) != "#ffffff") for line in lines]


def spans(axes):
    """Left and right edge of every band."""
    return [(round(patch.get_x(), 6), round(patch.get_x() + patch.get_width(), 6)) for patch in axes.patches]


def names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_rates_stand_at_their_percentages_with_n_beside_them_on_a_band_as_wide_as_chance_about_the_rate_of_all_images(found):
    axes = found.plot.rates(BY_GENDER)

    assert dots(axes) == [(98.0, True), (72.0, True), (97.0, True)]
    assert names(axes) == ["man (100)", "woman (100)", "person (100)"]
    assert axes.get_xlabel() == "Role accuracy\n%, with 95 % intervals"
    assert axes.get_ylabel() == "gender"

    floor = 100 * found.finding(BY_GENDER).gap.null_95
    ((left, right),) = spans(axes)

    assert right - left == pytest.approx(floor)
    assert (left + right) / 2 == pytest.approx(100 * 267 / 300)
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [pytest.approx(89.0)]


def test_groups_outside_the_comparison_are_hollow(found):
    axes = found.plot.rates("role.accuracy by gender x tone")

    assert len(dots(axes)) == 15
    assert not any(filled for _, filled in dots(axes))


def test_the_forest_is_each_group_minus_all_others_with_the_tolerance_about_zero(found):
    axes = found.plot.forest("role/accuracy/gender")

    # Men 98 of 100 against 169 of 200 others: 98 - 84.5; women 72 - 97.5; persons 97 - 85. Shown beyond 5 points: women alone.
    assert dots(axes) == [(13.5, False), (-25.5, True), (12.0, False)]
    assert spans(axes) == [(-5.0, 5.0)]
    assert "percentage points" in axes.get_xlabel()


def test_a_difference_that_may_lie_within_the_tolerance_is_hollow_and_a_small_group_is_not_compared(found):
    tone = found.plot.forest("role.accuracy by tone")
    crossed = found.plot.forest("role.accuracy by gender x tone")

    assert not any(filled for _, filled in dots(tone))
    assert [text.get_text() for text in crossed.texts] == ["not compared"] * 15


def test_gaps_are_sorted_and_stand_beside_what_chance_gives(found):
    axes = found.plot.gaps(primary=False)
    shown = [label.split("\n") for label in names(axes)]

    # Tone and age by gender have the same made-up counts as role by gender.
    first = [["Age accuracy", "by gender: signal"], ["Role accuracy", "by gender: disparity"], ["Tone accuracy", "by gender: signal"]]
    assert sorted(shown[:3]) == first
    assert shown[-1] == ["Role accuracy", "by gender × tone: not estimable"]
    assert dots(axes)[:3] == [(26.0, True)] * 3
    assert not any(filled for _, filled in dots(axes)[3:])
    assert spans(axes)[0] == (0.0, round(100 * found.finding(BY_GENDER).gap.null_95, 6))
    assert [text.get_text() for text in axes.texts] == ["not estimable"]
    assert len(names(found.plot.gaps())) == 2


def test_the_heat_map_has_rate_and_n_in_each_cell_and_hatches_what_is_too_small(found):
    axes = found.plot.heatmap("role.accuracy by gender x tone")

    assert sorted({text.get_text().replace("\xa0", " ") for text in axes.texts}) == ["70 %\nn = 20", "95 %\nn = 20"]
    assert [patch.get_hatch() for patch in axes.patches] == ["///"] * 15
    assert names(axes) == ["man", "woman", "person"]
    # Women are the second row: 14 of 20, and 252 of 300 of all: 70 - 89.
    overall = 100 * found.finding("role.accuracy by gender x tone").overall.value
    assert float(axes.images[0].get_array()[1, 0]) == pytest.approx(70 - overall)
    with pytest.raises(UsageError, match="two attributes, not by 'gender'"):
        found.plot.heatmap(BY_GENDER)


def test_only_small_cells_are_hatched():
    found = Audit(samples.results(samples.fairface()))
    crossed = found.finding("gender.accuracy by race x gender")
    small = [cell for cell in crossed.by_group if cell.status == "small"]
    axes = found.plot.heatmap(crossed.id)

    assert len(small) == 1
    assert [patch.get_hatch() for patch in axes.patches] == ["///"]


def test_wordings_are_sorted_and_the_one_chosen_beforehand_is_large(found):
    curve = found.results.audits[0].specifications[0]
    axes = found.plot.specification("by gender with")
    heights = [round(float(line.get_ydata()[0]), 6) for line in axes.lines if line.get_marker() == "o"]
    large = [line for line in axes.lines if line.get_marker() == "o" and line.get_markersize() > 5]

    assert heights == sorted(round(100 * point.difference, 6) for point in curve.points)
    assert [round(float(line.get_ydata()[0]), 6) for line in large] == [round(100 * curve.points[0].difference, 6)]
    assert axes.get_ylabel().startswith("3-9 minus more than 70\npercentage points")


def test_a_curve_goes_by_the_names_of_its_finding_too(found):
    """Two curves follow accuracy by gender or tone; the gate's name and the id mean the first of them."""
    first, second = found.results.audits[0].specifications[:2]
    finding = found.results.audits[0].findings[0]
    same = {"metric": finding.metric, "outcome": finding.outcome, "attributes": finding.attributes}
    curves = (replace(second, attributes=("tone",), first=("dark",)), replace(first, question="In other words", **same))
    held = Audit(replace(found.results, audits=(replace(found.results.audits[0], specifications=curves),)))

    wanted = held.plot.specification(1).get_ylabel()
    assert wanted != held.plot.specification(0).get_ylabel()
    assert held.plot.specification(BY_GENDER).get_ylabel() == held.plot.specification(finding.id).get_ylabel() == wanted


def test_axes_that_are_given_are_drawn_on(found):
    from matplotlib.figure import Figure

    axes = Figure().subplots()

    assert found.plot.rates(BY_GENDER, ax=axes) is axes
    assert found.plot.forest(BY_GENDER) is not found.plot.forest(BY_GENDER)


def test_foreign_names_are_text_and_no_formula(found):
    audit = found.results.audits[0]
    finding = audit.findings[0]
    named = replace(finding, by_group=(replace(finding.by_group[0], group=("$\\frac{1}{0}$",)), *finding.by_group[1:]))
    axes = Audit(replace(found.results, audits=(replace(audit, findings=(named,)),))).plot.rates(finding.id)
    axes.figure.canvas.draw()

    assert names(axes)[0] == "\\$\\frac{1}{0}\\$ (100)"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (7, "no prompt-sensitivity curve 7"),
        ("elephants", "no prompt-sensitivity curves contain"),
        ("with other prompts", "2 prompt-sensitivity"),
    ],
)
def test_a_curve_that_is_not_there_is_told(found, wanted, said):
    with pytest.raises(UsageError, match=said):
        found.plot.specification(wanted)
    with pytest.raises(UsageError, match="no audit 3"):
        found.plot.gaps(3)
