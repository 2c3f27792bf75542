"""Text associations: a tower that ties women to care is found, a random one is not, and no image is needed."""

import json
import re
from dataclasses import replace

import pytest

from audit import audit, load
from audit.analyses.text_association import computation as text_association
from audit.errors import UsageError
from audit.types import Settings
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


def test_a_tower_that_ties_women_to_care_is_found_by_command_without_an_image(ran):
    """Women's names and "she" lie along one axis with the words of care; 16 names can be dealt out in 12,870 ways."""
    done, folder = ran["TextStereotyper"]
    assert done.returncode == 0, done.stderr
    (result,) = load(folder).results.audits
    found = {each.targets[0]: each for each in result.text_associations}
    assert [each.verdict for each in found.values()] == ["signal", "signal", *["no signal"] * 4]
    names = found["women's names"]
    assert (names.words, names.sizes, names.exact) == (("leadership", "care"), (8, 8), True)
    assert names.effect_size < -1.5
    assert names.concepts.low < -0.5 < 0.5 < names.concepts.high
    assert (names.p_permuted, names.p) == (pytest.approx(2 / 12870), names.p_permuted)  # above 1 of 10,000 draws of concepts
    assert (result.data.used, result.findings, result.measurements, result.verdict) == (0, (), (), "inconclusive")
    assert "‘women's names’ (8 texts) is closer to ‘care’ than to ‘leadership’" in " ".join(done.stdout.split())
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
    assert len(rows) == 7
    assert "first_texts" in rows[0]
    texts = json.loads((folder / "results.json").read_text())["audits"][0]["texts"]
    assert {"a person called Mary", "she is at work", "a chair"} <= set(texts)


def test_a_random_tower_signals_nothing_and_is_not_called_fair(ran):
    done, folder = ran["RandomTower"]
    assert done.returncode == 0, done.stderr
    assert {each.verdict for each in load(folder).results.audits[0].text_associations} == {"no signal"}
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
        ({"concepts": ("a chair",)}, "has 1 neutral concepts for sets of 16 texts together"),
    ],
)
def test_a_wrong_plan_is_refused(change, what):
    with pytest.raises(UsageError, match=what):
        text_association.check([replace(PROBE.analyses[0], **change)], PROBE, None, Settings())
