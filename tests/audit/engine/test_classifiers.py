"""Audits of image classifiers from start to end: a planted skew is found, an even one not."""

import io
import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
from audit.analyses.plans import RankingPlan, TaggingPlan
from audit.data.assemble import fingerprint
from audit.errors import UsageError
from audit.options.audits import AuditRequest
from audit.testing import four_faces, gender_probe
from audit.types import Dataset
from reports.render import render
from tests.support import documented
from tests.support.classifiers import PEOPLE
from tests.support.command import command
from tests.support.page_text import text_of

SEEDS = 20


class Brightness:
    """Calls a bright picture a woman's, with a probability that grows with the brightness."""

    labels = ("man", "woman", "cat")
    fingerprint = "1"

    def classify_images(self, images):
        bright = np.array([np.asarray(image, float).mean() / 255 for image in images])
        rows = np.stack([1 - bright, bright, np.full(len(images), 0.1)], axis=1)
        return rows / rows.sum(axis=1, keepdims=True)


MEANS = {"man": "Male", "woman": "Female"}


def made(seed, wrong, images=400):
    """Pictures whose brightness tells the gender, but for a share of each race's: ``wrong={"Black": .3, "White": .1}``."""
    rng = np.random.default_rng(seed)
    race, gender = rng.choice([*wrong], images), rng.choice(PEOPLE, images)
    bright = (gender == "Female") ^ (rng.random(images) < np.array([wrong[name] for name in race]))
    levels = np.where(bright, rng.integers(140, 250, images), rng.integers(5, 115, images))
    attributes = pd.DataFrame({"race": race, "gender": gender}, index=[f"{row}.png" for row in range(images)], dtype="str")
    contents = []
    for level in levels:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (int(level),) * 3).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    names = {"race": tuple(wrong), "gender": PEOPLE}
    return Dataset("made", contents, attributes, names, fingerprint(attributes), "made by the test", "none")


def verdict(seed, wrong):
    done = audit.audit(model=Brightness(), probe=gender_probe(made(seed, wrong)), label_map=MEANS, no_cache=True, seed=seed, draws=999)
    return done.finding("gender/accuracy/race").verdict


@pytest.mark.slow
def test_a_planted_skew_is_found_and_an_even_classifier_is_not_accused():
    assert verdict(0, {"Black": 0.3, "White": 0.05}) == "disparity"
    assert verdict(0, {"Black": 0.1, "White": 0.1}) in ("equivalent", "inconclusive")


@pytest.mark.slow
def test_a_planted_skew_is_found_and_an_even_classifier_is_not_accused_by_seed():
    found = sum(verdict(seed, {"Black": 0.3, "White": 0.1}) == "disparity" for seed in range(SEEDS))
    accused = sum(verdict(seed, {"Black": 0.15, "White": 0.15}) == "disparity" for seed in range(SEEDS))
    assert (found >= 17, accused <= 4) == (True, True), f"found {found} of {SEEDS}, accused {accused} of {SEEDS}"


# ---- what it asks and says -------------------------------------------------------------------------------------------------------------


def with_analyses(dataset):
    tagging = TaggingPlan("Which labels?", {"x": ("x",), "y": ("y",)}, ("race",), "v1", (0.5,))
    ranking = RankingPlan("Whose?", {"woman": ("w",), "zebra": ("z",)}, ("race",), "v1")
    return replace(gender_probe(dataset), analyses=(tagging, ranking))


@pytest.mark.extension("tagging", "ranking", "whatif")
def test_labels_above_a_threshold_and_rankings_are_those_of_its_own_labels():
    data = made(1, {"Black": 0.1, "White": 0.1})
    done = audit.audit(model=Brightness(), probe=with_analyses(data), label_map=MEANS, no_cache=True, draws=99).results.audits[0]
    (tagging,) = done.analyses["taggings"]
    assert {label.label for label in tagging.labels} == {"man", "woman", "cat"}
    assert (tagging.offered, tagging.logit_scale, tagging.rule) == (3, None, "softmax")
    bright = np.array([Image.open(io.BytesIO(content)).getpixel((0, 0))[0] / 255 for content in data.images])
    women = bright / 1.1 > 0.5
    black = (data.attributes["race"] == "Black").to_numpy()
    woman = next(label for label in tagging.labels if label.label == "woman")
    assert woman.counts == ((women & black).sum(), (women & ~black).sum())
    (ranking,) = done.analyses["rankings"]
    assert [query.query for query in ranking.queries] == ["woman"]
    assert "classifier_queries_left_out" in {note.code for note in done.model.notes}


def test_a_planned_ranking_is_left_out_and_a_note_says_why():
    data = made(1, {"Black": 0.1, "White": 0.1})
    search = RankingPlan("Whose?", {"woman": ("w",)}, ("race",), "v1").planned(5, "search")
    probe = gender_probe(data)
    probe = replace(probe, measurements=(*probe.measurements, search))
    done = audit.audit(model=Brightness(), probe=probe, label_map=MEANS, no_cache=True, draws=99).results.audits[0]
    assert [measurement.name for measurement in done.measurements] == ["gender"]
    assert "classifier_reads_no_query" in {note.code for note in done.model.notes}


@pytest.mark.extension("tagging", "ranking", "whatif")
def test_the_page_speaks_of_labels_and_not_of_prompts():
    data = made(1, {"Black": 0.3, "White": 0.1})
    done = audit.audit(model=Brightness(), probe=with_analyses(data), label_map=MEANS, no_cache=True, draws=99)
    page = text_of(render(done.results))
    for word in ("prompt", "zero-shot", "embedding", "cosine", "tokenizer"):
        assert word not in page.lower(), word
    for text in (
        "Labels of the classifier", "reads no text", "the answer that the most probable label of an image classifier means",
        "what 2 labels of the classifier mean (--label-map)", "1 of 3 labels mean none of its answers (cat)",
        "every label of the classifier whose probability exceeds a threshold",
    ):  # fmt: skip
        assert text in page, text


def test_the_model_card_and_the_terminal_name_its_task(tmp_path, capsys):
    done = audit.audit(model=Brightness(), probe=gender_probe(four_faces(60)), label_map=MEANS, no_cache=True, draws=99, out=tmp_path / "o")
    card = (tmp_path / "o" / "model_card.md").read_text()
    assert "pipeline_tag: image-classification" in card
    for name in ("model_card.md", "summary.md"):
        assert "prompt" not in (tmp_path / "o" / name).read_text().lower(), name
    stored = json.loads((tmp_path / "o" / "results.json").read_text())
    assert stored["audits"][0]["model"]["labels"] == ["man", "woman", "cat"]
    assert audit.load(tmp_path / "o").results == done.results


def test_a_blind_classifier_is_told_to_check_its_labels():
    grey = replace(four_faces(60), images=[four_faces().images[0]] * 240)
    done = audit.audit(model=Brightness(), probe=gender_probe(grey), label_map=MEANS, no_cache=True, draws=99)
    page = text_of(render(done.results))
    assert "Check that every label means the answer that it counts as" in page
    assert "other prompts" not in page


# ---- what is refused before the first image --------------------------------------------------------------------------------------------


class Unseen(Brightness):
    """Looks at the two images that every plug-in is tried with, and at no other."""

    def classify_images(self, images):
        assert len(images) == 2, "an image was classified before the check"
        return super().classify_images(images)


def refused(message, **options):
    with pytest.raises(UsageError, match=message):
        audit.audit(model=Unseen(), probe=gender_probe(four_faces(60)), no_cache=True, **options)


@pytest.mark.extension("tagging", "ranking", "whatif")
def test_labels_what_ifs_and_gates_are_checked_before_the_first_image():
    refused("no label of this classifier means an answer|means 'Male'")
    refused("the classifier has no label 'men'", label_map={"men": "Male", "woman": "Female"})
    refused("no what-ifs|plans no what-ifs", label_map=MEANS, what_if=("all",))


def test_a_gate_on_a_question_that_is_left_out_is_refused():
    probe = gender_probe(four_faces(60))
    other = replace(probe.measurements[0], name="race", truth="race", outcomes={}, claims=probe.measurements[0].claims[:1],
                    label_set=replace(probe.measurements[0].label_set, labels=("Black", "White"),
                                      prompts={"Black": ("b",), "White": ("w",)}))  # fmt: skip
    both = replace(probe, measurements=(*probe.measurements, other))
    with pytest.raises(UsageError, match="cannot be decided"):
        audit.audit(model=Unseen(), probe=both, label_map=MEANS, no_cache=True, fail_on=("gap[race/accuracy/race] > 0.05",))


def test_a_label_map_is_only_for_classifiers(caplog):
    from audit.testing import FakeEncoder

    with caplog.at_level(logging.ERROR), pytest.raises(UsageError, match="--label-map cannot be used with a dual encoder"):
        audit.audit(model=FakeEncoder(), probe=gender_probe(four_faces(60)), label_map=MEANS, no_cache=True)
    with pytest.raises(UsageError, match="--label-map cannot be used with --predictions"):
        AuditRequest(predictions="t.csv", label_map=MEANS)


@pytest.mark.extension("capability")
def test_a_plan_lock_holds_what_labels_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for row in range(80):
        Image.new("RGB", (8, 8), (int(rng.integers(0, 256)),) * 3).save(f"{row}.png")
    rows = [f"{row}.png,{('cup', 'boat')[row % 4 < 2]},{('north', 'south')[row % 2]}" for row in range(80)]
    (tmp_path / "photos.csv").write_text("\n".join(["image,class,region", *rows]))
    (tmp_path / "mine.py").write_text(documented.code("brightness.py").replace('"cup", "boat"', '"mug", "ship"'))
    (tmp_path / "means.csv").write_text("label,answer\nmug,cup\nship,boat\n")
    (tmp_path / "other.csv").write_text("label,answer\nmug,boat\nship,cup\n")
    words = ("--model", "mine.py:Brightness", "--probe", "classes", "--data", "photos.csv", "--no-cache", "--label-map")
    planned = command("plan", *words, "means.csv", "--out", "lock.json", module="audit.__main__")
    assert planned.returncode == 0, planned.stderr
    for table, deviates in (("means.csv", False), ("other.csv", True)):
        done = command("run", *words, table, "--lock", "lock.json", "--out", f"audits/{table}", module="audit.__main__")
        assert done.returncode == 0, done.stderr
        stored = json.loads((tmp_path / "audits" / table / "results.json").read_text())
        assert bool(stored["audits"][0]["lock"]["deviations"]) is deviates, stored["audits"][0]["lock"]
