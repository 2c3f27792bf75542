"""What a shortcut changed: answers of a sample beside those without it, by hand, and through the command."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.api.pipeline import audit
from audit.data import load_dataset
from audit.data.schema import Schema
from audit.engine.answers import audit as audit_probe
from audit.engine.drift import SampleAnswers, answer_sample, embedding_drift, shortcut_of, with_drift
from audit.engine.plan import ProbePlan
from audit.errors import UsageError
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Note, Settings
from reports.text.notes import sentence
from tests.support.tiny import write_checkpoint

SETTINGS = Settings(min_group_size=2, draws=99)


@pytest.fixture
def audited(tmp_path):
    data = four_faces(2)
    return audit_probe(FakeEncoder(), gender_probe(data), data, SETTINGS, cache_root=tmp_path)


def test_changed_answers_are_counted_by_group(audited, tmp_path):
    """Eight answers, four of each race. Two of the images of White people change: a quarter of all, and half of theirs."""
    data = four_faces(2)
    full = answer_sample(FakeEncoder(), ProbePlan(gender_probe(data), data, SETTINGS), cache_root=tmp_path)
    answers = full.predictions["gender"]
    white = np.flatnonzero(answers.attributes["race"] == "White")[:2]
    y_pred = answers.y_pred.copy()
    y_pred[white] = "something else"
    used = SampleAnswers(full.vectors, {"gender": replace(answers, y_pred=y_pred)})
    found = with_drift(audited, full, used, "bfloat16", SETTINGS).result.model.notes
    overall, by_race, _ = (note for note in found if isinstance(note, Note))
    assert overall == Note("drift", {"shortcut": "bfloat16", "images": 8, "drift": 0.0, "answers": 8, "share": 0.25})
    assert by_race == Note("drift_by_group", {
        "attribute": "race", "most_group": "White", "most_share": 0.5, "most_answers": 4, "least_group": "Black", "least_share": 0.0,
        "least_answers": 4,
    })  # fmt: skip
    assert "Without it, 25.0% of 8 answers about a sample of 8 images differ; embeddings move by 0.0%" in sentence(overall)
    assert "by race: most for White (50.0% of 4), least for Black (0.0% of 4)" in sentence(by_race)
    # Groups that are too small say nothing.
    few = with_drift(audited, full, used, "bfloat16", replace(SETTINGS, min_group_size=5)).result.model.notes
    assert [note.code for note in few if isinstance(note, Note)] == ["drift"]
    assert with_drift(audited, None, used, "bfloat16", SETTINGS) is audited


def test_the_drift_of_embeddings_is_a_share_of_their_spread():
    """Two directions at a right angle lie sqrt(1/2) from their mean; one turned by 60 degrees moves by 1, the other by nothing."""
    full = np.array([[1.0, 0.0], [0.0, 1.0]])
    used = np.array([[0.5, np.sqrt(0.75)], [0.0, 7.0]])
    assert embedding_drift(full, used) == pytest.approx(np.sqrt(1 / 2) / np.sqrt(1 / 2))
    assert np.isnan(embedding_drift(full[:1], used[:1]))


def test_a_tenth_of_the_images_is_a_sample_and_at_least_fifty(tmp_path):
    data = four_faces(30)
    assert len(answer_sample(FakeEncoder(), ProbePlan(gender_probe(data), data, SETTINGS), cache_root=tmp_path).vectors) == 50
    assert answer_sample(FakeEncoder(), ProbePlan(replace(gender_probe(data), load=None), data, SETTINGS)) is None


def test_what_counts_as_a_shortcut():
    assert [shortcut_of(*each) for each in (("float16", "exact"), ("float32", "fast"), ("own dtype", "exact"))] == [
        "float16", "--decode fast", "",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Forty JPEGs of 96 x 80 pixels for a model of 32: they can be halved."""
    from tests.strictio.images.test_jpeg import jpeg, picture

    folder = tmp_path_factory.mktemp("pictures")
    rows = []
    for number in range(40):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture(96, 80).rotate(9 * number)))
        rows.append({"file": f"{number}.jpg", "race": ("Black", "White")[number % 2], "gender": ("Female", "Male")[number // 20]})
    table = folder / "pictures.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


@pytest.mark.slow_except("options1---decode fast")
@pytest.mark.parametrize(("options", "says"), [({"dtype": "bfloat16"}, "bfloat16"), ({"decode": "fast"}, "--decode fast")])
def test_an_audit_with_a_shortcut_says_what_it_changed(tmp_path, pictures, options, says):
    model = str(write_checkpoint(tmp_path / "ckpt.pt"))
    data = load_dataset(pictures, Schema(), name="pictures", licence="none")
    probe = replace(gender_probe(data), load=lambda _: data)
    how = {"settings": SETTINGS, "cache_root": tmp_path / "cache", "out": None}
    (plain,) = audit(model, probe, **how).results.audits
    (short,) = audit(model, probe, **how, **options).results.audits
    assert [note.code for note in plain.model.notes if note.code.startswith("drift")] == []
    (found,) = (vars(note)["values"] for note in short.model.notes if note.code == "drift")
    assert (found["shortcut"], found["images"], found["answers"]) == (says, 40, 40)
    assert 0 < found["drift"] < 0.5
    changed = {"JPEG reduced while decoded"} if "decode" in options else set()
    assert set(short.data.conversions) == changed


def test_a_model_that_does_not_say_how_much_it_looks_at_is_not_shown_reduced_images(tmp_path):
    data = four_faces(2)
    with pytest.raises(UsageError, match="--decode fast cannot be used with fake"):
        audit(FakeEncoder(), replace(gender_probe(data), load=lambda _: data), decode="fast", out=None)
