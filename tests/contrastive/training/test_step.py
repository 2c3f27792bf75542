"""What a step does beyond the plain one: skipping, precision, locked towers, patch dropout, the average, accumulation, fine-tuning."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from contrastive.checkpoint.file import averaged, load
from contrastive.config import OptimConfig, read_config
from contrastive.model.architecture import ModelConfig, ResNetConfig, TextConfig, ViTConfig
from contrastive.model.clip import CLIP, kept_patches
from contrastive.model.presets import PRESETS
from contrastive.release import main as release
from contrastive.train import main
from contrastive.training import average, loop, step
from contrastive.training.inputs import architecture_of
from contrastive.training.logs import StopRequest
from contrastive.training.optimizer import LossScale, lock, make_optimizer, rest_locked_norms
from strictio.errors import DataError, UsageError
from tests.support.training import TINY_VIT, after, logged_events, prepared, run_text, saved_and_resumed

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_VIT, data="batch = 24", optim="steps = 6; lr = 1e-3", run="save_every = 2; log_every = 1")
CONV = ["model.preset=tiny-conv", "model.vision={channels = [8, 16]}", "model.text={width = 24, layers = 1}"]


def copies(state):
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def assert_equal(first, second, tolerance=0.0):
    assert first.keys() == second.keys()
    torch.testing.assert_close(dict(first), dict(second), rtol=0, atol=tolerance)


def each(numbers, name):
    return [line[name] for line in numbers]


@pytest.mark.slow
def test_parts_tiles_and_recomputation_change_nothing(run):
    plain, numbers = after(prepared(run, "data.patch_dropout=0.5"), 3)
    pieces = ["optim.accumulate=5", "loss.tile=7", "run.recompute=true"]
    other, others = after(prepared(run, "data.patch_dropout=0.5", *pieces), 3)
    assert (plain.account.forwards, other.account.forwards) == (1, 3)  # once for the loss, once for the gradient, once for the blocks
    assert each(others, "loss") == pytest.approx(each(numbers, "loss"), abs=1e-5)
    assert_equal(other.model.state_dict(), plain.model.state_dict(), 1e-5)


@pytest.mark.slow_except("true-2")
@pytest.mark.parametrize(("recompute", "calls"), [("false", 1), ("true", 2)])
def test_recomputed_blocks_run_twice(run, recompute, calls):
    inputs = prepared(run, f"run.recompute={recompute}")
    training, seen = loop.start(inputs), []
    training.model.transformer.resblocks[0].register_forward_pre_hook(lambda *_: seen.append(1))
    loop.take_step(training, inputs)
    assert len(seen) == calls


@pytest.mark.slow_except("fp16")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near_full_and_weights_stay_full(run, precision):
    _, exact = after(prepared(run), 3)
    training, numbers = after(prepared(run, f"run.precision={precision}"), 3)
    assert each(numbers, "loss") == pytest.approx(each(exact, "loss"), rel=0.02)
    assert each(numbers, "loss") != each(exact, "loss")
    assert each(numbers, "grad_norm") == pytest.approx(each(exact, "grad_norm"), rel=0.2)
    assert all(tensor.dtype == torch.float32 for tensor in training.model.parameters())


def test_the_loss_scale_by_hand():
    scale = LossScale.first("fp16")
    assert (scale.factor, LossScale.first("bf16").factor) == (2.0**16, 1.0)
    for steps, finite, factor in ((20, False, 1.0), (2000, True, 2.0)):  # 16 halvings reach 1, and there it stays
        for _ in range(steps):
            scale = scale.after(finite, "fp16")
        assert scale == LossScale(factor, 0)
    assert LossScale().after(False, "bf16") == LossScale()


def test_fp16_overflow_halves_the_scale_and_is_no_divergence(run):
    inputs = prepared(run, "run.precision=fp16", "optim.skip=0")
    training = loop.start(inputs)
    training.scale = LossScale(2.0**40)
    before = copies(training.model.state_dict())
    numbers = loop.take_step(training, inputs)
    assert (numbers["skipped"], training.skipped, training.scale.factor) == (1, 0, 2.0**39)
    assert_equal(training.model.state_dict(), before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of torch itself
def test_compiled_blocks_compute_the_same(run, monkeypatch):
    # Traced but not translated to C++, which takes a minute; the command was tried with it.
    compiling = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiling(module, backend="eager"))
    compiled, _ = after(prepared(run, "run.compile=true"), 1)
    plain, _ = after(prepared(run), 1)
    blocks = [*compiled.model.transformer.resblocks, *compiled.model.visual.transformer.resblocks]
    assert all(block._compiled_call_impl is not None for block in blocks)
    assert_equal(compiled.model.state_dict(), plain.model.state_dict(), 1e-4)


def spoilt(inputs, calls):
    """Return inputs whose pictures are NaN in some calls."""
    count = itertools.count(1)

    class Spoilt(type(inputs.pairs)):
        def batch(self, *arguments):
            pixels, ids = super().batch(*arguments)
            return (pixels.float() * torch.nan if next(count) in calls else pixels), ids

    return replace(inputs, pairs=Spoilt(**vars(inputs.pairs)))


@pytest.mark.parametrize("tower", [[], CONV], ids=["tiny-vit", "tiny-conv"])
def test_a_step_that_is_not_finite_leaves_no_trace(run, tower):
    inputs = spoilt(prepared(run, "optim.ema=0.9", *tower), {2})
    training, _ = after(inputs, 1)
    weights, ema = copies(training.model.state_dict()), copies(training.ema)
    numbers = loop.take_step(training, inputs)
    assert (numbers["step"], numbers["skipped"], training.step, training.skipped) == (2, 1, 2, 1)
    assert_equal(training.model.state_dict(), weights)  # batch-norm statistics too
    assert_equal(training.ema, ema)
    assert loop.take_step(training, inputs)["skipped"] == training.skipped == 0


def test_more_than_the_allowed_in_a_row_stop_the_run(run, tmp_path):
    inputs = spoilt(prepared(run, "optim.skip=1", "optim.steps=20"), {2, 4, 5})
    with pytest.raises(loop.VlmAuditError, match=r"diverged in step 4: loss nan, .* none of the 2 steps") as stopped:
        loop.run_training(loop.start(inputs), inputs, StopRequest(), quiet=True)
    assert stopped.value.exit_code == 70
    assert [(line["step"], line["skipped"], line["loss"] is None) for line in logged_events(tmp_path / "out")[:4]] == [
        (1, 0, False), (2, 1, True), (3, 0, False), (4, 1, True),
    ]  # fmt: skip
    assert not (tmp_path / "out" / "ckpt.pt").exists()  # steps 2 and 4 were due to be saved and were not good


def test_a_locked_tower_stays_and_the_rest_learns(run):
    inputs = prepared(run, "optim.multipliers={'^visual' = 0, '^token_embedding' = 0.5}")
    training = loop.start(inputs)
    before = copies(training.model.state_dict())
    loop.take_step(training, inputs)
    moved = {name for name, tensor in training.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {name for name, _ in training.model.named_parameters() if not name.startswith("visual")}
    halved = [group for group in training.optimizer.param_groups if group["multiplier"] == 0.5]
    assert [group["names"] for group in halved] == [["token_embedding.weight"]]
    assert halved[0]["lr"] == pytest.approx(0.5e-3)


def test_the_batch_norm_of_a_locked_tower_rests_and_allows_parts(run):
    with pytest.raises(UsageError, match="not exact with batch norm"):
        loop.start(prepared(run, "optim.accumulate=2", *CONV))
    training, _ = after(prepared(run, "optim.accumulate=2", "optim.multipliers={'^visual' = 0}", *CONV), 1)
    assert training.model.visual.layers[1].num_batches_tracked == 0
    lock(training.model, {})
    rest_locked_norms(training.model.train())
    assert training.model.visual.layers[1].training


@pytest.mark.parametrize(("pattern", "words"), [("visul", "'visul' finds no parameter"), ("'.'", "locks every parameter")])
def test_multipliers_that_fit_nothing_or_lock_everything_are_refused(run, pattern, words):
    with pytest.raises(UsageError, match=words):
        loop.start(prepared(run, f"optim.multipliers={{{pattern} = 0}}"))


def test_patches_are_drawn_by_seed_and_step_and_the_class_token_stays(run):
    kept = kept_patches(1000, 16, 0.75, torch.Generator().manual_seed(0))
    assert kept.shape == (1000, 4)  # a quarter of 16
    assert (kept.diff(dim=1) > 0).all()
    counts = torch.bincount(kept.flatten(), minlength=16)  # 250 each, give or take sqrt(1000 / 4 * 3 / 4) = 14
    assert counts.min() > 190
    assert counts.max() < 310
    assert kept_patches(2, 16, 0.99, torch.Generator()).shape == (2, 1)
    inputs = prepared(run, "data.patch_dropout=0.5")
    first, again, next_one = (step.batch_of(inputs, number, torch.device("cpu"))[2] for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(next_one, first)
    with pytest.raises(UsageError, match="patch_dropout needs a vision transformer"):
        prepared(run, "data.patch_dropout=0.5", *CONV)
    model = loop.start(inputs).model  # all patches in order are no dropout
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.visual(images, torch.arange(16).expand(2, -1)), model.visual(images))
    changed, kept = images.clone(), torch.arange(1, 16).expand(2, -1)
    changed[:, :, :8, :8] = 5.0  # what is not kept is not seen: another picture in those patches gives the same feature
    assert torch.equal(model.visual(images, kept), model.visual(changed, kept))


def test_the_average_by_hand():
    # The decay of step 1 is (1 + 1) / (10 + 1) = 2/11, below 0.5; of step 100 it is 0.5, below 101/110. Weights 0, then 11, then 3.
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    ema = average.begin(model)
    for step_number, weight, mean in ((1, 11.0, 9.0), (100, 3.0, 6.0)):
        torch.nn.init.constant_(model.weight, weight)
        average.update(ema, model, step_number, 0.5)
        assert ema["weight"].item() == pytest.approx(mean)
    with average.in_place(ema, model):
        assert model.weight.item() == pytest.approx(6.0)
    assert model.weight.item() == 3.0


@pytest.mark.slow
def test_the_average_is_saved_resumed_and_selectable(run, tmp_path):
    inputs = prepared(run, "optim.ema=0.9", "data.held_out=0.05")
    (straight, _), (training, _) = (after(inputs, steps) for steps in (4, 2))
    again, _ = after(inputs, 2, saved_and_resumed(training, inputs))
    assert_equal(again.ema, straight.ema)
    measures = loop.finish(again, inputs)
    found = load(tmp_path / "out" / "ckpt.pt")
    mean = averaged(found)
    assert mean.ema is None
    assert torch.equal(mean.model.text_projection, straight.ema["text_projection"])
    assert not torch.equal(found.model.text_projection, mean.model.text_projection)
    assert measures["ema_loss"] != measures["loss"]
    assert torch.equal(again.model.text_projection, found.model.text_projection)  # measuring put the weights back
    with pytest.raises(DataError, match="no running average"):
        averaged(mean)


def test_a_release_has_the_last_weights_or_the_average(run, tmp_path, capsys):
    inputs = prepared(run, "optim.ema=0.9")
    training, _ = after(inputs, 2)
    loop.save_run(training, inputs)
    path, plain, mean = tmp_path / "out" / "ckpt.pt", tmp_path / "plain.pt", tmp_path / "mean.pt"
    assert release([str(path), str(plain)]) == release([str(path), str(mean), "--ema"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{load(plain).sha256}  {plain}"
    assert (load(plain).training, load(plain).ema, load(plain).step) == (None, None, 2)
    assert_equal(load(plain).model.state_dict(), training.model.state_dict())
    assert_equal(load(mean).model.state_dict(), training.ema)
    assert plain.stat().st_size < path.stat().st_size / 3  # weights, average and two moments were four of a kind
    assert release([str(path), str(mean)]) == 2
    assert release([str(plain), str(tmp_path / "no.pt"), "--ema"]) == 3
    assert "no running average" in capsys.readouterr().err


@pytest.mark.slow_except("fp32")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_resumed_with_all_options_equals_uninterrupted_to_the_bit(run, precision):
    options = [f"run.precision={precision}", "optim.ema=0.9", "optim.schedule=wsd", "optim.cooldown=2", "data.patch_dropout=0.5",
               "optim.multipliers={'^visual.conv1' = 0, 'ln_' = 0.5}", "loss.kind=sigmoid"]  # fmt: skip
    inputs = prepared(run, *options)
    (straight, _), (training, _) = (after(inputs, steps) for steps in (6, 3))
    training.skipped = 2
    again = saved_and_resumed(training, inputs)
    assert (again.skipped, again.scale, again.step) == (2, training.scale, 3)
    after(inputs, 3, again)
    assert_equal(again.model.state_dict(), straight.model.state_dict())
    assert_equal(again.ema, straight.ema)
    assert again.scale == straight.scale


def test_a_state_that_does_not_fit_is_refused_in_words(run, tmp_path):
    inputs = prepared(run)
    training, _ = after(inputs, 1)
    loop.save_run(training, inputs)
    found = load(tmp_path / "out" / "ckpt.pt")
    for broken in ({}, {**found.training, "skipped": "x" * 9, "optimizer": 3}, {**found.training, "loss_scale": []}):
        with pytest.raises(DataError, match="state of the optimiser does not fit"):
            loop.resume(inputs, replace(found, training=broken), tmp_path)


def test_fine_tuning_goes_on_from_given_weights(run, tmp_path, capsys):
    assert main([run, "--quiet"]) == 0
    first = load(tmp_path / "out" / "ckpt.pt")
    path = tmp_path / "fine.toml"
    rest = RUN.partition("[data]")[2].replace("OUT", str(tmp_path / "fine"))
    path.write_text(f"[model]\ninit = '{tmp_path / 'out' / 'ckpt.pt'}'\n[data]{rest}")
    inputs = prepared(path)
    training = loop.start(inputs)
    assert_equal(training.model.state_dict(), first.model.state_dict())
    assert (inputs.tokenizer.sha256, training.step) == (first.tokenizer.sha256, 0)
    assert main([str(path), "--quiet", "optim.lr=1e-5"]) == 0
    second = load(tmp_path / "fine" / "ckpt.pt")
    assert second.step == 6
    assert f"went on from the weights with sha256 {first.sha256[:16]} (step 6)" in second.data_card
    assert 0 < (second.model.text_projection - first.model.text_projection).abs().max() < 1e-4
    assert "model.init" not in second.account["identity"]
    assert second.account["identity"]["the initial weights (sha256)"] == first.sha256
    assert main([str(path), "--quiet", "loss.kind=sigmoid", "--fresh"]) == 2
    assert "the initial model scores by softmax" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tower", "paper"),
    [(ViTConfig(8, 8, 16, 1, head_width=16), [(0.9, 0.98), 1e-6]), (ResNetConfig(32, 2, (1, 1, 1, 1)), [(0.9, 0.999), 1e-8])],
    ids=["vit", "resnet"],
)
def test_moments_are_the_papers_unless_told(tower, paper):
    model = CLIP(ModelConfig(8, tower, TextConfig(4, 600, 16, 1, head_width=16)))
    for told, expected in (({}, paper), ({"betas": (0.5, 0.6), "eps": 1e-3}, [(0.5, 0.6), 1e-3])):
        optimizer = make_optimizer(model, OptimConfig(1, lr=0.1, **told))
        assert [optimizer.defaults[name] for name in ("betas", "eps")] == expected


def test_the_papers_presets_can_be_chosen(run):
    path = Path(run).with_name("paper.toml")
    papers = [name for name in PRESETS if not name.startswith("tiny")]
    assert len(papers) == 9
    for name in papers:
        path.write_text(f"[model]\npreset = '{name}'\n[data]{RUN.partition('[data]')[2]}")
        assert architecture_of(read_config(str(path))) == PRESETS[name]
