"""Attacks on pixels: within their budget, against the right answer, and not estimable of a model without gradients."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from audit.analyses.plans import AttackPlan
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.extensions.conditions.attack import AttackableEncoder, sample
from audit.models import load
from audit.models.attack import attack
from audit.testing import FakeEncoder, four_faces
from audit.types import LabelSet, Measurement, Probe, Settings
from strictio.images.decode import decode
from tests.support.answered import answered
from tests.support.planted import picture
from tests.support.tiny import write_checkpoint

LABELS = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
ASKED = Measurement("gender", "?", LABELS, "test v1", (), truth="gender")
PLAN = AttackPlan(question="Who is easier to attack?", measurement="gender", by=("race",), budgets=(0.0, 4.0, 64.0), steps=4)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load(str(write_checkpoint(tmp_path_factory.mktemp("ckpt") / "tiny.pt")))


def audited(encoder):
    data = four_faces(20)
    data = replace(data, images=[picture(row) for row in range(80)])
    probe = Probe("p", "?", lambda options: data, (ASKED,), "ours", "none", (), (), analyses=(PLAN,))
    return audit(encoder, probe, data, Settings(draws=99)).result.analyses["conditions"][0]


def test_no_pixel_moves_further_than_the_budget_or_out_of_range():
    seen = []

    def encode(pixels):
        seen.append(pixels.detach().clone())
        return pixels.mean(dim=(2, 3))[:, :2]

    start = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    start[0] = 0.0
    attack(encode, start, torch.eye(2), torch.tensor([0, 1, 0, 1, 0]), 8 / 255, 6)
    assert len(seen) == 7
    last = seen[-1]
    assert float((last - start).abs().max()) == pytest.approx(8 / 255, abs=1e-6)
    assert 0 <= float(last.min()) <= float(last.max()) <= 1


def test_the_first_step_follows_the_slope_by_hand():
    """Red 0.6 and green 0.5, right is red: FGSM takes 0.1 from red and gives it to green."""
    red = torch.tensor([0.6, 0.5, 0.2]).view(1, 3, 1, 1)
    found = attack(lambda x: x.flatten(1)[:, :2], red, torch.eye(2), torch.tensor([0]), 0.1, 1)
    assert found[0].tolist() == pytest.approx([0.5, 0.6])


@pytest.mark.slow
def test_a_trained_encoder_loses_more_under_a_larger_budget(encoder):
    assert isinstance(encoder, AttackableEncoder)
    found = audited(encoder)
    after = {each.condition.name: each.overall.after.value for each in found.results}
    assert list(after) == [f"{name}, {budget}/255" for name in ("FGSM", "PGD") for budget in (0, 4, 64)]
    assert after["FGSM, 0/255"] == after["PGD, 0/255"] == found.baseline_overall.value
    assert after["PGD, 64/255"] < after["PGD, 0/255"]
    assert after["PGD, 64/255"] <= after["PGD, 4/255"]
    assert found.kind == "attack"


def test_a_model_without_gradients_is_not_attacked():
    found = audited(FakeEncoder())
    assert found.results == ()
    assert [note.code for note in found.notes] == ["conditions_no_gradients"]
    assert found.baseline_overall.value is not None


def test_an_encoder_that_turns_out_to_give_no_gradients_is_not_attacked():
    class Without(FakeEncoder):
        def attacked(self, images, texts, right, budget, steps):
            return None

    found = audited(Without())
    assert found.results == ()
    assert [note.code for note in found.notes] == ["conditions_no_gradients"]


def test_an_attack_needs_the_right_label():
    data = four_faces(20)
    for asked in (replace(ASKED, truth=None, outcomes={"man": ("Male",)}), replace(ASKED, kind="top_five")):
        plan = replace(PLAN, outcome="man" if asked.outcomes else None)
        probe = Probe("p", "?", lambda options: data, (asked,), "", "", (), (), analyses=(plan,))
        with pytest.raises(UsageError, match="needs a zero-shot measurement with a true answer"):
            audit(FakeEncoder(), probe, data, Settings(draws=99))


def test_an_attacked_row_is_an_embedding(encoder):
    images = [decode(picture(3)).image]
    texts = encoder.encode_texts(["a woman", "a man"])
    np.testing.assert_allclose(encoder.attacked(images, texts, [0], 0.0, 1), encoder.encode_images(images), atol=1e-5)


def test_a_sample_has_whole_clusters_and_at_most_so_many_images():
    """Ten clusters of 3: of 10 images at most three clusters; of one cluster of 30 a part is all that fits."""
    rows = pd.DataFrame(index=range(30))
    given = answered(np.repeat("Female", 30), rows)
    kept = sample(replace(given, cluster=np.repeat(np.arange(10), 3)), 10, seed=0)
    assert len(kept) == 9
    assert np.unique(kept // 3, return_counts=True)[1].tolist() == [3, 3, 3]
    assert len(sample(replace(given, cluster=np.zeros(30, int)), 10, seed=0)) == 10
    assert len(sample(given, 10, seed=0)) == 10
    assert sample(given, 30, seed=0).tolist() == list(range(30))
