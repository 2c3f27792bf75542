"""The list of settings names every one of them, with its type and default."""

from dataclasses import fields

import pytest

from contrastive.cli.settings_list import list_settings
from contrastive.config import Config
from contrastive.settings import (
    CounterfactualConfig,
    DataConfig,
    InterventionConfig,
    LeaveOutConfig,
    LossConfig,
    ModelSource,
    OptimConfig,
    RunConfig,
)
from contrastive.train import main


def test_every_setting_of_every_table_is_listed():
    tables = dict(part.split("]", 1) for part in list_settings().removeprefix("[").split("\n\n["))
    classes = {"model": ModelSource, "data": DataConfig, "optim": OptimConfig, "loss": LossConfig, "run": RunConfig}
    nested = {"data.intervention": InterventionConfig, "data.counterfactual": CounterfactualConfig, "data.leave_out": LeaveOutConfig}
    classes |= nested
    assert set(tables) == set(classes) == {*nested, *(field.name for field in fields(Config))}
    for name, kind in classes.items():
        listed = [line.strip().split(":")[0] for line in tables[name].splitlines()[1:] if line.startswith("  ") and line[2] != " "]
        assert listed == [field.name for field in fields(kind)]
    assert "Strict" not in list_settings()


def test_the_command_prints_types_and_defaults_without_a_run(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--settings"])
    lines = capsys.readouterr().out.splitlines()
    assert left.value.code == 0
    at = lines.index("  batch: whole number (≥ 2), default 256")
    assert lines[at + 1] == "  shift: whole number (≥ 0, ≤ 64), default 0"
    assert "  lr: number (> 0), required" in lines
    assert '  templates: list of text, default ["{caption}"]' in lines
    assert "  out: text, required" in lines
    assert max(map(len, lines)) <= 110
