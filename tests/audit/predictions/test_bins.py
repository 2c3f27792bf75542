"""Numbers as attributes: cut at edges or quantiles, in tables of predictions and of images; by the command, and by hand."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.errors import DataError, UsageError
from audit.predictions.bins import Bins, parse_bins
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import UNKNOWN, Dataset
from tests.support.command import command

AGES = [3, 17, 18, 29, 30, 59, 60, 75]
"""Two below 18, two from 18 to under 30, two from 30 to under 60, two from 60 on."""
GROUPS = ["under 18", "18 to under 30", "30 to under 60", "60 and over"]


def table(ages=AGES, times=40):
    """Rows of each age; everybody under 18 is called wrong in one of two."""
    rows = [(f"{i}-{age}", age, "yes", "no" if age in AGES[:2] and i % 2 else "yes") for i in range(times) for age in ages]
    return pd.DataFrame(rows, columns=["id", "age", "y_true", "y_pred"])


def audited(folder, given, *flags, name="p.csv", out="out"):
    path = folder / name
    given.to_csv(path, index=False) if name.endswith("csv") else given.to_parquet(path)
    done = command("--predictions", path, *flags, "--out", folder / out)
    facts = json.loads((folder / out / "results.json").read_text())["audits"][0] if done.returncode < 2 else None
    return done, facts


def by_group(facts, finding="predictions/accuracy/age"):
    found = next(each for each in facts["findings"] if each["id"] == finding)
    return {" ".join(rate["group"]): (rate["events"], rate["n"]) for rate in found["by_group"]}


@pytest.mark.slow_except("age=4-p.csv")
@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
@pytest.mark.parametrize("flag", ["age=18,30,60", "age=4"])
def test_the_groups_are_those_counted_by_hand_and_stand_in_their_order(tmp_path, name, flag):
    done, facts = audited(tmp_path, table(), "--bins", flag, name=name)
    assert done.returncode == 0, done.stderr
    assert list(by_group(facts).items()) == [(GROUPS[0], (40, 80)), *((group, (80, 80)) for group in GROUPS[1:])]
    assert "numbers in groups, each with its lower edge: under 18, 18 to under 30" in done.stderr
    groups = pd.read_csv(tmp_path / "out" / "tables" / "groups.csv")
    assert groups.level.tolist() == GROUPS
    page = (tmp_path / "out" / "report.html").read_text()
    places = [page.index(f">{group}<") for group in GROUPS]
    assert places == sorted(places)


def test_fractions_fall_where_they_belong_and_a_number_on_an_edge_belongs_above(tmp_path):
    given = table([17.999, 18.0, 29.5, 30.25])
    _, facts = audited(tmp_path, given, "--bins", "age=18,30.25")
    assert {group: n for group, (_, n) in by_group(facts).items()} == {"under 18": 40, "18 to under 30.25": 80, "30.25 and over": 40}


def test_a_missing_number_is_unknown_and_something_else_is_refused_with_its_row(tmp_path):
    given = table().astype({"age": object})
    given.loc[[0, 1], "age"] = ""
    _, facts = audited(tmp_path, given, "--bins", "age=18,30,60")
    assert by_group(facts)[UNKNOWN][1] == 2
    for cell in ("old", "1_000", "inf", "12;5"):
        given.loc[4, "age"] = cell
        done, _ = audited(tmp_path, given, "--bins", "age=18,30,60", out="refused")
        assert (done.returncode, "first in row 5 after the header" in done.stderr, repr(cell) in done.stderr) == (3, True, True)
        assert not (tmp_path / "refused" / "results.json").exists()


def test_the_note_about_a_column_of_numbers_names_the_flag(tmp_path):
    done, _ = audited(tmp_path, table().assign(race=["A", "B"] * 160))
    assert "not used: 'age' (numbers: --bins age=4)" in done.stderr
    done, _ = audited(tmp_path, table())
    assert (done.returncode, "numbers: --bins age=18,30,60" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--bins", "agee=4"], 2, "did you mean age?"),
        (["--bins", "age"], 2, "malformed --bins 'age'"),
        (["--bins", "age=young,old"], 2, "malformed --bins"),
        (["--bins", "age=30,18"], 2, "the edges do not increase"),
        (["--bins", "age=18"], 2, "one edge is written age=18,"),
        (["--bins", "age=1"], 2, "from 2 to 12 groups"),
        (["--bins", "age=4", "--bins", "age=5"], 2, "each column once"),
        (["--bins", "age=4", "--weights", "age"], 2, "--bins and --weights name one column: 'age'"),
        (["--bins", "y_pred=4"], 3, "not a number"),
    ],
)
def test_bins_that_mean_nothing_are_refused(tmp_path, flags, code, said):
    done, _ = audited(tmp_path, table(), *flags)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_numbers_that_are_nearly_all_the_same_have_no_quantiles(tmp_path):
    done, _ = audited(tmp_path, table([5]), "--bins", "age=4")
    assert (done.returncode, "cannot be cut into 4 groups" in done.stderr) == (3, True)


def test_predictions_of_an_audit_keep_the_groups_and_their_order(tmp_path):
    _, first = audited(tmp_path, table().assign(race=["A", "B"] * 160), "--bins", "age=18,30,60", "--attributes", "age,race")
    made = tmp_path / "out" / "predictions.parquet"
    assert command("--predictions", made, "--out", tmp_path / "again").returncode == 0
    again = json.loads((tmp_path / "again" / "results.json").read_text())["audits"][0]
    assert again["findings"] == first["findings"]
    assert list(by_group(again)) == GROUPS


def test_files_of_several_models_are_cut_at_the_quantiles_of_the_first(tmp_path):
    table().to_csv(tmp_path / "a.csv", index=False)
    table([age + 1 for age in AGES]).to_csv(tmp_path / "b.csv", index=False)
    words = ("--predictions", tmp_path / "a.csv", "--predictions", tmp_path / "b.csv", "--bins", "age=4", "--out", tmp_path / "out")
    assert command(*words).returncode == 0
    audits = json.loads((tmp_path / "out" / "results.json").read_text())["audits"]
    assert [list(by_group(each)) for each in audits] == [GROUPS, GROUPS]


def test_images_are_cut_too(tmp_path):
    faces = four_faces(12)
    ages = [f"{age}" if age else UNKNOWN for age in [0, 20, 40, 60] * 12]
    data = Dataset(**{**vars(faces), "attributes": faces.attributes.assign(age=ages), "levels": {**faces.levels, "age": ()}})
    found = audit.audit(FakeEncoder(), gender_probe(data), by="age", bins={"age": [30, 50]}, min_group_size=5, draws=199)
    rates = next(finding for finding in found.findings if finding.id == "gender/accuracy/age").by_group
    # By four in turn: Black Female (unknown), Black Male called a woman (20), White Female right (40), White Male right (60).
    expected = [("under 30", 0, 12), ("30 to under 50", 12, 12), ("50 and over", 12, 12), (UNKNOWN, 12, 12)]
    assert [(rate.group[0], rate.events, rate.n) for rate in rates] == expected
    plain = audit.audit(FakeEncoder(), gender_probe(data), min_group_size=5, draws=199)
    assert found.results.audits[0].data.fingerprint != plain.results.audits[0].data.fingerprint == faces.fingerprint
    wrong = Dataset(**{**vars(data), "attributes": data.attributes.assign(age=["x", *ages[1:]])})
    with pytest.raises(DataError, match=r"the row of '000.png'"):
        audit.audit(FakeEncoder(), gender_probe(wrong), bins="age=30,50")
    with pytest.raises(UsageError, match="no attribute 'ages' for --bins"):
        audit.audit(FakeEncoder(), gender_probe(data), bins="ages=30,50")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 5, None, 9]), pa.array([1.0, 5.0, float("nan"), 9.0]), pa.array(["1", "5", "", " 9 "]),
        pa.array([Decimal("1.0"), Decimal("5.0"), None, Decimal("9.0")]), pa.array(["1", "5", None, "9"]).dictionary_encode(),
    ],
)  # fmt: skip
def test_every_way_to_store_a_number_reads_alike(tmp_path, values):
    given = pa.table({"age": values, "y_pred": ["a", "b", "a", "b"]})
    pq.write_table(given, tmp_path / "p.parquet")
    read = load_predictions(tmp_path / "p.parquet", ColumnOptions(bins=(parse_bins("age=5,"),)))
    assert read.answers[0].predictions.attributes.age.tolist() == ["under 5", "5 and over", UNKNOWN, "5 and over"]


def test_quantiles_of_ties_are_fewer_groups():
    """Of 1, 1, 1, 1, 2, 3 a third lies below 1: the first edge would be the lowest number, and nobody below it."""
    cut = Bins("x", quantiles=3).resolved(np.array([1.0, 1, 1, 1, 2, 3, np.nan]), "here")
    assert cut.levels == ("under 2", "2 and over")


def test_quantiles_split_as_evenly_as_pandas_where_no_two_numbers_are_equal():
    numbers = np.random.default_rng(0).normal(size=1001)
    for groups in (2, 3, 4, 7, 12):
        ours = pd.Series(Bins("x", quantiles=groups).resolved(numbers, "here").cut(numbers)).value_counts()
        theirs = pd.qcut(numbers, groups).value_counts()
        assert abs(np.sort(ours.to_numpy()) - np.sort(theirs.to_numpy())).max() <= 1
