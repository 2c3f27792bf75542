"""`--pairs`: rows that agree on one column and differ in an attribute, compared within each pair; by the command."""

import json

import pandas as pd
import pytest

from audit.statistics.paired.intervals import agresti_min
from tests.support.command import command

CELLS = (("thief", "nurse", 30), ("nurse", "thief", 10), ("thief", "thief", 20), ("nurse", "nurse", 60))
"""Dark's answer, light's answer, how many scenes."""


def table():
    answers = [(dark, light) for dark, light, count in CELLS for _ in range(count)]
    rows = [
        (f"s{i}", tone, "AB"[i % 2], f"p{i // 4}", answer)
        for i, pair in enumerate(answers)
        for tone, answer in zip(("dark", "light"), pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["scene", "tone", "place", "person", "y_pred"])


def audited(folder, given, *flags, out="out"):
    given.to_csv(folder / "p.csv", index=False)
    done = command("--predictions", folder / "p.csv", *flags, "--out", folder / out)
    return done, json.loads((folder / out / "results.json").read_text())["audits"][0] if done.returncode == 0 else None


@pytest.mark.slow
def test_does_a_harm_word_appear_when_only_the_tone_changes(tmp_path):
    done, facts = audited(tmp_path, table().drop(columns="person"), "--pairs", "tone=scene", "--outcome", "harm:low=thief")
    assert done.returncode == 0, done.stderr
    [found] = facts["paired"]
    assert (found["first"], found["second"], found["outcome"], found["n"]) == ("dark", "light", "harm", 120)
    assert (found["only_first_correct"], found["only_second_correct"], found["difference"]) == (30, 10, 20 / 120)
    said = "Only the dark image is given ‘harm’ in 30, only the light image in 10: net +17"
    for text in (done.stdout, (tmp_path / "out" / "summary.md").read_text()):
        assert said in " ".join(text.split())
    assert "tone: dark → light (‘harm’)" in (tmp_path / "out" / "report.html").read_text()
    # The column of scenes says what belongs together; nothing is asked by it.
    assert {name for finding in facts["findings"] for name in finding["attributes"]} == {"tone", "place"} == set(facts["data"]["groups"])


@pytest.mark.slow_except("cluster0")
@pytest.mark.parametrize("cluster", [(), ("--cluster", "person")])
def test_the_question_and_the_pairs_give_one_answer(tmp_path, cluster):
    # 30 scenes change one way and 10 the other: the two images of a scene are no independent ones, wherever they are compared.
    flags = ("--pairs", "tone=scene", "--attributes", "tone", "--outcome", "harm:low=thief", *cluster)
    done, facts = audited(tmp_path, table() if cluster else table().drop(columns="person"), *flags)
    ([found], [pairs]) = facts["findings"], facts["paired"]
    gap, own = found["gap"], next(contrast for contrast in found["contrasts"] if contrast["first"] == ["dark"])
    assert gap["within"]["clusters"] == (30 if cluster else 120)
    assert (pairs["difference"], pairs["low"], pairs["high"]) == (own["difference"], own["low"], own["high"])
    assert (gap["value"], gap["low"], gap["high"]) == pytest.approx((abs(pairs["difference"]), max(pairs["low"], 0), pairs["high"]))
    assert (pairs["sign_flip_p"], pairs["p_adjusted"]) == (gap["p"], gap["p_adjusted"])
    if not cluster:
        assert (pairs["low"], pairs["high"]) == pytest.approx(agresti_min(30, 10, 120, 0.05))
        assert gap["p"] == pairs["mcnemar_p"] == own["p"]
    # 2.8 standard errors would be found four times out of five.
    assert gap["minimum_detectable"] == pytest.approx(2.8 * gap["within"]["standard_error"], rel=0.04)
    assert f"Compared within the {'30 clusters' if cluster else '120 sets'}" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_rows_without_a_partner_are_left_out_of_the_pairs_and_too_many_end_them(tmp_path):
    flags = ("--pairs", "tone=scene", "--attributes", "tone", "--outcome", "harm=thief")
    some = table().drop(columns="person")
    _, facts = audited(tmp_path, some.iloc[:-21], *flags)  # the last scenes lose the light image, or both
    assert facts["findings"][0]["gap"]["within"]["images_left_out"] == 1
    alone = pd.concat([some, some.assign(scene="x" + some["scene"]).query("tone == 'dark'")])
    _, facts = audited(tmp_path, alone, *flags)
    assert facts["findings"][0]["gap"]["within"] is None


@pytest.mark.slow
def test_without_an_outcome_each_label_is_asked_about_and_with_a_truth_who_is_right(tmp_path):
    _, facts = audited(tmp_path, table(), "--pairs", "tone=scene")
    assert [each["outcome"] for each in facts["paired"]] == ["thief"]
    _, facts = audited(tmp_path, table().assign(y_true="nurse"), "--pairs", "tone=scene")
    assert [(each["outcome"], each["only_first_correct"]) for each in facts["paired"]] == [(None, 10), ("thief", 30)]


@pytest.mark.slow
def test_pairs_of_one_cluster_count_as_one_unit_and_their_own_predictions_give_the_same(tmp_path):
    flags = ("--pairs", "tone=scene", "--cluster", "person", "--outcome", "harm=thief")
    _, facts = audited(tmp_path, table(), *flags)
    assert (facts["paired"][0]["clusters"], facts["paired"][0]["cluster_attribute"], facts["data"]["clusters"]) == (30, "person", 30)
    made = tmp_path / "out" / "predictions.parquet"
    assert command("--predictions", made, *flags, "--out", tmp_path / "again").returncode == 0
    again = json.loads((tmp_path / "again" / "results.json").read_text())["audits"][0]
    assert (again["paired"], again["findings"]) == (facts["paired"], facts["findings"])


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--pairs", "tone"], 2, "malformed --pairs 'tone'"),
        (["--pairs", "tone=tone"], 2, "malformed --pairs"),
        (["--pairs", "tone=scenes"], 2, "did you mean scene?"),
        (["--pairs", "tones=scene"], 2, "did you mean tone?"),
        (["--pairs", "tone=place"], 3, "not a unique member of a pair"),
        (["--pairs", "place=scene"], 3, "no two rows agree on scene and differ in place"),
        (["--pairs", "tone=scene", "--probe", "fairface"], 2, "--pairs cannot be used with --probe"),
        (["--pairs", "tone=scene", "--weights", "w"], 2, "--pairs cannot be used with --weights"),
    ],
)
def test_pairs_that_mean_nothing_are_refused(tmp_path, flags, code, said):
    done, _ = audited(tmp_path, table().assign(w=1), *flags)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize(
    ("rows", "code"),
    [([(f"s{i}", tone) for i in range(40) for tone in ("dark", "light")], 2), ([(f"s{i // 4}", f"t{i}") for i in range(8)], 3)],
    ids=["too many levels", "no pair"],
)
def test_pairs_the_wrong_way_round_are_asked_about(tmp_path, rows, code):
    given = pd.DataFrame(rows, columns=["scene", "tone"]).assign(y_pred=["x", "y"] * (len(rows) // 2))
    done, _ = audited(tmp_path, given, "--pairs", "scene=tone")
    assert (done.returncode, "did you mean --pairs tone=scene?" in done.stderr) == (code, True), done.stderr


@pytest.mark.slow
def test_that_pairs_are_taken_for_independent_is_said_once(tmp_path):
    done, facts = audited(tmp_path, table().drop(columns="person"), "--pairs", "tone=scene")
    assert (done.stderr.count("--cluster COLUMN"), json.dumps(facts).count("pairs_without_cluster")) == (1, 1)
    done, _ = audited(tmp_path, table(), "--pairs", "tone=scene", "--cluster", "person", out="clustered")
    assert "--cluster COLUMN" not in done.stderr


def test_pairs_are_of_predictions(tmp_path):
    done = command("--model", "x.pt", "--probe", "emoji", "--pairs", "tone=scene")
    assert (done.returncode, "--pairs cannot be used without --predictions" in done.stderr) == (2, True)


def test_an_attribute_of_many_levels_is_not_paired_with_itself(tmp_path):
    rows = [(f"s{i // 12}", f"t{i % 12}", "xy"[i % 2]) for i in range(240)]
    given = pd.DataFrame(rows, columns=["scene", "tone", "y_pred"])
    done, _ = audited(tmp_path, given, "--pairs", "tone=scene")
    assert (done.returncode, "at most 10 are paired" in done.stderr) == (2, True)
