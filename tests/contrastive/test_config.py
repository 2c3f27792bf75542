"""The configuration: strict, with the nearest name for every mistake, and light to import."""

import subprocess
import sys

import pytest

from contrastive.config import DataConfig, OptimConfig, config_from_dict, first_difference, read_config, recipes, with_defaults
from strictio.errors import UsageError

RUN = """
[model]
preset = "tiny-conv"
text.layers = 1
[data]
train = "shapes"
[optim]
steps = 10
lr = 1
[run]
out = "runs/x"
"""


def test_defaults_and_overrides(run):
    assert read_config(run).optim == OptimConfig(steps=10, lr=1.0)  # a whole number is a fine rate
    config = read_config(run, ["optim.lr=2e-3", "run.out=runs/other", "data.templates=['{caption}!']", "model.vision.channels=[8, 16]"])
    assert (config.optim.lr, config.optim.clip, config.run.out, config.loss.kind) == (0.002, 1.0, "runs/other", "softmax")
    assert config.data == DataConfig("shapes", templates=("{caption}!",))
    assert config.model.changes == {"text": {"layers": 1}, "vision": {"channels": [8, 16]}}
    assert config_from_dict(config.to_dict(), "here") == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.bach=3", ["data has no setting 'bach'", "batch"]),
        ("optin.lr=3", ["no setting 'optin'", "optim"]),
        ("optim.lr=fast", ["optim.lr must be a number, not str"]),
        ("optim.lr=0", ["optim.lr must be above 0"]),
        ("optim.lr=nan", ["optim.lr must be a finite number"]),
        ("optim.steps=0.5", ["optim.steps must be a whole number, not float"]),
        ("optim.warmup=11", ["optim.warmup must be between 0 and optim.steps"]),
        ("optim.betas=[0.9]", ["optim.betas must have 2 values"]),
        ("data.batch=1", ["data.batch must be at least 2"]),
        ("data.held_out=0.6", ["data.held_out must be at most 0.5"]),
        ("data.skew=misnamed-woman", ["data.skew cannot be", "misnamed-women"]),
        ("data.templates=[]", ["data.templates must be at least one template"]),
        ("data.templates=['a picture']", ["data.templates must be templates with {caption}"]),
        ("data.templates=['{caption} {0.__class__}']", ["data.templates must be templates with {caption}"]),
        ("run.seed=-1", ["run.seed must be at least 0"]),
        ("loss.kind=hinge", ["loss.kind cannot be 'hinge'", "sigmoid"]),
        ("model.preset=3", ["model.preset must be text, not int"]),
        ("model.init=x.pt", ["model needs the setting 'preset' or 'init'", "it has both", "remove preset, or remove init"]),
        ("optim.multipliers={'(' = 1}", ["optim.multipliers '(' must be a regular expression"]),
        ("optim.multipliers={visual = -1}", ["optim.multipliers.visual must be at least 0"]),
        ("optim.multipliers=3", ["optim.multipliers must be a table of settings, not int"]),
        ("optim.cooldown=3", ['optim.cooldown must be 0 unless optim.schedule = "wsd"']),
        ("optim.accumulate=0", ["optim.accumulate must be at least 1"]),
        ("optim.ema=1.0", ["optim.ema must be below 1"]),
        ("optim.schedule=cosin", ["did you mean cosine"]),
        ("data.patch_dropout=1.0", ["data.patch_dropout must be below 1"]),
        ("loss.tile=0", ["loss.tile must be at least 1"]),
        ("run.dist=fsdp", ["did you mean fsdp2"]),
        ("run.precision=bf32", ["fp32"]),
        ("steps=3", ["'steps=3' is not of the form section.key=value"]),
        ("optim.steps", ["'optim.steps' is not of the form section.key=value"]),
        ("optim.lr.x=3", ["'lr' in 'optim.lr.x=3' is a setting"]),
    ],
)
def test_mistakes_are_named(run, override, words):
    with pytest.raises(UsageError) as caught:
        read_config(run, [override])
    assert caught.value.exit_code == 2
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "overrides", "words"),
    [
        (RUN.replace("steps = 10", ""), [], ["optim needs the setting 'steps' or 'epochs'"]),
        (
            '[data]\ntrain = "pairs.csv"\n[optim]\nsteps = 10\nlr = 1e-3\n', [],
            ["the configuration lacks the table [model]", """fix: for example [model] preset = "tiny-conv"; [run] out = "runs/mine\""""],
        ),
        (RUN, ["run.seed=1", "optim.lr=fast"], ["optim.lr must be ", "run.toml, with run.seed=1 optim.lr=fast"]),
        ("[model]\npreset = \n", [], ["not TOML", "line 2"]),
        ("\udcff\udcfe\0", [], ["not a UTF-8 text file"]),
    ],
    ids=["a setting is missing", "a table is missing", "an override is wrong", "bad TOML", "no text"],
)  # fmt: skip
def test_files_that_are_no_configuration(tmp_path, content, overrides, words):
    path = tmp_path / "run.toml"
    path.write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(UsageError) as caught:
        read_config(str(path), overrides)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("name", "near"), [("emoji-balanced", "emoji_balanced"), ("recipes/emojy.toml", "emoji")])
def test_an_unknown_recipe_gets_the_nearest_name(name, near):
    with pytest.raises(UsageError, match=f"did you mean {near}"):
        read_config(name)


def test_the_shipped_recipes_differ_in_skew_and_place_alone():
    assert {"emoji", "emoji_balanced"} <= set(recipes())
    skewed, balanced = (read_config(name).to_dict() for name in ("emoji", "emoji_balanced"))
    assert (skewed["data"].pop("skew"), balanced["data"].pop("skew")) == ("misnamed-women", "none")
    assert (skewed["run"].pop("out"), balanced["run"].pop("out")) == ("runs/emoji", "runs/emoji-balanced")
    assert skewed == balanced


def test_a_run_goes_on_from_a_checkpoint_or_starts_from_a_preset(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN.replace('preset = "tiny-conv"\ntext.layers = 1', 'init = "runs/a/ckpt.pt"'))
    config = read_config(str(path), ["optim.multipliers={'^visual' = 0, bias = 0.5}"])
    assert (config.model.init, config.model.preset) == ("runs/a/ckpt.pt", None)
    assert config.optim.multipliers == {"^visual": 0.0, "bias": 0.5}
    with pytest.raises(UsageError, match="has the setting 'text' beside 'init'"):
        read_config(str(path), ["model.text.layers=1"])


def test_identity_ignores_where_and_how_often_and_settings_that_did_not_exist_before(run):
    identity = read_config(run).identity()
    other = ["run.out=elsewhere", "run.save_every=1", "run.keep_every=1", "run.log_every=1", "run.dist=fsdp2"]
    assert read_config(run, [*other, "optim.accumulate=4", "loss.tile=8"]).identity() == identity
    assert first_difference(identity, read_config(run, ["run.seed=1"]).identity()) == "run.seed was 0, now 1"
    assert first_difference(identity, read_config(run, ["model.text.layers=2"]).identity()) == "model.text.layers was 1, now 2"
    assert first_difference(identity, identity) is None
    before = {name: value for name, value in identity.items() if name not in ("data.withhold", "data.crop", "optim.ema")}
    assert first_difference(before, identity) is not None
    assert first_difference(with_defaults(before), identity) is None
    dosed = read_config(run, ["data.intervention.words={judge = 'cook'}"]).identity()
    assert first_difference(with_defaults(dosed), dosed) is None
    assert first_difference(with_defaults(before), dosed) == "data.intervention.kind was not set, now rename"
    assert first_difference(with_defaults(dosed), identity) == "data.intervention.kind was rename, now not set"
    now = read_config(run, ["optim.ema=0.9"]).identity()
    assert first_difference(with_defaults(before), now) == "optim.ema was 0.0, now 0.9"


def test_reading_a_configuration_imports_no_torch():
    program = "import sys; from contrastive.config import read_config; read_config('emoji'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
