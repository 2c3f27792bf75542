"""--attributes, --by, --exclude and --untrained-control through the command, on plain pictures and a small model with random weights."""

import json

import pandas as pd
import pytest

import audit
from audit.errors import UsageError
from audit.gates.parse import parse
from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest
from audit.results import from_json
from audit.run import main
from reports.text.gates import check_reason
from reports.text.reasons import audit_reason, reason
from tests.support.command import command
from tests.support.notes import sentences, told


def audited(*words, out):
    assert main([*map(str, words), "--out", str(out)]) == 0
    return json.loads((out / "results.json").read_text("utf-8"))["audits"][0]


def test_all_three_at_once(tmp_path, checkpoint, faces, short, capsys):
    (tmp_path / "wrong.txt").write_text("val/0.jpg\nval/1.jpg\nval/nobody.jpg\n")
    words = ("--model", checkpoint, "--probe", short, "--data", faces, "--min-group-size", 5)
    audit = audited(*words, "--by", "race,gender,age", "--exclude", tmp_path / "wrong.txt", "--untrained-control", out=tmp_path / "out")
    deep = next(finding for finding in audit["findings"] if finding["attributes"] == ["race", "gender", "age"])

    assert not deep["primary"]
    assert len(deep["by_group"]) == 126
    # 40 of two races and two genders; two White faces are left out: 9, 9, 10 and 10 in one age.
    assert sorted(cell["n"] for cell in deep["by_group"])[-4:] == [9, 9, 10, 10]
    assert audit["data"]["used"] == 38
    [left_out] = audit["data"]["exclusions"]
    assert (told(left_out["reason"]), left_out["count"], left_out["by_group"]["race"]) == ("listed in wrong.txt", 2, {"White": 2})
    assert "1 of the 3 identifiers in wrong.txt belong to no image of this data set." in map(told, audit["data"]["notes"])
    primary = [finding["id"] for finding in audit["findings"] if finding["primary"]]
    assert [each["finding"] for each in audit["untrained_control"]["findings"]] == primary
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "ntrained control" in page
    assert "0.jpg" not in page
    capsys.readouterr()


def test_a_row_of_predictions_can_be_excluded(tmp_path, capsys):
    table = pd.DataFrame({"id": [f"i{i}" for i in range(100)], "race": ["A", "B"] * 50, "y_pred": ["x", "y", "x", "x"] * 25})
    table.to_csv(tmp_path / "answers.csv", index=False)
    (tmp_path / "wrong.txt").write_text("i1\ni3\nnobody\n")
    words = ("--predictions", tmp_path / "answers.csv", "--exclude", tmp_path / "wrong.txt")
    audit = audited(*words, out=tmp_path / "out")
    assert (audit["data"]["used"], audit["data"]["listed"]) == (98, 100)
    [left_out] = audit["data"]["exclusions"]
    assert (told(left_out["reason"]), left_out["count"], left_out["by_group"]) == ("listed in wrong.txt", 2, {"race": {"B": 2}})
    assert "1 of the 3 identifiers in wrong.txt belong to no row." in map(told, audit["data"]["notes"])
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert ("Left out: 2" in page, "No image was left out" in page) == (True, False)
    assert "left out 2 rows (listed in wrong.txt)" in capsys.readouterr().err


@pytest.mark.slow
def test_listed_rows_are_not_covered_by_what_is_called_equivalent(tmp_path, capsys):
    """9 of 10 right in either of two groups of 3,000: equivalent, a gate holds, and both say what they do not cover."""
    rows = [f"i{i},{'AB'[i % 2]},yes,{'no' if i // 2 % 10 == 0 else 'yes'}" for i in range(6000)]
    (tmp_path / "answers.csv").write_text("\n".join(["id,race,y_true,y_pred", *rows]))
    (tmp_path / "wrong.txt").write_text("i1\ni3\n")
    words = ("--predictions", tmp_path / "answers.csv", "--fail-on", "gap > 0.05")
    said = "Not covered: 2 images left out (listed in wrong.txt)."

    for more, covered in (((), False), (("--exclude", tmp_path / "wrong.txt"), True)):
        audit = audited(*words, *more, out=tmp_path / "out")
        gate = json.loads((tmp_path / "out" / "results.json").read_text())["gates"][0]
        assert (audit["verdict"], gate["outcome"]) == ("equivalent", "held")
        found = from_json((tmp_path / "out" / "results.json").read_text())
        texts = (
            audit_reason(found.audits[0]),
            reason(found.audits[0].findings[0], found.audits[0], found.settings),
            check_reason(found.gates[0].checks[0], found),
            " ".join(capsys.readouterr().out.split()),
        )
        assert [said in text for text in texts] == [covered] * 4


REFUSED = [("--by=race", "--by requires --probe"), ("--untrained-control", "--untrained-control cannot be used with --predictions")]


@pytest.mark.parametrize(("word", "said"), REFUSED)
def test_what_says_nothing_about_predictions_is_refused(tmp_path, capsys, word, said):
    (tmp_path / "answers.csv").write_text("race,y_pred\nA,x\nB,y\n")
    assert main(["--predictions", str(tmp_path / "answers.csv"), word]) == 2
    assert said in capsys.readouterr().err


def test_a_probe_compares_by_the_named_attributes_alone(tmp_path, checkpoint, faces, short, capsys):
    words = ("--model", checkpoint, "--probe", short, "--data", faces, "--min-group-size", 5, "--attributes", "age,gender")
    found = audited(*words, out=tmp_path / "out")
    assert {name for finding in found["findings"] for name in finding["attributes"]} <= {"age", "gender"}
    assert {tuple(finding["attributes"]) for finding in found["findings"] if finding["primary"]} == {("age",), ("gender",)}
    assert "the attributes age, gender" in " ".join(capsys.readouterr().out.split())
    assert main(["--model", str(checkpoint), "--probe", "text_only", "--attributes", "race"]) == 2
    assert "it compares no rate of answers between groups" in capsys.readouterr().err


def test_an_attribute_that_does_not_exist_gets_its_nearest(tmp_path, checkpoint, faces, short, capsys):
    words = ["--model", checkpoint, "--probe", short, "--data", faces, "--by", "rase,gender", "--out", tmp_path / "out"]
    assert main([str(word) for word in words]) == 2
    assert "no attribute 'rase' to slice by" in capsys.readouterr().err


def test_options_gates_and_python_read_one_kind_of_fraction():
    for text in ("0.05", "5%", "5 %", "5 points", "5points", "5 pp", ".05", "5e-2"):
        assert AuditRequest(predictions="a.csv", tolerance=text, max_skip=text, alpha=text).tolerance == pytest.approx(0.05), text
        assert CompareRequest(sides=("a", "b"), tolerance=text).tolerance == pytest.approx(0.05)
        assert parse(f"gap > {text}").limit == pytest.approx(0.05)
    for text in ("5 point s", "five", "0_5", "nan", "5 % points", ""):
        with pytest.raises(UsageError, match="invalid tolerance"):
            AuditRequest(predictions="a.csv", tolerance=text)
        with pytest.raises(UsageError, match="invalid limit"):
            parse(f"gap > {text}")


def test_an_index_column_of_pandas_is_no_attribute(tmp_path):
    table = pd.DataFrame({"race": ["A", "B"] * 40, "y_pred": ["x", "y", "y", "y"] * 20})
    (tmp_path / "once.csv").write_text(table.to_csv())
    pd.read_csv(tmp_path / "once.csv").assign(**{"Unnamed: 0.1": ["1", "2"] * 40}).to_csv(tmp_path / "twice.csv", index=False)
    results = audit.audit(predictions=tmp_path / "twice.csv", min_group_size=5).results.audits[0]
    assert {finding.attributes for finding in results.findings} == {("race",)}
    assert "Columns that were not used: 'Unnamed: 0', 'Unnamed: 0.1'." in sentences(results.data.notes)
    chosen = audit.audit(predictions=tmp_path / "twice.csv", attributes="race,Unnamed: 0.1", min_group_size=5)  # unless it is named
    assert ("Unnamed: 0.1",) in {finding.attributes for finding in chosen.findings}


@pytest.mark.slow_except("10 %")
@pytest.mark.parametrize("alpha", ["0.1", "10%", "10 %"])
def test_a_share_may_be_written_in_percent(tmp_path, alpha):
    (tmp_path / "p.csv").write_text("g,y_pred\n" + "A,x\nB,y\n" * 40)
    done = command("--predictions", tmp_path / "p.csv", "--alpha", alpha, "--tolerance", "20 %", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "out" / "results.json").read_text())["settings"]
    assert (settings["alpha"], settings["tolerance"]) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("share", "said"),
    [("much", "invalid max skip 'much': expected 0 ≤ x < 1, such as 0.2, 20 % or 20 points"), ("100%", "expected 0 ≤ x < 1")],
)
def test_a_share_that_is_none_is_refused(tmp_path, share, said):
    done = command("--predictions", tmp_path / "p.csv", "--max-skip", share)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_the_help_of_a_comparison_has_no_markup():
    done = command("--help", module="audit.compare")
    assert (done.returncode, "``" in done.stdout) == (0, False)
