"""Cards of findings, lines of doubt and limits: which are open, what each says, and that nothing is said twice."""

from dataclasses import replace

import pytest

from audit.types import Claim, Exclusion, Note
from reports.context import audit_contexts
from reports.render import render
from reports.sections.provenance import limits
from reports.sections.results import details, exploratory, trust
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def context_of(audit):
    return audit_contexts(samples.results(audit))[0]


@pytest.fixture(scope="module")
def faces():
    return context_of(samples.with_evidence(samples.fairface()))


def made(*sizes):
    """Return an audit of one question for each number of groups: the first group is right in 60 of 100, every other in 90."""
    base = samples.emoji()
    raw = [
        samples.finding(f"q{i}", Claim("accuracy", ("g",)), "high", {(f"g{j}",): (60 if j == 0 else 90, 100) for j in range(groups)})
        for i, groups in enumerate(sizes)
    ]
    findings, verdict = samples.concluded(raw)
    records = tuple(replace(base.measurements[0], name=f"q{i}") for i in range(len(sizes)))
    return replace(base, findings=findings, verdict=verdict, measurements=records, paired=(), specifications=())


def opened(audit):
    view = details.view(context_of(audit))
    return [card.finding.measurement for card, open_ in view.cards if open_], len(view.cards), len(view.further)


def test_the_leading_finding_is_the_answer_and_two_more_disparities_are_open():
    assert opened(made(3)) == ([], 1, 0)
    assert opened(made(3, 3, 3, 3)) == (["q1", "q2"], 4, 0)


def test_a_second_one_is_open_only_where_its_chart_leaves_room():
    # 10 + 10 rows are more than 16; the first is open however long it is.
    assert opened(made(3, 10, 10))[0] == ["q1"]
    assert opened(made(3, 40))[0] == ["q1"]


@pytest.mark.slow
def test_many_folded_cards_are_folded_together(faces):
    view = details.view(faces)

    assert [open_ for _, open_ in view.cards] == [False, True]
    # 16 planned questions and three signals, less the leading one and the open one.
    assert len(view.further) == 17
    assert [card.finding.verdict for card in view.further][-3:] == ["signal"] * 3


@pytest.mark.slow
def test_a_title_says_what_was_found(faces):
    view = details.view(faces)
    titles = {card.finding.verdict: card.title for card in view.further}

    assert (
        view.cards[1][0].title.replace("\u00a0", " ")
        == "harm-21: ‘non-human’ is the answer more often for Black faces: 14.4 %, against 0 % for East Asian faces"
    )
    assert titles["inconclusive"].endswith(": too few images to tell")
    assert titles["equivalent"].replace("\u00a0", " ").endswith(": no difference of more than 5 points")


def test_under_the_chart_are_three_numbers_and_no_p(faces):
    card = details.view(faces).cards[1][0]

    assert [term.replace("\u00a0", " ") for term, _ in card.numbers] == [
        "Gap [95 % interval]", "Expected by chance (95 %)", "Tolerance (default)",
    ]  # fmt: skip
    assert [value.replace("\u00a0", " ") for _, value in card.numbers] == ["14.4 points [11.8, 17.3]", "up to 2.4 points", "5 points"]
    assert not [sentence for sentence in card.said if "p =" in sentence]


@pytest.mark.slow
def test_few_exploratory_comparisons_have_cards_and_many_a_row():
    few, many = exploratory.view(context_of(samples.emoji())), exploratory.view(context_of(samples.large()))

    assert (few.of, len(few.cards)) == (5, 5)
    assert (many.of, len(many.rows), len(many.cards)) == (90, 40, 0)


# ---- can it be trusted? ----------------------------------------------------------------------------------------------------------------


def lines(audit):
    return {line.term: (line.sentence.replace("\u00a0", " "), line.section) for line in trust.view(context_of(audit)).lines}


def test_each_doubt_has_a_line_and_a_link(faces):
    said = lines(faces.audit)

    assert said["Prompt"] == (
        "Across up to 25 prompt templates, 3 of 5 answers depend on the prompt: Non-human words by race, Crime-related or non-human words "
        "by age, Gender accuracy by race with other prompts.", "prompt-sensitivity",
    )  # fmt: skip
    assert said["Wrong labels"][0].startswith("Mislabelled images needed to overturn the weakest disparity, ")
    assert said["Small groups"] == ("Too small to compare in some questions: 2 groups (Middle Eastern × Female, unknown).", "data")
    assert "Near-ties" not in said  # rounding could turn none
    page = render(samples.results(faces.audit))
    assert all(f'href="#a1-{section}"' in page for _, section in said.values())


def test_a_doubt_that_was_not_tried_has_no_line_but_one_prompt_is_said():
    bare = replace(samples.emoji(), specifications=())
    bare = replace(bare, measurements=tuple(replace(one, prompts={label: (label,) for label in one.labels}) for one in bare.measurements))

    assert set(lines(bare)) == {"Prompt", "Small groups"}
    assert lines(bare)["Prompt"][0] == "One prompt was used; other prompts were not tried."
    assert lines(bare)["Small groups"][0] == "All 8 groups of the planned questions have enough images."


def test_averaged_prompts_are_not_called_one_prompt():
    bare = replace(samples.emoji(), specifications=())
    [first, *rest] = bare.measurements
    several = replace(first, prompts={label: tuple(f"{label} {n}" for n in range(80)) for label in first.labels})
    said = lines(replace(bare, measurements=(several, *rest)))["Prompt"][0]
    assert said == "Up to 80 prompts per answer were averaged; their answers one by one, and other prompts, were not tried."


def test_differences_that_are_not_judged_keep_no_direction(faces):
    judged = "Adjusted for other attributes, "
    assert lines(faces.audit)["Other attributes"][0].startswith(judged)
    blind = tuple(replace(finding, verdict="not estimable", unresponsive="constant") for finding in faces.audit.findings)
    assert "Other attributes" not in lines(replace(faces.audit, findings=blind))


# ---- limits ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_limits_of_two_audits_of_one_probe_are_said_once():
    audit = samples.emoji()
    one, two = (limits.view(samples.results(*audits)) for audits in ((audit,), (audit, samples.emoji(name="other/ckpt.pt"))))

    # What the checkpoints say of their training stands in the appendix, where there are several.
    assert (len(one.cards), two.cards) == (1, ())
    assert (one.not_tested, one.limits, one.data) == (two.not_tested, two.limits, two.data)
    said = text_of(render(samples.results(audit, samples.emoji(name="other/ckpt.pt"))))
    assert said.count("These are drawings. They show how a model treats drawings") == 1
    assert said.count("It is not a certificate") == 1


def test_what_was_left_out_of_the_data_is_among_the_limits():
    audit = samples.emoji()
    data = replace(audit.data, exclusions=(Exclusion(Note.of("truncated"), 4, {}),), clusters=20, cluster="role")

    assert limits.view(samples.results(replace(audit, data=data))).data == (
        "emoji roles (Twemoji graphics, CC BY 4.0): 300 images listed, 300 used.",
        "Left out: 4 images (truncated).",
        "Images come in 20 clusters, by role: the cluster is the sampling unit.",
    )
