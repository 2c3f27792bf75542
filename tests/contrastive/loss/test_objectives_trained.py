"""Every objective by the trainer: it learns, is killed and resumed to the bit, and its file says what it is and is not."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from audit.models import load as load_encoder
from contrastive.checkpoint.file import load, load_head, save
from contrastive.config import read_config
from contrastive.export import export
from contrastive.loss import Distillation, PerPair
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.checkpointing import newest_state
from contrastive.training.doctor import learning
from strictio.errors import DataError, UsageError, VlmAuditError
from tests.support.spawn import spawn
from tests.support.training import TINY_VIT, assert_same_bytes, logged_events, run_text, train_and_die

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_VIT, data="batch = 24; held_out = 0.02", optim="steps = 8; lr = 3e-3", run="save_every = 3; log_every = 1")
HEADS = ("caption", "caption-both", "bag-of-words")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A checkpoint of a wider model that has taken a few steps."""
    folder = tmp_path_factory.mktemp("teacher")
    path = folder / "run.toml"
    path.write_text(RUN.replace("OUT", str(folder / "out")))
    assert main([str(path), "--quiet", "model.vision.width=32", "optim.steps=4"]) == 0
    return str(folder / "out" / "ckpt.pt")


def prepared(run, *overrides):
    return loop.prepare(read_config(run, list(overrides)))


def after(inputs, steps):
    training = loop.start(inputs)
    return training, [loop.take_step(training, inputs) for _ in range(steps)]


def go_on(training, inputs, steps):
    while training.step < steps:
        loop.take_step(training, inputs)
    return training


def settings_of(kind, teacher):
    return [f"loss.teacher={teacher}", "loss.temperature=2.0"] if kind == "teacher" else [f"loss.kind={kind}"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*HEADS, "teacher"])
def test_an_objective_learns_and_resumes_to_the_bit(kind, run, tmp_path, teacher):
    inputs = prepared(run, *settings_of(kind, teacher), "data.patch_dropout=0.25", "optim.ema=0.9")
    (tmp_path / "out").mkdir()
    straight, numbers = after(inputs, 8)
    assert numbers[-1]["loss"] < 0.95 * numbers[0]["loss"]
    training, _ = after(inputs, 3)
    loop.save_run(training, inputs)
    again = go_on(loop.resume(inputs, load(tmp_path / "out" / "ckpt.pt"), tmp_path), inputs, 8)
    assert_same_bytes(again.learner.state_dict(), straight.learner.state_dict())
    assert_same_bytes(again.ema, straight.ema)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_teaches_the_image_tower_alone(kind, run):
    training, _ = after(prepared(run, f"loss.kind={kind}"), 2)
    fresh = loop.start(prepared(run))  # the same seed: what is not taught is as it was drawn, whatever the objective
    moved = {name for name, tensor in training.model.state_dict().items() if not torch.equal(tensor, fresh.model.state_dict()[name])}
    assert moved == {name for name, _ in training.model.named_parameters() if name.startswith("visual.")}
    named = {name for group in training.optimizer.param_groups for name in group["names"]}
    assert named == moved | {f"objective.{name}" for name, _ in training.objective.named_parameters()}
    undecayed = {name for group in training.optimizer.param_groups if not group["weight_decay"] for name in group["names"]}
    assert "objective.ln_final.weight" in undecayed or "objective.head.bias" in undecayed


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(run, tmp_path):
    options = ["loss.kind=caption", "optim.steps=40", "--quiet"]
    assert main([run, *options, f"run.out={tmp_path / 'straight'}"]) == 0
    with pytest.raises(VlmAuditError, match="ended with -9"):
        spawn(train_and_die, 1, 8, run, *options, group=False)
    assert load(tmp_path / "out" / "ckpt.pt").step == 6
    assert main([run, *options]) == 0
    resumed, straight = (load(tmp_path / name / "ckpt.pt") for name in ("out", "straight"))
    assert_same_bytes(resumed.model.state_dict(), straight.model.state_dict())
    assert_same_bytes(resumed.head["state_dict"], straight.head["state_dict"])
    losses = [[line["loss"] for line in logged_events(tmp_path / name) if line["event"] == "step"] for name in ("out", "straight")]
    assert losses[0] == losses[1]


def test_a_head_in_shards_resumes_to_the_bit(run, tmp_path):
    inputs = prepared(run, "loss.kind=caption", "run.sharded=true")
    straight, _ = after(inputs, 5)
    training, _ = after(inputs, 3)
    (tmp_path / "out").mkdir()
    loop.save_run(training, inputs)
    assert not (tmp_path / "out" / "ckpt.pt").exists()
    again = go_on(loop.resume(inputs, newest_state(tmp_path / "out"), tmp_path), inputs, 5)
    assert_same_bytes(again.learner.state_dict(), straight.learner.state_dict())
    loop.finish(again, inputs)
    assert_same_bytes(load(tmp_path / "out" / "ckpt.pt").head["state_dict"], straight.objective.state_dict())


def test_a_model_can_be_locked_and_its_head_slowed(run):
    inputs = prepared(run, "loss.kind=bag-of-words", "optim.multipliers={'^visual' = 0, '^objective' = 0.5}")
    training, _ = after(inputs, 1)
    assert {group["multiplier"] for group in training.optimizer.param_groups} == {0.5}
    assert not any(parameter.requires_grad for parameter in training.model.parameters())
    assert training.objective.head.weight.grad is not None


@pytest.mark.slow
def test_parts_precision_and_recomputation(run):
    for kind in ("caption", "bag-of-words"):
        plain, numbers = after(prepared(run, f"loss.kind={kind}"), 3)
        parts, same = after(prepared(run, f"loss.kind={kind}", "optim.accumulate=5", "run.recompute=true"), 3)
        assert [line["loss"] for line in same] == pytest.approx([line["loss"] for line in numbers], abs=1e-4)
        torch.testing.assert_close(parts.model.visual.proj, plain.model.visual.proj, rtol=0, atol=1e-5)
        _, half = after(prepared(run, f"loss.kind={kind}", "run.precision=bf16"), 3)
        assert [line["loss"] for line in half] == pytest.approx([line["loss"] for line in numbers], rel=0.02)


@pytest.mark.slow_except("bag-of-words")
@pytest.mark.parametrize("kind", ["caption", "bag-of-words"])
def test_a_finished_run_keeps_its_head_and_says_what_it_measured(kind, run, tmp_path, capsys):
    assert main([run, "--quiet", f"loss.kind={kind}"]) == 0
    shown = capsys.readouterr().out
    assert f"context 77, {kind} loss, on cpu" in shown
    assert "held out, 29 pairs: loss " in shown
    assert "recall" not in shown
    found = load(tmp_path / "out" / "ckpt.pt")
    assert (found.head["kind"], found.training) == (kind, None)
    inputs = prepared(run, f"loss.kind={kind}")
    objective = inputs.objective()
    assert isinstance(objective, PerPair)
    load_head(objective, found)
    pixels, ids = inputs.pairs.plain(inputs.held_out_rows)
    with torch.no_grad():
        loss = objective(found.model, inputs.preprocess.normalise(pixels), ids)
    assert found.account["held_out"]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert main([run, "--quiet", f"loss.kind={kind}"]) == 0
    assert "already finished" in capsys.readouterr().out


def test_a_model_without_a_taught_text_tower_is_neither_audited_nor_exported(run, tmp_path):
    assert main([run, "--quiet", "loss.kind=bag-of-words"]) == 0
    path = tmp_path / "out" / "ckpt.pt"
    with pytest.raises(DataError, match="text tower was never taught") as caught:
        load_encoder(str(path))
    assert caught.value.exit_code == 3
    assert "loss.kind = 'bag-of-words'" in caught.value.why
    assert "loss.kind=softmax" in caught.value.fix
    with pytest.raises(DataError, match="text tower was never taught"):
        export(load(path), tmp_path / "exported", "huggingface")
    assert export(load(path), tmp_path / "exported", "safetensors") < 1e-5
    assert main([run, "--quiet", f"loss.teacher={path}", f"run.out={tmp_path / 'student'}"]) == 3


def test_contrastive_training_goes_on_from_a_captioner_and_is_audited(run, tmp_path):
    assert main([run, "--quiet", "loss.kind=caption"]) == 0
    fine = tmp_path / "fine.toml"
    data = RUN.partition("[data]")[2].replace("OUT", str(tmp_path / "fine"))
    fine.write_text(f"[model]\ninit = '{tmp_path / 'out' / 'ckpt.pt'}'\n[data]{data}")
    assert main([str(fine), "--quiet"]) == 0
    assert load(tmp_path / "fine" / "ckpt.pt").head is None
    assert load_encoder(str(tmp_path / "fine" / "ckpt.pt")).encode_texts(["one red circle"]).shape == (1, 64)
    # A captioner goes on with the head that it had.
    inputs = prepared(str(fine), "loss.kind=caption")
    assert_same_bytes(loop.start(inputs).objective.state_dict(), load(tmp_path / "out" / "ckpt.pt").head["state_dict"])
    other = loop.start(prepared(str(fine), "loss.kind=caption-both"))
    assert len(other.objective.decoders) == 2


def test_a_head_that_does_not_fit_is_refused(run, tmp_path):
    inputs = prepared(run, "loss.kind=caption")
    (tmp_path / "out").mkdir()
    training, _ = after(inputs, 1)
    loop.save_run(training, inputs)
    path = tmp_path / "out" / "ckpt.pt"
    for head in (None, {"kind": "caption"}, {"kind": "caption", "state_dict": {"read.weight": 3}}):
        found = load(path)
        object.__setattr__(found, "head", head)
        with pytest.raises(DataError, match="no head of its objective"):
            loop.resume(inputs, found, path)
    found = load(path)
    del found.head["state_dict"]["read.bias"]
    with pytest.raises(DataError, match=r"missing: 1 \(read.bias\)"):
        loop.resume(inputs, found, path)
    with torch.no_grad():
        training.objective.read.bias[0] = torch.nan
    with pytest.raises(loop.VlmAuditError, match="was not saved"):
        loop.save_run(training, inputs)


def test_a_step_of_distillation_has_the_gradient_of_the_dense_formula(run, teacher):
    inputs = prepared(run, *settings_of("teacher", teacher), "loss.weight=0.3")
    training = loop.start(inputs)
    images, ids = loop.batch_of(inputs, 0, training.device)
    dense = Distillation(load(teacher), inputs.tokenizer, inputs.preprocess, weight=0.3, temperature=2.0)
    value = dense(training.model.train(), images, ids)
    parameters = list(training.model.parameters())
    expected = torch.autograd.grad(value, parameters)
    found = loop.take_step(training, inputs)
    assert found["loss"] == pytest.approx(value.item(), abs=1e-5)
    norm = torch.cat([gradient.flatten() for gradient in expected]).norm().item()
    assert found["grad_norm"] == pytest.approx(norm, rel=1e-4)
    scale = min(1.0, 1.0 / norm)  # the step has clipped
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, scale * gradient, rtol=1e-3, atol=1e-6)


def test_without_weight_a_teacher_changes_nothing(run, teacher):
    alone, _ = after(prepared(run), 3)
    ignored, _ = after(prepared(run, f"loss.teacher={teacher}", "loss.weight=0"), 3)
    heard, _ = after(prepared(run, f"loss.teacher={teacher}"), 3)
    torch.testing.assert_close(ignored.model.visual.proj, alone.model.visual.proj, rtol=0, atol=1e-6)
    assert (heard.model.visual.proj - alone.model.visual.proj).abs().max() > 1e-4


def test_a_student_is_audited_and_its_card_names_the_teacher(run, tmp_path, teacher, capsys):
    options = [run, "--quiet", *settings_of("teacher", teacher)]
    assert main(options) == 0
    assert "softmax loss and a teacher (0.5 of it), on cpu" in capsys.readouterr().out
    found = load(tmp_path / "out" / "ckpt.pt")
    assert f"teacher with sha256 {load(teacher).sha256[:16]}" in found.data_card
    assert found.head is None
    assert load_encoder(str(tmp_path / "out" / "ckpt.pt")).encode_texts(["one red circle"]).shape == (1, 64)
    identity = found.account["identity"]
    assert identity["the teacher (sha256)"] == load(teacher).sha256
    assert "loss.teacher" not in identity
    other = tmp_path / "other.pt"
    save(other, load(teacher))  # the same weights in another file are another teacher to be sure of
    assert main([run, "--quiet", f"loss.teacher={other}", "loss.temperature=2.0"]) == 2
    assert "the teacher (sha256) was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["loss.kind=bag-of-word"], "did you mean bag-of-words"),
        (["loss.kind=captions"], "did you mean caption"),
        (["loss.teacher=x.pt", "loss.kind=caption"], "loss.kind must be softmax or sigmoid with a teacher"),
        (["loss.weight=0.2"], "loss.teacher must be given"),
        (["loss.teacher=x.pt", "loss.weight=1.5"], "loss.weight must be at most 1"),
        (["loss.teacher=x.pt", "loss.temperature=0"], "loss.temperature must be above 0"),
    ],
)
def test_mistakes_are_named(run, overrides, words):
    with pytest.raises(UsageError) as caught:
        read_config(run, overrides)
    assert words in str(caught.value)


def test_a_teacher_that_saw_other_pixels_is_refused(run, teacher):
    with pytest.raises(UsageError, match="other pixels"):
        loop.start(prepared(run, f"loss.teacher={teacher}", "model.vision.image_size=64"))


@pytest.mark.parametrize("kind", [*HEADS, "teacher"])
def test_operations_are_those_that_torch_counts(kind, run, teacher):
    inputs = prepared(run, *settings_of(kind, teacher))
    training = loop.start(inputs)
    batch = loop.batch_of(inputs, 0, training.device)
    # As in the tests of the formula: the counter does not know the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        loop.take_step(training, inputs, batch)
    training.account.step(len(batch[0]), tokens=batch[1].shape[1], seconds=1.0)
    counted, told = counter.get_total_flops(), training.account.sums["flop"]
    if kind == "teacher":  # the loss itself is in no account: 5 + 7 products of 24 x 64 and 64 x 24
        counted -= 12 * 2 * 24 * 24 * 64
    assert told == pytest.approx(counted, rel=0.02)


def test_the_doctor_examines_objectives_with_a_head(run, monkeypatch, capsys):
    monkeypatch.setattr(learning, "STEPS", 40)
    monkeypatch.setattr(learning, "_seconds", lambda action: (action(), 1.0)[1])  # how fast this machine is does not matter here
    assert main([run, "--doctor", "loss.kind=bag-of-words", "data.held_out=0"]) == 0
    shown = capsys.readouterr().out
    assert "not known what value a guess has" in shown
    assert "nothing is wrong" in shown
