"""A gap has one interval, whatever is read: page, summary, model card, tables, JUnit and terminal of ten audits."""

import csv
import re
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import audit
from audit.results import Results
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Settings
from reports.exports.card import card
from reports.exports.terminal.audits import audit_lines
from reports.text import numbers, phrases
from tests.support.page_text import text_of

NUMBER = r"(-?\d+(?:\.\d+)?)"
CITED = re.compile(
    rf"{NUMBER} points? (?:\(\d\d %(?: interval)?:? |\[|, between |with a 95 % interval of ){NUMBER}(?:, | to | and ){NUMBER}"
)
"""A size in points with an interval: ``26 points [12, 39]``, ``26 points (95 % interval 12 to 39)``."""
WHOLE = re.compile(r"Over all images, [^.]*? (?:fell|rose) by .*?\(.*?\)")
"""The change of a rate over all images, which is not a gap and may have the size of one."""


def answers(rates, n, seed=0, **columns):
    """Return a table of yes and no: `rates` and numbers of images by group; other columns from functions of a source and a length."""
    source = np.random.default_rng(seed)
    group = np.repeat(list(rates), n if isinstance(n, list) else [n] * len(rates))
    truth = source.choice(["no", "yes"], len(group))
    right = source.random(len(group)) < np.array([rates[each] for each in group])
    answer = np.where(right, truth, np.where(truth == "yes", "no", "yes"))
    more = {name: made(source, len(group)) for name, made in columns.items()}
    return pd.DataFrame({"id": [f"i{row}" for row in range(len(group))], "group": group, "y_true": truth, "y_pred": answer, **more})


def tone(source, n):
    return source.choice(["dark", "light", "medium"], n)


def people(source, n):
    """Return 40 clusters a thousand rows, in order: of one group mostly."""
    return [f"person {row * 40 // 1000}" for row in range(n)]


def rare():
    """Return a table of a rare answer: .2 % of one group, 3 % of another."""
    rows = answers({"a": 0.998, "b": 0.97}, 2000)
    return rows.assign(y_pred=np.where(rows.y_pred == rows.y_true, "other", "thief"))[["id", "group", "y_pred"]]


def two_models():
    """Return what to ask two models: one answers half of Black faces right, one three quarters."""
    first, second = FakeEncoder(), FakeEncoder({"woman": [0.0, 1.0, 0.0], "": [1.0, 0.0, 0.0]})
    second.record = replace(second.record, name="other", fingerprint="e" * 64, sha256="1" * 64)
    return {"model": [first, second], "probe": gender_probe(four_faces(50)), "by": "gender"}


MANY = {f"g{place:02d}": 0.9 - 0.02 * place for place in range(12)}
AUDITS = {
    "two groups": (answers({"a": 0.9, "b": 0.7}, 400), {}),
    "three groups, two attributes": (answers({"a": 0.95, "b": 0.8, "c": 0.85}, 300, tone=tone), {}),
    "seven groups": (answers({name: 0.8 + 0.02 * place for place, name in enumerate("abcdefg")}, 400), {}),
    "twelve groups, some small": (answers(MANY, [300] * 9 + [20] * 3), {}),
    "clusters": (answers({"a": 0.9, "b": 0.75}, 1000, person=people), {"cluster": "person"}),
    "weights": (answers({"a": 0.9, "b": 0.75}, 500, w=lambda source, n: source.lognormal(0, 0.5, n)), {"weights": "w"}),
    "rare": (rare(), {"outcome": "thief:low=thief"}),
    "equal": (answers({"a": 0.8, "b": 0.8}, 3000), {}),
    "two models": (None, two_models()),
    "few images": (answers({"a": 0.8, "b": 0.75, "c": 0.8}, 60, tone=tone), {}),
}


@dataclass(frozen=True)
class Outputs:
    """A finished audit and every text that it left."""

    results: Results
    texts: dict[str, str]
    gaps: list[dict[str, str]]
    contrasts: list[dict[str, str]]


@pytest.fixture(scope="module", params=AUDITS)
def made(request, tmp_path_factory):
    rows, options = AUDITS[request.param]
    out = tmp_path_factory.mktemp("audit")
    if rows is not None:
        options = {**options, "predictions": rows, "attributes": [name for name in ("group", "tone") if name in rows]}
    kept = {"out": out / "audit", "junit": out / "gates.xml"}
    done = audit.audit(settings=Settings(draws=199), fail_on="gap > 0.05", **kept, **options)
    folder = out / "audit"
    suite = ET.parse(out / "gates.xml").getroot()
    cases = [f"{node.get('message', node.get('value', ''))} {node.text or ''}" for node in suite.iter()]
    texts = {"page": text_of((folder / "report.html").read_text("utf-8")), "JUnit": " ".join(cases)}
    texts["summary"] = (folder / "summary.md").read_text("utf-8")
    texts["model card"] = " ".join(path.read_text("utf-8") for path in sorted(folder.glob("model_card*.md")))
    texts |= {"terminal": audit_lines(done.results), "notebook": text_of(card(done.results))}
    tables = [list(csv.DictReader((folder / "tables" / name).read_text("utf-8").splitlines())) for name in ("gaps.csv", "contrasts.csv")]
    return Outputs(done.results, {name: _plain(text) for name, text in texts.items()}, *tables)


def _plain(text):
    return " ".join(text.replace("\u00a0", " ").replace("\\", "").replace("−", "-").split())


def planned(made):
    return [finding for found in made.results.audits for finding in found.findings if finding.primary and finding.gap]


def everything(made):
    return [finding for found in made.results.audits for finding in found.findings if finding.gap]


@pytest.mark.slow_except("rare")
def test_every_interval_of_a_gap_is_the_one_of_the_results(made):
    """Wherever a size stands with an interval and is a gap's size, the interval is that gap's, to the last digit shown."""
    gaps = [(each.gap.value, each.gap.low, each.gap.high) for each in everything(made)]
    gaps += [(pair.difference, pair.low, pair.high) for each in everything(made) if (pair := each.gap.leading)]
    for name, text in made.texts.items():
        cited = CITED.findall(WHOLE.sub("", text))
        assert cited, name
        for numerals in cited:
            same = [gap for gap in gaps if _rounds_to(gap[0], numerals[0])]
            assert not same or any(all(map(_rounds_to, gap, numerals)) for gap in same), (name, numerals, same)


def _rounds_to(fraction, numeral):
    places = len(numeral.partition(".")[2])
    return _plain(numbers.number(fraction, places)) == numeral


@pytest.mark.slow_except("rare", "equal")
def test_every_planned_gap_is_cited_by_page_summary_card_and_junit(made):
    for finding in planned(made):
        shown = _plain(phrases.gap_text(finding)).removesuffix(" ")
        interval = shown[shown.index("[") :]
        for name in ("page", "model card", "JUnit"):
            assert shown in made.texts[name], name
        assert interval in made.texts["summary"]
        assert interval in made.texts["terminal"]


def test_the_tables_have_that_interval_with_every_digit(made):
    for row, finding in zip([row for row in made.gaps if row["gap"]], everything(made), strict=True):
        assert [float(row[name]) for name in ("gap", "low", "high")] == [finding.gap.value, finding.gap.low, finding.gap.high]
        assert row["level"] == "0.95"
    differences = [each for finding in everything(made) for each in (*finding.contrasts, *finding.pairs)]
    for row, each in zip(made.contrasts, differences, strict=True):
        assert [float(row[name]) for name in ("low", "high")] == [each.low_adjusted, each.high_adjusted]


def test_no_gap_is_below_zero_and_none_leaves_its_value_out(made):
    for finding in everything(made):
        assert 0 <= finding.gap.low <= finding.gap.value <= finding.gap.high


def test_the_interval_of_a_pair_is_the_simultaneous_one(made):
    """What holds for one pair alone is shown nowhere."""
    differences = [each for finding in everything(made) for each in (*finding.contrasts, *finding.pairs)]
    shown = {numbers.difference(difference.difference, difference.low_adjusted, difference.high_adjusted) for difference in differences}
    # What equal other attributes make of a difference is another number.
    shown |= {
        phrases.signed(pair.difference) for each in everything(made) if each.evidence.adjustment for pair in each.evidence.adjustment.pairs
    }
    # So is the excess of a share given over the true one.
    shown |= {
        numbers.difference(share.excess, share.low, share.high)
        for each in everything(made)
        for share in each.shares
        if share.low is not None
    }
    alone = {numbers.difference(difference.difference, difference.low, difference.high) for difference in differences} - shown
    assert not [text for text in map(_plain, alone) if text in made.texts["page"]]


def test_every_output_says_the_level(made):
    for name, text in made.texts.items():
        assert "95 %" in text, name
