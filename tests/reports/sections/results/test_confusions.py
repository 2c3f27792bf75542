"""What the model confuses: shares of rows worked by hand, n, and a size that stays small for many groups and answers."""

from dataclasses import replace

from audit.records.counts import CountRecord
from audit.types import Claim
from reports.context import audit_contexts
from reports.render import render
from reports.sections.results import details
from reports.sections.results.confusions import MOST_ROWS, confusions
from tests.support import report_samples as samples
from tests.support.page_text import text_of

TWO = ("cook", "judge")


def context(record, claim, cells, better="high", outcomes=None):
    base = samples.emoji()
    findings, verdict = samples.concluded([samples.finding("role", claim, better, cells)])
    truth = "role" if record.truth else None
    measurement = replace(base.measurements[0], name="role", truth=truth, labels=record.answers, answers={}, outcomes=outcomes or {})
    changes = {"findings": findings, "verdict": verdict, "measurements": (measurement,), "counts": (record,)}
    return audit_contexts(samples.results(replace(base, paired=(), specifications=(), **changes)))[0]


def record(cells, levels, answers, *, truth=True, attributes=("gender",)):
    """Count images by (level, …, truth, answer); without truth by (level, answer)."""
    sizes = [*map(len, levels), *([len(answers)] if truth else []), len(answers)]
    positions = {}
    for codes, n in cells.items():
        position = 0
        for code, size in zip(codes, sizes, strict=True):
            position = position * size + code
        positions[position] = n
    return CountRecord(
        "role", attributes, levels, answers, truth, tuple(sorted(positions)), tuple(positions[i] for i in sorted(positions)), ()
    )


def shown(found):
    return [(row.group, row.truth, row.n, [text for text, _ in row.cells]) for row in found.rows]


BY_HAND = record({(0, 0, 0): 50, (0, 1, 1): 50, (1, 0, 0): 50, (1, 1, 0): 20, (1, 1, 1): 30}, (("man", "woman"),), TWO)
"""Of 50 judges who are women, 20 are taken for cooks; all others are right."""


def test_rows_are_shares_of_a_group_and_true_answer_the_worse_group_first():
    placed = context(BY_HAND, Claim("accuracy", ("gender",)), {("man",): (100, 100), ("woman",): (80, 100)})
    found = confusions(placed.findings[0].finding, placed)

    assert found.columns == TWO
    assert shown(found) == [
        ("woman", "cook", "50", ["100.0", "0.0"]),
        ("", "judge", "50", ["40.0", "60.0"]),
        ("man", "cook", "50", ["100.0", "0.0"]),
        ("", "judge", "50", ["0.0", "100.0"]),
    ]
    # 40 of 100 are wrong: near the darkest shade, which is for one half. A right answer is bold.
    assert [shade for _, shade in found.rows[1].cells] == ["above-3", "right"]


def test_it_is_open_at_the_top_of_the_findings():
    placed = context(BY_HAND, Claim("accuracy", ("gender",)), {("man",): (100, 100), ("woman",): (80, 100)})
    page = render(placed.results)
    section = page.partition("Findings in detail</h3>")[2]

    assert details.view(placed).confusions is not None
    assert text_of(section.partition("</figure>")[0]).startswith("What the model confuses, by gender")
    assert section.index("</figure>") < section.index("<details")


def test_two_attributes_together_have_their_own_groups():
    cells = {(0, 0, 0, 0): 40, (0, 1, 0, 0): 40, (1, 0, 0, 1): 10, (1, 0, 0, 0): 30, (1, 1, 0, 0): 40}
    crossed = record(cells, (("man", "woman"), ("dark", "light")), TWO, attributes=("gender", "tone"))
    rates = {("man", "dark"): (40, 40), ("man", "light"): (40, 40), ("woman", "dark"): (30, 40), ("woman", "light"): (40, 40)}
    placed = context(crossed, Claim("accuracy", ("gender", "tone")), rates)
    found = confusions(placed.findings[0].finding, placed)

    assert next(row.group for row in found.rows if row.group) == "woman × dark"
    assert shown(found)[0] == ("woman × dark", "cook", "40", ["75.0", "25.0"])


def test_without_a_truth_the_top_answers_of_every_group_are_shown_the_outcome_first():
    """Nine answers: the outcome, the six most frequent others, and two together."""
    answers = tuple(f"a{i}" for i in range(9))
    cells = {(group, i): (10 - i) * (1 + group) for group in (0, 1) for i in range(9)}
    counted = record(cells, (("man", "woman"),), answers, truth=False)
    placed = context(
        counted, Claim("selection_rate", ("gender",), "last"), {("man",): (2, 54), ("woman",): (4, 108)}, "low", {"last": ("a8",)}
    )
    found = confusions(placed.findings[0].finding, placed)

    assert found.columns == ("a8", "a0", "a1", "a2", "a3", "a4", "a5", "2 others")
    assert not found.has_truth
    # 2, 10, 9, 8, 7, 6, 5 and 4 + 3 of 54.
    assert shown(found)[0][2:] == ("54", ["3.7", "18.5", "16.7", "14.8", "13.0", "11.1", "9.3", "13.0"])


def test_a_single_other_answer_is_named():
    """Eight answers: the eighth takes the column that “1 other” would."""
    answers = tuple(f"a{i}" for i in range(8))
    cells = {(group, i): 10 - i for group in (0, 1) for i in range(8)}
    counted = record(cells, (("man", "woman"),), answers, truth=False)
    placed = context(
        counted, Claim("selection_rate", ("gender",), "first"), {("man",): (10, 52), ("woman",): (10, 52)}, "low", {"first": ("a0",)}
    )
    found = confusions(placed.findings[0].finding, placed)

    assert found.columns == answers


def test_forty_groups_and_24_answers_are_the_five_commonest_confusions_of_two_groups():
    answers, levels = tuple(f"role {i:02d}" for i in range(24)), tuple(f"place {i:02d}" for i in range(40))
    cells = {(group, role, role): 20 for group in range(40) for role in range(24)}
    cells |= {(0, role, 23 - role): 1 + role for role in range(8)}
    counted = record(cells, (levels,), answers)
    rates = {(level,): (480 if i else 440, 480) for i, level in enumerate(levels)}
    placed = context(counted, Claim("accuracy", ("gender",)), rates)
    found = confusions(placed.findings[0].finding, placed)

    # The 8th role was taken for the 17th in 8 of 28 images.
    assert shown(found)[0] == ("place 00", "role 07", "28", ["role 16", "28.6"])
    assert len(found.rows) == 5


def test_groups_that_do_not_fit_are_counted():
    levels = tuple(f"place {i:02d}" for i in range(40))
    cells = {(group, role, role): 50 for group in range(40) for role in (0, 1)}
    placed = context(record(cells, (levels,), TWO), Claim("accuracy", ("gender",)), {(level,): (100, 100) for level in levels})
    found = confusions(placed.findings[0].finding, placed)

    assert len(found.rows) == MOST_ROWS
    assert found.note.endswith("36 further groups are in results.json.")


def test_weighted_images_and_unknown_counts_have_no_matrix():
    placed = context(BY_HAND, Claim("accuracy", ("gender",)), {("man",): (100, 100), ("woman",): (80, 100)})
    finding, audit = placed.findings[0].finding, placed.audit

    assert confusions(finding, replace(placed, audit=replace(audit, data=replace(audit.data, weights="w")))) is None
    assert confusions(finding, replace(placed, audit=replace(audit, counts=()))) is None
    assert confusions(replace(finding, attributes=("place",)), placed) is None
