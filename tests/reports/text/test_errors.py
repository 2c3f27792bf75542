"""Errors in words: what is taken for what, at 100 % minus the rate, and natural frequencies."""

from dataclasses import replace

import pandas as pd
import pytest

from audit import audit as run_audit
from audit.records.counts import CountRecord
from audit.types import Claim
from reports.exports.markdown import comparison_markdown
from reports.exports.terminal.changes import comparison_lines
from reports.render import render, render_comparisons
from reports.text.comparison import title
from reports.text.error_rates import change_as_errors, confused, one_in, with_error_rates
from reports.text.headline import question, statement
from tests.reports.text.test_verdicts import audit_of
from tests.support import comparison_samples as changes
from tests.support import report_samples as samples
from tests.support.page_text import text_of

CELLS = {("Black",): (855, 1000), ("White",): (975, 1000)}
"""Of 1,000 men each, 855 and 975 are recognised as men."""
WRONGLY = {("Black",): (58, 1000), ("White",): (23, 1000)}
COUNTS = CountRecord("gender", ("race",), (("Black", "White"),), ("Female", "Male"), True, (0, 3), (1, 1), ())


def audited(metric, better, cells, *, answers=("Female", "Male")):
    base = audit_of("disparity")
    claim = Claim(metric, ("race",), "Male")
    found, _ = samples.concluded([samples.finding("gender", claim, better, cells)])
    record = replace(base.measurements[0], name="gender", truth="y_true", labels=answers, answers={}, outcomes={"Male": ("Male",)})
    return replace(base, findings=tuple(found), measurements=(record,), counts=(replace(COUNTS, answers=answers),))


def plain(text):
    return text.replace("\xa0", " ")


def test_what_is_not_recognised_is_taken_for_the_other_answer():
    audit = audited("true_positive_rate", "high", CELLS)
    (finding,) = audit.findings
    shown = with_error_rates(finding, audit)

    assert confused(finding, audit) == ("Male", "Female")
    # 1 - .855 and 1 - .975; the gap is the same, and the interval is turned around.
    assert [round(rate.value, 3) for rate in shown.by_group] == [0.145, 0.025]
    assert [rate.events for rate in shown.by_group] == [145, 25]
    assert (shown.by_group[0].low, shown.by_group[0].high) == (1 - finding.by_group[0].high, 1 - finding.by_group[0].low)
    assert (shown.gap.leading.higher, shown.gap.leading.lower) == (("Black",), ("White",))
    assert shown.gap.leading.difference == finding.gap.leading.difference
    assert plain(statement(finding, audit, natural=True)) == (
        "‘Male’ is taken for ‘Female’ more often for Black (race): 14.5 % (1 in 7), against 2.5 % (1 in 40) for White"
    )
    assert question(finding, audit) == "Is ‘Male’ taken for ‘Female’ equally often regardless of race?"


def test_what_is_wrongly_given_is_what_the_other_answer_is_taken_for():
    audit = audited("false_positive_rate", "low", WRONGLY)
    (finding,) = audit.findings

    assert with_error_rates(finding, audit) is finding
    assert plain(statement(finding, audit)).startswith("‘Female’ is taken for ‘Male’ more often for Black (race): 5.8 %, against 2.3 %")


def test_with_three_answers_or_without_counts_the_rate_keeps_its_name():
    three = audited("true_positive_rate", "high", CELLS, answers=("Female", "Male", "unclear"))
    uncounted = replace(audited("true_positive_rate", "high", CELLS), counts=())

    for audit in (three, uncounted):
        assert confused(audit.findings[0], audit) is None
        assert with_error_rates(audit.findings[0], audit) is audit.findings[0]
        assert statement(audit.findings[0], audit).startswith("‘Male’ is recognised less often for Black")


@pytest.mark.parametrize(
    ("fraction", "words"),
    [(0, "none"), (0.00012, "1 in 8,300"), (0.0099, "1 in 100"), (0.2, "1 in 5"),
        (0.249, "1 in 4"), (0.28, "3 in 10"), (0.5, "1 in 2"), (0.94, "9 in 10"), (0.96, "nearly all"), (1, "all")],
)  # fmt: skip
def test_a_natural_frequency_is_within_a_tenth_of_the_rate(fraction, words):
    assert one_in(fraction) == words
    if " in " in words:
        some, of = (int(part.replace(",", "")) for part in words.split(" in "))
        assert some / of == pytest.approx(fraction, rel=0.11)


# ---- comparisons ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def change():
    """Cats recognised: a 40, b 20, c 40 of 40 before; 39, 38, 40 after."""
    found = changes.skewed_and_plain().comparisons[0].changes
    return replace(next(one for one in found if one.metric == "true_positive_rate"), confused=("cat", "dog"))


def test_a_change_of_errors_has_the_same_gap_and_opposite_rates(change):
    shown = change_as_errors(change)

    assert (shown.metric, shown.better) == ("false_negative_rate", "low")
    assert title(shown) == "Share of ‘cat’ taken for ‘dog’ (animal) by group"
    for now, then in zip(shown.by_group, change.by_group, strict=True):
        assert now.before.value == 1 - then.before.value
        assert (now.gained, now.lost, now.difference) == (then.lost, then.gained, -then.difference)
        assert (now.low, now.high, now.low_adjusted, now.high_adjusted) == (-then.high, -then.low, -then.high_adjusted, -then.low_adjusted)
        assert now.p_adjusted == then.p_adjusted
    assert (shown.gap.before.highest, shown.gap.before.lowest) == (change.gap.before.lowest, change.gap.before.highest)
    assert shown.gap.difference == change.gap.difference
    rates = {cell.before.group: cell.before.value for cell in shown.by_group}
    assert all(pair.before == pytest.approx(rates[pair.first] - rates[pair.second]) for pair in shown.pairs)
    assert change_as_errors(shown) is shown


def test_a_change_keeps_its_technical_name_if_a_third_answer_is_possible(change):
    three = replace(change, confused=None)

    assert change_as_errors(three) is three
    assert title(three) == "True positive rate for ‘cat’ (animal) by group"


@pytest.mark.slow
def test_a_comparison_has_the_words_of_its_audits(tmp_path):
    """Of 40 images each of a and b, half yes; of b, 20 or 2 of the first are wrong."""
    paths = [tmp_path / "old.csv", tmp_path / "new.csv"]
    for path, wrong in zip(paths, (30, 0), strict=True):
        rows = pd.DataFrame({"id": [f"i{i}" for i in range(160)], "group": ["a", "b"] * 80, "y_true": ["yes", "yes", "no", "no"] * 40})
        first = rows["group"].eq("b") & rows["y_true"].eq("yes") & rows.groupby("group").cumcount().lt(2 * wrong)
        rows.assign(y_pred=rows["y_true"].where(~first, "no")).to_csv(path, index=False)
    audits = [run_audit(predictions=path, out=tmp_path / path.stem) for path in paths]
    facts = audits[0].compare(audits[1]).facts
    page, report = text_of(render_comparisons(facts)), text_of(render(audits[0].results))

    assert {one.confused for one in facts.comparisons[0].changes if one.metric == "true_positive_rate"} == {("yes", "no")}
    for text in (page, report, comparison_lines(facts), comparison_markdown(facts)):
        assert "hare of ‘yes’ taken for ‘no’" in " ".join(text.split())
    assert "rue positive rate for" not in page
    assert "The gap in the share of ‘yes’ taken for ‘no’ by group shrank from 75.0 to 0.0 points." in page
