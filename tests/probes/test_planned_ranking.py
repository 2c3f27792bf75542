"""A planned ranking is a planned question everywhere: lock, terminal, page, summary, JSON, gate, JUnit, verification."""

import csv
import json
import re
import shutil
from xml.etree import ElementTree as ET

import pytest

import audit
from audit.__main__ import main
from tests.probes.made import visogender
from tests.probes.test_row_probes import NOISY
from tests.support.command import command
from tests.support.made_once import made_once
from tests.support.planted import MODELS
from tests.verify.test_command import ran, rehash

NAMED = "among the first 5 of the searched occupation"
CLAIM = f"search 5/retrieval_rate[{NAMED}]/occupation_gender"
GATE = f"gap[search 5.{NAMED} by occupation_gender] > 0.3"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of an audit under a lock, with a gate, and what it said in the terminal."""

    def make(folder):
        (folder / "data").mkdir()
        visogender.make(folder / "data")
        (folder / "models.py").write_text(MODELS.format(probe="visogender", data=str(folder / "data")) + NOISY.format(noise=1 / 8))
        asked = ("--model", f"{folder / 'models.py'}:Noisy", "--probe", "visogender", "--data", folder / "data", "--fail-on", GATE)
        lock = str(folder / "plan.lock.json")
        assert main(["plan", *map(str, asked), "--out", lock]) == 0
        done = command(*asked, "--lock", lock, "--out", folder / "audit", "--no-cache", "--junit", folder / "gates.xml")
        (folder / "terminal.txt").write_text(f"{done.returncode}\n{done.stdout}{done.stderr}")

    return made_once(tmp_path_factory, "planned-ranking", make)


@pytest.mark.slow
def test_the_lock_holds_query_gallery_and_k(finished):
    locked = json.loads((finished / "plan.lock.json").read_text())["probes"]["visogender"]
    assert locked["claims"][CLAIM] | {"tolerance": 0} == {
        "attributes": ["occupation_gender"], "better": "neither", "measurement": "search 5", "metric": "retrieval_rate", "order": [],
        "outcome": NAMED, "ratio_tolerance": None, "tolerance": 0,
    }  # fmt: skip
    assert len(locked["prompts"]["search 5"][NAMED]) == 12
    [result] = audit.load(finished / "audit").results.audits
    assert (result.lock.deviations, CLAIM in result.lock.planned) == ((), True)


@pytest.mark.extension("ranking")
def test_terminal_summary_page_and_tables_state_the_question(finished):
    code, said = (finished / "terminal.txt").read_text().split("\n", 1)
    summary = (finished / "audit" / "summary.md").read_text()
    page = re.sub(r"\s+", " ", (finished / "audit" / "report.html").read_text())
    question = "Are images among the first 5 of the searched occupation equally often regardless of occupation gender?"
    assert question in page
    assert "Compared within the 12 galleries with images of several of these groups: queries are the independent units." in page
    for text in (summary, page):
        assert f"‘{NAMED}’ (search 5) by occupation gender" in re.sub(r"\s+", " ", text)
    assert re.search(
        "▲ Share of images ‘among the .*\n  first 5 of the searched .*\n  occupation’ \\(search 5\\) by\n  occupation gender\n", said
    )
    assert "Standard deviation" in page
    assert "Line: its share of its gallery." in page
    with (finished / "audit" / "tables" / "ranking.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["query"] == "baker" and row["k"] == "5"]
    assert [(row["group"], row["images"], row["chance_share"]) for row in rows] == [("masculine", "10", "0.5"), ("feminine", "10", "0.5")]
    assert f"search 5,retrieval_rate,{NAMED}" in (finished / "audit" / "tables" / "gaps.csv").read_text()
    assert code == "1"


def test_the_gate_is_about_the_planned_difference(finished):
    results = audit.load(finished / "audit").results
    [finding] = [finding for finding in results.audits[0].findings if finding.id == CLAIM]
    [gate] = results.gates
    assert (gate.expression, gate.outcome, finding.verdict) == (GATE, "breached", "disparity")
    assert finding.gap.low > 0.3
    failed = [case.get("name") for case in ET.parse(finished / "gates.xml").iter("testcase") if case.find("failure") is not None]
    assert failed == [f"{GATE} :: {CLAIM}"]
    # Holm over all planned questions of the probe: two of the eight are searches.
    assert sum(each.primary for each in results.audits[0].findings) == 8
    assert finding.gap.p_adjusted >= finding.gap.p


@pytest.mark.extension("ranking")
def test_verify_recomputes_the_finding_and_names_a_change_of_it(finished, tmp_path, capsys):
    folder = shutil.copytree(finished / "audit", tmp_path / "audit")
    code, text = ran(folder, capsys)
    assert (code, ", 0 differs," in text) == (0, True)
    assert re.search(r"audits\.rankings +[\d,]+ +scores of queries are not in predictions\.parquet", text)
    path = folder / "results.json"
    record = json.loads(path.read_text())
    [finding] = [finding for finding in record["audits"][0]["findings"] if finding["id"] == CLAIM]
    finding["gap"]["equivalence_bound"] += 0.01
    path.write_text(json.dumps(record))
    rehash(folder, "results.json")
    code, text = ran(folder, capsys)
    assert (code, "equivalence_bound" in text) == (1, True)
