"""Errors in words: what is taken for what, at 100 % minus the rate, and natural frequencies."""

from dataclasses import replace

import pytest

from audit.records.counts import CountRecord
from audit.types import Claim
from reports.text.errors import as_errors, confused, one_in
from reports.text.headline import question, statement
from tests.reports.text.test_verdicts import audit_of
from tests.support import report_samples as samples

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
    shown = as_errors(finding, audit)

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

    assert as_errors(finding, audit) is finding
    assert plain(statement(finding, audit)).startswith("‘Female’ is taken for ‘Male’ more often for Black (race): 5.8 %, against 2.3 %")


def test_with_three_answers_or_without_counts_the_rate_keeps_its_name():
    three = audited("true_positive_rate", "high", CELLS, answers=("Female", "Male", "unclear"))
    uncounted = replace(audited("true_positive_rate", "high", CELLS), counts=())

    for audit in (three, uncounted):
        assert confused(audit.findings[0], audit) is None
        assert as_errors(audit.findings[0], audit) is audit.findings[0]
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
