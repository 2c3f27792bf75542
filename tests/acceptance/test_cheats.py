"""25 ways to make a bad model look good: each is named by the command, or refused. What no audit can see stands on a page with the reason.

3,000 rows: 77 % of the answers about race C are right, 93 % of the others; the honest table breaches its gate.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.__main__ import main
from tests.support.house import ROOT

GATE = "gap[accuracy by race] > 0.09"
PAGE = ROOT / "docs" / "unseen.md"
BY = ("--attributes", "race,sex")


def honest() -> pd.DataFrame:
    """Without 66 of C's 102 errors, C is not shown to be worse than the others."""
    rng = np.random.default_rng(0)
    race = np.repeat(list("ABCDE"), [640, 640, 442, 640, 638])
    right = np.ones(len(race), bool)
    for group, share in zip("ABCDE", (0.93, 0.93, 0.77, 0.93, 0.93), strict=True):
        rows = np.flatnonzero(race == group)
        right[rng.permutation(rows)[: round(len(rows) * (1 - share))]] = False
    truth = np.where(rng.random(len(race)) < 0.5, "yes", "no")
    answer = np.where(right, truth, np.where(truth == "yes", "no", "yes"))
    columns = {
        "race": race,
        "sex": rng.choice(["f", "m"], len(race)),
        "y_true": truth,
        "y_pred": answer,
        "width": rng.integers(1, 10**6, 3000),
    }
    rows = pd.DataFrame(columns).iloc[rng.permutation(len(race))].reset_index(drop=True)
    return rows.assign(id=[f"i{row}" for row in range(len(rows))], person=[f"p{row}" for row in range(len(rows))], w=1.0)


HONEST = honest()
C = HONEST.index[HONEST.race == "C"]
ERRORS = C[HONEST.y_true[C] != HONEST.y_pred[C]]
MOST = ERRORS[:66]
TABLE = HONEST.drop(columns=["width", "person", "w"])


def other(rows, column, values, frame=TABLE):
    """The table with other values in some rows of a column."""
    changed = frame.copy()
    changed.loc[rows, column] = values
    return changed


@dataclass(frozen=True)
class Run:
    """A table, and options of the command."""

    table: pd.DataFrame
    words: tuple[str, ...] = ()
    gate: bool = True

    def __call__(self, folder: Path) -> list[str]:
        """Write the table; return the command."""
        self.table.to_csv(folder / "answers.csv", index=False)
        (folder / "list.txt").write_text("\n".join(HONEST.id[MOST]) + "\n")
        words = [word.replace("FOLDER", str(folder)) for word in self.words]
        gate = ["--fail-on", GATE] if self.gate else []
        return ["run", "--predictions", str(folder / "answers.csv"), "--out", str(folder / "out"), *gate, *words]


@dataclass(frozen=True)
class Locked:
    """A table that another one takes the place of once the plan is locked."""

    planned: pd.DataFrame
    table: pd.DataFrame
    words: tuple[str, ...] = BY
    more: tuple[str, ...] = ()

    def __call__(self, folder: Path) -> list[str]:
        """Lock the plan; return the command of the run."""
        run, lock = Run(self.planned, self.words), str(folder / "lock.json")
        assert main(["plan", *[word for word in run(folder)[1:] if word not in ("--out", str(folder / "out"))], "--out", lock]) == 0
        return [*Run(self.table, self.words, gate=False)(folder), "--lock", lock, *self.more]


@dataclass(frozen=True)
class Edited:
    """A finished audit that is edited, with a manifest that fits."""

    edit: Callable[[Path], None]

    def __call__(self, folder: Path) -> list[str]:
        """Audit and edit; return the command that verifies the folder."""
        main(Run(TABLE, ("--attributes", "sex"), gate=False)(folder))
        self.edit(folder / "out")
        manifest = json.loads((folder / "out" / "manifest.json").read_text())
        manifest["files"] = {name: hashlib.sha256((folder / "out" / name).read_bytes()).hexdigest() for name in manifest["files"]}
        (folder / "out" / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        return ["verify", str(folder / "out")]


def say_that_all_is_well(out):
    page = out / "report.html"
    page.write_text(page.read_text("utf-8").replace("Too few images", "Enough images"), "utf-8")


def forget_the_race(out):
    results = json.loads((out / "results.json").read_text("utf-8"))
    data = results["audits"][0]["data"]
    data["notes"] = [note for note in data["notes"] if note["code"] != "attributes_chosen"]
    (out / "results.json").write_text(json.dumps(results), "utf-8")


@dataclass(frozen=True)
class Watched:
    """Two days of a watch."""

    days: tuple[pd.DataFrame, pd.DataFrame]

    def __call__(self, folder: Path) -> list[str]:
        """Look at the first day; return the command of the second look."""
        words = ["watch", str(folder / "days"), "--out", str(folder / "watched"), "--attributes", "race"]
        (folder / "days").mkdir()
        for number, day in enumerate(self.days, 1):
            if number == 2:
                assert main(words) == 0
            day.to_csv(folder / "days" / f"{number}.csv", index=False)
        return words


REST = TABLE[TABLE.race != "C"]
QUIET = REST.assign(race=np.where(np.arange(len(REST)) % 2, "A", "B"))
"""Two groups at 93 %."""
LATER = other(np.flatnonzero(np.arange(600) % 2 & (np.arange(600) % 5 < 2)), "y_pred", "maybe", QUIET[:600].reset_index(drop=True))
LATER = LATER.assign(id=[f"later-{row}" for row in range(600)])
"""Then 40 % of the answers about A are wrong."""
NEW = pd.concat([QUIET[:600], TABLE.loc[C]]).sample(frac=1, random_state=0)
NEW = NEW.assign(id=[f"new-{row}" for row in range(len(NEW))])
"""Then the first rows of C arrive."""
UNNAMED = HONEST.drop(columns=["id", "person", "w"])
COPIES = pd.concat([UNNAMED, *[UNNAMED.loc[C.difference(ERRORS)]] * 4])
WEIGHED = ("--weights", "w", "--cluster", "person", *BY)
UNITS = HONEST.drop(columns="width")
UNDECIDED, INCONCLUSIVE = r"\? INCONCLUSIVE gap", "deviates from the plan lock, or was not asked: the gate decides nothing"

CHEATS: dict[str, tuple[Callable[[Path], list[str]], int, tuple[str, ...]]] = {
    "C's errors without a race": (
        Run(other(MOST, "race", "")), 0, (r"66 images without race \(2.2 %\) are not compared: 0 of 66 right", UNDECIDED),
    ),
    "C in 17 small groups": (
        Run(other(C, "race", [f"C{row // 26}" for row in range(442)])), 0,
        (r"442 images of 17 groups of race \(14.7 %\) are not compared: 340 of 442 right", "They are shown to fare worse", UNDECIDED),
    ),
    "C in three clusters": (
        Run(other(C, "person", [f"c{row % 3}" for row in range(442)], UNITS.drop(columns="w")), ("--cluster", "person")), 0,
        (
            r"442 images of 1 group of race \(14.7 %\) are not compared: 340 of 442 right", "the clusters in person", UNDECIDED,
            "C has too few clusters to be judged, so no gate on this gap holds",
        ),
    ),
    "C's errors without a true answer": (
        Run(other(MOST, "y_true", "")), 0, (r"66 images have no true answer: 14.9 % of C and 0.0 % of A", UNDECIDED),
    ),
    "C's errors without an answer": (Run(other(MOST, "y_pred", "")), 3, ("66 values missing in the column 'y_pred'",)),
    "C's right answers five times": (
        Run(COPIES), 0, (r"1,360 of the 1,802 rows with race C are equal to an earlier row in every column",),
    ),
    "C's errors with little weight": (
        Run(other(ERRORS, "w", 0.1, UNITS.drop(columns="person")), ("--weights", "w")), 0,
        (r"the weights in w \(default: every image counts once\)",),
    ),
    "everybody in eight clusters": (
        Run(TABLE.assign(site=[f"s{row % 8}" for row in range(3000)]), ("--cluster", "site")), 1,
        ("NOT ESTIMABLE gap", r"the clusters in site \(default"),
    ),
    "the race not compared": (Run(TABLE, ("--attributes", "sex"), gate=False), 0, (r"not compared: race \(column of the file\)",)),
    "C's errors left out by a list": (
        Run(TABLE, ("--exclude", "FOLDER/list.txt")), 0, (r"66 images left out by list.txt \(sha256 \w+\), by race \(C 66\)",),
    ),
    "a tolerance of 25 points": (Run(TABLE, ("--tolerance", "0.25")), 1, (r"a tolerance of 25 points \(default 5\)",)),
    "a smallest group that C is below": (
        Run(TABLE, ("--min-group-size", "500")), 0, (r"a minimum group size of 500 images \(default 30", UNDECIDED),
    ),
    "intervals that are nearly certain": (Run(TABLE, ("--alpha", "0.0002")), 0, (r"intervals at 99.98 % \(default 95 %\)", UNDECIDED)),
    "locked, then other true answers": (
        Locked(TABLE, other(MOST, "y_true", TABLE.y_pred[MOST])), 1, ("True answers in column y_true: at least 66 rows", INCONCLUSIVE),
    ),
    "locked, then no true answers": (
        Locked(TABLE, other(MOST, "y_true", "")), 1, ("True answers in column y_true: at least 66 rows changed", INCONCLUSIVE),
    ),
    "locked, then other weights": (
        Locked(UNITS, other(ERRORS, "w", 0.1, UNITS), WEIGHED), 1, ("Column w: at least 102 rows changed", INCONCLUSIVE),
    ),
    "locked, then other clusters": (
        Locked(UNITS, other(C, "person", [f"c{row % 3}" for row in range(442)], UNITS), WEIGHED), 1,
        ("Column person: at least 442 rows changed", INCONCLUSIVE),
    ),
    "locked, then another race": (
        Locked(TABLE, other(MOST, "race", "A")), 1, ("Column race: at least 66 rows changed", INCONCLUSIVE),
    ),
    "locked, then fewer rows": (
        Locked(TABLE, TABLE.drop(index=MOST)), 1, ("Rows of the table: at least 66 changed, added or left out", INCONCLUSIVE),
    ),
    "locked, then other answers": (
        Locked(TABLE, other(MOST, "y_pred", TABLE.y_true[MOST])), 1, ("Model: locked answers.csv", INCONCLUSIVE),
    ),
    "a locked gate that is not typed again": (Locked(TABLE, TABLE), 1, ("BREACHED gap",)),
    "a locked gate that may stay undecided": (
        Locked(TABLE, TABLE, more=("--allow-undecided",)), 2, ("--allow-undecided cannot be used with --lock",),
    ),
    "a sentence of the page": (Edited(say_that_all_is_well), 1, (r"differs: report.html: line [\d,]+ is not what follows",)),
    "the note that the race was not compared": (Edited(forget_the_race), 1, (r"notes.missing\[0\]: .* 'attributes_chosen'",)),
    "a gap, or a group, that comes after quiet days": (
        Watched((QUIET, pd.concat([LATER, NEW]))), 1, ("Alarm. Accuracy by race", r"New since the first look, and watched: C \(race\)"),
    ),
}  # fmt: skip


def test_there_are_25_ways():
    assert len(CHEATS) == 25


@pytest.mark.slow_except("C's errors without a race", "C's errors without an answer", "the race not compared", "locked, then fewer rows")
@pytest.mark.parametrize("cheat", CHEATS)
def test_a_way_to_make_a_bad_model_look_good_is_named_or_refused(cheat, tmp_path, capsys):
    prepare, code, said = CHEATS[cheat]
    words = prepare(tmp_path)
    capsys.readouterr()
    assert main(words) == code
    ended = capsys.readouterr()
    text = " ".join((ended.out + ended.err).replace("\u00a0", " ").split())
    for expected in said:
        assert re.search(expected, text), expected


@pytest.mark.slow
def test_the_honest_table_breaches_its_gate(tmp_path, capsys):
    assert main(Run(TABLE)(tmp_path)) == 1
    assert "BREACHED" in capsys.readouterr().out


UNSEEN = {
    "Rows that were never given": TABLE.drop(index=MOST),
    "Answers that were changed before the table was given": other(MOST, "y_pred", TABLE.y_true[MOST]),
    "True answers that are wrong": other(MOST, "y_true", TABLE.y_pred[MOST]),
    "Groups that are wrong": other(MOST, "race", ["ABDE"[row % 4] for row in range(len(MOST))]),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", UNSEEN)
def test_what_no_audit_can_see_is_not_seen(way, tmp_path, capsys):
    """Otherwise the page is out of date."""
    assert main(Run(UNSEEN[way])(tmp_path)) == 0
    assert "HELD gap" in capsys.readouterr().out


def test_what_no_audit_can_see_stands_on_its_page():
    page = PAGE.read_text("utf-8")
    assert all(f"\n## {way}\n" in page for way in UNSEEN)
