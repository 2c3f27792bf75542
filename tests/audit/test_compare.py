"""The command from outside: finished audits and models, exit codes, words, files."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from audit.compare import main
from audit.records.comparison import from_json
from audit.statistics import metrics
from audit.statistics.paired.changes import gap_change
from audit.statistics.paired.joint import BOTH, ONLY_AFTER, ONLY_BEFORE, JointCounts
from tests.support import comparison_samples as samples
from tests.support.command import process
from tests.support.tiny import write_checkpoint


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audits")
    samples.audit(folder / "skewed", {"b": 60})
    samples.audit(folder / "plain", {"b": 6})
    return folder


@pytest.fixture
def inside(audits, monkeypatch):
    monkeypatch.chdir(audits)
    return audits


@pytest.mark.slow
def test_two_finished_audits(inside, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["skewed", "plain", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "STATUS",
        "comparison.html",
        "comparison.json",
        "comparison.md",
        "manifest.json",
        "run.log",
    ]
    assert (out / "STATUS").read_text() == "complete\n"
    facts = from_json((out / "comparison.json").read_text())
    assert facts.comparisons[0].direction == "shrank"
    assert facts.command == ("vlm-audit compare", "skewed", "plain", "--out", "out")
    printed = capsys.readouterr()
    assert "gap shrank" in printed.out
    assert printed.out.splitlines()[-1] == str(out / "comparison.html")
    assert str(tmp_path) not in (out / "comparison.html").read_text() + (out / "comparison.json").read_text()


OF_THE_RUN = r"\d+ \w+ \d{4}, \d\d:\d\d UTC|took [\d.]+ seconds|[0-9a-f]{64}"
"""When it ran and how long it took, and hashes, which hold this."""


@pytest.mark.slow
def test_equal_commands_give_equal_files_but_for_the_time(inside, tmp_path, capsys):
    """The second in a process that hashes texts otherwise: a set of them has another order there."""
    words, out = ["skewed", "plain", "--out", str(tmp_path / "out")], tmp_path / "out"

    def written():
        facts = json.loads((out / "comparison.json").read_text()) | {"timing": None}
        return facts, [re.sub(OF_THE_RUN, "", (out / name).read_text()) for name in ("comparison.html", "comparison.md")]

    assert main(words) == 0
    first = written()
    assert process(*words, module="audit.compare", env={**os.environ, "PYTHONHASHSEED": "1"}).returncode == 0
    assert written() == first


def test_the_settings_are_those_of_the_first_audit_unless_typed(inside, tmp_path, capsys):
    assert main(["skewed", "plain", "--alpha", "0.01", "--tolerance=0.5", "--seed", "4", "--out", str(tmp_path / "out")]) == 0
    facts = from_json((tmp_path / "out" / "comparison.json").read_text())
    assert (facts.settings.alpha, facts.settings.seed, facts.settings.draws) == (0.01, 4, samples.SETTINGS.draws)
    assert {change.tolerance for change in facts.comparisons[0].changes} == {0.5}


@pytest.mark.slow_except(
    "arguments0-2-a comparison needs two models",
    "arguments1-2---probe is missing: 'absent.pt' is not a finished audit",
    "arguments3-2---data cannot be used here",
    "arguments4-2-does not say how many steps",
    "arguments5-2-invalid alpha '0.9'",
    "arguments6-2-did you mean --series",
    "arguments7-2-SIDE",
)
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["skewed"], 2, "a comparison needs two models"),
        (["skewed", "absent.pt"], 2, "--probe is missing: 'absent.pt' is not a finished audit"),
        (["skewed", "absent.pt", "--probe", "emoji"], 3, "absent.pt"),
        (["skewed", "plain", "--data", "x"], 2, "--data cannot be used here"),
        (["skewed", "plain", "--series"], 2, "does not say how many steps"),
        (["skewed", "plain", "--alpha", "0.9"], 2, "invalid alpha '0.9'"),
        (["skewed", "plain", "--serie"], 2, "did you mean --series"),
        ([], 2, "SIDE"),
    ],
)
def test_bad_input_is_told(inside, tmp_path, capsys, arguments, code, said):
    try:
        ended = main([*arguments, "--out", str(tmp_path / "out")] if arguments else [])
    except SystemExit as stop:
        ended = stop.code
    told = capsys.readouterr().err
    assert ended == code, told
    assert said in told
    assert "Traceback" not in told


def test_a_failed_comparison_says_so_in_its_folder(inside, tmp_path, capsys):
    other = samples.audit(tmp_path / "other", {}, asked=samples.measurement("a photo of a {}"))
    assert main(["skewed", str(other), "--out", str(tmp_path / "out")]) == 3
    assert "asked different questions" in capsys.readouterr().err
    assert (tmp_path / "out" / "STATUS").read_text() == "failed\n"
    assert "asked different questions" in (tmp_path / "out" / "run.log").read_text()
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_a_folder_with_other_things_and_that_of_a_side_are_left_alone(inside, tmp_path, capsys):
    (tmp_path / "diary.txt").write_text("mine")
    for folder, said in ((tmp_path, "holds other things"), (Path("plain"), "holds an audit")):
        before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        assert main(["skewed", "plain", "--out", str(folder)]) == 2
        assert said in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_defect_is_seventy(inside, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("audit.comparison.engine.adjusted", lambda changes: 1 / 0)
    assert main(["skewed", "plain", "--out", str(tmp_path / "out")]) == 70
    assert "internal error: ZeroDivisionError" in capsys.readouterr().err


def one_image_moved(to):
    """An image of the first group that is an event on both sides is counted in another cell."""

    def counted(groups, cells, *rest):
        moved = cells.copy()
        moved[0, [BOTH, to]] += [-1, 1]
        return JointCounts(groups, moved, *rest)

    return "audit.comparison.counts.JointCounts", counted


def another_gap():
    def changed(*given):
        gap = gap_change(*given)
        return dataclasses.replace(gap, difference=gap.difference + 0.001)

    return "audit.comparison.counts.gap_change", changed


def one_row_more():
    """An image more of the first row in what is handed to `MetricFrame`."""
    coded = metrics._coded

    def handed(*given):
        *columns, n = coded(*given)
        return *columns, n + (np.arange(len(n)) == 0)

    return "audit.statistics.metrics._coded", handed


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (one_image_moved(ONLY_AFTER), "animal/accuracy/group: fairlearn computes 1 for a, and the counts give 0.99"),
        (one_image_moved(ONLY_BEFORE), "animal/accuracy/group: fairlearn computes 1 for a, and the counts give 0.99"),
        (another_gap(), "animal/accuracy/group: fairlearn's rates differ by -0.45, and the gap is -0.449"),
        (one_row_more(), "animal/accuracy/group: fairlearn computes 0.833795 for all images, and the counts give 0.833333"),
    ],
    ids=["counts before", "counts after", "change of the gap", "frame"],
)
def test_rates_that_differ_from_those_of_fairlearn_end_a_comparison(plant, told, inside, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(*plant)
    assert main(["skewed", "plain", "--out", str(tmp_path / "out")]) == 70
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "comparison.json").exists()


# ---- models --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Three steps of one run: small models with random weights."""
    folder = tmp_path_factory.mktemp("run")
    for step in (0, 10, 20):
        write_checkpoint(folder / f"step-{step:06d}.pt", seed=step, step=step, account={"identity": {"run.seed": 1}})
    return folder


@pytest.fixture
def compared(tmp_path, faces, short):
    """Return a function that compares models, and the facts that it leaves."""

    def compared(*specs):
        words = [*specs, "--probe", short, "--data", faces, "--min-group-size", 10, "--out", tmp_path / "out"]
        assert main(list(map(str, words))) == 0
        return from_json((tmp_path / "out" / "comparison.json").read_text())

    return compared


@pytest.mark.slow
def test_models_are_audited_first_and_three_of_one_run_are_a_series(checkpoints, compared, tmp_path, capsys):
    facts = compared(*(checkpoints / f"step-{step:06d}.pt" for step in (20, 0, 10)))
    assert [point.step for point in facts.series[0].trajectories[0].points] == [0, 10, 20]
    assert [(comparison.images, comparison.only_before) for comparison in facts.comparisons] == [(40, 0)]
    assert len(list((tmp_path / "out" / "audits").glob("*/report.html"))) == 3
    printed = capsys.readouterr()
    assert printed.out.startswith("step by step")
    assert not re.search(r"report\.html", printed.out)  # the audits' own tables go to stderr
    # Again, from the audits that were left: nothing is embedded, and the numbers are the same.
    left = sorted(str(path.parent) for path in (tmp_path / "out" / "audits").glob("*/STATUS"))
    assert main([*left, "--out", str(tmp_path / "again")]) == 0
    again = from_json((tmp_path / "again" / "comparison.json").read_text())
    assert (again.series, again.comparisons) == (facts.series, facts.comparisons)


@pytest.mark.slow
def test_the_same_model_twice_has_no_change(checkpoints, compared, capsys):
    [comparison] = compared(*[checkpoints / "step-000000.pt"] * 2).comparisons
    judged = [change for change in comparison.changes if change.gap]
    assert {change.gap.difference for change in judged} == {0.0}
    assert {change.verdict for change in judged} == {"equivalent"}
