"""What replicates say together, in words: beside every verdict on the page, in the summary and on the terminal."""

import json
from dataclasses import replace

import pytest

from audit.errors import DataError
from audit.records.replicates import MeanGap, ReplicatedGap, Replicates, ReplicatesNeeded
from audit.results import from_json, to_json
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from reports.text import replicates as text
from tests.support import report_samples as samples

QUESTION = "role/accuracy/gender"
SENTENCE = (
    "Role accuracy by gender: woman lies 20 points below man on average over 3 replicates (95 % interval over images and replicates "
    "2 to 38); reversed in 1 of 3. Their gaps: 26, 35, 1 points, standard deviation 17.7; "
    "disparity in 2, inconclusive in 1 of 3."
)


@pytest.fixture(scope="module")
def results():
    return replicated()


def replicated():
    seeds = [samples.emoji(name=f"seed{number}/ckpt.pt") for number in range(3)]
    mean = MeanGap(("man",), ("woman",), 0.2, 0.02, 0.38, (0.26, 0.35, -0.01))
    found = ReplicatedGap(QUESTION, ("disparity", "disparity", "inconclusive"), (0.26, 0.35, 0.01), 0.1769, mean)
    none = ReplicatedGap("role/accuracy/tone", ("not estimable",) * 3, (None,) * 3, None, None)
    return replace(samples.results(*seeds), replicates=(Replicates("emoji", (0, 1, 2), (none, found)),))


def plain(found):
    return " ".join(found.replace("\u00a0", " ").split())


def test_a_question_names_groups_number_and_uncertainty(results):
    assert plain(text.trust_line(results, results.audits[1])) == SENTENCE
    assert text.trust_line(results, samples.fairface()) == ""
    [found] = results.replicates
    assert plain(text.question_sentence(found.findings[0], "?", 0.05)).endswith("fewer than two groups can be compared in every replicate.")
    assert text.introduction(found, results) == (
        "3 replicates of one model: seed0/ckpt.pt, seed1/ckpt.pt, seed2/ckpt.pt. They reach the same verdict in 1 of 2 planned questions."
    )


def test_summary_terminal_and_page_say_the_same(results):
    [found] = results.replicates
    page = render(results)
    for where in (summary_markdown(results), audit_lines(results)):
        assert plain(text.introduction(found, results)) in plain(where)
        assert SENTENCE in plain(where)
    assert "26, 35, 1" in page
    assert plain("20 points [2, 38]") in plain(page)
    assert "reversed in 1 of 3" in page
    assert "Replicates" not in render(replace(results, replicates=()))


@pytest.mark.parametrize(("needed", "said", "cell"), [
    (
        ReplicatesNeeded(0.05, 11, 0.04), "If others vary as these two do, about 11 models would bring it to ±5 points.",
        "±5 points: about 11 models",
    ),
    (ReplicatesNeeded(0.05, 10_000, 0.049), "more than 10,000 models would bring it to ±5 points.", "±5 points: more than 10,000 models"),
    (
        ReplicatesNeeded(0.05, None, 0.0812), "The images alone leave ±8.1 points, so more models alone would not bring it to ±5 points.",
        "±5 points: not by more models alone (the images leave ±8.1 points)",
    ),
])  # fmt: skip
def test_two_models_are_said_to_be_too_few(needed, said, cell):
    """They gave "0 to 100" and nothing else."""
    mean = MeanGap(("man",), ("woman",), 0.2, 0.0, 1.0, (0.26, 0.14), 0.0, needed)
    found = ReplicatedGap(QUESTION, ("disparity", "disparity"), (0.26, 0.14), 0.085, mean)
    sentence = plain(text.question_sentence(found, "Role accuracy by gender", 0.05))
    assert "0 to 100). Their gaps: 26, 14 points" in sentence
    assert "Two models hardly show how much models differ: the interval rests on one degree of freedom." in sentence
    assert sentence.endswith(said)
    assert plain(text.needed_text(found)) == cell
    seeds = [samples.emoji(name=f"seed{number}/ckpt.pt") for number in range(2)]
    page = render(replace(samples.results(*seeds), replicates=(Replicates("emoji", (0, 1), (found,)),)))
    assert f"for {cell}" in plain(page)


def test_many_gaps_are_a_range(results):
    each = results.replicates[0].findings[1]
    assert text.gaps_text(replace(each, gaps=tuple(0.01 * place for place in range(5, 17)))) == "5 to 16"


def test_results_that_do_not_fit_together_are_refused(results):
    assert from_json(to_json(results)) == results
    [found] = results.replicates
    for broken in (
        replace(found, audits=(0, 1, 9)), replace(found, audits=(0, 1)),
        replace(found, findings=(replace(found.findings[0], finding="role/accuracy/race"),)),
    ):  # fmt: skip
        with pytest.raises(DataError, match="is inconsistent"):
            from_json(to_json(replace(results, replicates=(broken,))))


def test_results_without_the_field_are_read(results):
    old = json.loads(to_json(replace(results, replicates=())))
    assert old.pop("replicates") == []
    assert from_json(json.dumps(old)).replicates == ()
