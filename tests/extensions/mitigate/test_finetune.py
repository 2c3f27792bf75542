"""Further training as a method: what the trainer gets, what is written in every form, what is judged, and what is refused."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPModel

from audit.errors import DataError, UsageError
from audit.extensions.mitigate import finetune
from audit.extensions.mitigate.options import MitigateRequest
from audit.extensions.mitigate.page import render_mitigation
from audit.extensions.mitigate.record import FILE
from audit.extensions.mitigate.run import mitigate
from audit.extensions.mitigate.terminal import mitigation_lines
from audit.linear_maps import unit
from audit.models import load
from contrastive.checkpoint.file import load as load_checkpoint
from contrastive.export import export
from tests.extensions.mitigate import misnamed
from tests.support import forked
from tests.support.model_families import random_folder

TRAIN = ["optim.lr=1e-3", "optim.steps=20"]
FEW = ["optim.lr=1e-3", "optim.steps=2"]


@pytest.fixture(scope="module")
def things():
    return misnamed.things(1)


@pytest.fixture(scope="module")
def few():
    """Enough images to train on, where nothing is judged."""
    return misnamed.things(1, n=160)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return str(misnamed.model(tmp_path_factory.mktemp("misnamed")))


@pytest.fixture
def right(things, tmp_path):
    return misnamed.captions(things, tmp_path / "right.jsonl")


@pytest.fixture
def right_few(few, tmp_path):
    return misnamed.captions(few, tmp_path / "few.jsonl")


@pytest.fixture(autouse=True)
def _forked_trainer(monkeypatch):
    """The trainer's process is forked from one that has torch."""
    monkeypatch.setattr(finetune.subprocess, "run", forked.run)


def run(spec, things, out, captions, **more):
    options = {"method": "finetune", "draws": 499, "train": TRAIN, "captions": captions, "min_group_size": len(things.images) // 30}
    return mitigate(spec, misnamed.probe(things), out, **options | more)


# ---- what is judged


def test_right_captions_close_the_gap_and_uncorrected_ones_do_not(spec, things, right, tmp_path, monkeypatch):
    """With 2 trainings as a control instead of 19, p cannot be .05: both leave the gap, and it is still not shown."""
    monkeypatch.setattr(finetune, "CONTROLS", 2)
    done = run(spec, things, tmp_path / "out", right)
    facts = done.facts
    assert facts.plan.question == misnamed.FINDING
    assert facts.target.gap.before.value > 0.8
    assert facts.target.gap.after.value < 0.1
    assert facts.capability.code == "higher"
    (control,) = facts.controls
    assert (control.kind, control.p, len(control.gaps)) == ("uncorrected captions", pytest.approx(1 / 3), 2)
    assert min(control.gaps) > 0.5
    assert (facts.outcome, [note.code for note in facts.reasons]) == ("no change shown", ["uncorrected_as_small"])
    training = facts.plan.training
    assert (training.captions, training.images, training.controls) == ("table", facts.fitted.images, 2)
    assert {"optim.lr=1e-3", "optim.steps=20", "loss.kind=softmax"} <= set(training.settings)
    assert (facts.fold.rank, facts.tried[0].method) == (None, "finetune")
    assert facts.tried[0].gap.after == facts.target.gap.after
    assert sorted(path.name for path in done.directory.iterdir()) == ["README.md", "ckpt.pt", "mitigation.json", "report.html"]
    text = (done.directory / "mitigation.json").read_text("utf-8")
    assert render_mitigation(FILE.from_json(text)) == (done.directory / "report.html").read_text("utf-8")
    said = " ".join(mitigation_lines(facts).split())
    assert "but the same training on uncorrected captions does as well" in said
    assert "Of 2 trainings on uncorrected captions, 0 leave a gap as small or smaller (p = .33)." in said


@pytest.mark.slow
def test_shuffled_captions_are_no_better_and_need_no_control(spec, things, tmp_path):
    done = run(spec, things, tmp_path / "out", misnamed.captions(things, tmp_path / "shuffled.jsonl", shuffled=0))
    assert done.outcome != "better"
    assert done.facts.controls == ()


@pytest.mark.slow
def test_right_captions_are_better(spec, things, right, tmp_path):
    done = run(spec, things, tmp_path / "out", right)
    assert (done.outcome, done.exit_code, done.facts.reasons) == ("better", 0, ())
    assert done.facts.controls[0].p == 0.05


@pytest.mark.slow
def test_the_shown_half_does_not_reach_the_weights(spec, few, right_few, tmp_path):
    """Other captions or none there: the written weights are equal to the bit."""
    first = run(spec, few, tmp_path / "first", right_few, train=FEW).facts
    lines = [json.loads(line) for line in right_few.read_text().splitlines()]
    fitted = _fitted(few, first)
    for line in lines[::2]:
        line["caption"] = line["caption"] if line["id"] in fitted else "a thing"
    other = tmp_path / "other.jsonl"
    other.write_text("".join(f"{json.dumps(line)}\n" for line in lines if line["id"] in fitted or line["caption"] == "a thing"))
    again = run(spec, few, tmp_path / "second", other, train=FEW).facts
    assert again.fold.written == first.fold.written
    assert again.plan.training.sha256 == first.plan.training.sha256


def _fitted(things, facts):
    from audit.embedding.embed import embed_images
    from audit.measure.embedded import fit_half
    from audit.testing import FakeEncoder

    contents = embed_images(FakeEncoder(), things, None, batch_size=64, max_skip=0).contents
    return set(things.attributes.index[fit_half(contents, facts.plan.seed)])


# ---- what is written


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """One vision transformer with CLIP's vocabulary, as a checkpoint, a Hugging Face folder and a folder of open_clip."""
    folder = tmp_path_factory.mktemp("vit")
    path = misnamed.model(folder, towers=misnamed.VIT, steps=2, tokenizer='"clip"')
    for kind in ("huggingface", "open_clip"):
        export(load_checkpoint(path), folder / kind, kind)
    return {"vlm-audit": path, "Hugging Face": folder / "huggingface", "open_clip": folder / "open_clip"}


TWO_FORMS = ["vlm-audit", "Hugging Face"]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [TWO_FORMS, pytest.param([*TWO_FORMS, "open_clip"], marks=pytest.mark.slow)], ids=["two", "all"])
def test_every_form_is_trained_alike_and_keeps_its_files(kinds, forms, few, right_few, tmp_path):
    features = []
    for form in kinds:
        source = forms[form]
        out = tmp_path / form
        done = run(str(source), few, out, right_few, train=FEW)
        assert done.facts.fold.form == f"{form} folder"
        assert done.facts.fold.difference < 1e-5
        assert len(done.facts.fold.changed) > 20
        encoder = load(str(out))
        pictures = [Image.open(io.BytesIO(few.images[row])) for row in range(8)]  # of the model's size: other resizing does not count
        features.append((unit(encoder.encode_images(pictures)), unit(encoder.encode_texts(["a cup", "a jar"]))))
        if source.is_dir():
            added = {path.name for path in out.iterdir()} - {path.name for path in source.iterdir()}
            assert added == {"mitigation.json", "report.html"}
    before = load(str(forms["vlm-audit"]))
    assert np.abs(unit(before.encode_texts(["a cup", "a jar"])) - features[0][1]).max() > 1e-3
    for images, texts in features[1:]:
        np.testing.assert_allclose(images, features[0][0], atol=2e-5)
        np.testing.assert_allclose(texts, features[0][1], atol=2e-5)
    _, info = CLIPModel.from_pretrained(tmp_path / "Hugging Face", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))


@pytest.mark.slow
def test_the_text_tower_alone(forms, few, right_few, tmp_path):
    done = run(str(forms["Hugging Face"]), few, tmp_path / "out", right_few, train=FEW, towers="text")
    assert done.facts.plan.towers == ("text",)
    assert not [name for name in done.facts.fold.changed if name.startswith(("vision_model", "visual_projection"))]
    assert 'optim.multipliers={"^visual" = 0}' in done.facts.plan.training.settings


# ---- what is refused


@pytest.mark.parametrize("setting", ["data.train=x.csv", "model.init=x", "run.out=x", "loss.teacher=x", "optim.steps", "--fresh"])
def test_a_setting_that_says_what_is_trained_is_refused(setting, spec, things, right, tmp_path):
    with pytest.raises(UsageError, match="cannot be set for a further training"):
        run(spec, things, tmp_path / "out", right, train=[setting])


def test_an_error_of_the_trainer_is_passed_on_and_nothing_is_written(spec, few, right_few, tmp_path):
    with pytest.raises(UsageError, match=r"the model could not be trained: optim\.lr") as caught:
        run(spec, few, tmp_path / "out", right_few, train=["optim.lr=-1"])
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_captions_of_no_image_of_too_few_or_without_a_column_are_refused(spec, things, right, tmp_path):
    lines = right.read_text().splitlines()
    table = tmp_path / "table.jsonl"
    table.write_text(lines[0].replace(json.loads(lines[0])["id"], "elsewhere"))
    with pytest.raises(DataError, match="names no image of things"):
        run(spec, things, tmp_path / "out", table)
    table.write_text("\n".join(lines[:3]))
    with pytest.raises(DataError, match="images of the fitted half have a caption"):
        run(spec, things, tmp_path / "out", table)
    table.write_text(right.read_text().replace('"caption"', '"text"'))
    with pytest.raises(DataError, match="has no column 'caption'"):
        run(spec, things, tmp_path / "out", table)
    with pytest.raises(UsageError, match="--captions requires --method finetune"):
        MitigateRequest(model="m", probe="emoji", out=tmp_path / "out", captions=right)
    with pytest.raises(UsageError, match="--train requires --method finetune"):
        MitigateRequest(model="m", probe="emoji", out=tmp_path / "out", method="leace", train=TRAIN)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_without_captions_the_true_answers_are_learned_and_groups_drawn_equally_often(spec, few, tmp_path):
    facts = run(spec, few, tmp_path / "out", None, train=FEW).facts
    training = facts.plan.training
    assert (training.captions, training.images) == ("true answers", facts.fitted.images)
    assert {'data.groups=["group"]', "optim.sampling=balanced"} <= set(training.settings)
    other = run(spec, few, tmp_path / "natural", None, train=[*FEW, "optim.sampling=natural"]).facts
    assert other.plan.training.sha256 == training.sha256
    assert other.fold.written != facts.fold.written


def test_a_question_without_true_answers_needs_captions(spec, things, tmp_path):
    (asked,) = misnamed.probe(things).measurements
    claims = (replace(asked.claims[0], metric="selection_rate"),)
    untrue = replace(misnamed.probe(things), measurements=(replace(asked, truth=None, claims=claims),))
    with pytest.raises(UsageError, match="the question has no true answers to train on"):
        mitigate(spec, untrue, tmp_path / "out", method="finetune", min_group_size=20)


def test_a_model_that_the_trainer_cannot_read_is_refused(things, right, tmp_path):
    source = random_folder("siglip", tmp_path / "source")
    with pytest.raises(DataError, match="a model of type 'siglip' cannot be trained here"):
        run(str(source), things, tmp_path / "out", right)
    assert not (tmp_path / "out").exists()
