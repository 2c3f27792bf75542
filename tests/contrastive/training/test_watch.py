"""What is looked at on the way: epochs, zero-shot accuracy, the best model, patience, how many checkpoints stay."""

import numpy as np
import pytest
import torch

from contrastive.checkpoint.file import load
from contrastive.config import read_config
from contrastive.data.shapes import COLOURS, KINDS, ShapeImages
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.zero_shot import zero_shot
from strictio.errors import VlmAuditError
from tests.support.spawn import spawn
from tests.support.training import TINY_CONV, TINY_VIT, assert_same_bytes, logged_events, run_text, train_and_die

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_CONV, data="batch = 48; held_out = 0.1", optim="steps = 12; lr = 2e-3", run="log_every = 1")
SMALL_CIRCLES = [KINDS.index((colour, "circle", "one", "small")) + more for colour in COLOURS for more in (0, len(KINDS))]


@pytest.fixture
def colours(tmp_path):
    """Twelve pictures of one small circle, two of each colour, and what they are to be called."""
    for row in SMALL_CIRCLES:
        ShapeImages(seed=1).image(row).save(tmp_path / f"{row}.png")
    rows = [f"{row}.png,{KINDS[row % len(KINDS)][0]}" for row in SMALL_CIRCLES]
    (tmp_path / "colours.csv").write_text("\n".join(["image,label", *rows]))
    labels = "\n".join(f'{colour} = "one small {colour} circle"' for colour in COLOURS)
    text = f'images = "{tmp_path / "colours.csv"}"\ntemplates = ["{{label}}"]\n[labels]\n{labels}\n'
    (tmp_path / "colours.toml").write_text(text)
    return tmp_path / "colours.toml"


@pytest.mark.slow
def test_epochs_are_steps_that_the_number_of_pairs_decides(run, tmp_path, capsys):
    # 1,296 pairs fill 27 batches of 48; the same run by steps is the same run.
    assert main([run, "--quiet", "optim.steps=0", "optim.epochs=1"]) == 0
    assert "27 steps, from the start" in capsys.readouterr().out
    assert load(tmp_path / "out" / "ckpt.pt").step == 27
    assert main([run, "--quiet", "optim.steps=27"]) == 0
    assert "already finished" in capsys.readouterr().out
    assert main([run, "--quiet", "optim.epochs=1"]) == 2
    assert "error: optim needs the setting 'steps' or 'epochs'" in capsys.readouterr().err
    assert main([run, "--quiet", "optim.steps=0", "optim.epochs=1", "optim.warmup=28", "--fresh"]) == 2
    said = capsys.readouterr().err
    assert "optim.warmup must be between 0 and optim.steps\nwhy: it is 28, and the run takes 27 steps\nfix: optim.warmup=2" in said


def test_a_label_set_is_asked_every_so_many_steps_and_logged(run, tmp_path, colours, capsys):
    options = ["optim.steps=60", "optim.lr=5e-3", "run.eval_every=20", f"data.zero_shot={colours}", "data.held_out=0.0"]
    assert main([run, "--quiet", *options]) == 0
    events = logged_events(tmp_path / "out")
    last = events[-1]["held_out"]
    assert [line["step"] for line in events if line["event"] == "held_out" and 0 <= line["zero_shot_accuracy"] <= 1] == [20, 40]
    assert set(last) == {"zero_shot_accuracy", "zero_shot_mean_per_label"}
    assert last["zero_shot_accuracy"] > 1 / 6
    assert f"zero-shot: accuracy {last['zero_shot_accuracy']:.3f}" in capsys.readouterr().out
    # By hand: the cosine with each colour's one text.
    found = load(tmp_path / "out" / "ckpt.pt")
    with torch.no_grad():
        images = found.preprocess([ShapeImages(seed=1).image(row) for row in SMALL_CIRCLES])
        image_nd, text_kd, _ = found.model(images, found.tokenizer([f"one small {colour} circle" for colour in COLOURS]))
    right = (image_nd @ text_kd.T).argmax(1).numpy() == np.repeat(np.arange(6), 2)
    assert last["zero_shot_accuracy"] == pytest.approx(right.mean())
    inputs = loop.prepare(read_config(run, options))
    assert zero_shot(found.model, inputs.zero_shot) == pytest.approx(last)


@pytest.mark.slow_except("0.0")
@pytest.mark.parametrize("memory_gib", [8.0, 0.0])
def test_a_missing_image_of_a_label_set_is_left_out_and_named(run, colours, capsys, memory_gib):
    missing = colours.with_name(f"{SMALL_CIRCLES[1]}.png")
    missing.unlink()
    options = [f"data.zero_shot={colours}", f"data.memory_gib={memory_gib}"]
    inputs = loop.prepare(read_config(run, options))
    assert inputs.left_out == (f"left out 1 of 12 zero-shot images (no such file): {missing.name}",)
    assert inputs.zero_shot.rows.tolist() == [0, *range(2, 12)]
    # By hand: eleven pictures; a colour's mean is over those that are there.
    model = loop.start(inputs).model.eval()
    accuracy, by_label = zero_shot(model, inputs.zero_shot).values()
    with torch.no_grad():
        images = inputs.preprocess([ShapeImages(seed=1).image(row) for row in SMALL_CIRCLES])
        image_nd, text_kd, _ = model(images, inputs.tokenizer([f"one small {colour} circle" for colour in COLOURS]))
    right = np.delete((image_nd @ text_kd.T).argmax(1).numpy() == np.repeat(np.arange(6), 2), 1).astype(float)
    assert accuracy == pytest.approx(right.sum() / 11)
    assert by_label == pytest.approx((right[0] + right[1:].reshape(5, 2).mean(1).sum()) / 6)
    for row in (SMALL_CIRCLES[0], *SMALL_CIRCLES[2:]):
        colours.with_name(f"{row}.png").unlink()
    assert main([run, "--quiet", *options]) == 3
    assert "error: no zero-shot image can be read" in capsys.readouterr().err


def test_label_sets_that_do_not_fit_are_named(run, colours, capsys):
    whole = colours.read_text()
    for text, says in (
        (whole.replace("images", "imagse"), "error: data.zero_shot has no setting 'imagse'"),
        (whole.replace("red = ", "rde = "), "why: the data have the label 'red'"),
        (whole.replace("{label}", "x"), "error: data.zero_shot.templates must each have {label} once"),
        ("[", "error: data.zero_shot is not a readable TOML file"),
    ):
        colours.write_text(text)
        assert main([run, "--quiet", f"data.zero_shot={colours}"]) == 2
        assert says in capsys.readouterr().err


def test_the_best_model_stays_and_patience_ends_a_run_also_after_a_kill(tmp_path, capsys):
    # At a rate of nearly 0, and without batch norm, recall stays what it is: the first measurement, after step 2, is the best; four more
    # bring nothing, so step 10 is the last.
    options = ["run.eval_every=2", "run.best_by=image_to_text_recall@5", "run.patience=4", "optim.lr=1e-12", "run.save_every=3", "--quiet"]
    run = str(tmp_path / "run.toml")
    (tmp_path / "run.toml").write_text(run_text(TINY_VIT, data="batch = 8; held_out = 0.1", optim="steps = 12; lr = 1e-3"))
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert main([run, *options, f"run.out={straight}"]) == 0
    assert "ended early: image_to_text_recall@5 was best 4 measurements ago, in best.pt" in capsys.readouterr().out
    best = load(straight / "best.pt")
    assert (load(straight / "ckpt.pt").step, best.step, best.training) == (10, 2, None)
    assert best.account["held_out"]["image_to_text_recall@5"] > 0
    with pytest.raises(VlmAuditError, match="ended with -9"):
        spawn(train_and_die, 1, 7, run, *options, f"run.out={broken}", group=False)
    assert main([run, *options, f"run.out={broken}"]) == 0
    assert load(broken / "ckpt.pt").step == 10
    for name in ("ckpt.pt", "best.pt"):
        assert_same_bytes(*(load(folder / name).model.state_dict() for folder in (straight, broken)))
    capsys.readouterr()
    assert main([run, *options, f"run.out={broken}"]) == 0
    assert "already finished" in capsys.readouterr().out


def test_settings_of_the_best_model_that_do_not_fit_are_refused_before_data_are_read(run, capsys, monkeypatch):
    monkeypatch.setattr(loop, "prepare", None)
    for settings, says in (
        (["run.best_by=loss"], "error: run.eval_every must be above 0 where run.best_by names a measure"),
        (["run.patience=2"], "error: run.best_by must be given where run.patience is"),
        (["run.best_by=los", "run.eval_every=2"], "error: run.best_by = 'los' is not measured\nfix: did you mean loss?"),
        (["run.best_by=loss", "run.eval_every=2", "data.held_out=0.0"], "fix: set data.held_out, data.validation or data.zero_shot"),
    ):
        assert main([run, "--quiet", *settings]) == 2
        assert says in capsys.readouterr().err


def test_only_the_newest_checkpoints_stay(run, tmp_path):
    assert main([run, "--quiet", "run.keep_every=3", "run.keep_last=2"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("step-*.pt")) == ["step-000006.pt", "step-000009.pt"]
