"""Every text that a model is given stands in results.json and on the page: a recording model and the probes that ship."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import audit
from audit.engine.texts import given_texts
from audit.errors import DataError
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, png
from audit.types import Dataset
from probes import faces
from probes.counterfactual import emoji
from probes.faces import fairface, occupations
from reports.render import render
from tests.audit.measure.asked.test_interview import FakeAnswerer
from tests.support.page_text import text_of

FACES = {"race": faces.RACES, "gender": faces.GENDERS, "age": faces.AGES}
LEVELS = {
    "fairface": FACES,
    "occupations": FACES,
    "emoji": {"role": emoji.ROLES, "age": tuple(emoji.AGES), "gender": emoji.GENDERS, "tone": emoji.TONES},
}
PROBES = {"fairface": fairface.PROBE, "occupations": occupations.PROBE, "emoji": emoji.PROBE}


class Recorder(FakeEncoder):
    """Keeps every text; what a text says does not matter."""

    def __init__(self):
        super().__init__({"wom": [1.0, 0.2, 0.0], "": [0.0, 1.0, 0.5]})
        self.texts: list[str] = []

    def encode_texts(self, texts):
        self.texts += texts
        return super().encode_texts(texts)


class RecordingAnswerer(FakeAnswerer):
    """Keeps every question and option."""

    def __init__(self):
        super().__init__()
        self.texts: list[str] = []

    def log_likelihoods(self, images, questions):
        self.texts += [text for question in questions for text in (question.text, *question.options)]
        return super().log_likelihoods(images, questions)


def probe_of(name):
    rng, levels = np.random.default_rng(0), LEVELS[name]
    rows = pd.DataFrame({each: rng.choice(of, 60) for each, of in levels.items()}, index=[f"{i}.png" for i in range(60)], dtype="str")
    images = [png((int(red), 90, 20)) for red in rng.integers(0, 255, 60)]
    dataset = Dataset(name, images, rows, levels, "5" * 64, "made by the test", "none")
    dataset = faces.with_binary_race(dataset) if name != "emoji" else dataset
    return replace(PROBES[name], load=lambda options: dataset, paired=())


ASKED = list(itertools.product((Recorder, RecordingAnswerer), PROBES))


@pytest.mark.slow_except("Recorder-occupations")
@pytest.mark.parametrize(
    ("model", "name"),
    [pytest.param(*each, marks=[pytest.mark.slow] * (each[0] is RecordingAnswerer and each[1] != "fairface")) for each in ASKED],
)
def test_every_text_that_a_model_was_given_stands_in_the_results_and_on_the_page(name, model, tmp_path):
    given, probe = model(), probe_of(name)
    asked = {"what_if": "all"} if probe.what_ifs and model is Recorder else {}
    found = audit.audit(given, probe, cache_root=tmp_path / "cache", out=tmp_path / "out", draws=99, **asked)
    (result,), told = found.results.audits, set(given.texts)
    assert len(told) > 20
    assert set(result.texts) == told
    assert len(result.texts) == len(told)

    written = (tmp_path / "out" / "results.json").read_text("utf-8")
    assert [text for text in sorted(told) if json.dumps(text, ensure_ascii=False)[1:-1] not in written] == []
    page = text_of((tmp_path / "out" / "report.html").read_text("utf-8"))
    assert [text for text in sorted(told) if " ".join(text.split()) not in page] == []


def test_what_was_asked_with_a_text_is_told_by_its_place(tmp_path):
    probe = probe_of("fairface")
    given = given_texts(probe, probe.what_ifs)
    # By hand: the template of our own, its first variant, and the label that accuses nobody.
    (reworded,) = (each for each in given.sets if each.preset == "“a portrait of …” v1" and each.variant == "21 labels")
    texts = [given.texts[text] for text in reworded.texts]
    assert len(texts) == 21
    assert "a portrait of a thief" in texts
    neutral = [each for each in given.sets if each.use == "neutral-label"]
    assert [given.texts[text] for text in neutral[0].texts] == ["a photo of a child", "a photo of a person", "a photo of a human being"]
    assert len(neutral[0].questions) == 4
    # One set for every curve that asks it, and no text twice.
    assert len({(each.use, each.preset, each.variant, each.texts) for each in given.sets}) == len(given.sets)
    assert len(set(given.texts)) == len(given.texts)


def test_older_files_have_no_texts_and_a_place_without_a_text_is_refused(tmp_path):
    found = audit.audit(Recorder(), probe_of("emoji"), cache_root=tmp_path, draws=99)
    fields = json.loads(to_json(found.results))
    fields["audits"][0]["texts"] = fields["audits"][0]["texts"][:-1]
    with pytest.raises(DataError, match="is inconsistent") as refused:
        from_json(json.dumps(fields))
    assert "a text that is not there" in str(refused.value)
    del fields["audits"][0]["texts"], fields["audits"][0]["text_sets"]
    older = from_json(json.dumps(fields))
    assert older.audits[0].texts == ()
    assert "Every text, numbered" not in text_of(render(older))
