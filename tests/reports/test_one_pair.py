"""One pair, one number: page, terminal, summary, model card, citation and gate tell of the same two groups, on audits of real tables."""

import re

import numpy as np
import pandas as pd
import pytest

from audit import audit
from audit.results import to_json
from reports.exports.junit import junit_xml
from reports.exports.markdown import summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from tests.support.page_text import text_of


def table(cells, **columns):
    """One row per image: "yes" in the first so many of each group."""
    answers = [np.where(np.arange(n) < events, "yes", "no") for events, n in cells.values()]
    group = np.repeat(list(cells), [n for _, n in cells.values()])
    return pd.DataFrame({"group": group, "y_pred": np.concatenate(answers), **columns})


def said(rows, **options):
    """The audit, and everything that it says by where."""
    done = audit(predictions=rows, attributes=("group",), draws=999, **options)
    texts = {
        "page": text_of(render(done.results, to_json(done.results))),
        "terminal": audit_lines(done.results),
        "summary": summary_markdown(done.results).replace("\\", ""),
        "card": next(iter(model_cards(done.results).values())).replace("\\", ""),
        "junit": junit_xml(done.results),
    }
    (finding,) = (each for each in done.results.audits[0].findings if each.primary)
    return finding, {where: " ".join(text.replace("\u00a0", " ").split()) for where, text in texts.items()}


@pytest.fixture(scope="module")
def thin():
    """60 and 65 % of 5,000, 55 % of 40: the widest gap is the small group's and within chance."""
    return said(table({"a": (3000, 5000), "b": (3250, 5000), "c": (22, 40)}), fail_on=("gap > 0.02",))


def test_everything_tells_of_the_pair_that_is_shown_to_differ(thin):
    finding, texts = thin
    assert (finding.verdict, finding.gap.highest, finding.gap.lowest) == ("disparity", ("b",), ("c",))
    for where in ("terminal", "summary"):
        assert "for group b: 65.0 %, against 60.0 % for group a. The gap is 5.0 points" in texts[where]
    shown = {
        "page": "gap by group, 95 % interval 2.7 to 7.3 5.0 points",
        "terminal": "5.0 [2.7, 7.3]",
        "summary": "5.0 points [2.7, 7.3]",
        "card": "5.0 points [2.7, 7.3]",
        "junit": "The gap is 5.0 points [2.7, 7.3] (b against a); the largest over all 3 pairs lies between 2.7 and",
    }
    for where, number in shown.items():
        assert number in texts[where], where
    assert "gap 5.0 points, 95 % interval 2.7 to 7.3" in texts["page"]  # the citation
    assert "expected by chance between these two, at most (95 %) 2.2 points" in texts["page"]
    assert "Highest minus lowest rate 10.0 points (b 65.0 %, c 55 %)" in texts["page"]
    for where in ("terminal", "summary", "card"):
        assert "10 points" not in texts[where]
        assert "10.0 points" not in texts[where]


def test_unlike_clusters_lend_their_noise_to_no_tile():
    """20 clusters of 20 against 300 single images, 50 v 65 %: shuffles of unlike clusters set their gap 20 points wide, and did so on the
    first screen beside a disparity of 15."""
    source = np.random.default_rng(4)
    events = source.binomial(20, 0.5, 20)
    answers = np.where(np.tile(np.arange(20), 20) < np.repeat(events, 20), "yes", "no")
    many = pd.DataFrame({"group": "a", "person": np.repeat(np.arange(20), 20), "y_pred": answers})
    single = pd.DataFrame({"group": "b", "person": np.arange(100, 400), "y_pred": np.where(np.arange(300) < 200, "yes", "no")})
    finding, texts = said(pd.concat([many, single]), cluster="person")

    assert finding.verdict == "disparity"
    assert finding.gap.null_95 > finding.gap.value > finding.gap.leading.chance
    chance = re.search(r"expected by chance, at most \(95 %\) ([\d.]+) points", texts["page"])
    assert float(chance[1]) < 100 * finding.gap.leading.difference
    assert "what random groups would give" not in texts["page"]


@pytest.mark.slow
def test_why_a_question_is_undecided_stands_on_every_first_screen():
    """A p that correction turns, and an interval that leaves out 0: the reader sees why there is no verdict."""
    rows = table({"a": (430, 500), "b": (455, 500)})
    source = np.random.default_rng(0)
    others = {f"other_{i}": source.permutation(np.resize(["x", "y"], 1000)) for i in range(6)}
    done = audit(predictions=rows.assign(**others), attributes=("group", *others), draws=999)
    finding = next(each for each in done.results.audits[0].findings if each.attributes == ("group",))
    page = " ".join(text_of(render(done.results, to_json(done.results))).replace("\u00a0", " ").split())
    terminal = " ".join(audit_lines(done.results).split())

    assert finding.verdict == "inconclusive"
    assert finding.gap.p <= 0.05 < finding.gap.p_adjusted
    assert finding.gap.low > 0
    why = re.compile(r"Undecided: p = \.01\d for this question, \.\d+ after correction for 7 questions\.")
    assert why.search(page)
    assert why.search(terminal)
