"""A model that was asked over a network: what was sent where, who got no answer, and the headline where nobody got one."""

from dataclasses import replace

import pytest

from audit.extensions.endpoint.section import view
from audit.records.inputs import Responsiveness
from audit.types import Settings
from reports.context import audit_contexts
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.sections.results import answer
from reports.text.headline import headline_of
from reports.text.responsiveness import look_sentences, why_unresponsive
from tests.reports.text.test_verdicts import audit_of
from tests.support import report_samples as samples
from tests.support.asked import asked


def plain(text):
    return text.replace("\xa0", " ")


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ({"refusal": 1000}, "None of 1,000 questions got an answer: all were refused."),
        (
            {"unparsed": 253, "refusal": 747},
            "None of 1,000 questions got an answer: 74.7 % were refused, 25.3 % got no text, or one that is not an option.",
        ),
    ],
)
def test_where_nothing_got_an_answer_the_headline_says_what_came_instead(without, sentence):
    said = headline_of(asked("inconclusive", "inconclusive", **without), Settings())
    assert said.kind == "unanswered"
    assert plain(said.sentence) == sentence
    assert said.finding.outcome == "refusal"  # the chart shows what came most often
    assert plain(said.size).startswith("The gap in share given ‘refusal’")


def test_one_answer_or_a_disparity_of_refusals_keeps_the_headline():
    assert headline_of(asked("inconclusive", refusal=999), Settings()).kind == "inconclusive"
    assert headline_of(asked("disparity", "inconclusive", refusal=1000), Settings()).kind == "disparity"
    assert headline_of(audit_of("inconclusive"), Settings()).kind == "inconclusive"  # a model that was loaded


def of_three(first, second, third):
    """An audit whose three measurements got these answers, none of which depends on the images."""
    base = asked("inconclusive", "inconclusive", refusal=1)

    def answered(name, counts):
        commonest, total = max(counts, key=counts.get), sum(counts.values())
        code = "constant" if len(counts) == 1 else None
        looks = Responsiveness(code, total, commonest, counts[commonest] / total, None, None, None)
        return replace(base.measurements[0], name=name, answer_counts={**counts, "officer": 0}, responsiveness=looks)

    named = zip(("crime", "role", "work"), (first, second, third), strict=True)
    return replace(base, measurements=tuple(answered(*each) for each in named))


def test_a_measurement_without_one_answer_is_not_said_to_ignore_the_images():
    refused = of_three({"refusal": 120}, {"thief": 120}, {"thief": 60, "officer": 60})
    said = headline_of(refused, Settings())
    assert said.kind == "inconclusive"
    assert said.lead == (
        "crime: no question got an answer, all were refused. In 1 of 2 measurements, the model does not respond to the images (role)."
    )
    assert plain(said.text).startswith(said.lead)  # of terminal and summary
    assert [look_sentence.split(":")[0] for look_sentence in look_sentences(refused)] == ["role"]
    blind = replace(refused.findings[0], measurement="crime", unresponsive="constant")
    assert why_unresponsive(blind, refused) == "no question got an answer, all were refused"


def test_what_came_instead_of_answers_is_named_by_measurement():
    """An answer among a hundred is one; "unclear" of a model that was loaded is its answer."""
    mixed = of_three({"unclear": 30, "refusal": 90}, {"unparsed": 120}, {"refusal": 119, "thief": 1})
    assert plain(headline_of(mixed, Settings()).lead) == (
        "crime: no question got an answer, 75.0 % were refused, 25.0 % got ‘unclear’. "
        "role: no question got an answer, all got no text, or one that is not an option."
    )
    unclear = of_three({"unclear": 120}, {"thief": 60, "officer": 60}, {"thief": 60, "officer": 60})
    assert headline_of(unclear, Settings()).lead == "crime: no question got an answer, all got ‘unclear’."
    loaded = headline_of(replace(unclear, accounts={}), Settings()).lead
    assert loaded == "In 1 of 3 measurements, the model does not respond to the images (crime)."


def of_versions(*names):
    audit = asked("disparity", "inconclusive", refusal=1)
    (version,) = audit.account.versions
    account = replace(audit.account, versions=tuple(replace(version, fingerprint=name) for name in names))
    return replace(audit, accounts={"endpoint": account})


def test_several_versions_are_named_beside_the_headline_of_page_terminal_and_summary():
    two = of_versions("may", "june")
    caution = "Two versions of the model answered: tiny · may and tiny · june."
    results = samples.results(two)
    for text in (audit_lines(results), summary_markdown(results)):
        assert caution in " ".join(plain(text).split())
    (context,) = audit_contexts(results)
    assert answer.view(context).headline.cautions[-1] == caution  # the page lists them below its headline
    five = headline_of(of_versions(*"abcde"), Settings()).cautions
    assert five[-1] == "5 versions of the model answered: tiny · a, tiny · b and 3 more."
    assert not any("versions" in each for each in headline_of(of_versions("may"), Settings()).cautions)
    unanswered = headline_of(replace(two, verdict="not estimable", findings=()), Settings())
    assert unanswered.cautions == (caution,)


def test_the_section_says_what_was_sent_and_who_got_no_answer():
    audit = asked("inconclusive", "inconclusive", refusal=600, unparsed=400)
    (context,) = audit_contexts(samples.results(audit))
    shown = view(context)
    assert shown.sent.startswith("500 images were sent to localhost:8000 (this machine) in 1,000 requests")
    # Woman 72 of 100, man 98, person 97: the most first; the sample has one table of counts for both questions.
    assert [plain(cell) for row in shown.by_group.rows for cell in row.cells] == [
        "role, by gender: man", "100", "–", "98.0 %", "98.0 %",
        "role, by gender: person", "100", "–", "97.0 %", "97.0 %",
        "role, by gender: woman", "100", "–", "72.0 %", "72.0 %",
    ]  # fmt: skip
    assert shown.remark.startswith("Only one version was named")
    assert "does not name a version" in view(replace(context, audit=asked("inconclusive", name="", refusal=1000))).remark
