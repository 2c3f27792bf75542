"""Files of predictions, audited and compared: which rows belong together, and which rows are the same."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.commands.verify import verify
from audit.compare import main as compare
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.run import main
from tests.support.notes import told


def people(wrong, *, ids=True, people=80, size=5):
    """Images of people: each person is of one of two groups, and all images of the first `wrong` people of group b are answered wrongly."""
    rows = [(f"p{i % people}", "ab"[i % 2], i) for i in range(people * size)]
    table = pd.DataFrame(rows, columns=["person", "group", "id"])
    number = np.array([int(person[1:]) for person in table["person"]])
    table["y_true"] = np.where(number < 70, "yes", "no")
    table["y_pred"] = np.where((table["group"] == "b") & (number < 2 * wrong), "no", table["y_true"])
    return table if ids else table.drop(columns="id")


def audited(table, folder, *flags):
    """Audit a table, or the predictions of an audit, and return the audit of its results.json."""
    path = table
    if isinstance(table, pd.DataFrame):
        path = folder.with_suffix(".csv")
        table.to_csv(path, index=False)
    assert main(["--predictions", str(path), "--out", str(folder), *flags]) == 0
    return json.loads((folder / "results.json").read_text())["audits"][0]


def ended(tmp_path, *names):
    """Compare finished audits and return the exit code."""
    return compare([*(str(tmp_path / name) for name in names), "--out", str(tmp_path / "comparison")])


def compared(tmp_path, *names):
    """Compare finished audits and return the first comparison of the page."""
    assert ended(tmp_path, *names) == 0
    return json.loads((tmp_path / "comparison" / "comparison.json").read_text())["comparisons"][0]


def change(comparison, name="predictions/accuracy/group"):
    return next(each for each in comparison["changes"] if each["id"] == name)


def test_a_gap_does_not_shrink_into_answers_that_do_not_depend_on_the_images(tmp_path, capsys):
    """Before, 95 % of a and 70 % of b are right; after, every answer is "yes", and half of both are."""
    at = np.arange(1600)
    table = pd.DataFrame({"id": at, "group": np.array(list("ab"))[at % 2], "y_true": np.where(at // 2 % 2, "yes", "no")})
    right = at // 4 % 20 < np.where(table["group"] == "a", 19, 14)
    audited(table.assign(y_pred=np.where(right, table["y_true"], np.where(at // 2 % 2, "no", "yes"))), tmp_path / "before")
    assert audited(table.assign(y_pred="yes"), tmp_path / "after")["verdict"] == "not estimable"
    capsys.readouterr()
    comparison = compared(tmp_path, "before", "after")
    found = change(comparison)
    assert found["gap"]["high"] < 0
    assert (found["verdict"], found["direction"], comparison["direction"]) == ("inconclusive", None, None)
    said = " ".join(capsys.readouterr().out.split())
    assert "shrank" not in said
    assert "smaller gaps do not count" in said
    assert verify(tmp_path / "comparison").differences == []


# ---- clusters ------------------------------------------------------------------------------------------------------------------------


def test_images_of_one_person_count_as_one_case_in_a_comparison_of_two_files(tmp_path, capsys):
    """Of 40 people of group b, five images each, 4 are wrong before and none after: 20 images gained, of 4 people."""
    for name, wrong in (("before", 4), ("after", 0)):
        audit = audited(people(wrong), tmp_path / name, "--cluster", "person")
        assert (audit["data"]["cluster"], audit["data"]["clusters"], list(audit["data"]["groups"])) == ("person", 80, ["group"])
    comparison = compared(tmp_path, "before", "after")
    group_b = change(comparison)["by_group"][1]
    assert (comparison["cluster"], group_b["before"]["n"], group_b["before"]["clusters"], group_b["gained"]) == ("person", 200, 40, 20)
    # All images of a person change sign together: p of 4 people of 4, not of 20 images of 20.
    assert group_b["p"] == pytest.approx(2 * 0.5**4, abs=0.02)
    assert "The sampling unit is the person." in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_every_change_is_counted_by_person_and_those_of_false_positives_too(tmp_path):
    """The audit asks for equalized odds on images; the comparison knows the people, and counts them."""
    for name, wrong in (("before", 20), ("after", 5)):
        table = people(wrong)
        table["y_true"] = np.where(table["id"] % 3 == 0, "no", "yes")
        audited(table, tmp_path / name, "--cluster", "person")
    cells = [cell for each in compared(tmp_path, "before", "after")["changes"] for cell in each["by_group"]]
    assert {cell["before"]["clusters"] is None for cell in cells} == {False}


def test_what_one_audit_knows_of_clusters_holds_for_both_and_is_said(tmp_path):
    audited(people(20), tmp_path / "by_image")
    audited(people(0), tmp_path / "by_person", "--cluster", "person")
    for names in (("by_image", "by_person"), ("by_person", "by_image")):
        comparison = compared(tmp_path, *names)
        assert (comparison["cluster"], change(comparison)["by_group"][1]["before"]["clusters"]) == ("person", 40)
        notes = map(told, json.loads((tmp_path / "comparison" / "comparison.json").read_text())["notes"])
        said = any("each image as independent" in note and "here all images of one 'person' count as one." in note for note in notes)
        assert said == (names[0] == "by_image")


@pytest.mark.slow
def test_audits_that_disagree_about_who_is_who_are_refused(tmp_path, capsys):
    other = people(0)
    other.loc[:3, "person"] = "p79"
    for name, table in (("before", people(20)), ("after", other)):
        audited(table, tmp_path / name, "--cluster", "person")
    assert ended(tmp_path, "before", "after") == 3
    assert "person differs for 4 of 400 images" in capsys.readouterr().err


def test_predictions_of_an_older_version_that_forgot_the_people_are_not_paired_and_do_not_crash(tmp_path):
    for name, wrong in (("before", 20), ("after", 0)):
        audited(people(wrong), tmp_path / name, "--cluster", "person")
        path = tmp_path / name / "predictions.parquet"
        table = pq.read_table(path)
        kept = {"vlm_audit.labels": table.schema.metadata[b"vlm_audit.labels"]}
        pq.write_table(table.drop_columns(["person"]).replace_schema_metadata(kept), path)
        (tmp_path / name / "manifest.json").unlink()
    comparison = compared(tmp_path, "before", "after")
    assert (comparison["changes"], comparison["verdict"]) == ([], "inconclusive")
    assert {note["code"] for note in comparison["not_compared"]} == {"no_clusters"}


@pytest.mark.slow
def test_an_audit_of_the_predictions_of_an_audit_takes_its_clusters_and_says_so(tmp_path, capsys):
    first = audited(people(20), tmp_path / "first", "--cluster", "person")
    capsys.readouterr()
    again = audited(tmp_path / "first" / "predictions.parquet", tmp_path / "again")
    for key in ("cluster", "clusters", "groups"):
        assert again["data"][key] == first["data"][key]
    assert again["findings"] == first["findings"]
    said = "Rows of one 'person' count as one sampling unit, as in the audit that wrote predictions.parquet."
    assert said in map(told, again["data"]["notes"])
    assert said in capsys.readouterr().err
    # And once more: what the second audit leaves behind knows the people too.
    assert audited(tmp_path / "again" / "predictions.parquet", tmp_path / "third")["findings"] == first["findings"]


def test_identifiers_that_are_the_clusters_are_kept_once(tmp_path):
    table = people(20).drop(columns="id").rename(columns={"person": "id"})
    first = audited(table, tmp_path / "first", "--cluster", "id")
    left = pq.read_table(tmp_path / "first" / "predictions.parquet")
    again = audited(tmp_path / "first" / "predictions.parquet", tmp_path / "again")
    assert (left.column_names.count("id"), "id_attribute" in left.column_names) == (1, False)
    assert (again["data"]["cluster"], again["data"]["clusters"]) == ("id", 80)
    assert again["findings"] == first["findings"]


def test_rows_whose_cluster_is_not_known_are_cases_of_their_own(tmp_path):
    """As in the audit itself, where an attribute says the clusters: "unknown" is no person of many images."""
    persons = ["x", "unknown", "x", "unknown", "y"]
    table = pa.table({
        "model": list("mmmmm"), "probe": list("mmmmm"), "measurement": list("qqqqq"), "id": list("abcde"), "person": persons,
        "group": list("ababa"), "y_true": pa.nulls(5, pa.string()), "y_pred": list("stsst"),
    })  # fmt: skip
    facts = {"vlm_audit.labels": '{"m/q": []}', "vlm_audit.cluster": '{"m": "person"}'}
    pq.write_table(table.replace_schema_metadata(facts), tmp_path / "p.parquet")
    answers = load_predictions(tmp_path / "p.parquet", ColumnOptions()).answers[0]
    numbers = answers.predictions.cluster
    assert (answers.cluster, list(answers.predictions.attributes)) == ("person", ["group"])
    assert (numbers[0] == numbers[2], len(set(numbers.tolist()))) == (True, 4)
    assert list(answers.predictions.cluster_names.take(numbers)) == persons


# ---- rows without identifiers --------------------------------------------------------------------------------------------------------

BY_PLACE = "Images were paired by their position in the file, because the files have no column id"


@pytest.mark.slow
def test_rows_without_identifiers_are_paired_by_their_place_and_that_is_said(tmp_path, capsys):
    for name, wrong in (("before", 20), ("after", 0)):
        audited(people(wrong, ids=False), tmp_path / name, "--attributes", "group")
    capsys.readouterr()
    comparison = compared(tmp_path, "before", "after")
    assert (comparison["by_place"], comparison["images"]) == (True, 400)
    texts = [capsys.readouterr().out, *((tmp_path / "comparison" / f"comparison.{kind}").read_text() for kind in ("md", "html"))]
    assert [BY_PLACE in " ".join(text.split()) for text in texts] == [True] * 3
    assert ["add a column id to both files and audit again" in " ".join(text.split()) for text in texts] == [True] * 3


@pytest.mark.slow
def test_identifiers_that_are_numbers_are_identifiers(tmp_path, capsys):
    for name, wrong in (("before", 20), ("after", 0)):
        table = people(wrong)
        audited(table.assign(id=table["id"] + 1), tmp_path / name, "--attributes", "group")
    capsys.readouterr()
    assert compared(tmp_path, "before", "after")["by_place"] is False
    assert "by their place" not in capsys.readouterr().out


@pytest.mark.slow
def test_the_predictions_of_an_audit_still_know_that_their_rows_are_only_numbered(tmp_path):
    audited(people(20, ids=False), tmp_path / "first", "--attributes", "group")
    audited(people(0, ids=False), tmp_path / "other", "--attributes", "group")
    again = audited(tmp_path / "first" / "predictions.parquet", tmp_path / "again")
    assert again["data"]["numbered"] is True
    assert compared(tmp_path, "other", "again")["by_place"] is True


def test_rows_in_another_order_whose_attributes_differ_are_refused_with_the_way_out(tmp_path, capsys):
    audited(people(20, ids=False), tmp_path / "before", "--attributes", "group")
    audited(people(0, ids=False).iloc[::-1], tmp_path / "after", "--attributes", "group")
    assert ended(tmp_path, "before", "after") == 3
    said = capsys.readouterr().err
    # Groups a and b alternate: backwards each row has the other one.
    assert "group differs for 400 of 400 images in the same place of the file, which gives no identifiers" in said
    assert "give both files a column id" in said


def test_predictions_that_unfold_to_too_much_are_refused_before_they_are_read(tmp_path, capsys):
    """A stranger's folder whose manifest is right: identifiers that hold one text a thousand times are small on disk, and not in memory."""
    audited(people(4), tmp_path / "before")
    audited(people(0), tmp_path / "after")
    path = tmp_path / "after" / "predictions.parquet"
    table = pq.read_table(path)
    expansion_error = pa.DictionaryArray.from_arrays(pa.array([0] * len(table), pa.int32()), ["x" * 2**20])
    pq.write_table(table.set_column(table.column_names.index("id"), "id", expansion_error), path, compression="zstd")
    manifest = tmp_path / "after" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["files"]["predictions.parquet"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(content))
    capsys.readouterr()
    assert ended(tmp_path, "before", "after") == 4
    assert "predictions.parquet" in (shown := capsys.readouterr().err)
    assert "unfold" in shown
