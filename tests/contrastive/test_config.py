"""The configuration: strict, with the nearest name for every mistake, and light to import."""

import subprocess
import sys

import pytest

from contrastive.config import DataConfig, OptimConfig, first_difference, read_config, recipes, with_defaults
from contrastive.errors import UsageError

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


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN)
    return str(path)


def test_defaults_and_overrides(run):
    config = read_config(run, ["optim.lr=2e-3", "run.out=runs/other", "data.templates=['{caption}!']", "model.vision.channels=[8, 16]"])
    assert (config.optim.lr, config.optim.clip, config.run.out, config.loss.kind) == (0.002, 1.0, "runs/other", "softmax")
    assert config.data == DataConfig("shapes", templates=("{caption}!",))
    assert config.model.changes == {"text": {"layers": 1}, "vision": {"channels": [8, 16]}}


def test_a_whole_number_is_a_fine_rate(run):
    assert read_config(run).optim == OptimConfig(steps=10, lr=1.0)


def test_a_configuration_survives_its_own_tables(run):
    from contrastive.config import config_from_dict

    config = read_config(run)
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
        ("model.init=x.pt", ["model needs the setting 'preset' or 'init'", "it has both"]),
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


def test_a_missing_setting_is_named(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN.replace("steps = 10", ""))
    with pytest.raises(UsageError, match="optim lacks the setting 'steps'"):
        read_config(str(path))


def test_a_missing_table_is_named_with_an_example(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[data]\ntrain = "pairs.csv"\n[optim]\nsteps = 10\nlr = 1e-3\n')
    with pytest.raises(UsageError) as caught:
        read_config(str(path))

    assert "the configuration lacks the table [model]" in str(caught.value)
    assert """fix: for example [model] preset = "tiny-conv"; [run] out = "runs/mine\"""" in str(caught.value)


def test_a_wrong_override_is_no_fault_of_the_file_alone(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN)
    with pytest.raises(UsageError, match=r"optim.lr must be .*run.toml, with run.seed=1 optim.lr=fast"):
        read_config(str(path), ["run.seed=1", "optim.lr=fast"])


def test_bad_toml_says_where(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[model]\npreset = \n")
    with pytest.raises(UsageError, match="not TOML") as caught:
        read_config(str(path))
    assert "line 2" in caught.value.why


def test_an_unknown_recipe_gets_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean emoji_balanced"):
        read_config("emoji-balanced")
    with pytest.raises(UsageError, match="did you mean emoji"):
        read_config("recipes/emojy.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a UTF-8 text file"):
        read_config(str(path))


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


def test_identity_ignores_where_and_how_often(run):
    identity = read_config(run).identity()
    other = [
        "run.out=elsewhere",
        "run.save_every=1",
        "run.keep_every=1",
        "run.log_every=1",
        "run.dist=fsdp2",
        "optim.accumulate=4",
        "loss.tile=8",
    ]
    assert read_config(run, other).identity() == identity
    assert first_difference(identity, read_config(run, ["run.seed=1"]).identity()) == "run.seed was 0, now 1"
    assert first_difference(identity, read_config(run, ["model.text.layers=2"]).identity()) == "model.text.layers was 1, now 2"
    assert first_difference(identity, identity) is None


def test_a_run_from_before_a_setting_existed_is_the_same_run(run):
    identity = read_config(run).identity()
    before = {name: value for name, value in identity.items() if name not in ("data.withhold", "data.crop", "optim.ema")}
    assert first_difference(before, identity) is not None
    assert first_difference(with_defaults(before), identity) is None
    now = read_config(run, ["optim.ema=0.9"]).identity()
    assert first_difference(with_defaults(before), now) == "optim.ema was 0.0, now 0.9"


def test_reading_a_configuration_imports_no_torch():
    program = "import sys; from contrastive.config import read_config; read_config('emoji'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
