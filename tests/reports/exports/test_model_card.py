"""Model cards: metadata that the hub's own reader takes, findings with intervals, and no markup from foreign names."""

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from reports.exports.model_card import model_cards


@pytest.mark.slow
def test_the_hub_reads_every_gap_that_counts(everything):
    card = ModelCard(model_cards(everything)["model_card.md"], ignore_metadata_errors=False)
    gaps = [finding.gap.value for audit in everything.audits for finding in audit.findings if finding.primary and finding.gap]

    assert str(card) == model_cards(everything)["model_card.md"]  # as the hub's own library writes it
    assert sorted(result.metric_value for result in card.data.eval_results) == pytest.approx(sorted(gaps), abs=1e-6)
    assert {result.task_type for result in card.data.eval_results} == {"zero-shot-image-classification"}
    assert all("[" in result.metric_name and "points" in result.metric_name for result in card.data.eval_results)


def test_the_card_says_what_was_not_tested_and_who_measured(everything):
    card = model_cards(everything)["model_card.md"]
    for audit in everything.audits:
        assert all(part.split(",")[0].split(":")[0] in card for part in audit.probe.not_tested)
    assert everything.tool in card
    assert everything.audits[0].model.sha256 in card


def test_of_answers_read_from_a_file_no_weights_and_no_task_are_claimed(everything):
    first = everything.audits[0]
    file = replace(first, model=replace(first.model, parameters=0, dimensions=0))
    text = model_cards(replace(everything, audits=(file,)))["model_card.md"]
    card = ModelCard(text, ignore_metadata_errors=False)

    assert f"sha256 of the file of answers `{first.model.sha256}`" in text
    assert "weights" not in text.split("Measured with")[1]
    assert card.data.pipeline_tag is None
    assert {result.task_type for result in card.data.eval_results} == {"other"}
    assert "sha256 of the weights" in model_cards(replace(everything, audits=(first,)))["model_card.md"]


def test_one_card_a_model(everything):
    other = replace(everything.audits[0], model=replace(everything.audits[0].model, name="other", sha256="0" * 64))
    cards = model_cards(replace(everything, audits=(everything.audits[0], other)))

    assert list(cards) == ["model_card-1.md", "model_card-2.md"]
    assert "# other" in cards["model_card-2.md"]


@pytest.mark.parametrize(
    "name", ["---\nlicense: evil", "a: b\n- c", "<script>alert(1)</script>", "x\u2028y", "'\"", "[link](http://x)", "*bold*", "{{ 1 }}"]
)
def test_a_hostile_name_is_a_name(everything, name):
    audit = replace(everything.audits[0], model=replace(everything.audits[0].model, name=name))
    text = model_cards(replace(everything, audits=(audit,)))["model_card.md"]
    card = ModelCard(text, ignore_metadata_errors=False)

    assert card.data.license is None
    assert card.data.model_name == " ".join(name.replace("\u2028", "").split())
    assert "<script" not in card.content.split("---", 2)[2]
    assert "[link](http" not in card.text


def test_without_an_estimable_gap_there_is_no_metadata_to_read(everything):
    finding = replace(everything.audits[0].findings[0], gap=None, contrasts=(), pairs=(), verdict="not estimable")
    audit = replace(everything.audits[0], findings=(finding,), paired=())
    text = model_cards(replace(everything, audits=(audit,)))["model_card.md"]

    assert "model-index" not in text
    assert "not estimable" in text
