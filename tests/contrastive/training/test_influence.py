"""Influence of groups of pairs by gradients: by hand, against one step of descent, and what must not matter."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from contrastive.config import read_config
from contrastive.data.shapes import COLOURS
from contrastive.influence import main
from contrastive.loss.dense import info_nce
from contrastive.model.clip import unit_length
from contrastive.settings import LeaveOutConfig
from contrastive.training.influence import Target, find_members, group_gradients, influences, target_gradient
from contrastive.training.inputs import prepare
from strictio.errors import DataError, UsageError
from tests.support.training import COLOURED_SHAPES, after, prepared

EOT = 9


class Linear(nn.Module):
    """Images are vectors, texts are rows of a table; two matrices and the scale are trained."""

    config, logit_bias = SimpleNamespace(score_rule="softmax"), None

    def __init__(self, image, text):
        super().__init__()
        self.image, self.text, self.logit_scale = nn.Parameter(image), nn.Parameter(text), nn.Parameter(torch.zeros(1, dtype=image.dtype))

    def encode_image(self, x_nd):
        return x_nd @ self.image

    def encode_text(self, ids_nl):
        return self.text[ids_nl[:, 0]]

    def forward(self, x_nd, ids_nl):
        return unit_length(self.encode_image(x_nd)), unit_length(self.encode_text(ids_nl)), self.logit_scale.exp()


def tokenizer(texts, truncate):
    return torch.tensor([[int(text), EOT] for text in texts])


tokenizer.eot = EOT


def of(model):
    return SimpleNamespace(model=model, tokenizer=tokenizer, preprocess=lambda images: torch.stack(list(images)))


def ids(*numbers):
    return tokenizer(map(str, numbers), truncate=True)


def test_a_gradient_dot_product_by_hand():
    # Cosines of image i with text j are 1 if i = j, else 0; the scale is e^s with s = 0. p = e / (e + 1) = .7311.
    # Loss of a pair: -log p in its row and in its column; by s: p * 1 + (1 - p) * 0 - 1 = -.2689 in both. Half the batch: -.1345.
    # Probability of text 0 for an image on it: by s, p (1 - p) (1 - 0) = .1966. Product: -.02644.
    model, p = Linear(torch.eye(2).double(), torch.eye(2).double()), np.e / (np.e + 1)
    group = group_gradients(model, [((torch.eye(2).double(), ids(0, 1)), torch.tensor([[True, False]]))], [model.logit_scale])
    assert group.item() == pytest.approx((p - 1) / 2)
    target = Target([torch.tensor([1.0, 0.0]).double()], np.array([1.0]), np.array([[True, False]]), (("0",), ("1",)))
    value, toward = target_gradient(of(model), target, [model.logit_scale])
    assert value == pytest.approx(p)
    assert toward.item() == pytest.approx(p * (1 - p))
    assert (group @ toward).item() == pytest.approx(-0.02644, abs=5e-6)


@pytest.fixture
def toy():
    """A model of 6 images and texts, one batch of them with three groups, and a target of 4 images among 3 texts."""
    rng = torch.Generator().manual_seed(1)

    def drawn(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    model = Linear(drawn(4, 3), drawn(6, 3))
    batch, members = (drawn(6, 4), ids(*range(6))), torch.tensor([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]).bool()
    answers = np.eye(3, dtype=bool)[[0, 1, 2, 2]]
    target = Target(list(drawn(4, 4)), np.array([0.5, 0.5, -0.5, -0.5]), answers, (("0", "1"), ("2",), ("5",)))
    return model, batch, members, target


def test_one_step_of_descent_without_a_group_moves_the_target_as_predicted(toy):
    model, batch, members, target = toy
    parameters = list(model.parameters())
    _, toward = target_gradient(of(model), target, parameters)
    group_gp, rate = group_gradients(model, [(batch, members)], parameters), 1e-5
    whole = group_gp.sum(dim=0)

    def target_after(gradient):
        moved, at = Linear(model.image.detach().clone(), model.text.detach().clone()), 0
        for parameter in moved.parameters():
            parameter.data -= rate * gradient[at : at + parameter.numel()].reshape(parameter.shape)
            at += parameter.numel()
        return target_gradient(of(moved), target, list(moved.parameters()))[0]

    effects = [target_after(whole - group) - target_after(whole) for group in group_gp]
    np.testing.assert_allclose(effects, rate * (group_gp @ toward).numpy(), rtol=1e-3)


def test_the_parts_of_all_groups_add_up_to_the_gradient_of_the_loss(toy):
    model, batch, members, _ = toy
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(info_nce(*model(*batch)), parameters)
    whole = torch.cat([part.flatten() for part in gradient])
    torch.testing.assert_close(group_gradients(model, [(batch, members)], parameters).sum(dim=0), whole)


def test_neither_the_order_of_groups_nor_copies_of_batches_matter_and_weights_only_scale(toy):
    model, batch, members, target = toy
    parameters = list(model.parameters())
    group_gp = group_gradients(model, [(batch, members)], parameters)
    torch.testing.assert_close(group_gradients(model, [(batch, members.flip(0))] * 2, parameters).flip(0), group_gp)
    order = [3, 1, 0, 2]
    shuffled = replace(
        target, images=[target.images[i] for i in order], weight_n=3 * target.weight_n[order], answer_nk=target.answer_nk[order]
    )
    (value, toward), (scaled, further) = (target_gradient(of(model), one, parameters) for one in (target, shuffled))
    assert scaled == pytest.approx(3 * value)
    torch.testing.assert_close(further, 3 * toward)


GROUPS = {"red": LeaveOutConfig({"colour": "red"}), "circles": LeaveOutConfig(words=("circle", "circles"))}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("influence")
    (folder / "run.toml").write_text(COLOURED_SHAPES.replace("OUT", str(folder / "out")))
    return folder / "run.toml"


@pytest.mark.slow
def test_leaving_out_changes_nothing_but_the_pairs(run):
    whole = prepare(read_config(str(run)))
    left = prepare(read_config(str(run), ['data.leave_out={where = {colour = "red"}}']))
    red = find_members(whole, GROUPS, batches=1).row_gn[0]
    assert left.tokenizer.sha256 == whole.tokenizer.sha256
    assert left.pairs.sha256 == whole.pairs.sha256
    assert np.array_equal(left.held_out_rows, whole.held_out_rows)
    assert left.train_rows.tolist() == [row for row in whole.train_rows if not red[row]]
    number, missing = len(whole.train_rows), len(whole.train_rows) - len(left.train_rows)
    assert f"Left out of training on purpose: {missing} of {number} pairs, those with colour red." in left.data_card
    drawn = np.concatenate([whole.rows(step) for step in range(number // 48)])
    kept = [row for row in drawn if not red[row]]
    first = np.concatenate([left.rows(step) for step in range(len(kept) // 48)])
    assert first.tolist() == kept[: len(first)]  # in the same order
    assert left.identity != whole.identity


def test_groups_without_pairs_or_outside_of_the_batches_are_refused(run):
    inputs = prepare(read_config(str(run)))
    for group, message in (
        (LeaveOutConfig({"colour": "reed"}), "influence.groups.g.where.colour: no pair has such a value"),
        (LeaveOutConfig({"color": "red"}), "has no column 'color'"),
        (LeaveOutConfig(words=("hexagon",)), "influence.groups.g fits no pair"),
        (LeaveOutConfig({"colour": list(COLOURS)}), "it has 1296 of 1296 training pairs, and the rest does not fill a batch"),
    ):
        with pytest.raises((UsageError, DataError)) as caught:
            find_members(inputs, {"g": group}, batches=1)
        assert message in str(caught.value), message


def test_losses_of_more_than_the_pairs_and_pairs_already_left_out_are_refused(run):
    for overrides, message in (
        (['data.groups=["colour"]', "optim.objective=group_dro"], "for this run"),
        (['data.leave_out={words = ["red"]}'], "with data.leave_out"),
    ):
        with pytest.raises(UsageError, match=message):
            find_members(prepare(read_config(str(run), overrides)), GROUPS, batches=1)


def test_a_checkpoint_of_another_run_is_refused(run, tmp_path):
    inputs = prepared(run, f"run.out={tmp_path}", "run.keep_every=1")
    training, _ = after(inputs, 1)
    from contrastive.training.state import save_file

    save_file("step-000001.pt", training, inputs, resumable=False)
    members = find_members(inputs, GROUPS, batches=1)
    target = Target([], np.zeros(0), np.zeros((0, 2), bool), (("a circle",), ("a square",)))
    made = influences(inputs, [tmp_path / "step-000001.pt"], members, target)
    assert made.steps == (1,)
    assert made.tracin_g.tolist() == [0, 0]  # no image, and no step after it
    other = prepare(read_config(str(run), ["run.seed=3", f"run.out={tmp_path}"]))
    with pytest.raises(DataError, match="is of another run"):
        influences(other, [tmp_path / "step-000001.pt"], members, target)


def test_the_json_of_many_groups_is_printed_whole(run, tmp_path, capsys):
    names = [f"group {number} with a name" for number in range(120)]
    content = {"batches": 1, "groups": {name: {"words": ["red"]} for name in names}, "prompts": [["a circle"], ["a square"]], "images": []}
    (tmp_path / "target.json").write_text(json.dumps(content))
    assert main([str(run), "--check", "--target", str(tmp_path / "target.json")]) == 0
    printed = capsys.readouterr().out
    assert len(printed) > 500
    assert len(set(json.loads(printed)["pairs"])) == 1
    assert len(json.loads(printed)["sampled"]) == 120


@pytest.mark.parametrize(
    ("content", "message"), [("{", "not a readable JSON file"), ('{"batches": 0}', "lacks the setting"), ("[]", "a table of settings")]
)
def test_a_target_of_another_form_is_refused(run, tmp_path, capsys, content, message):
    (tmp_path / "target.json").write_text(content)
    assert main([str(run), "--target", str(tmp_path / "target.json")]) in (2, 3)
    assert message in capsys.readouterr().err


def test_a_run_without_kept_steps_is_refused(run, tmp_path, capsys):
    content = {"batches": 1, "groups": {"red": {"words": ["red"]}}, "prompts": [["a circle"], ["a square"]], "images": []}
    (tmp_path / "target.json").write_text(json.dumps(content))
    assert main([str(run), f"run.out={tmp_path}", "--target", str(tmp_path / "target.json")]) == 2
    assert "the run has no kept steps" in capsys.readouterr().err
