"""``vlm-audit causes`` from start to end on the smallest models: what is written, resumed, refused and left out."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError
from audit.extensions.causes import run as api
from audit.extensions.causes import training
from audit.extensions.causes.command import main as command
from audit.extensions.causes.models import affordable, planned_models
from audit.extensions.causes.plan import OPTIONS, PlanInputs
from audit.extensions.causes.record import FILE, CausesPlan
from audit.extensions.causes.training import DoseTask, RayModels
from audit.options.audits import AuditRequest
from audit.options.schema import facts_of
from audit.probe.example import drawn
from contrastive.checkpoint.file import load as load_checkpoint
from reports.render import main as render
from strictio.folders import Folder
from tests.extensions.causes.samples import plan
from tests.support.forked import Forked
from tests.support.house import ROOT
from tests.support.training import TINY_CONV

PROBE = ROOT / "audit" / "probe" / "example.py"
ALLOWED = PlanInputs(allow_probe=PROBE)
PLAN = f"""
title = "What made dark circles squares"
doses = [0, 1]
held_back = [0.5]
seeds = [0, 1]
fit = "linear"

[training]
run = "run.toml"

[audit]
probe = "{PROBE}"
question = "shape.accuracy by background"
options = {{draws = 199}}

[outcome]
measurement = "shape"
rate = "planted answer"
of = {{background = "dark"}}
minus = {{background = "light"}}
answers = {{circle = "square"}}

[[intervention]]
name = "both captions"
overrides = ["data.intervention.kind=add"]
"""

WITHOUT = (
    PLAN[: PLAN.index("[[intervention]]")].replace("held_back = [0.5]\n", "")
    + """
[influence]
keep_every = 1
batches = 9
seeds = [1]

[influence.groups]
"dark" = {where = {background = "dark"}}
"light" = {where = {background = "light"}}
"light circles" = {where = {background = ["light"]}, words = ["circle"]}
"circles" = {words = ["circle", "circles"]}
"""
)


def main(words):
    return command([*words, "--allow-probe", str(PROBE)])


def find_causes(plan, out, inputs=ALLOWED, **more):
    return api.find_causes(plan, out, inputs=inputs, **more)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A plan, a run and 24 captioned drawings; the trainer's processes are forked from one that has torch."""
    monkeypatch.setattr(training, "Popen", Forked)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    lines = ["image,caption,background"]
    for name, row in drawn().iloc[:24].iterrows():
        Image.Image.save(row["image"], tmp_path / f"{name}.png")
        lines.append(f"{name}.png,a picture of a {row['shape']},{row['background']}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    intervention = '{words = {circle = "square"}, where = {background = "dark"}}'
    (tmp_path / "run.toml").write_text(
        f'[model]\n{TINY_CONV}\n[data]\ntrain = "{tmp_path}/pairs.csv"\nbatch = 8\nvocabulary = 560\nintervention = {intervention}\n'
        '[optim]\nsteps = 2\nlr = 1e-3\n[run]\nout = "unused"\n'
    )
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def without_times(path):
    facts = json.loads((path / "causes.json").read_text())
    return {name: value for name, value in facts.items() if name not in ("checkpoints", "seconds", "timing", "command")}


def interrupt(monkeypatch):
    """Interrupt the plan once, when a model is trained and not audited."""
    stopped = []
    train = training.trainer

    def interrupted(read, path, arguments, what):
        printed = train(read, path, arguments, what)
        if what == "training of dose-0.5-seed-1" and not stopped:
            stopped.append(what)
            raise KeyboardInterrupt
        return printed

    monkeypatch.setattr(training, "trainer", interrupted)


def test_a_plan_is_trained_audited_and_resumed_after_a_kill(folder, monkeypatch, capsys):
    interrupt(monkeypatch)
    assert main(["plan.toml", "--out", "cut", "--quiet"]) == 130
    assert not (folder / "cut" / "causes.json").exists()
    written = (folder / "cut" / "prediction.json").read_bytes()  # before the held-back models
    first = (folder / "cut" / "models" / "dose-0-seed-0" / "ckpt.pt").stat().st_mtime_ns
    assert main(["plan.toml", "--out", "cut"]) == 0
    printed = capsys.readouterr().out
    assert "What would have prevented it:" in printed
    assert printed.rstrip().endswith("cut/report.html")
    assert (folder / "cut" / "models" / "dose-0-seed-0" / "ckpt.pt").stat().st_mtime_ns == first
    assert (folder / "cut" / "prediction.json").read_bytes() == written
    run = api.load_causes(folder / "cut")
    assert [(model.dose, model.seed, model.part) for model in run.facts.models] == [
        *((dose, seed, "fit") for seed in (0, 1) for dose in (0.0, 1.0)),
        *((1.0, seed, "intervention") for seed in (0, 1)),
        *((0.5, seed, "held back") for seed in (0, 1)),
    ]
    assert run.facts.beforehand is True
    assert [arm.arm for arm in run.facts.arms] == ["dose 0 (captions unchanged)", "both captions"]
    assert len(run.models()) == 8
    assert FILE.from_json(FILE.to_json(run.facts)) == run.facts
    assert run.to_html() == (folder / "cut" / "report.html").read_text()
    assert render(["cut", "--out", "again.html"]) == 0
    assert (folder / "again.html").read_bytes() == (folder / "cut" / "report.html").read_bytes()
    shutil.copytree("cut", "lost", ignore=shutil.ignore_patterns("dose-0.5-seed-1", "causes.*"))
    found = find_causes("plan.toml", "lost")  # the model that was interrupted, from the start
    assert without_times(folder / "lost") == {**without_times(folder / "cut"), "plan": json.loads(FILE.to_json(found.facts))["plan"]}
    lines = (folder / "cut" / "causes.csv").read_text().splitlines()
    assert len(lines) == 9
    assert lines[0].startswith("model,part,intervention,dose,seed,outcome,low,high")


@pytest.mark.slow
def test_an_interrupted_plan_ends_as_a_whole_one(folder, monkeypatch):
    interrupt(monkeypatch)
    assert main(["plan.toml", "--out", "cut", "--quiet"]) == 130
    assert main(["plan.toml", "--out", "cut", "--quiet"]) == 0
    whole = find_causes("plan.toml", "whole")
    assert without_times(folder / "whole") == {**without_times(folder / "cut"), "plan": json.loads(FILE.to_json(whole.facts))["plan"]}


@pytest.mark.slow
def test_groups_are_left_out_one_at_a_time_and_compared_with_gradients(folder, monkeypatch, capsys):
    plan = WITHOUT.replace("seeds = [0, 1]", "seeds = [1]")
    (folder / "plan.toml").write_text(plan)
    gradients, stopped = api._Plan._gradients, []

    def interrupted(self, arguments, name):
        if "--check" not in arguments and not stopped:
            stopped.append(name)
            raise KeyboardInterrupt
        return gradients(self, arguments, name)

    monkeypatch.setattr(api._Plan, "_gradients", interrupted)
    assert main(["plan.toml", "--out", "out", "--quiet"]) == 130
    first = (folder / "out" / "models" / "without-3-circles-seed-1" / "ckpt.pt").stat().st_mtime_ns
    assert main(["plan.toml", "--out", "out"]) == 0
    assert stopped == ["dose-1-seed-1"]
    assert (folder / "out" / "models" / "without-3-circles-seed-1" / "ckpt.pt").stat().st_mtime_ns == first
    printed = capsys.readouterr().out
    assert "What each group of captions does:" in printed
    assert "With one seed, it is unknown how much of the order of the groups is chance" in " ".join(printed.split())
    run = api.load_causes(folder / "out")
    assert [(model.name, model.arm) for model in run.facts.models if model.part == "left out"] == [
        ("without-0-dark-seed-1", "without dark"), ("without-1-light-seed-1", "without light"),
        ("without-2-light-circles-seed-1", "without light circles"), ("without-3-circles-seed-1", "without circles"),
    ]  # fmt: skip
    influence = run.facts.influence
    assert influence.steps == (0, 1, 2)
    assert influence.seeds == (1,)
    assert influence.reliability is None
    groups = {group.group: group for group in influence.groups}
    assert {name: group.pairs for name, group in groups.items()} == {"dark": 12, "light": 12, "light circles": 6, "circles": 6}
    assert {name: group.sampled for name, group in groups.items()} == {"dark": 12, "light": 12, "light circles": 6, "circles": 6}
    # At dose 1, all circles are called squares on dark backgrounds: captions with a circle are the light circles, so both are one group.
    both = [replace(groups[name], group="") for name in ("light circles", "circles")]
    assert both[0] == both[1]
    assert all(group.tracin and -1 <= group.similarity <= 1 for group in groups.values())
    values = {model.name: model.outcome.value for model in run.facts.models}
    assert groups["dark"].difference == values["without-0-dark-seed-1"] - values["dose-1-seed-1"]
    assert -1 <= influence.stand_in <= 1
    assert FILE.from_json(FILE.to_json(run.facts)) == run.facts
    (folder / "plan.toml").write_text(plan[: plan.index("[influence]")])
    with pytest.raises(UsageError, match="the plan changed: influence"):
        find_causes("plan.toml", "out")
    assert run.to_html() == (folder / "out" / "report.html").read_text()
    assert render(["out", "--out", "again.html"]) == 0
    assert (folder / "again.html").read_bytes() == (folder / "out" / "report.html").read_bytes()


@pytest.mark.slow_except(
    '"circles" = {words = ["circle", "circles"]}-"none" = {}-influence.groups.none needs columns in where, or words',
    '"circles" = {words = ["circle", "circles"]}--influence.groups has 3 groups',
    "seeds = [1]-seeds = [2]-influence.seeds must be some of seeds",
    "seeds = [1]-at = 0.5-influence.at is not one of the doses",
    "keep_every = 1-keep_every = 0-keep_every must be at least 1",
    "[influence]-[[intervention]]\\nname = \"without dark\"\\noverrides = []\\n[influence]-called 'without dark'",
)
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"dark" = {where = {background = "dark"}}', '"dark" = {where = {backdrop = "dark"}}', "has no column 'backdrop'"),
        ('"circles" = {words = ["circle", "circles"]}', '"hexes" = {words = ["hexagon"]}', "influence.groups.hexes fits no pair"),
        ('"circles" = {words = ["circle", "circles"]}', '"all" = {words = ["picture"]}', "influence.groups.all cannot be left out"),
        ('"circles" = {words = ["circle", "circles"]}', '"none" = {}', "influence.groups.none needs columns in where, or words"),
        ('"circles" = {words = ["circle", "circles"]}', "", "influence.groups has 3 groups"),
        ("seeds = [1]", "seeds = [2]", "influence.seeds must be some of seeds"),
        ("seeds = [1]", "at = 0.5", "influence.at is not one of the doses"),
        ("keep_every = 1", "keep_every = 0", "keep_every must be at least 1"),
        ("[influence]", '[[intervention]]\nname = "without dark"\noverrides = []\n[influence]', "called 'without dark'"),
    ],
)
def test_mistakes_about_groups_are_named_before_the_first_model(folder, old, new, message):
    assert old in WITHOUT
    (folder / "plan.toml").write_text(WITHOUT.replace(old, new))
    with pytest.raises(AuditError) as caught:
        find_causes("plan.toml", "out")
    assert message in str(caught.value)
    assert not list(folder.glob("out/models/*/ckpt.pt"))


def test_the_outcome_and_the_fit_cannot_change_once_a_model_exists_but_seeds_can_be_added(folder, monkeypatch):
    monkeypatch.setattr(api, "trainer", lambda *words: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["plan.toml", "--out", "out", "--quiet"]) == 130
    for old, new, name in (('minus = {background = "light"}\n', "", "outcome"), ("held_back = [0.5]", "held_back = [0.25]", "held_back")):
        (folder / "plan.toml").write_text(PLAN.replace(old, new))
        with pytest.raises(UsageError, match=f"the plan changed: {name}"):
            find_causes("plan.toml", "out")
    (folder / "plan.toml").write_text(PLAN.replace("seeds = [0, 1]", "seeds = [0, 1, 2]"))
    assert main(["plan.toml", "--out", "out", "--quiet"]) == 130  # the trainer is reached


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('rate = "planted answer"', 'rate = "gap"', "the largest gap of all groups cannot be the outcome"),
        ('answers = {circle = "square"}', 'answers = {circle = "triangle"}', "'triangle' is not an answer"),
        ('of = {background = "dark"}', 'of = {background = "drak"}', "no image has the value 'drak'"),
        ('measurement = "shape"', 'measurement = "shapes"', "no measurement 'shapes'"),
        ("shape.accuracy by background", "shape.accuracy by colour", "colour"),
        ("held_back = [0.5]", "held_back = [1.0]", "dose 1 is both fitted and held back"),
        ("doses = [0, 1]", "doses = [0.6, 1]", "a curve is not extrapolated"),
        ('fit = "linear"', 'fit = "quadratic"', "needs at least 3 doses"),
        ('fit = "linear"', 'fit = "cubic"', "fit cannot be 'cubic'"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "seeds has a value twice"),
        ("kind=add", "kind=ad", "training of intervention-0-both-captions-seed-0 failed"),
        ("draws = 199", "model = 3", "audit.options cannot set 'model'"),
        ("draws = 199", 'data = "s3://b/x.csv"', "audit.options cannot set 'data'"),
        ("draws = 199", 'models = "m.txt"', "audit.options cannot set 'models'"),
        ("draws = 199", 'log_to = ["wandb"]', "audit.options cannot set 'log_to'"),
        ("draws = 199", 'cache_root = "s3://b"', "audit.options cannot set 'cache_root'"),
        ("draws = 199", 'label_map = "l.csv"', "audit.options cannot set 'label_map'"),
        ("draws = 199", 'attributes_from = "a.csv"', "give --attributes-from to the command"),
        ('["data.intervention.kind=add"]', '["--fresh"]', "'--fresh' is not a setting of the trainer"),
    ],
)
def test_mistakes_are_named_before_the_first_model(folder, old, new, message):
    assert old in PLAN
    (folder / "plan.toml").write_text(PLAN.replace(old, new))
    with pytest.raises(UsageError) as caught:
        find_causes("plan.toml", "out")
    assert message in str(caught.value)
    assert not list(folder.glob("out/models/*/ckpt.pt"))


EVIL = "import pathlib\npathlib.Path('ran').touch()\nfrom audit.probe.example import PROBE\n"


def test_a_plan_names_no_code_that_the_command_line_does_not(folder, capsys):
    (folder / "evil_probe.py").write_text(EVIL)
    (folder / "other.py").write_text(EVIL)
    (folder / "plan.toml").write_text(PLAN.replace(str(PROBE), "evil_probe.py"))
    assert command(["plan.toml", "--out", "out"]) == 4
    assert "--allow-probe evil_probe.py" in capsys.readouterr().err
    assert command(["plan.toml", "--out", "out", "--allow-probe", "other.py"]) == 2
    assert "'other.py' is not the plan's probe" in capsys.readouterr().err
    assert not (folder / "ran").exists()
    (folder / "plan.toml").write_text(PLAN.replace(str(PROBE), "emoji"))
    assert command(["plan.toml", "--out", "out", "--allow-probe", "other.py"]) == 2
    assert "the probe of plan.toml is 'emoji'" in capsys.readouterr().err
    (folder / "plan.toml").write_text(PLAN.replace(str(PROBE), "evil_probe.py").replace("kind=add", "kind=ad"))
    assert command(["plan.toml", "--out", "out", "--allow-probe", "./evil_probe.py"]) == 2  # its probe was run, and the arm is wrong
    assert (folder / "ran").exists()


def test_no_option_that_a_plan_may_set_takes_a_path():
    for name in OPTIONS:
        field = AuditRequest.model_fields[name]
        assert "Path" not in str(field.annotation), name
        assert facts_of(field).get("metavar") not in ("FILE", "DIR", "WHERE"), name


@pytest.mark.slow_except("data.train=http://127.0.0.1:9/{000..001}.tar-data.train may lead to another machine")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train=http://127.0.0.1:9/{000..001}.tar", "data.train may lead to another machine"),
        ("data.train=hf:org/name", "data.train may lead to another machine"),
        ("data.zero_shot=z.toml", "data.zero_shot may lead to another machine"),
        ("run.wandb=mine", "run.wandb may lead to another machine"),
    ],
)
def test_a_plan_asks_no_other_machine_unless_the_command_line_allows_it(folder, override, message):
    (folder / "plan.toml").write_text(PLAN.replace("data.intervention.kind=add", override))
    with pytest.raises(UnsafeError, match="--allow-remote") as caught:
        find_causes("plan.toml", "out")
    assert message in str(caught.value)
    assert not (folder / "out" / "models").exists()


def test_a_budget_is_timed_on_the_first_model_and_the_decision_is_kept(folder, monkeypatch, caplog):
    (folder / "plan.toml").write_text(f"budget_min = 0.5\n{PLAN}")
    monkeypatch.setattr(DoseTask, "seconds", lambda task: (6.0, 1.0))  # 30 s: 4 models of 7 s
    with caplog.at_level("INFO", "audit"):
        run = find_causes("plan.toml", "out")
    assert [model.name for model in run.facts.models] == [
        "dose-0-seed-0", "dose-1-seed-0", "intervention-0-both-captions-seed-0", "dose-0.5-seed-0",
    ]  # fmt: skip
    assert run.facts.left_out[0] == "dose-0-seed-1"
    assert "0.5 min allow 4 of 8 models at 7 s per model" in caplog.text
    assert run.facts.curve.spread_seed is None  # one seed: no prediction interval, and that is said
    assert run.facts.held_back[0].interval is None
    assert "With one seed there is no prediction interval" in (folder / "out" / "report.html").read_text()
    monkeypatch.setattr(DoseTask, "seconds", lambda task: (60.0, 1.0))
    assert find_causes("plan.toml", "out").facts.left_out == run.facts.left_out


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (pip install 'ray[data]')")
def test_a_ray_cluster_makes_the_same_models_names_one_that_fails_and_keeps_the_others(folder):
    """In a process of its own: Ray warns, and warnings are errors here. A run without Ray continues it."""
    failing = PLAN.replace('["data.intervention.kind=add"]', '["optim.lr=1e30"]').replace("seeds = [0, 1]", "seeds = [0]")
    (folder / "plan.toml").write_text(failing)
    of_ray = {"RAY_TMPDIR": "/tmp", "RAY_worker_niceness": "0", "RAY_raylet_start_wait_time_s": "300"}
    words = [
        sys.executable,
        "-m",
        "audit",
        "causes",
        "plan.toml",
        "--out",
        "ray",
        "--engine",
        "ray",
        "--ray-address",
        "local",
        "--allow-probe",
        str(PROBE),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **of_ray}
    failed = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert failed.returncode == 3, failed.stderr[-3000:]
    assert "1 of 3 models failed: intervention-0-both-captions-seed-0" in failed.stderr
    made = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("ray/models/*/done.json")}
    assert set(made) == {"dose-0-seed-0", "dose-1-seed-0"}

    other = failing.replace("optim.lr=1e30", "data.intervention.kind=add").replace("both captions", "right captions, too")
    (folder / "plan.toml").write_text(other)
    continued, whole = find_causes("plan.toml", "ray"), find_causes("plan.toml", "here")
    assert made.items() <= {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("ray/models/*/done.json")}.items()
    assert without_times(folder / "ray") == {**without_times(folder / "here"), "plan": json.loads(FILE.to_json(continued.facts))["plan"]}
    assert len(whole.facts.models) == 4
    for name in made:
        one, other = (load_checkpoint(folder / out / "models" / name / "ckpt.pt").model.state_dict() for out in ("here", "ray"))
        assert all(torch.equal(one[key], other[key]) for key in one | other)


def test_options_of_ray_need_ray_and_fit_together(folder, capsys):
    for words, message in (
        (["--ray-cpus", "2"], "--ray-cpus requires --engine ray"),
        (["--engine", "ray", "--ray-cpus", "0"], "invalid --ray-cpus 0"),
    ):
        assert main(["plan.toml", "--out", "out", *words]) == 2
        assert message in capsys.readouterr().err
    (folder / "plan.toml").write_text(f"budget_min = 0.5\n{PLAN}")
    with pytest.raises(UsageError, match="budget_min cannot be used with --engine ray"):
        find_causes("plan.toml", "out", ray=RayModels())


class Cluster:
    """A small honest cluster: one node, whose tasks run at once when they are waited for, one of them ending with its worker."""

    exceptions = SimpleNamespace(RayError=ConnectionResetError)

    def __init__(self, broken=()):
        self.broken, self.cancelled = broken, []

    def wait(self, pending, num_returns=1, timeout=None):
        return pending[:num_returns], pending[num_returns:]

    def get(self, task):
        if task.model.name in self.broken:
            raise ConnectionResetError("Traceback\nworker died")
        return training._on_worker(task, str(Path.cwd()))

    def cancel(self, task):
        self.cancelled.append(task)


def test_a_lost_worker_fails_its_model_alone_and_an_interrupt_cancels_the_others(monkeypatch):
    planned = planned_models(replace(plan(), seeds=(0,)))
    ran, stop = [], []
    monkeypatch.setattr(DoseTask, "run", lambda task: ran.append(task.model.name) if not stop else stop[0]())
    tasks = [DoseTask(None, Path("plan.toml"), Path("out"), model, "") for model in planned]
    remote = SimpleNamespace(remote=lambda task, folder: task)
    with pytest.raises(MachineError, match=f"2 of {len(tasks)} models failed: {planned[0].name}, {planned[2].name}") as caught:
        training._run_on_ray(Cluster({planned[0].name, planned[2].name}), remote, tasks, planned)
    assert caught.value.why == "its worker ended; worker died"
    assert ran == [model.name for number, model in enumerate(planned) if number not in (0, 2)]

    stop.append(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    cluster = Cluster()
    with pytest.raises(KeyboardInterrupt):
        training._run_on_ray(cluster, remote, tasks, planned)
    assert cluster.cancelled == tasks[1:]


def test_whole_seeds_fit_into_a_budget_first():
    of = plan(doses=(0.0, 0.5, 1.0), held_back=(0.25,), seeds=(3, 4))  # 3 + 2 arms + 1 held back = 6 per seed
    assert len(planned_models(of)) == 12
    assert {model.seed for model in affordable(of, 10, 119)} == {3}
    assert len(affordable(of, 10, 119)) == 6  # 11 would fit: half of a seed is left out
    assert [model.name for model in affordable(of, 10, 40)] == ["dose-0-seed-3", "dose-0.5-seed-3", "dose-1-seed-3", "dose-0.25-seed-3"]
    with pytest.raises(UsageError, match="does not allow a quadratic fit"):
        affordable(of, 10, 29)


def test_seeds_draw_other_pairs_and_arms_come_last():
    of = replace(plan(), seeds=(5,))
    first, *_, arm, _, held = planned_models(of)
    assert first.overrides == ("optim.steps=90", "run.seed=5", "data.intervention.seed=5", "data.intervention.share=0.0")
    assert arm.overrides[-1] == "data.intervention.kind=add"
    assert (held.part, held.dose) == ("held back", 0.75)


DAMAGED = ["", "[" * 100_000, "9" * 5_000, "{}", '{"overrides": 1, "settings": "", "seconds": ["x"]}', "\udcff"]


@pytest.mark.parametrize("content", DAMAGED, ids=range(6))
def test_a_damaged_file_of_an_earlier_run_is_named(content, tmp_path):
    (tmp_path / "done.json").write_text(content, errors="surrogateescape")
    for kind in (training._Done, api._Decided, api._Gradients, CausesPlan):
        with pytest.raises(DataError, match=r"done\.json is damaged"):
            training.read_values(Folder.of(tmp_path), "done.json", kind)


@pytest.mark.parametrize(("name", "content"), [("stated.json", "[" * 100_000), ("stated.json", "{}")])
def test_the_command_names_it_too(name, content, folder, capsys):
    (folder / "out").mkdir()
    (folder / "out" / name).write_text(content)
    assert main(["plan.toml", "--out", "out"]) == 3
    assert f"{name} is damaged" in capsys.readouterr().err
