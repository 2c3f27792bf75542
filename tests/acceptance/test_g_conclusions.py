"""Rows G1 to G6: what is planted is found, what is not there is not, what must not matter does not, and no answer passes no gate."""

import json
import random

import numpy as np
import pandas as pd
import pytest

from benchmarks.conclusions.planted import Kind, found, lower
from tests.support.slow_encoder import write_noise

SEVEN = np.full(7, 300)
# The full count, hundreds of files per kind with bands of two standard errors: pytest -m calibration tests/audit/statistics/test_planted.py
SEEDS = [4, pytest.param(20, marks=pytest.mark.slow)]


def answers(n, gap):
    """Return lines of `n` answers in two groups, of which the second is wrong in `gap` more of its rows."""
    wrong = [i // 2 % 100 < 10 + (100 * gap if i % 2 else 0) for i in range(n)]
    return [f"{i},{'ab'[i % 2]},cat,{'dog' if bad else 'cat'}" for i, bad in enumerate(wrong)]


HEADER = "id,group,y_true,y_pred"


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_g1_a_planted_gap_is_found_with_its_group(seeds):
    kind = Kind("one of 7 groups 15 points lower", SEVEN, (lower(SEVEN, 0.9, 0.15),), True, seed=71)
    files = [found(kind, number) for number in range(seeds)]
    assert {file.verdict for file in files} == {"disparity"}
    assert {file.lowest for file in files} == {"g000"}
    held = [x for file in files for x in (*file.rates, *file.contrasts)]
    assert np.mean(held) > 0.88  # 95 %, of a few dozen intervals that are not independent


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_g1_where_nothing_is_planted_nothing_is_found(seeds):
    kind = Kind("7 groups alike", SEVEN, (np.full(7, 0.8),), True, seed=72)
    assert sum(found(kind, number).verdict == "disparity" for number in range(seeds)) <= (1 if seeds < 20 else 3)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_g1_a_small_gap_is_found_about_as_often_as_the_power_says(seeds):
    """Of 7 groups of 200 at .9 one is 10 points lower: power .85 (chi-square, reliability.md section 7)."""
    n = np.full(7, 200)
    kind = Kind("one of 7 groups 10 points lower", n, (lower(n, 0.9, 0.10),), True, seed=73)
    assert sum(found(kind, number).verdict == "disparity" for number in range(seeds)) >= (2 if seeds < 20 else 12)


@pytest.mark.slow
def test_g2_the_order_of_the_rows_decides_nothing(bench, table, results):
    rows = answers(800, 0.05)

    def facts(rows):
        bench.run("--predictions", table("answers", HEADER, rows))
        read = results()
        assert read.pop("timing")
        (audit,) = read["audits"]
        assert audit["model"].pop("sha256")  # of the file, and so with the order of its rows another one
        assert audit["model"].pop("fingerprint")
        return json.dumps(read, sort_keys=True)

    first = facts(rows)
    assert facts(random.Random(0).sample(rows, len(rows))) == first


@pytest.mark.slow_except("0.0-0")
@pytest.mark.parametrize(("gap", "code"), [(0.1, 1), (0.0, 0)])
def test_g3_a_gate_is_breached_where_the_gap_is_planted_and_only_there(bench, table, results, gap, code):
    bench.run("--predictions", table("answers", HEADER, answers(8000, gap)), "--fail-on", "gap>0.05", code=code)
    (gate,) = results()["gates"]
    assert gate["outcome"] == ("breached" if code else "held")


@pytest.mark.slow
def test_g4_too_few_images_are_inconclusive_with_the_gap_that_could_be_seen(bench, table, results):
    words = ("--predictions", table("answers", HEADER, answers(120, 0.1)), "--fail-on", "gap[predictions.accuracy by group]>0.05")
    bench.run(*words, "--require-conclusive", code=1)
    assert [gate["outcome"] for gate in results()["gates"]] == ["inconclusive"]
    (audit,) = results()["audits"]
    accuracy = next(finding for finding in audit["findings"] if finding["id"] == "predictions/accuracy/group")
    assert accuracy["gap"]["minimum_detectable"] > 0.05
    assert "inconclusive" in (bench.out / "report.html").read_text()
    bench.run(*words)  # nobody asked for a conclusion


@pytest.mark.slow
def test_g5_the_size_of_a_batch_changes_no_verdict_and_no_score_by_a_hundred_thousandth(
    bench, inputs, of_any, tmp_path, results, monkeypatch
):
    data = write_noise(bench.folder, 130)
    seen, verdicts = [], []
    for size in (1, 64):
        monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / f"cache-{size}"))
        bench.run(*of_any, "--data", data, "--batch-size", size)
        frame = pd.read_parquet(bench.out / "predictions.parquet")
        scores = [name for name in frame.columns if name.startswith("score")]
        seen.append(np.hstack([np.vstack([np.atleast_1d(cell) for cell in frame[name]]) for name in scores]))
        verdicts.append(results()["audits"][0]["verdict"])
    assert verdicts[0] == verdicts[1]
    assert np.abs(seen[0] - seen[1]).max() < 1e-5


@pytest.mark.slow
def test_g6_a_model_with_one_answer_passes_no_gate_and_one_that_cannot_be_read_leaves_an_error(bench, table, results):
    rows = [f"{i},{'ab'[i % 2]},{'dog' if i % 5 else 'cat'},dog" for i in range(800)]
    bench.cache.mkdir(exist_ok=True)
    junit = bench.cache / "gates.xml"  # anywhere else would be written outside --out
    gated = ("--fail-on", "gap>0.05", "--junit", junit)
    bench.run("--predictions", table("answers", HEADER, rows), *gated, code=1)
    assert [gate["outcome"] for gate in results()["gates"]] == ["not estimable"]
    assert "<failure" in junit.read_text()
    bench.run("--predictions", table("answers", HEADER, rows), *gated, "--allow-undecided")
    assert "<failure" not in junit.read_text()
    bench.run("--model", "absent.pt", "--probe", "emoji", *gated, code=3)
    assert "<error" in junit.read_text()
