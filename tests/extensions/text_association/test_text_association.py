"""Text associations: a tower that ties women to care is found, a random one is not, and no image is needed."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from audit import audit, load
from audit.errors import UsageError
from audit.extensions.text_association import computation as text_association
from audit.measure.association import weat
from audit.types import Settings
from probes.prompts.associations import SETS
from probes.words.text_only import PROBE
from tests.support.command import command
from tests.support.text_towers import write_towers
from tests.support.writers import Stereotyper


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towers")
    towers = write_towers(folder)

    def run(name):
        done = command("--model", f"{towers}:{name}", "--probe", "text_only", "--no-cache", "--out", folder / name)
        return done, folder / name

    return {name: run(name) for name in ("TextStereotyper", "RandomTower")}


@pytest.mark.slow
def test_a_tower_that_ties_women_to_care_is_found_by_command_without_an_image(ran):
    """Women's names and "she" lie along one axis with the words of care; 128 names are dealt out at random."""
    done, folder = ran["TextStereotyper"]
    assert done.returncode == 0, done.stderr
    (result,) = load(folder).results.audits
    found = {each.targets[0]: each for each in result.analyses["text_associations"]}
    assert [each.verdict for each in found.values()] == ["signal", "signal", "no signal", "no signal"]
    names = found["women's names"]
    assert (names.words, names.sizes, names.exact) == (("leadership", "care"), (64, 64), False)
    assert names.effect_size < -1.5
    assert -0.5 < names.concepts.low < -0.2 < 0.2 < names.concepts.high < 0.5
    assert names.p_permuted == names.p_concepts == names.p == 1 / 10_000  # no draw reaches it
    assert all(0.4 < each.detectable < 0.65 for each in found.values() if each.sizes == (64, 64))
    assert (result.data.used, result.findings, result.measurements, result.verdict) == (0, (), (), "inconclusive")
    assert "(64 texts) is closer to ‘care’ than to ‘leadership’" in " ".join(done.stdout.split())
    page = (folder / "report.html").read_text()
    assert "Which texts are close to which words</h3>" in page
    assert "No question was planned" in page
    assert "One prompt was used" not in page
    assert "Can it be trusted?" not in page
    assert not re.search(r"\b0 images", page)
    assert "Every image" not in page
    card = (folder / "model_card.md").read_text()
    assert not re.search(r"\b0 images", card)
    assert "describe the texts tested" in card
    assert "no images" in done.stdout
    rows = (folder / "tables" / "text_association.csv").read_text().splitlines()
    assert len(rows) == 5
    assert "first_texts" in rows[0]
    texts = json.loads((folder / "results.json").read_text())["audits"][0]["texts"]
    assert {"a person called Mary", "she is at work", "a chair"} <= set(texts)


def test_a_random_tower_signals_nothing_and_is_not_called_fair(ran):
    done, folder = ran["RandomTower"]
    assert done.returncode == 0, done.stderr
    assert {each.verdict for each in load(folder).results.audits[0].analyses["text_associations"]} == {"no signal"}
    assert "is beyond chance: it is undecided whether the sets differ." in (folder / "report.html").read_text()
    assert "Not planned" not in done.stdout


def test_a_check_needs_no_image(tmp_path):
    done = command("--model", f"{write_towers(tmp_path)}:RandomTower", "--probe", "text_only", "--no-cache", "--check")
    assert (done.returncode, "text_only" in done.stdout) == (0, True), done.stderr


def test_what_has_to_do_with_images_is_refused(tmp_path):
    towers = write_towers(tmp_path)
    done = command("--model", f"{towers}:RandomTower", "--probe", "text_only", "--data", tmp_path)
    assert (done.returncode, "--data cannot be used with the probe 'text_only'" in done.stderr) == (2, True)
    with pytest.raises(UsageError, match="asks nothing of a generative model"):
        audit(Stereotyper(), "text_only", no_cache=True)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"targets": {"one": ("a", "b")}}, "does not compare two sets"),
        ({"targets": {"one": ("a",), "two": ("b", "c")}}, "a set of fewer than two texts"),
        ({"concepts": ("a chair",)}, "has 1 neutral concepts for sets of 128 texts together"),
    ],
)
def test_a_wrong_plan_is_refused(change, what):
    with pytest.raises(UsageError, match=what):
        text_association.check([replace(PROBE.analyses[0], **change)], PROBE, None, Settings())


def test_every_set_is_large_enough_for_half_a_standard_deviation():
    """64 texts a side: the 97.5 % point of d under either null is .35, and .84 standard errors of .177 above it lies .50."""
    own = [plan for plan in PROBE.analyses if plan.preset.endswith(SETS) and "English" not in plan.targets]
    assert {len(texts) for plan in own for texts in plan.targets.values()} == {64}
    assert len(own) == 4
    for plan in PROBE.analyses:
        texts = [text for side in plan.targets.values() for text in side]
        assert len(set(texts)) == len(texts)
        assert not set(texts) & {text for side in plan.words.values() for text in side}
        assert len(set(plan.concepts)) == len(plan.concepts) >= len(texts)
    assert text_association.detectable_effect((-0.3464, 0.3464), (64, 64)) == pytest.approx(0.4952, abs=1e-4)


@pytest.mark.slow
def test_the_detectable_effect_is_found_in_four_of_five():
    """200 made-up sets whose distance along the words is the d that is said to be detected: 80 %, within three standard errors."""
    rng = np.random.default_rng(0)
    near, far = np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])
    concepts = np.stack([0.1 * rng.normal(size=300), np.ones(300)], axis=1)
    found = 0
    for number in range(200):
        shift = 0.1 * 0.5 / np.sqrt(1 - 0.25 / 4)
        x = np.stack([0.1 * rng.normal(size=64) + shift, np.ones(64)], axis=1)
        y = np.stack([0.1 * rng.normal(size=64), np.ones(64)], axis=1)
        test = weat(x, y, (near, far), np.random.default_rng(number), draws=199)
        drawn = text_association.random_concept_effects(concepts, (64, 64), (near, far), np.random.default_rng(number), draws=199)
        p = max(test.p, (1 + (np.abs(drawn) >= abs(test.effect_size)).sum()) / 200)
        found += p <= 0.05
    assert abs(found / 200 - 0.8) < 0.085
