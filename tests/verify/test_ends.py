"""``vlm-audit verify`` ends in one of three ways; what was not recomputed is never called verified."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit import audit, compare
from audit.__main__ import main
from audit.commands.verify import verify
from tests.support.drawn_audits import Design, table
from tests.support.made_once import made_once
from tests.verify.test_command import rehash
from verify.command import SecondStep, Verification
from verify.command import main as numbers_alone
from verify.folder import Files
from verify.ledger import Ledger
from verify.source import FolderSource

SOME = Design((150, 150), "unequal", "known", effect=0.3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two audits, a third of other answers, comparisons of the first two with and without a gate, and an audit of counted parts."""

    def make(folder):
        rows = table(SOME)
        answers = {"before": rows.y_pred, "after": rows.y_true, "another": rows.y_true.where(np.arange(len(rows)) % 9 > 0, rows.y_pred)}
        done = {name: audit(predictions=rows.assign(y_pred=y_pred), draws=199, out=folder / name) for name, y_pred in answers.items()}
        compare(done["before"], done["after"], out=folder / "compared")
        compare(done["before"], done["after"], out=folder / "gated", fail_on="change > 0.5")
        (folder / "parts").mkdir()
        rows.drop(columns="id", errors="ignore").to_parquet(folder / "parts" / "1.parquet")
        audit(predictions=folder / "parts", draws=199, out=folder / "counted")

    return made_once(tmp_path_factory, "ends", make)


def ended(capsys, *words):
    code = main(["verify", *map(str, words)])
    return code, capsys.readouterr().out.splitlines()[-1]


def test_a_comparison_is_verified_with_its_audits_alone(finished, capsys):
    compared, before, after = (finished / name for name in ("compared", "before", "after"))
    code, last = ended(capsys, compared, "--audits", after, before)
    assert code == 0
    assert last.startswith("VERIFIED, without a digest")
    code, last = ended(capsys, compared)
    assert code == 1
    assert last.startswith("NOT RECOMPUTABLE: ")
    assert "1 verdict could not be recomputed, because its answers are in the audits of " in last
    assert "(0 recomputed independently, 0 by the audit's own rules from these, 0 differs, 0 within Monte-Carlo error, " in last
    code, last = ended(capsys, compared, "--audits", before, finished / "another")
    assert code == 1
    assert "because --audits does not name the audit of " in last
    assert main(["verify", str(compared), "--audits", str(before), str(finished / "nowhere")]) == 3
    capsys.readouterr()
    main(["verify", str(compared), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert (facts["end"], facts["differs"], facts["undecided"]["verdict"]) == ("not recomputable", False, 1)


def test_a_wrong_number_differs_whether_or_not_all_others_can_be_recomputed(finished, tmp_path, capsys):
    folder = shutil.copytree(finished / "gated", tmp_path / "gated")
    both = ("--audits", finished / "before", finished / "after")
    code, last = ended(capsys, folder, *both)
    assert code == 0
    assert last.startswith("VERIFIED")
    assert re.search(r" [1-9]\d* by the audit's own rules from these, ", last)
    facts = json.loads((folder / "comparison.json").read_text())
    good = json.dumps(facts)
    for name, value in (("outcome", "breached"), ("reasons", [])):
        facts["gates"][0]["checks"][0][name] = value
        (folder / "comparison.json").write_text(json.dumps(facts))
        rehash(folder, "comparison.json")
        main(["verify", str(folder), *map(str, both), "--all"])
        assert f"differs: gates[0].checks[0].{name}: " in capsys.readouterr().out
        facts = json.loads(good)
    facts["comparisons"][0]["changes"][0]["overall"]["gained"] += 1
    (folder / "comparison.json").write_text(json.dumps(facts))
    rehash(folder, "comparison.json")
    code, last = ended(capsys, folder, *both)
    assert code == 1
    assert last.startswith("DIFFERS: see above (")


def test_a_page_of_a_comparison_that_has_other_bytes_is_named(finished, tmp_path, capsys):
    folder = shutil.copytree(finished / "compared", tmp_path / "compared")
    for name in ("comparison.html", "comparison.md"):
        (folder / name).write_text((folder / name).read_text("utf-8") + "\nAll is well.\n", "utf-8")
        rehash(folder, name)
    assert main(["verify", str(folder), "--audits", str(finished / "before"), str(finished / "after")]) == 1
    text = capsys.readouterr().out
    assert "rendered    0 of 2 files" in text
    assert "differs: comparison.html: line" in text
    assert "differs: comparison.md: line" in text


def test_results_of_another_version_are_not_read_as_this_one(finished, tmp_path, capsys):
    for name, file in (("before", "results.json"), ("compared", "comparison.json")):
        folder = shutil.copytree(finished / name, tmp_path / name)
        facts = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**facts, "schema_version": "7"}))
        rehash(folder, file)
        assert main(["verify", str(folder)]) == 3
        assert f"{file} has schema version '7', and this program verifies version 2: run the audit again" in capsys.readouterr().err
    assert main(["verify", str(finished / "compared"), "--audits", str(finished / "after"), str(tmp_path / "before")]) == 3
    assert "results.json has schema version '7'" in capsys.readouterr().err


def test_of_equally_significant_pairs_the_recorded_one_counts(tmp_path):
    """Which of two equal pairs comes first depends on the last digit of a division, and so on the library."""
    right = np.arange(400) % 100 < np.repeat([80, 60, 80, 60], 100)
    y_true = np.array(["no", "yes"])[np.arange(400) % 2]
    rows = {"race": np.repeat(list("ABCD"), 100), "y_true": y_true, "y_pred": np.where(right, y_true, y_true[::-1])}
    audit(predictions=pd.DataFrame(rows), draws=199, out=tmp_path / "tied")
    facts = json.loads((tmp_path / "tied" / "results.json").read_text())
    [accuracy] = [one for one in facts["audits"][0]["findings"] if one["metric"] == "accuracy"]
    assert accuracy["gap"]["most_significant"] == [["A"], ["B"]]
    for pair, differences in (("CD", 0), ("AD", 0), ("AC", 1), ("BA", 2)):
        accuracy["gap"]["most_significant"] = [[group] for group in pair]
        (tmp_path / "tied" / "results.json").write_text(json.dumps(facts))
        rehash(tmp_path / "tied", "results.json")
        assert len(verify(tmp_path / "tied").differences) == differences, pair


def test_counted_parts_leave_no_answers_to_recompute_from(finished, capsys):
    code, last = ended(capsys, finished / "counted")
    assert code == 1
    assert last.startswith("NOT RECOMPUTABLE: ")
    assert "could not be recomputed, because predictions.parquet is not here; the page, summary, card and tables (" in last


def test_a_planned_question_that_neither_step_recomputed_is_not_verified(tmp_path):
    facts = {"audits": [{"effects": [{"primary": True, "p": 0.1}, {"primary": False, "p": 0.1}]}]}
    found = Verification(FolderSource(tmp_path), Files(""), facts={"results.json": facts})
    assert (found.undecided, found.end) == ({"finding": 1}, "NOT RECOMPUTABLE")
    found = replace(found, second=SecondStep(Ledger({("audits", 0, "effects", 0, "p")})))
    assert (found.undecided, found.end) == ({}, "VERIFIED")


def test_gates_are_left_to_the_second_step_and_nothing_is_verified_without_it(finished, capsys):
    both = ["--audits", str(finished / "before"), str(finished / "after")]
    assert numbers_alone([str(finished / "gated"), *both]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    said = "1 gate could not be recomputed, because vlm-audit verify does that in its second step; the second step was not done: python"
    assert last.startswith(f"NOT RECOMPUTABLE: {said} -m verify recomputes numbers alone (")
    assert numbers_alone([str(finished / "compared"), *both]) == 0
    assert "VERIFIED, without a digest from outside" in capsys.readouterr().out
