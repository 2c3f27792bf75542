"""Nobody leaves a gate silently: images outside the compared groups are pooled, named on every first screen, and may leave it undecided."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import audit
from audit.__main__ import main
from audit.commands.verify import verify
from audit.gates.policy import GatePolicy
from audit.statistics.intervals import newcombe, wilson
from reports.exports.card import card
from reports.exports.markdown import summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal.audits import audit_lines
from tests.support.made_once import made_once
from tests.support.page_text import text_of
from tests.verify.test_command import rehash
from verify import clusters

N = 1500
RACE = np.array(list("ABCDE"))[np.arange(N) % 5]
RIGHT = np.arange(N) // 5 % 100 < np.where(RACE == "C", 77, 93)
TRUTH = np.array(["no", "yes"])[np.arange(N) // 5 % 2]
ROWS = pd.DataFrame({
    "id": [f"i{row}" for row in range(N)], "race": RACE, "y_true": TRUTH,
    "y_pred": np.where(RIGHT, TRUTH, np.where(TRUTH == "yes", "no", "yes")), "person": [f"p{row}" for row in range(N)],
    "w": 1 + np.arange(N) % 2,
})  # fmt: skip
C, WRONG = RACE == "C", (RACE == "C") & ~RIGHT
LEAST = ROWS.index[WRONG][:64]
SPLIT = [f"C{row % 12}" if of else race for row, (of, race) in enumerate(zip(C, RACE, strict=True))]
GATE = "gap[predictions.accuracy by race] > 0.10"


def left_out(**columns):
    """The table with some cells of a column replaced."""
    rows = ROWS.copy()
    for name, (where, values) in columns.items():
        rows.loc[where, name] = values
    return rows


CHEATS = {
    "no race": (
        left_out(race=(LEAST, "")), {}, "inconclusive",
        "64 images without race (4.3 %) are not compared: 0 of 64 right, 0.0 % (95 % interval 0.0 to 5.7),",
        "Whether race is known depends",
    ),
    "many small groups": (
        ROWS.assign(race=SPLIT), {}, "inconclusive", "300 images of 12 groups of race (20.0 %) are not compared: 231 of 300 right, "
        "77.0 % (95 % interval 71.9 to 81.4), 16.0 points less", "They are shown to fare worse",
    ),
    "three clusters": (
        left_out(person=(C, [f"c{row % 3}" for row in range(C.sum())])), {"cluster": "person"}, "inconclusive",
        "300 images of 1 group of race (20.0 %) are not compared: 231 of 300 right, 77 % (95 % interval",
        "C has too few clusters to be judged, so no gate on this gap holds.",
    ),
    "no truth": (
        left_out(y_true=(LEAST, "")), {}, "inconclusive", "64 images have no true answer: 21 % of C and 0 % of A, 21 points apart",
        "Whether an answer is judged depends on the group",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of each cheat, and what its command ended with."""

    def make(folder):
        ends = {}
        for name, (rows, options, *_) in CHEATS.items():
            rows.to_csv(folder / "rows.csv", index=False)
            words = [word for flag, value in options.items() for word in (f"--{flag}", value)]
            words = ["--predictions", str(folder / "rows.csv"), "--attributes", "race", "--fail-on", GATE, "--fail-on", "gap > 0.3", *words]
            ends[name] = main(["run", *words, "--out", str(folder / name)])
        (folder / "ends.json").write_text(json.dumps(ends))

    return made_once(tmp_path_factory, "uncovered", make)


def screens(done):
    texts = text_of(done.to_html()), summary_markdown(done.results), audit_lines(done.results), text_of(card(done.results))
    texts = (*texts, next(iter(model_cards(done.results).values())))
    return [" ".join(text.replace("\\", "").replace("\xa0", " ").split()) for text in texts]


@pytest.mark.parametrize("name", CHEATS)
def test_who_is_left_out_is_named_on_every_first_screen_and_a_gate_does_not_hold_without_them(name, finished):
    *_, outcome, said, why = CHEATS[name]
    done = audit.load(finished / name)
    for text in screens(done):
        assert said in text
        assert why in text
        assert (": no gate on this gap holds with a limit below " in text) is (name != "three clusters")
    assert [gate.outcome for gate in done.results.gates] == [outcome, "inconclusive" if name in ("no race", "three clusters") else "held"]
    assert json.loads((finished / "ends.json").read_text())[name] == 0
    assert GatePolicy(require_conclusive=True).is_breach(done.results.gates) is (outcome == "inconclusive")
    assert (finished / name / "report.html").read_text()
    found = verify(finished / name)
    assert (found.end, found.differences) == ("VERIFIED", [])


def test_the_honest_table_breaches_its_gate_and_leaves_nobody_out():
    done = audit.audit(predictions=ROWS, attributes="race", draws=99, fail_on="gap[predictions.accuracy by race] > 0.05")
    assert done.results.gates[0].outcome == "breached"
    assert not any(finding.uncovered for finding in done.results.audits[0].findings)
    assert not any("not compared" in text for text in screens(done))


def test_the_numbers_are_wilsons_and_newcombes(finished):
    [found] = accuracy(audit.load(finished / "many small groups")).uncovered
    assert (found.code, found.n, found.events, found.value) == ("not compared", 300, 231, 0.77)
    assert (found.low, found.high) == pytest.approx(np.ravel(wilson(231, 300, 0.05)))
    assert (found.difference_low, found.difference_high) == pytest.approx(np.ravel(newcombe(231, 300, 1116, 1200, 0.05)))
    [found] = accuracy(audit.load(finished / "no truth")).uncovered
    assert (found.group, found.other, found.n, found.events, found.value) == (("C",), ("A",), 64, 64, 64 / 300)
    assert (found.difference_low, found.difference_high) == pytest.approx(np.ravel(newcombe(64, 300, 0, 300, 0.05 / 10)))


def accuracy(done):
    [finding] = (finding for finding in done.results.audits[0].findings if finding.id == "predictions/accuracy/race")
    return finding


SMALL = ROWS.index[C & RIGHT][:26]


@pytest.mark.parametrize(
    ("rows", "gates"),
    [
        (left_out(race=(SMALL, "F")), {"gap > 0.5": "held"}),  # all right: a rest that fares better hides nobody
        (left_out(race=(SMALL, "")), {"gap > 0.3": "held"}),  # right more often, by 13 points at most
        (
            left_out(race=(ROWS.index[WRONG][:26], "F")),
            {
                "rate[predictions.accuracy by race] < 0.2": "inconclusive",
                "rate[predictions.accuracy by race for A] < 0.2": "held",
                "verdict[predictions.accuracy by race] == equivalent": "inconclusive",
                "verdict == equivalent": "inconclusive",
            },
        ),
    ],
    ids=["right", "right more often", "wrong"],
)
def test_only_a_difference_that_may_reach_the_limit_leaves_a_gate_undecided(rows, gates, tmp_path):
    done = audit.audit(predictions=rows, attributes="race", draws=99, fail_on=tuple(gates), out=tmp_path / "out")
    assert [gate.outcome for gate in done.results.gates] == list(gates.values())
    assert verify(tmp_path / "out").differences == []


@pytest.mark.slow_except("weights and clusters")
@pytest.mark.parametrize("options", [{"weights": "w"}, {"weights": "w", "cluster": "person"}], ids=["weights", "weights and clusters"])
def test_with_weights_the_second_implementation_finds_the_same(options, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "SHUFFLES", 299)  # p is compared in tests/verify/test_agreement.py
    rows = ROWS.assign(race=SPLIT, person=[f"p{row // 2}" for row in range(N)])
    done = audit.audit(predictions=rows, attributes="race", draws=99, out=tmp_path / "out", **options)
    found = [one for finding in done.results.audits[0].findings for one in finding.uncovered]
    assert found
    assert verify(tmp_path / "out").differences == []


def test_a_group_of_many_images_and_little_weight_leaves_a_gate_undecided(tmp_path):
    rows = ROWS.assign(w=np.where(C & (np.arange(N) > 2), 0.001, 1.0))
    done = audit.audit(predictions=rows, attributes="race", weights="w", draws=99, fail_on="gap > 0.9", out=tmp_path / "out")
    assert done.results.gates[0].outcome == "inconclusive"
    for text in screens(done):
        assert "C has effectively too few images to be judged, so no gate on this gap holds." in text
    assert verify(tmp_path / "out").differences == []


def test_a_forged_rest_differs(finished, tmp_path):
    folder = shutil.copytree(finished / "no race", tmp_path / "forged")
    facts = json.loads((folder / "results.json").read_text())
    for finding in facts["audits"][0]["findings"]:
        finding["uncovered"] = []
    for gate in facts["gates"]:
        for check in gate["checks"]:
            check["outcome"] = "held"
        gate["outcome"] = "held"
    (folder / "results.json").write_text(json.dumps(facts))
    rehash(folder, "results.json")
    assert verify(folder).end == "DIFFERS"
