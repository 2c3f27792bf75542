"""--name: what a model is called on every page and in every file; names that do not fit are refused before anything is read."""

import json
import re

import pandas as pd
import pytest

import audit
from audit.compare import main as compare
from audit.errors import UsageError
from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest
from audit.options.kinds import MAX_MODEL_NAME
from audit.run import main
from tests.support import comparison_samples as samples

LONG = "clip-vit-l-14-laion2b-s32b-b82k-fairface-val-gender-epoch-{}.csv"
"""Names of files as people have them: no title of a page."""


@pytest.fixture
def tables(tmp_path):
    """Two files of answers: 40 images of each of two groups; of group b, 20 or 2 are wrong."""
    paths = [tmp_path / LONG.format(number) for number in (1, 2)]
    for path, wrong in zip(paths, (20, 2), strict=True):
        rows = pd.DataFrame({"id": [f"i{i}" for i in range(80)], "group": ["a", "b"] * 40, "y_true": ["yes", "yes", "no", "no"] * 20})
        first = rows["group"].eq("b") & rows.groupby("group").cumcount().lt(wrong)
        rows.assign(y_pred=rows["y_true"].where(~first, rows["y_true"].map({"yes": "no", "no": "yes"}))).to_csv(path, index=False)
    return paths


def test_a_name_stands_on_the_page_on_the_terminal_and_in_the_files(tables, tmp_path, capsys):
    sources = [word for path in tables for word in ("--predictions", str(path))]
    assert main([*sources, "--name", "old", "--name", "new", "--out", str(tmp_path / "out")]) == 0

    facts = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert [found["model"]["name"] for found in facts["audits"]] == ["old", "new"]
    assert [(found["before"], found["after"]) for found in facts["paired_models"]["comparisons"]] == [("old", "new")]
    assert set(pd.read_parquet(tmp_path / "out" / "predictions.parquet")["model"]) == {"old", "new"}
    assert "new against old" in capsys.readouterr().out
    for name in ("summary.md", "report.html", "tables/rates.csv"):
        assert re.search(r"\bnew\b", (tmp_path / "out" / name).read_text("utf-8")), name


@pytest.mark.slow
def test_a_name_changes_no_number_and_is_no_part_of_a_fingerprint(tables, tmp_path):
    """The folder of an audit may be filled again under another name: nothing that is cached depends on it."""
    plain, named = (audit.audit(predictions=tables, name=names, out=tmp_path / "out") for names in ((), ("old", "new")))

    for before, after in zip(plain.results.audits, named.results.audits, strict=True):
        assert before.model.fingerprint == after.model.fingerprint
        assert before.findings == after.findings
    assert [found.model.name for found in named.results.audits] == ["old", "new"]


@pytest.mark.slow
def test_the_sides_of_a_comparison_have_names_too(tmp_path):
    for name, wrong in (("skewed", 60), ("plain", 6)):
        samples.audit(tmp_path / name, {"b": wrong})
    sides = [str(tmp_path / name) for name in ("skewed", "plain")]
    assert compare([*sides, "--name", "January", "--name", "March", "--out", str(tmp_path / "out")]) == 0

    facts = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert [side["name"] for side in facts["sides"]] == ["January", "March"]
    assert "<title>March against January</title>" in (tmp_path / "out" / "comparison.html").read_text("utf-8")
    assert audit.compare(*sides, name=("January", "March")).facts.comparisons[0].after == "March"


def test_a_side_that_holds_several_models_keeps_their_names(tables, tmp_path):
    audit.audit(predictions=tables, out=tmp_path / "both")
    audit.audit(predictions=tables[0], out=tmp_path / "one")
    with pytest.raises(UsageError, match="--name 'old' would name 2 models"):
        audit.compare(str(tmp_path / "both"), str(tmp_path / "one"), name=("old", "new"))
    again = tmp_path / "both" / "predictions.parquet"
    with pytest.raises(UsageError, match=r"--name cannot be used with predictions\.parquet"):
        audit.audit(predictions=again, name="old")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("old",), "1 name for 2 models"), (("a", "b", "c"), "3 names for 2 models"), (("old", "old"), "two models are called 'old'"),
        (("old", " old "), "two models are called 'old'"), (("old", ""), "invalid name ('old', '')"), (("old", "  "), "invalid name"),
        (("old", "a\nb"), "invalid name"), (("old", "\u202edlo"), "invalid name"), (("old", "\udcff"), "invalid name"),
        (("old", MAX_MODEL_NAME * "x" + "x"), f"expected names of 1 to {MAX_MODEL_NAME} printable characters"),
    ],
)  # fmt: skip
def test_names_that_do_not_fit_are_refused_before_a_model_is_looked_for(names, said):
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        AuditRequest(model=("nowhere.pt", "neither.pt"), probe="fairface", name=names)
    assert error.value.exit_code == 2
    with pytest.raises(UsageError, match=re.escape(said.replace("models", "sides") if "names for" in said or "name for" in said else said)):
        CompareRequest(sides=("nowhere", "neither"), name=names)


def test_the_longest_name_and_any_script_fit():
    names = (MAX_MODEL_NAME * "x", "模型 β · v2")
    assert AuditRequest(model=("a.pt", "b.pt"), probe="fairface", name=names).name == names
    assert AuditRequest(model="a.pt", probe="fairface", name="baseline").name == ("baseline",)


def test_the_command_refuses_a_wrong_number_with_exit_code_2(tables, tmp_path, capsys):
    assert main(["--predictions", str(tables[0]), "--name", "a", "--name", "b", "--out", str(tmp_path / "out")]) == 2
    assert "2 names for 1 table" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
