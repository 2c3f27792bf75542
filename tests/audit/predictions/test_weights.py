"""A column of weights: what is wrong with it, rows of weight 0, and what an audit that took it says of itself."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import audit
from audit.data import load_dataset
from audit.data.schema import Schema
from audit.errors import DataError, UsageError
from audit.predictions.weights import with_weights
from audit.run import main
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Settings
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.text.notes import sentence
from tests.support.page_text import text_of

SETTINGS = Settings(draws=199)


def table(n=400, seed=0):
    source = np.random.default_rng(seed)
    race, truth = source.choice(["A", "B", "C"], n), source.choice(["cat", "dog"], n)
    right = source.random(n) < np.where(race == "C", 0.5, 0.9)
    answer = np.where(right, truth, np.where(truth == "cat", "dog", "cat"))
    ids = [f"i{row}" for row in range(n)]
    return pd.DataFrame({"id": ids, "race": race, "y_true": truth, "y_pred": answer, "w": source.lognormal(0, 0.5, n).round(3)})


def audited(rows, **options):
    return audit.audit(predictions=rows, attributes="race", settings=SETTINGS, **{"weights": "w", **options})


def of_race(done):
    return done.by_group()[lambda rows: rows.finding == "predictions/accuracy/race"].set_index("group")


def with_cell(value, row=6):
    rows = table().astype({"w": object})
    rows.loc[row, "w"] = value
    return rows


@pytest.mark.parametrize(
    ("value", "what", "found"),
    [
        (-0.5, "negative", "'-0.5'"), (np.nan, "missing", "nothing"), (None, "missing", "nothing"), (np.inf, "not a finite", "'inf'"),
        ("", "missing", "nothing"), ("1,5", "not a finite", "'1,5'"), ("heavy", "not a finite", "'heavy'"),
        ("-1e-3", "negative", "'-1e-3'"),
        ("1_000", "not a finite", "'1_000'"), ("1e999", "not a finite", "'1e999'"),
    ],
)  # fmt: skip
def test_a_weight_that_is_none_names_its_row(value, what, found, tmp_path, capsys):
    rows = with_cell(value)
    path = tmp_path / "answers.csv"
    rows.to_csv(path, index=False)
    rows = rows.assign(w=rows["w"].map(str)) if isinstance(value, str) else rows.assign(w=rows["w"].astype(float))
    with pytest.raises(DataError, match=f"1 row with a weight that is .*{what}.*'w', first in row 7 after the header") as raised:
        audited(rows)
    assert f"found {found}" in str(raised.value)
    assert "fix: give each row a number, 0 or above" in str(raised.value)
    command = ["--predictions", str(path), "--attributes", "race", "--weights", "w", "--out", str(tmp_path / "out")]
    assert main(command) == 3
    assert "row 7 after the header" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "what", "found"),
    [
        ("1e308", "too large to be squared", "'1e308'; sums of squares hold 1e-50 to 1e\\+50"), ("1e200", "too large", "'1e200'"),
        ("5e-324", "too small to be squared", "'5e-324'"), ("1e-60", "too small to be squared", "'1e-60'"),
        ("1e-20", "too small beside the largest", "'1e-20', beside a largest weight of"),
    ],
)  # fmt: skip
def test_a_weight_that_no_sum_of_squares_holds_names_its_row(value, what, found, tmp_path, capsys):
    path = tmp_path / "answers.csv"
    with_cell(value).to_csv(path, index=False)
    assert main(["--predictions", str(path), "--attributes", "race", "--weights", "w", "--out", str(tmp_path / "out")]) == 3
    message = capsys.readouterr().err
    assert f"1 row with a weight that is {what}" in message
    assert "column 'w', first in row 7 after the header" in message
    assert re.search(f"found {found}", message)
    assert "fix: " in message


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1e-45, 1e45])
def test_weights_near_the_bounds_say_the_same_as_in_another_unit(factor):
    """Only the ratios of weights count: a number in the table may differ by rounding alone."""
    one, other = (of_race(audited(table().assign(w=table()["w"] * times))) for times in (1.0, factor))
    for column in ("rate", "low", "high", "effective_n"):
        np.testing.assert_allclose(one[column], other[column], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": 0}, "every weight in the column 'w' is 0"), ({"w": True}, "the column of weights 'w' holds bool"),
        ({"w": pd.Timestamp("2026-01-01")}, "the column of weights 'w' holds timestamp"), ({"w": None}, "400 rows with a weight"),
    ],
)  # fmt: skip
def test_columns_that_hold_no_weights(change, message):
    with pytest.raises(DataError, match=message):
        audited(table().assign(**change))


def test_a_group_without_weight_is_named():
    rows = table()
    rows["w"] = rows["w"].where(rows["race"] != "B", 0.0)
    with pytest.raises(DataError, match=r"every weight of the group 'B' is 0 .*column 'w'; 1[0-9]{2} rows with race 'B'"):
        audited(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "ww"}, "no column 'ww'.*\n?.*did you mean w"), ({"weights": "race"}, "--weights and --attributes name one column"),
        ({"cluster": "w"}, "--weights and --cluster name one column"),
    ],
)  # fmt: skip
def test_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        audited(table(), **options)
    with pytest.raises(UsageError, match="--what-if cannot be used with --weights"):
        audit.audit(FakeEncoder(), gender_probe(None), data=four_faces(12), weights="w", what_if="neutral-label")


def test_rows_of_weight_0_are_left_out_and_counted():
    rows = table()
    rows.loc[:9, "w"] = 0
    done, without = audited(rows), audited(rows[10:])
    [result] = done.results.audits
    assert (result.data.used, result.data.listed, result.data.weights) == (390, 400, "w")
    [left_out] = result.data.exclusions
    assert (sentence(left_out.reason), left_out.count) == ("weight of 0 in the column “w”", 10)
    assert sum(left_out.by_group["race"].values()) == 10
    pd.testing.assert_frame_equal(of_race(done), of_race(without))


@pytest.mark.slow
def test_the_rates_are_those_of_the_weights_by_hand():
    rows = table()
    shown = of_race(audited(rows))
    for race, part in rows.groupby("race"):
        right, w = part.y_true == part.y_pred, part.w
        rate = (w * right).sum() / w.sum()
        assert shown.rate[race] == pytest.approx(rate, abs=1e-12)
        assert shown.n[race] == len(part)
        assert shown.events[race] == right.sum()
        assert shown.effective_n[race] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-8)
        assert shown.standard_error[race] == pytest.approx(((w * (right - rate)) ** 2).sum() ** 0.5 / w.sum(), rel=1e-8)


@pytest.mark.slow
def test_evidence_that_counts_every_image_once_is_left_out():
    rows = table().assign(**{"score:cat": 0.6, "score:dog": 0.4}).assign(y_pred="cat")
    [weighted], [plain] = audited(rows).results.audits, audited(rows, weights=None).results.audits

    def kinds(found):
        return {name for name, var in vars(found.evidence).items() if var}

    assert any(kinds(finding) for finding in plain.findings)
    assert not any(kinds(each) for each in (*weighted.findings, *weighted.measurements, weighted))
    assert all(finding.gap is None or finding.gap.chi2 is None for finding in weighted.findings)


@pytest.mark.slow
def test_everything_says_that_rates_are_weighted(tmp_path):
    done = audited(table(), fail_on="gap > 0.05")
    page, summary, terminal = text_of(done.to_html()), summary_markdown(done.results), audit_lines(done.results)
    said = "Rates, intervals and tests are weighted by the column “w”; n counts images."
    assert all(said in " ".join(each.split()) for each in (summary, terminal))
    assert "Images have weights: the column “w” says how much each image counts." in page
    assert "Left out, because of the weights:" in page
    assert "They count every image once." in page
    assert "Effective n" in page
    assert "effective n = (Σ w)² / Σ w²" in page
    assert "Slice it yourself" not in page
    assert "effectively" in summary
    without = text_of(audited(table(), weights=None).to_html())
    assert not any(words in without for words in ("Effective n", "weighted by the column", "Images have weights"))


def test_the_predictions_of_an_audit_carry_its_weights(tmp_path):
    done = audited(table(), out=tmp_path / "first")
    again = audit.audit(predictions=tmp_path / "first" / "predictions.parquet", attributes="race", settings=SETTINGS)
    assert again.results.audits[0].data.weights == "w"
    assert [sentence(note) for note in again.results.audits[0].data.notes] == [
        "Rows count by their weights in 'w', as in the audit that wrote predictions.parquet."
    ]
    pd.testing.assert_frame_equal(of_race(again)[["rate", "low", "high"]], of_race(done)[["rate", "low", "high"]])
    frame = audit.load(tmp_path / "first").metric_frame("predictions.accuracy by race").by_group["accuracy"]
    assert frame.to_dict() == pytest.approx(of_race(done).rate.drop("all images").to_dict())
    notes = audit.compare(done, audit.load(tmp_path / "first")).facts.notes
    assert any("a comparison counts every image once" in sentence(note) for note in notes)


def test_results_without_the_new_fields_are_read(tmp_path):
    done = audited(table(), weights=None, out=tmp_path)
    facts = json.loads((tmp_path / "results.json").read_text())
    del facts["audits"][0]["data"]["weights"]
    for finding in facts["audits"][0]["findings"]:
        for rate in (*finding["by_group"], finding["overall"]):
            del rate["effective_n"], rate["standard_error"]
    (tmp_path / "results.json").write_text(json.dumps(facts))
    (tmp_path / "manifest.json").unlink()  # as a version left it that wrote none
    assert audit.load(tmp_path).findings == done.findings


def test_gates_are_decided_on_the_bounds_of_the_finding():
    done = audited(table(), fail_on=["gap[predictions.accuracy by race] > 0.01", "rate[predictions.accuracy by race] < 0.1"])
    finding = done.finding("predictions.accuracy by race")
    assert [gate.outcome for gate in done.gates] == ["breached", "held"]
    assert done.gates[0].checks[0].low == pytest.approx(finding.gap.low)


def faces(folder, weights):
    given = four_faces(12)
    for name, content in zip(given.attributes.index, given.images, strict=True):
        (folder / name).write_bytes(content)
    given.attributes.assign(w=weights).rename_axis("image").to_csv(folder / "faces.csv")
    return load_dataset(str(folder / "faces.csv"), Schema(), name="faces", licence="none")


def test_images_have_weights_where_an_attribute_holds_them(tmp_path):
    data = faces(tmp_path, ["0", *map(str, range(2, 49))])
    settings = Settings(min_group_size=5, draws=199)
    done = audit.audit(FakeEncoder(), gender_probe(None), data=data, weights="w", settings=settings)
    [result] = done.results.audits
    assert (result.data.weights, result.data.used) == ("w", 47)
    assert "w" not in result.data.groups
    assert all(rate.effective_n for finding in result.findings for rate in finding.by_group)
    assert (result.paired, result.specifications) == ((), ())
    done.save(tmp_path / "out")
    assert pd.read_parquet(tmp_path / "out" / "predictions.parquet")["w"].astype(float).min() == 2
    with pytest.raises(UsageError, match="no attribute 'v' to weight by"):
        audit.audit(FakeEncoder(), gender_probe(None), data=data, weights="v", settings=settings)
    with pytest.raises(DataError, match=r"1 row with a weight that is negative .*the row of '000\.png'"):
        with_weights(faces(tmp_path, ["-1", *map(str, range(2, 49))]), "w", ["race"])
