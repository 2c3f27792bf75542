"""CSV tables: the numbers of results.json with every digit, and no cell that a spreadsheet runs."""

import csv
import io
import re
from dataclasses import replace

import pandas as pd
import pytest

from audit import audit as run
from audit.testing import FakeEncoder, four_faces, gender_probe
from reports.exports.tables import csv_tables


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_rate_is_in_the_table_with_every_digit(everything):
    rows = read(csv_tables(everything)["rates.csv"])
    cells = [cell for audit in everything.audits for finding in audit.findings for cell in (*finding.by_group, finding.overall)]

    assert len(rows) == len(cells)
    for row, cell in zip(rows, cells, strict=True):
        assert row["group"] == (" x ".join(cell.group) or "all images")
        assert int(row["n"]) == cell.n
        assert row["status"] == cell.status
        plain = cell.value if cell.plain is None else cell.plain
        shown = [row[name] for name in ("rate", "compared_rate", "low", "high")]
        assert shown == ["" if v is None else repr(v) for v in (plain, cell.value, cell.low, cell.high)]


def test_every_gap_and_contrast_is_there_and_what_cannot_be_estimated_is_empty(everything):
    findings = [finding for audit in everything.audits for finding in audit.findings]
    written = csv_tables(everything)
    gaps, contrasts = read(written["gaps.csv"]), read(written["contrasts.csv"])

    assert [row["gap"] for row in gaps] == ["" if finding.gap is None else repr(finding.gap.value) for finding in findings]
    assert any(row["gap"] == "" for row in gaps)
    assert len(contrasts) == sum(len(finding.contrasts) + len(finding.pairs) for finding in findings)


def test_images_left_out_are_counted_beside_those_used(everything):
    rows = {(row["model"], row["probe"], row["attribute"], row["level"]): row for row in read(csv_tables(everything)["groups.csv"])}
    for audit in everything.audits:
        for attribute, levels in audit.data.groups.items():
            for level, images in levels.items():
                row = rows[audit.model.name, audit.probe.name, attribute, level]
                left_out = sum(exclusion.by_group.get(attribute, {}).get(level, 0) for exclusion in audit.data.exclusions)
                assert (int(row["images"]), int(row["left_out"])) == (images, left_out)


ALIKE = [
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "\ufe661",
    "\ufe631",
    "\u207a1",
    "\u22121",
    "\u200b=1",
    "\u00a0=1",
    "\uff051",
    "\uff5ccmd",
]
"""What NFKC makes the same signs of, or what stands before one without being seen."""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "%0A=1", "|cmd", *ALIKE])
def test_no_cell_is_a_formula(everything, name):
    audit = replace(everything.audits[0], model=replace(everything.audits[0].model, name=name))
    for text in csv_tables(replace(everything, audits=(audit,))).values():
        rows = list(csv.reader(io.StringIO(text)))
        assert {row[0][0] for row in rows[1:]} == {"'"}
        assert len({len(row) for row in rows}) == 1


def test_negative_numbers_stay_numbers(everything):
    assert any(row["difference"].startswith("-") for row in read(csv_tables(everything)["contrasts.csv"]))


def test_rates_as_latex_name_question_counts_rate_and_interval():
    # 80 of each race; of the Black faces 40 right: 50 %, Wilson [39, 61]. The frame of one question is such a table too.
    found = run(FakeEncoder(), gender_probe(None), data=four_faces(40))
    rates = found.by_group()
    text = rates.to_latex(caption="Rates", label="tab:rates")
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if " & " in line]
    assert rows[0] == ["Question", "Group", "Events", "n", "Rate (\\%)", "Standardised (\\%)", "95 \\% interval"]
    assert rows[1] == ["Gender accuracy by race", "Black", "40", "80", "50", "", "[39, 61]"]
    assert rows[4][0] == "Share given ‘woman’ at equal true shares (gender) by race"
    assert len(rows) == 7
    assert (r"\caption{Rates}" in text, r"\begin{tabular}{llrrrrr}" in text) == (True, True)
    assert rates[rates["group"] == "Black"].to_latex().count(" & ") == 6 * 3
    assert rates.to_latex(columns=["group", "n"]).splitlines()[2].count("&") == 2  # that of pandas
    odd = rates.assign(group="a_b & c", model=["m", "o", "m", "o", "m", "o"], compared_rate=float("nan"))
    assert r"m: Gender accuracy by race & a\_b \& c & 40 & 80 & not estimable &  &  \\" in odd.to_latex()


def counted(race, woman_right, women, man_right, men):
    """Rows of one race: women and men, and how many of each get their own answer."""
    truth = ["woman"] * women + ["man"] * men
    right = [row < woman_right for row in range(women)] + [row < man_right for row in range(men)]
    answer = [true if own else {"woman": "man", "man": "woman"}[true] for true, own in zip(truth, right, strict=True)]
    return pd.DataFrame({"race": race, "y_true": truth, "y_pred": answer})


@pytest.mark.parametrize("weighted", [False, True])
def test_the_plain_rate_is_that_of_groupby_and_each_question_has_its_own_name(weighted):
    """Of 100 Asian faces 60 are called women: 45 of 50 and 15 of 50. Of 200 White faces 130 are: 120 of 150 and 10 of 50."""
    table = pd.concat([counted("Asian", 45, 50, 35, 50), counted("White", 120, 150, 40, 50)], ignore_index=True)
    # The model looks at the images, and a third of them counts double.
    table["w"] = [1.0 + (row % 3 == 0) if weighted else 1.0 for row in range(len(table))]
    rates = run(predictions=table, attributes=["race"], weights="w" if weighted else None).by_group()
    share = rates[rates["metric"] == "selection_rate"].set_index("group")
    called = (table["y_pred"] == "woman") * table["w"]
    expected = called.groupby(table["race"]).sum() / table["w"].groupby(table["race"]).sum()

    assert list(share["outcome"]) == ["woman"] * 3
    assert share["rate"].drop("all images").to_dict() == pytest.approx(expected.to_dict())
    assert share.loc["all images", "rate"] == pytest.approx(called.sum() / table["w"].sum())
    assert set(share["standardised_to"]) == {"true shares of all compared images"}
    others = rates[rates["metric"] != "selection_rate"]
    assert others["standardised_to"].isna().all()
    assert (others["rate"] == others["compared_rate"]).all()
    assert len(set(rates["question"])) == len(set(rates["finding"])) == 4
    if not weighted:
        # 200 of 300 images are women: 2/3 * 45/50 + 1/3 * 15/50 = 70 % at equal true shares.
        assert share.loc["Asian", ["rate", "compared_rate", "n", "events"]].tolist() == pytest.approx([0.60, 0.70, 100, 60])
        text = rates.to_latex()
        assert r"Question & Group & Events & n & Rate (\%) & Standardised (\%) & 95 \% interval" in text
        assert "Share given ‘woman’ at equal true shares (predictions) by race & Asian & 60 & 100 & 60 & 70 & [" in text
        assert re.search(r"True positive rate for ‘woman’ \(predictions\) by race & Asian & 45 & 50 & 90 &  & \[", text)


COMMANDS = [
    r"\input{/etc/passwd}",
    r"\immediate\write18{id}",
    r"\catcode`\@=0 @input x",
    "^^5cinput x",
    "a & b \\\\ \\hline",
    "x % y",
    "a\n\n\\par",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_name_is_a_command_of_latex(name):
    found = run(FakeEncoder(), gender_probe(None), data=four_faces(1)).by_group()
    named, plain = found.assign(group=name, question=name), found.assign(group="g", question="g")
    for options in ({}, {"columns": ["group", "question", "rate"]}):
        text, expected = named.to_latex(**options), plain.to_latex(**options)
        assert commands(text) - {"textbackslash", "textasciicircum", "space", "{", "}", "&", "%", "_"} == commands(expected) - {"%", "_"}
        assert len(text.splitlines()) == len(expected.splitlines())
        assert re.search(r"(?<!\\)%|\^\^", text) is None


def commands(text):
    return set(re.findall(r"\\([A-Za-z]+|.)", text))
