"""A difference of 43 points where no question was planned: it is on the first screen, in the summary and on the terminal."""

import pandas as pd
import pytest

import audit
from audit.types import Settings
from reports.exports.terminal.audits import audit_lines
from tests.support.page_text import text_of


def crossed(n=1500):
    """Return answers of four groups of n: women with dark and men with light skin are right in 56 %, the others in 99 %.

    Of women, of men, of dark and of light skin alike 77.5 % are right, and of each class as well, which are the planned questions.
    """
    rows = []
    for skin in ("dark", "light"):
        for sex in ("man", "woman"):
            right = round(n * (0.56 if (skin, sex) in (("dark", "woman"), ("light", "man")) else 0.99))
            truths = (["cat", "dog", "bird"] * n)[:n]
            rows += [(skin, sex, truth, truth if place < right else "mouse") for place, truth in enumerate(truths)]
    table = pd.DataFrame(rows, columns=["skin", "sex", "y_true", "y_pred"])
    return table.assign(id=[f"i{row}" for row in range(len(table))], city=[f"city {row % 60}" for row in range(len(table))])


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    out = tmp_path_factory.mktemp("audit") / "out"
    done = audit.audit(predictions=crossed(), settings=Settings(draws=999), out=out)
    found = done.results.audits[0]
    assert [finding.verdict for finding in found.findings if finding.primary] == ["equivalent"] * 8
    page = text_of((out / "report.html").read_text("utf-8"))
    first = page[page.index("Equivalent ·") : page.index("All 8 planned questions")]
    texts = {"first screen": first, "page": page, "summary": (out / "summary.md").read_text("utf-8"), "terminal": audit_lines(done.results)}
    return {name: " ".join(text.replace("\u00a0", " ").replace("\\", "").split()) for name, text in texts.items()}


@pytest.mark.slow
def test_the_planted_difference_is_said_with_its_groups_and_marked_as_not_planned(texts):
    for name, text in texts.items():
        assert "Not planned" in text, name
        assert "skin × sex" in text, name
    for name in ("first screen", "page", "summary"):
        assert "56.0 %, against 99.0 %" in texts[name], name
        assert "43.0 points" in texts[name], name
    assert "43.0 points (95 % interval" in texts["terminal"]


def test_what_a_rule_left_out_is_in_the_first_sentence_and_beside_the_signals(texts):
    for name in ("first screen", "summary", "terminal"):
        assert "without 'city' (60 levels)" in texts[name][:400], name
    for name in ("page", "summary", "terminal"):
        assert "Columns left out by default: 'city' (60 levels)." in texts[name], name
