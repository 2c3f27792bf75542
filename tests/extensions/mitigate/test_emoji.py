"""The demo's model, whose planted cause is in the names of its training data: what the reference document found, found again."""

import json
import subprocess
import sys

import pytest

from audit.extensions.mitigate import halves
from audit.extensions.mitigate.run import mitigate
from audit.types import UNKNOWN, LoadOptions
from probes.prompts.emoji_drawings import load
from probes.prompts.emoji_roles import role_name

REFERENCE_SEED = 0


@pytest.fixture(scope="module")
def demo_model(tmp_path_factory):
    """Trained as in `make demo`: a minute and a half of a processor."""
    out = tmp_path_factory.mktemp("runs") / "emoji"
    subprocess.run([sys.executable, "-m", "contrastive.train", "emoji", f"run.out={out}", "--quiet"], check=True)
    return out / "ckpt.pt"


@pytest.fixture
def families(tmp_path):
    """The clusters of the reference: a role is one, and a drawing without a role is one of its own, by its name."""
    drawings = load(LoadOptions(None)).attributes
    column = [name if role == UNKNOWN else role for name, role in zip(drawings.index, drawings["role"], strict=True)]
    table = tmp_path / "families.csv"
    drawings.assign(family=column)[["family"]].to_csv(table, index_label="id")
    return table


@pytest.mark.slow
def test_removing_the_mean_difference_of_genders_is_what_the_reference_found(demo_model, families, tmp_path, monkeypatch):
    """From 51.4 to 45.9 points, shown (Holm over gender and tone); but shuffled groups do as well, so that no change is shown.

    The split follows from the data and cannot be chosen; here it is replaced by that of the reference.
    """
    monkeypatch.setattr(halves, "split_seed", lambda fingerprint: REFERENCE_SEED)
    done = mitigate(
        str(demo_model), "emoji", tmp_path / "out", method="mean-difference", attributes_from=families, cluster="family"
    )  # fmt: skip
    facts, gap = done.facts, done.facts.target.gap
    assert (facts.fitted.images, facts.shown.images) == (457, 573)
    assert gap.before.value == pytest.approx(0.514, abs=0.002)
    assert gap.after.value == pytest.approx(0.459, abs=0.002)
    assert gap.p_adjusted < 0.05
    random, shuffled = facts.controls
    assert random.p == 0.01
    assert 0.10 < shuffled.p < 0.45
    assert facts.capability.before == pytest.approx(0.787, abs=0.002)
    assert facts.capability.after == pytest.approx(0.802, abs=0.002)
    assert (done.outcome, [note.code for note in facts.reasons]) == ("no change shown", ["shuffled_as_small"])


@pytest.fixture
def right_captions(tmp_path):
    """The right name of every drawing of a role, and a table in which the drawings of a role and a tone are one cluster."""
    drawings = load(LoadOptions(None)).attributes
    drawings = drawings[drawings["role"] != UNKNOWN]
    lines = []
    for name, role, gender, tone in drawings[["role", "gender", "tone"]].itertuples():
        caption = f"{role_name(role, '' if gender == 'person' else gender)} {tone} skin tone"
        lines.append(f"{json.dumps({'id': name, 'caption': caption})}\n")
    (tmp_path / "right.jsonl").write_text("".join(lines))
    drawings.assign(drawing=drawings["role"] + " " + drawings["tone"])[["drawing"]].to_csv(tmp_path / "units.csv", index_label="id")
    return tmp_path / "right.jsonl", tmp_path / "units.csv"


@pytest.mark.slow
def test_right_captions_correct_the_names_of_other_drawings_of_the_same_roles(demo_model, right_captions, tmp_path):
    captions, units = right_captions
    settings = [
        "optim.steps=40",
        "optim.lr=5e-4",
        "data.batch=128",
        "data.shift=2",
        'data.templates=["{caption}","a picture of {a caption}"]',
    ]
    done = mitigate(
        str(demo_model), "emoji", tmp_path / "out", method="finetune", captions=captions, train=settings, attributes_from=units,
        cluster="drawing",
    )  # fmt: skip
    assert done.outcome == "better"
    assert done.facts.target.gap.difference < -0.15
    assert done.facts.controls[0].p == 0.05
    assert done.facts.capability.code == "higher"
