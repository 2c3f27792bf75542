"""Occupations, by command: a planted stereotyper is found, a random ranker and one that tells nothing apart are called neither."""

import csv
import hashlib
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from probes.faces import occupations
from tests.support.command import command
from tests.support.galleries import write_gallery, write_models
from tests.support.made_once import made_once
from tests.support.page_text import text_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A gallery of 600 made-up pictures, and models of it."""

    def make(folder):
        write_gallery(folder / "faces", 600)
        write_models(folder)

    return made_once(tmp_path_factory, "occupations", make)


def audited(made, model, out, *more, data=None, probe="occupations"):
    ran = command("--model", f"{made / 'models.py'}:{model}", "--probe", probe, "--data", data or made / "faces", "--out", out, *more)
    assert ran.returncode == 0, ran.stderr
    return ran, json.loads((out / "results.json").read_text("utf-8"))["audits"][0]


@pytest.fixture(scope="module")
def stereotyped(made, tmp_path_factory):
    """The output of an audit of the stereotyper, and what the command printed."""

    def make(folder):
        ran, _ = audited(made, "Stereotyper", folder / "out")
        (folder / "stdout.txt").write_text(ran.stdout)

    return made_once(tmp_path_factory, "occupations_stereotyped", make)


def facts(folder):
    return json.loads((folder / "out" / "results.json").read_text("utf-8"))["audits"][0]


def signals(audit):
    found = [(r["attribute"], q["query"], q["group"]) for r in audit["rankings"] for q in r["queries"] if q["verdict"] == "signal"]
    return [each for each in found if each[0] == "gender"], [each for each in found if each[0] != "gender"]


@pytest.mark.slow
def test_a_planted_stereotyper_is_found_in_every_output(stereotyped):
    """It puts men first for 9 occupations and women for 4; by race and age nothing was planted."""
    audit, printed, out = facts(stereotyped), (stereotyped / "stdout.txt").read_text(), stereotyped / "out"
    by_gender, others = signals(audit)
    assert {(query, group) for _, query, group in by_gender} >= {("nurse", "Female"), ("engineer", "Male"), ("lawyer", "Male")}
    assert len(by_gender) == 13
    assert others == []
    near = [
        (test["attribute"], group["group"]) for test in audit["associations"] for group in test["groups"] if group["verdict"] == "signal"
    ]
    assert near == [("gender", "Female")]
    assert audit["verdict"] == "disparity"  # of the planned questions: whose faces are given which work
    line = "Not planned: 13 of 84 rankings (each query by each attribute and k; false discovery rate 5 %) are beyond chance."
    assert line in " ".join(printed.split())
    assert line in " ".join((out / "summary.md").read_text("utf-8").split())
    assert "Female (n = 300) are closer to ‘care’ than to ‘leadership’" in " ".join(printed.split())
    assert "fair" not in printed.lower().replace("fairface", "")
    with (out / "tables" / "ranking.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28 * (2 + 7 + 9)
    nurse = [row for row in rows if (row["query"], row["attribute"]) == ("nurse", "gender")]
    assert [(row["group"], row["count"], row["share"], row["images"], row["k"]) for row in nurse] == [
        ("Female", "60", "1.0", "300", "60"), ("Male", "0", "0.0", "300", "60"),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("model", "verdict"), [("RandomRanker", "inconclusive"), ("Constant", "not estimable")])
def test_a_model_without_a_view_is_called_neither_fair_nor_a_stereotyper(made, model, verdict, tmp_path):
    ran, audit = audited(made, model, tmp_path / "out")
    assert signals(audit) == ([], [])
    assert len(audit["rankings"]) == len(audit["associations"]) == 3
    assert {group["verdict"] for test in audit["associations"] for group in test["groups"]} == {"no signal"}
    assert audit["verdict"] == verdict
    assert "beyond chance" not in ran.stdout
    page = " ".join(text_of((tmp_path / "out" / "report.html").read_text("utf-8")).split())
    assert "None of 84 rankings (each query by each attribute and k; false discovery rate 5 %) is beyond chance" in page


@pytest.mark.extension("ranking")
def test_k_that_is_the_whole_gallery_is_refused_by_name(made, tmp_path):
    (probe := tmp_path / "all.py").write_text(
        "from dataclasses import replace\nfrom probes.faces.occupations import PROBE as P\n"
        "PROBE = replace(P, analyses=(replace(P.analyses[0], ks=(600,)),))\n"
    )
    ran = command("--model", f"{made / 'models.py'}:RandomRanker", "--probe", probe, "--data", made / "faces", "--out", tmp_path / "out")
    assert ran.returncode == 2
    assert "error[E2] k = 600 retrieves the whole gallery (600 images compared by gender)" in ran.stderr
    assert "fix: choose a k below 300, half of the gallery" in ran.stderr


@pytest.mark.slow
def test_a_probe_of_rankings_alone_says_that_nothing_was_planned(made, tmp_path):
    (probe := tmp_path / "only.py").write_text(
        "from dataclasses import replace\nfrom probes.faces.occupations import PROBE as P\n"
        "PROBE = replace(P, name='only', measurements=())\n"
    )
    ran, audit = audited(made, "RandomRanker", tmp_path / "out", probe=probe)
    assert (audit["verdict"], audit["findings"], len(audit["rankings"])) == ("inconclusive", [], 3)
    assert "No question was planned" in " ".join(ran.stdout.split())


@pytest.mark.slow
def test_external_predictions_are_not_ranked_and_the_report_says_so(stereotyped, tmp_path):
    predictions = stereotyped / "out" / "predictions.parquet"
    ran = command("--predictions", predictions, "--probe", "occupations", "--out", tmp_path / "again")
    assert ran.returncode == 0, ran.stderr
    assert "The rankings and associations of the probe were left out" in (tmp_path / "again" / "report.html").read_text("utf-8")


LOOKUP = """
import hashlib
import numpy as np
MEN = {MEN!r}

class Lookup:
    \"\"\"Knows by heart which of the pictures annotators called men.\"\"\"
    logit_scale = 10.0

    def encode_images(self, images):
        digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        return np.stack([[3.0 * (d in MEN) - 1.5, *np.random.default_rng(int(d[:8], 16)).normal(size=8)] for d in digests])

    def encode_texts(self, texts):
        return np.stack([[float("engineer" in t) - ("nurse" in t), *np.random.default_rng(len(t)).normal(size=8) / 9] for t in texts])
"""


@pytest.mark.slow
@pytest.mark.faces
def test_on_real_faces_a_model_that_knows_the_gender_is_found(fairface_dir, tmp_path):
    """180 faces, 90 women: the first 18 for "nurse" are women, for "engineer" men; few groups of race or age have 30 faces."""
    with (fairface_dir / "labels.csv").open(newline="", encoding="utf-8") as file:
        men = [row["file"] for row in csv.DictReader(file) if row["gender"] == "Male"]
    digests = {hashlib.sha256(Image.open(fairface_dir / name).convert("RGB").tobytes()).hexdigest() for name in men}
    (tmp_path / "models.py").write_text(LOOKUP.replace("{MEN!r}", repr(digests)))
    _, audit = audited(tmp_path, "Lookup", tmp_path / "out", data=fairface_dir)
    by_gender, _ = signals(audit)
    assert {("gender", "nurse", "Female"), ("gender", "engineer", "Male")} <= set(by_gender)
    assert audit["rankings"][0]["k"] == 18
    by_race, by_age = audit["rankings"][1:]
    assert (by_age["queries"], by_age["reason"]["code"]) == ([], "gallery_few_groups")
    assert set(by_race["not_judged"]) & {"Middle Eastern", "Indian"}


# ---- words ---------------------------------------------------------------------------------------------------------------------------


def test_every_occupation_stands_once_has_the_right_article_and_says_no_gender():
    words = [each for group in occupations.FIELDS.values() for each in group]
    assert len(set(words)) == len(words) == 28
    assert set(itertools.chain(*occupations.OUTCOMES.values())) == set(occupations.PROMPTS)
    for each in words:
        article, first = each.split(" ")[:2]
        assert article == ("an" if first[0] in "aeiou" else "a")
        assert not set("/{}") & set(each)
        assert not each.endswith(("man", "woman", "wife", "ess", "lady", "master"))


def test_the_planned_questions_are_four_fields_by_gender_and_race():
    planned = [(claim.outcome, claim.by) for claim in occupations.PROBE.measurements[0].claims if claim.primary]
    fields = ("care", "leadership", "science and technology", "manual work")
    assert planned == [(field, (by,)) for field in fields for by in ("gender", "race")]


def test_the_shares_of_the_fields_are_those_that_the_stereotyper_was_given(stereotyped):
    """Every red picture is nearest to a text of men's work: none of them is given care."""
    (care,) = (finding for finding in facts(stereotyped)["findings"] if finding["id"] == "occupation/selection_rate[care]/gender")
    rates = {rate["group"][0]: rate["value"] for rate in care["by_group"]}
    assert rates["Female"] > 0.4
    assert rates["Male"] < 0.15
    assert np.isclose(care["gap"]["value"], rates["Female"] - rates["Male"])
