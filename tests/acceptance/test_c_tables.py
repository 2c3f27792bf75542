"""Rows C1 to C12: tables that are empty, misspelt, ragged or in another encoding, and groups that are few, alone or called None."""

import shutil
import time

import numpy as np
import pytest

from tests.support.limits import limited_line, read_usage


def answers(n, group=lambda i: "ab"[i % 2], truth=lambda i: "cat", given=lambda i: "dog" if i % 8 == 1 else "cat"):
    """Return the lines of `n` predictions: identifier, group, true answer, given answer."""
    return [f"{i},{group(i)},{truth(i)},{given(i)}" for i in range(n)]


HEADER = "id,group,y_true,y_pred"


def by_group(finding):
    return {rate["group"][0]: rate for rate in finding["by_group"]}


def finding(results, name):
    return next(each for each in results["audits"][0]["findings"] if each["id"] == name)


@pytest.mark.slow_except("header_only.csv---data", "zero.csv---predictions", "zero.csv---data", "empty---predictions", "empty---data")
@pytest.mark.parametrize("flag", ["--predictions", "--data"])
@pytest.mark.parametrize("name", ["header_only.csv", "zero.csv", "empty"])
def test_c1_nothing_to_audit_leaves_no_report(bench, hostile, of_any, flag, name):
    (bench.folder / "empty").mkdir()
    place = hostile / "csv" / name if name != "empty" else bench.folder / "empty"
    done = bench.run(*(of_any if flag == "--data" else ()), flag, place, code=3, said=["error[E3]", name])
    assert done.stdout == ""


def test_c2_a_missing_column_is_named_with_those_found_and_the_nearest(bench, inputs):
    table = bench.folder / "labels.csv"
    table.write_text((inputs / "faces" / "fairface_label_val.csv").read_text().replace("gender", "gendre", 1))
    words = ("--model", inputs / "ckpt.pt", "--probe", inputs / "short.py", "--data", table)
    bench.run(*words, code=3, said=["'gender'", "file, age, gendre, race", "did you mean gendre"])


def test_c2_a_misspelt_column_of_answers_gets_the_nearest(bench, table):
    path = table("answers", HEADER.replace("y_pred", "y_perd"), answers(100))
    bench.run("--predictions", path, code=3, said=["'y_pred'", "id, group, y_true, y_perd", "--prediction-column y_perd"])


@pytest.mark.parametrize("name", ["dupcols", "ragged", "utf16", "latin1"])
@pytest.mark.parametrize("flag", ["--predictions", "--data"])
def test_c3_damaged_tables_are_named_with_the_line(bench, hostile, of_any, flag, name):
    said = {"dupcols": ["'race' twice"], "ragged": ["line 2"], "utf16": ["UTF-16"], "latin1": ["not UTF-8", "line 2", "Latin-1"]}[name]
    bench.run(*(of_any if flag == "--data" else ()), flag, hostile / "csv" / f"{name}.csv", code=3, said=said)


@pytest.mark.parametrize("flag", ["--predictions", "--data"])
def test_c3_a_header_in_latin_1_is_named_with_the_way_to_read_it(bench, of_any, flag):
    path = bench.folder / "latin.csv"
    path.write_bytes("image,Ethnicité,y_pred\na.png,A,cat\n".encode("latin-1"))
    bench.run(*(of_any if flag == "--data" else ()), flag, path, code=3, said=["not UTF-8", "line 1", "--encoding"])


def test_c4_groups_called_na_none_and_null_are_groups_and_an_empty_cell_is_missing(bench, table, results):
    names = ["NA", "None", "null", "White"]
    rows = [*answers(400, lambda i: names[i % 4]), "400,,cat,cat"]
    bench.run("--predictions", table("answers", HEADER, rows))
    rates = by_group(finding(results(), "predictions/accuracy/group"))
    assert {name: rates[name]["n"] for name in names} == dict.fromkeys(names, 100)
    assert (rates["unknown"]["n"], rates["unknown"]["status"]) == (1, "unknown")


def test_c5_groups_that_look_alike_are_pointed_out_and_kept_apart(bench, table, results):
    names = ["White", "white ", "Métis", "Me\u0301tis"]
    done = bench.run("--predictions", table("answers", HEADER, answers(400, lambda i: names[i % 4])))
    assert set(by_group(finding(results(), "predictions/accuracy/group"))) >= set(names)
    assert [note["code"] for note in results()["audits"][0]["data"]["notes"]].count("near_duplicates") == 2
    assert done.stderr.count("differ only in case, spaces or Unicode form") == 2
    assert (bench.out / "report.html").read_text().count("differ only in case, spaces or Unicode form") >= 2


def test_c6_a_value_that_is_not_declared_is_named_with_its_count_and_first_line(bench, inputs):
    lines = (inputs / "faces" / "fairface_label_val.csv").read_text().splitlines()
    for line in (5, 9):
        lines[line - 1] = lines[line - 1].replace("White", "Martian")
    shutil.copytree(inputs / "faces", bench.folder / "faces")
    (bench.folder / "faces" / "fairface_label_val.csv").write_text("\n".join(lines) + "\n")
    words = ("--model", inputs / "ckpt.pt", "--probe", inputs / "short.py", "--data", bench.folder / "faces")
    bench.run(*words, code=3, said=["'Martian'", "2 rows", "line 5"])


def test_c7_a_group_of_three_is_shown_with_wilson_and_stays_out_of_the_gap(bench, table, results):
    rows = answers(403, lambda i: "few" if i >= 400 else "ab"[i % 2], given=lambda i: "dog" if i >= 400 or i % 8 == 1 else "cat")
    bench.run("--predictions", table("answers", HEADER, rows))
    found = finding(results(), "predictions/accuracy/group")
    few = by_group(found)["few"]
    assert (few["events"], few["n"], few["status"]) == (0, 3, "small")
    assert (few["low"], few["high"]) == pytest.approx((0, 0.5615), abs=1e-4)  # Wilson: z^2 / (3 + z^2) = 3.841 / 6.841
    assert found["gap"]["value"] == pytest.approx(0.25)
    assert "few" not in str(found["contrasts"])


def test_c8_a_group_without_positives_has_no_rate_and_no_equalized_odds(bench, table, results):
    """All is right. Of the groups in turn every second image of "some" and "more" is a yes, of "none" no image is."""

    def asked(names):
        truth = lambda i: "yes" if names[i % len(names)] != "none" and i // len(names) % 2 else "no"  # noqa: E731
        bench.run("--predictions", table("answers", HEADER, answers(600, lambda i: names[i % len(names)], truth, truth)))
        (odds,) = results()["audits"][0]["evidence"]["equalized_odds"]
        return odds["difference"]

    odds = asked(["none", "some"])
    assert (odds["equalized_odds"], odds["equal_opportunity"], odds["not_compared"]) == (None, None, [["none"]])
    odds = asked(["none", "some", "more"])
    assert odds["equal_opportunity"]["groups"] == [["more"], ["some"]]
    assert odds["not_compared"] == [["none"]]
    rate = by_group(finding(results(), "predictions/true_positive_rate[yes]/group"))["none"]
    assert (rate["n"], rate["status"], rate["low"]) == (0, "not estimable", None)
    assert "not estimable" in (bench.out / "report.html").read_text()


def test_c9_a_single_group_cannot_be_compared(bench, table):
    path = table("answers", HEADER, answers(100, lambda i: "a"))
    bench.run("--predictions", path, "--attributes", "group", code=3, said=["1 group in the column 'group'", "two are required"])
    bench.run("--predictions", path, code=3, said=["1 level"])


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_c10_a_score_that_is_no_number_is_named_by_its_row(bench, table, bad):
    rows = ["1,A,0.75,0.25", "0,B,0.25,0.75", f"1,A,{bad},0.5"]
    bench.run("--predictions", table("scores", "y_true,race,score:1,score:0", rows), code=3, said=["'score:1'", "row 3"])


@pytest.mark.parametrize("weight", ["1e308", "5e-324"])
def test_c10_a_weight_that_no_sum_holds_is_named_by_its_row(bench, table, weight):
    rows = [f"{i},{'ab'[i % 2]},cat,cat,{weight if i == 6 else 1}" for i in range(200)]
    words = ("--predictions", table("answers", "id,group,y_true,y_pred,w", rows), "--weights", "w")
    bench.run(*words, code=3, said=["column 'w', first in row 7 after the header"])


def test_c11_a_label_outside_the_set_is_named(bench, table):
    rows = ["cat,A,0.75,0.25", "cow,B,0.25,0.75"]
    bench.run("--predictions", table("scores", "y_pred,race,score:cat,score:dog", rows), code=3, said=["'cow'"])


@pytest.mark.slow
@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_c12_a_million_rows_of_seven_groups_take_less_than_a_minute(bench, results, tmp_path, n):
    source = np.random.default_rng(0)
    groups, right = source.integers(0, 7, n), source.random(n) < 0.9
    lines = [f"{i},g{group},cat,{'cat' if good else 'dog'}\n" for i, (group, good) in enumerate(zip(groups, right, strict=True))]
    (bench.folder / "answers.csv").write_text(f"{HEADER}\n" + "".join(lines))
    started, usage = time.monotonic(), tmp_path / "usage"
    bench.process("--predictions", bench.folder / "answers.csv", under=limited_line(usage, 0))
    assert time.monotonic() - started < 60
    assert read_usage(usage).peak_mib < 4096
    assert sum(rate["n"] for rate in finding(results(), "predictions/accuracy/group")["by_group"]) == n
