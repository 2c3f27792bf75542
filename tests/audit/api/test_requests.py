"""Every flag is a field of its request, and the command and the function find the same with each; no mistake is an error from inside."""

import io
import json
import re
from dataclasses import replace

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
from audit.api import compare_models, pipeline
from audit.compare import main as compare_main
from audit.compare import parser as compare_parser
from audit.data import load_dataset
from audit.data.schema import Schema
from audit.errors import AuditError, UsageError
from audit.gates.policy import FAIL_CLOSED
from audit.options.audits import AuditRequest
from audit.options.comparisons import CompareRequest
from audit.options.schema import facts_of
from audit.records.comparison import to_json as comparison_json
from audit.results import to_json
from audit.run import main, parser
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import Settings
from tests.support import comparison_samples as samples
from tests.support.extension_pages import extension_options

PROGRAM = {"help", "help_all", "version", "debug", "list_probes", "check", "verbose", "quiet", "json"}
"""Flags about the program."""
FACES = """from dataclasses import replace
import pandas as pd
from audit.data import load_dataset
from audit.data.schema import Schema
from audit.plans import WhatIfPlan
from audit.testing import four_faces, gender_probe


def load(options):
    return four_faces(12) if options.location is None else load_dataset(options.location, Schema(), name="given", licence="none")


PROBE = replace(gender_probe(None), load=load, what_ifs=(WhatIfPlan("?", "gender/accuracy/race", neutral={"person": ("a person",)}),))
"""
ASKED = FACES.replace("PROBE = replace(", "ASKED = gender_probe(None).measurements[0]\nPROBE = replace(").replace(
    "load=load,", "load=load, measurements=(ASKED, replace(ASKED, name='sex', infers='gender')),"
)
SHIFTED = (
    FACES.replace("what_ifs=(", "analyses=(SHIFT,), what_ifs=(")
    .replace("PROBE = replace(", "SHIFT = NaturalShiftPlan('?', measurement='gender', column='race', standard='White')\nPROBE = replace(")
    .replace("import WhatIfPlan", "import NaturalShiftPlan, WhatIfPlan")
)
COLOURS = """from audit.testing import AXES, FakeEncoder


class Colours(FakeEncoder):
    def __init__(self, device="cpu", dtype="float32", axis="woman"):
        super().__init__({axis: AXES["woman"], **AXES})
        del self.record
"""


@pytest.mark.slow
def test_names_that_are_given_twice_add_up():
    given = vars(parser().parse_args(["--texts", "text:a,text:b", "--texts", "text:c", "--predictions", "x.csv"]))
    asked = AuditRequest(predictions=given["predictions"], texts=given["texts"])
    assert asked.texts == ("text:a", "text:b", "text:c")
    again = vars(parser().parse_args(list(asked.words("vlm-audit run")[1:])))
    assert again["texts"] == list(asked.texts)


BRIGHT = """import numpy as np


class Bright:
    labels = ("woman", "man")

    def classify_images(self, images):
        red = [np.asarray(image)[..., 0].mean() / 255 for image in images]
        return [[share, 1 - share] for share in red]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A probe, a model, predictions, pictures and two finished audits to name."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "faces.py").write_text(FACES)
    (folder / "colours.py").write_text(COLOURS)
    (folder / "bright.py").write_text(BRIGHT)
    (folder / "means.csv").write_text("label,answer\nwoman,Female\nman,Male\n")
    faces = four_faces(12)
    table = faces.attributes.assign(
        scene=[f"s{row // 2}" for row in range(48)], w=range(1, 49), y_pred="Female", y_true=faces.attributes.gender
    )
    table.rename_axis("id").to_csv(folder / "answers.csv")
    table.rename(columns={"y_pred": "said", "y_true": "right"}).to_csv(folder / "renamed.csv")
    table.assign(y_pred=["Male" if row % 5 else "Female" for row in range(48)]).rename_axis("id").to_csv(folder / "seed1.csv")
    pd.DataFrame({"id": faces.attributes.index, "hat": ["yes", "no", "no"] * 16}).to_csv(folder / "more.csv", index=False)
    table.drop(columns=["y_pred", "y_true"]).assign(**{"text:a": table["gender"]}).rename_axis("id").to_csv(folder / "written.csv")
    (folder / "asked.py").write_text(ASKED)
    (folder / "shifted.py").write_text(SHIFTED)
    (folder / "others.csv").write_text("model,standard,shifted\n" + "".join(f"m{i},0.{i + 5},0.{i + 4}\n" for i in range(5)))
    (folder / "models.txt").write_text("# two of one kind\n\na.pt  # the first\nb.pt\n")
    (folder / "listed.txt").write_text("000.png\n001.png\n")
    for name, content in zip(faces.attributes.index, faces.images, strict=True):
        (folder / name).write_bytes(content)
    faces.attributes.rename_axis("image").to_csv(folder / "faces.csv")
    for name, wrong in (("skewed", 60), ("plain", 6)):
        samples.audit(folder / name, {"b": wrong})
    return folder


@pytest.fixture(autouse=True)
def _inside(place, monkeypatch):
    monkeypatch.chdir(place)


MODEL = {"model": "colours.py:Colours", "probe": "faces.py", "min_group_size": 5}
EXTERNAL = {"predictions": "answers.csv"}
GATED = {**EXTERNAL, "attributes": "race", "fail_on": "gap > 0.05"}
READ = {"image_root": ".", "image_column": "image", "column": "race=race", "encoding": "latin-1"}
AUDITS = {
    "model": (MODEL, ["colours.py:Colours", "colours.py:Colours"]), "probe": (MODEL, "faces.py"), "data": (MODEL, "faces.csv"),
    **{name: ({**MODEL, "data": "faces.csv"}, value) for name, value in READ.items()},
    "split": ({**MODEL, "data": "faces.csv"}, "train"),  # refused: what it does is tested in tests/audit/data/test_splits.py
    "name": ({"predictions": ["answers.csv", "seed1.csv"], "attributes": "race", "min_group_size": 5}, ["one", "two"]),
    "prediction_column": ({"predictions": "renamed.csv", "attributes": "race", "truth_column": "right"}, "said"),
    "truth_column": ({"predictions": "renamed.csv", "attributes": "race", "prediction_column": "said"}, "right"),
    "baseline_models": ({**MODEL, "probe": "shifted.py"}, "others.csv"),
    "tags": ({**EXTERNAL, "attributes": "race"}, "gender"), "texts": ({"predictions": "written.csv", "attributes": "race"}, "scene"),
    "models": (MODEL, "models.txt"), "suite": (EXTERNAL, "people"),  # no file; refused: it is tested in tests/audit/test_suite.py
    "label_map": ({**MODEL, "model": "bright.py:Bright"}, "means.csv"),
    "lock": (MODEL, "none.json"),  # refused: what it does is tested in test_plan_lock.py
    "model_args": (MODEL, "axis=person"), "predictions": (EXTERNAL, "answers.csv"), "attributes": (EXTERNAL, "race"),
    "as_replicates": ({"predictions": ["answers.csv", "seed1.csv"], "attributes": "race", "min_group_size": 5}, True),
    "score": ({**EXTERNAL, "attributes": "race"}, "Female"), "ordered": (MODEL, "race"),
    "outcome": ({**EXTERNAL, "attributes": "race"}, "woman=Female"), "depth": ({**EXTERNAL, "attributes": "race,gender"}, 1),
    "cluster": ({**EXTERNAL, "attributes": "race"}, "scene"), "weights": ({**EXTERNAL, "attributes": "race"}, "w"),
    "attributes_from": ({**MODEL, "data": "faces.csv"}, "more.csv"), "no_inference": ({**MODEL, "probe": "asked.py"}, True),
    "independent": ({**EXTERNAL, "attributes": "race"}, True),
    "bins": (EXTERNAL, "w=10,30"), "pairs": ({**EXTERNAL, "attributes": "race,gender"}, "gender=scene,race"),
    "nested": ({**EXTERNAL, "attributes": "race", "cluster": "scene"}, "race"),
    "by": (MODEL, "race,gender"), "exclude": (MODEL, "listed.txt"),
    "harmless": (MODEL, True),
    "language": (MODEL, "de"),  # refused: the probe has no words in it
    "limit": (MODEL, 40), "what_if": (MODEL, "neutral-label"), "include_examples": (MODEL, 2), "untrained_control": (MODEL, True),
    "out": (MODEL, "elsewhere"), "device": (MODEL, "cuda"), "dtype": (MODEL, "bfloat16"), "batch_size": (MODEL, 3),
    "decode": (MODEL, "fast"),
    "max_skip": (MODEL, 0.2), "no_cache": (MODEL, True), "cache_root": (MODEL, "elsewhere"), "verify": (MODEL, True),
    "seed": (MODEL, 7), "alpha": (MODEL, 0.01), "tolerance": (MODEL, 0.2), "min_group_size": (MODEL, 30),
    "ratio_tolerance": ({**EXTERNAL, "attributes": "race", "outcome": "woman=Female"}, 1.5),
    "max_new_tokens": (MODEL, 8),  # refused of a model that writes nothing
    "fail_on": (GATED, "gap > 0.5"), "require_conclusive": (GATED, True), "allow_undecided": (GATED, True), "junit": (GATED, "gates.xml"),
    "log_format": (MODEL, "json"),
}  # fmt: skip
AUDITS |= {
    "join": ({**EXTERNAL, "attributes": "race", "on": "id"}, "more.csv"),
    "on": ({**EXTERNAL, "attributes": "race", "join": "more.csv"}, "id"),
    **extension_options(),
}  # fmt: skip
BOTH = {"sides": ["skewed", "plain"]}
GATED_BOTH = {**BOTH, "fail_on": "change > 0.05"}
COMPARISONS = {
    "sides": (BOTH, ["plain", "skewed"]), "name": (BOTH, ["old", "new"]),
    "series": (BOTH, True), "series_axis": (BOTH, "dose=0,0.5"), "out": (BOTH, "elsewhere"), "seed": (BOTH, 3), "alpha": (BOTH, 0.01),
    "tolerance": (BOTH, 0.5), "min_group_size": (BOTH, 200), "fail_on": (GATED_BOTH, "change > -0.5"),
    "require_conclusive": (GATED_BOTH, True), "allow_undecided": (GATED_BOTH, True), "junit": (GATED_BOTH, "gates.xml"),
    "log_format": (BOTH, "json"),
}  # fmt: skip
TWICE = {"sides": ["colours.py:Colours", "colours.py:Colours"], "probe": "faces.py", "min_group_size": 5}
COMPARISONS |= {
    name: ({**TWICE, "data": "faces.csv"} if name in READ else TWICE, AUDITS[name][1])
    for name in (
        "probe",
        "data",
        "model_args",
        "limit",
        "device",
        "dtype",
        "batch_size",
        "cache_root",
        "decode",
        "max_skip",
        "no_cache",
        "ratio_tolerance",
        "verify",
        *READ,
    )
}
COMPARISONS["split"] = ({**TWICE, "data": "faces.csv"}, "train")
COMPARISONS["label_map"] = ({**TWICE, "sides": ["bright.py:Bright", "bright.py:Bright"]}, "means.csv")


def flags(parse):
    return sorted({action.dest for action in parse._actions} - PROGRAM)


def words(given):
    found = []
    for name, value in given.items():
        for part in value if isinstance(value, list) else [value]:
            flag = [] if name == "sides" else ["--" + name.replace("_", "-")]
            found += flag if part is True else [*flag, str(part)]
    return found


def facts(text):
    """Return results without what differs between equal runs."""
    plain = json.loads(text)
    for side in plain.get("sides", ()):
        del side["created"], side["sha256"]
    return {name: value for name, value in plain.items() if name not in ("timing", "command")}


def timeless(path):
    return re.sub(r'time(stamp)?="[^"]*"', "", path.read_text()) if path.exists() else None


def outcome(function, expected):
    """Return what a call gives: its facts and exit code, or the error's code and message."""
    try:
        found = function()
    except AuditError as error:
        return error.exit_code, str(error).splitlines()[0]
    return getattr(found, "exit_code", 0), facts(expected(found))


@pytest.mark.parametrize("parse", [(parser, AuditRequest), (compare_parser, CompareRequest)], ids=["run", "compare"])
def test_every_flag_is_a_field(parse):
    make, request = parse
    of_flags = {name for name, field in request.fields().items() if facts_of(field)["task"]}
    assert set(flags(make())) == of_flags
    assert set(AUDITS if request is AuditRequest else COMPARISONS) == of_flags


KINDS = {
    "run": (AUDITS, main, audit.audit, "results.json", lambda done: to_json(done.results)),
    "compare": (
        COMPARISONS, compare_main, lambda sides, **given: audit.compare(*sides, **given), "comparison.json",
        lambda done: comparison_json(done.facts),
    ),
}  # fmt: skip


FLAGS = [("run", name) for name in flags(parser())] + [("compare", name) for name in flags(compare_parser())]
WHOLE = {
    "run": {"predictions", "data", "cluster", "what_if", "model_args", "junit", "lock", "suite", "log_format"},
    "compare": {"sides", "name", "model_args", "series", "junit"},
}
"""One way through each command for each kind of thing that it reads, writes and refuses."""


class NoticedError(AuditError):
    """The request is there; nothing is audited."""

    exit_code = 2


@pytest.mark.parametrize(("kind", "name"), FLAGS)
def test_the_command_asks_for_what_python_asks_for(kind, name, tmp_path, monkeypatch, capsys):
    """Up to the one function that does the work, which gets an equal request, or the same refusal.

    Arguments of models are a text from Python, which is parsed later: see `WHOLE`.
    """
    table, command, function, _, as_json = KINDS[kind]
    asked = []

    def notice(request):
        assert name in request.model_fields_set
        asked.append({field: value for field, value in request if field not in ("command", "stages", "model_args")})
        raise NoticedError("noticed")

    monkeypatch.setattr(*{"run": (pipeline, "run_audit"), "compare": (compare_models, "run_comparison")}[kind], notice)
    given = dict(table[name][0]) | {name: table[name][1], "out": str(tmp_path / "out"), "junit": str(tmp_path / "gates.xml")}
    given = {field: value for field, value in given.items() if field != "junit" or name == "junit"}
    code = command(words(given))
    printed = capsys.readouterr().err

    found = outcome(lambda: function(**given), as_json)

    assert code == found[0], printed
    assert found[1] in printed
    assert bool(asked) == (found[1] == "noticed")
    assert asked[1:] == asked[:1]


WHOLE_OR_SLOW = [pytest.param(kind, name, marks=[] if name in WHOLE[kind] else pytest.mark.slow) for kind, name in FLAGS]


@pytest.mark.slow_except("run-lock", "run-predictions", "run-suite", "compare-model_args", "compare-series")
@pytest.mark.parametrize(("kind", "name"), WHOLE_OR_SLOW)
def test_the_same_comes_from_the_command_and_from_python(kind, name, tmp_path, capsys):
    table, command, function, file, as_json = KINDS[kind]
    junit = tmp_path / "gates.xml"
    given = dict(table[name][0]) | {name: table[name][1], "out": str(tmp_path / "command")}
    given |= {"junit": str(junit)} if name == "junit" else {}
    code = command(words(given))
    printed, left = capsys.readouterr().err, timeless(junit)

    found = outcome(lambda: function(**{**given, "out": tmp_path / "python"}), as_json)

    assert code == found[0], printed
    if code > 1:
        assert found[1] in printed
        return
    assert facts((tmp_path / "command" / file).read_text()) == found[1]
    files = [sorted(str(path.relative_to(tmp_path / each)) for path in (tmp_path / each).rglob("*")) for each in ("command", "python")]
    assert files[0] == files[1]
    assert timeless(junit) == left
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_stages_are_told_in_order_each_from_nothing_to_all_of_it(tmp_path):
    seen = []
    faces = four_faces(12)
    audit.audit(
        FakeEncoder(), gender_probe(faces), min_group_size=5, draws=199, out=tmp_path / "out", stages=lambda *told: seen.append(told)
    )

    by_stage = {stage: [told[1:] for told in seen if told[0] == stage] for stage, _, _ in seen}
    assert list(by_stage) == ["reading", "images", "texts", "testing", "evidence", "writing"]
    assert (by_stage["images"][0], by_stage["images"][-1]) == ((0, 48), (48, 48))
    assert by_stage["texts"] == [(0, 2), (2, 2)]
    assert by_stage["testing"] == [(0, 2), (1, 2), (2, 2)]
    for told in by_stage.values():
        done = [each for each, _ in told]
        assert (done[0], done == sorted(done), len({total for _, total in told})) == (0, True, 1)


def test_what_python_alone_can_say(tmp_path):
    faces, seen = four_faces(12), []
    settings = Settings(min_group_size=5, draws=199)
    from audit.models import plugin

    bare = FakeEncoder()
    del bare.record
    first = audit.audit(FakeEncoder(), gender_probe(faces), settings=settings, progress=lambda done, total: seen.append((done, total)))
    wrapped = audit.audit(bare, gender_probe(None), data=faces, settings=settings)
    listed = audit.audit(FakeEncoder(), gender_probe(faces), settings=settings, exclude=["000.png", "001.png"])

    assert seen[-1] == (48, 48)
    assert plugin.wrap(bare).record.kind == "Python object FakeEncoder"
    assert wrapped.results.audits[0].model.name == "FakeEncoder"
    assert wrapped.by_group()["rate"].tolist() == first.by_group()["rate"].tolist()
    assert listed.results.audits[0].data.used == 46
    table = pd.read_csv("answers.csv", dtype=str)
    from_frame, from_file = (audit.audit(predictions=given, attributes="race") for given in (table, "answers.csv"))
    assert from_frame.by_group().rate.tolist() == from_file.by_group().rate.tolist()
    assert audit.compare(first, listed).facts.comparisons[0].images == 46
    gated = audit.audit(predictions=table, attributes=["race"], fail_on="gap > 0.05", allow_undecided=True)
    assert (gated.exit_code, gated.gates[0].outcome, from_file.exit_code) == (0, "not estimable", 0)
    assert replace(gated, gate_policy=FAIL_CLOSED).exit_code == 1


class NoTexts:
    def encode_images(self, images):
        return images


class Nothing(FakeEncoder):
    def encode_images(self, images):
        return None


def bare(cls):
    made = cls()
    del made.record
    return made


PROBE = gender_probe(None)
MISTAKES = [
    dict(), dict(model="x.pt"), dict(probe="fairface"), dict(model=None, probe="fairface"), dict(model=3, probe="fairface"),
    dict(model=NoTexts(), probe=PROBE), dict(model=FakeEncoder, probe=PROBE), dict(model=FakeEncoder(), probe="fairfase"),
    dict(model=FakeEncoder(), probe=4), dict(model=[], probe=PROBE), dict(model=bare(Nothing), probe=PROBE, data=four_faces()),
    dict(model=FakeEncoder(), probe=PROBE, data=3), dict(model=FakeEncoder(), probe=PROBE, data=pd.DataFrame()),
    dict(model=FakeEncoder(), probe="fairface", data=pd.DataFrame({"race": ["a"]})), dict(model=FakeEncoder(), probe="emoji", limit=-1),
    dict(model=FakeEncoder(), probe="emoji", limit="many"), dict(model=FakeEncoder(), probe="emoji", limit=True),
    dict(model=FakeEncoder(), probe="emoji", alpha="small"), dict(model=FakeEncoder(), probe="emoji", tolerance=float("nan")),
    dict(model=FakeEncoder(), probe="emoji", limt=3), dict(model=FakeEncoder(), probe="emoji", settings={"seed": 1}),
    dict(model=FakeEncoder(), probe="emoji", settings=Settings(), seed=1), dict(model=FakeEncoder(), probe="emoji", what_if="projektion"),
    dict(model=FakeEncoder(), probe=PROBE, data=four_faces(), by="rase"), dict(model=FakeEncoder(), probe=PROBE, data=four_faces(), by=3),
    dict(model=FakeEncoder(), probe=PROBE, data=four_faces(), exclude=["zz"]), dict(model=FakeEncoder(), probe=PROBE, exclude=[]),
    dict(model=FakeEncoder(), probe=PROBE, data=four_faces(), exclude=list("abcd")), dict(model=FakeEncoder(), probe=PROBE, fail_on=1),
    dict(model=FakeEncoder(), probe=PROBE, fail_on="gapp > 1"), dict(model=FakeEncoder(), probe=PROBE, junit="x.xml"),
    dict(model=FakeEncoder(), probe=PROBE, progress=3), dict(model=FakeEncoder(), probe=PROBE, stages=3),
        dict(model=FakeEncoder(), probe=PROBE, model_args=3), dict(predictions=3),
    dict(model=FakeEncoder(), probe=PROBE, data=four_faces(), model_args="a=b"), dict(predictions=pd.DataFrame()),
    dict(model=FakeEncoder(), probe=PROBE, data=four_faces(), cluster="scene"), dict(predictions="x.csv", model="x.pt"),
    dict(predictions=pd.DataFrame({"race": ["a", "b"], "y_pred": ["x", None]})), dict(predictions="absent.csv"),
    dict(predictions=pd.DataFrame({"race": ["a", "b"], "y_pred": ["x", "y"]}), attributes=["rase"]), dict(predictions="x.csv", depth=0),
    dict(model=FakeEncoder(), probe="emoji", dtype="int8"), dict(model=FakeEncoder(), probe="emoji", out=3),
    dict(model="x.pt", probe=PROBE), dict(model="x.pt", probe=PROBE, data=four_faces(), model_args=[{}, {}]),
    dict(model=FakeEncoder(), probe=PROBE, outcome="a=b"), dict(predictions="x.csv", data=pd.DataFrame({"race": ["a"]})),
    dict(model="x.pt", probe=PROBE, model_args={"mean": 0.5}), dict(model="x.pt", probe=PROBE, model_args={1: 2}),
    dict(predictions="a" * 5000), dict(predictions="x.csv", out="a\0b"), dict(predictions="x.csv", tolerance=10**400),
    dict(predictions="x.csv", ratio_tolerance=1),
    dict(model="x.pt", probe=PROBE, dtype=np.array([1, 2])), dict(model="x.pt", probe="emoji", what_if="all", what_ifs=["projection"]),
]  # fmt: skip


@pytest.mark.parametrize("given", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_of_the_caller_is_an_audit_error(given):
    with pytest.raises(AuditError) as caught:
        audit.audit(**given)
    assert caught.value.exit_code in (2, 3)


@pytest.mark.parametrize("sides", [(), ("skewed",), (3, 4), ("skewed", "absent.pt"), ("skewed", FakeEncoder())])
def test_a_mistake_about_sides_is_a_usage_error(sides):
    with pytest.raises(UsageError):
        audit.compare(*sides)
    with pytest.raises(UsageError, match="unknown option 'serie'"):
        audit.compare("skewed", "plain", serie=True)


@pytest.mark.slow
def test_models_are_compared_on_a_data_frame():
    """120 pictures in a column; finished audits have their own data."""
    faces = four_faces(30)
    frame = faces.attributes.reset_index(drop=True).assign(image=[Image.open(io.BytesIO(content)) for content in faces.images])
    probe = replace(PROBE, load=lambda options: load_dataset(options.location, Schema(), name="faces", licence="none"))
    changes = audit.compare(FakeEncoder(), FakeEncoder({"": [1.0, 1.0, 0.0]}), probe=probe, data=frame)
    assert changes.facts.comparisons[0].images == 120
    with pytest.raises(UsageError, match="--data cannot be used here"):
        audit.compare(audit.audit(FakeEncoder(), PROBE, data=faces), audit.audit(FakeEncoder(), PROBE, data=faces), data=frame)


def test_a_frame_of_relative_paths_and_a_hugging_face_dataset_are_audited(place, monkeypatch):
    monkeypatch.chdir("/")
    frame = pd.read_csv(place / "faces.csv").rename(columns={"race": "Race ", "image": "Picture name"})
    probe = replace(PROBE, load=lambda options: load_dataset(options.location, Schema(), name="given", licence="none"))
    expected = audit.audit(FakeEncoder(), PROBE, data=four_faces(12), min_group_size=5)
    reading = {"image_root": place, "image_column": "Picture name", "column": {"race": "Race "}}
    assert audit.audit(FakeEncoder(), probe, data=frame, min_group_size=5, **reading).metrics.equals(expected.metrics)
    pictures = [{"bytes": (place / name).read_bytes(), "path": name} for name in frame["Picture name"]]
    features = datasets.Features({"picture": datasets.Image(), **dict.fromkeys(("race", "gender"), datasets.Value("string"))})
    columns = {"picture": pictures, "race": frame["Race "].tolist(), "gender": frame["gender"].tolist()}
    data = datasets.Dataset.from_dict(columns, features=features)
    assert audit.audit(FakeEncoder(), probe, data=data, min_group_size=5).metrics.equals(expected.metrics)
    with pytest.raises(UsageError, match=r"no attribute 'race' to slice by in given.*\nfix: --column race='Race '"):
        audit.audit(FakeEncoder(), probe, data=frame, image_root=place, image_column="Picture name")


@pytest.mark.slow_except("None")
@pytest.mark.parametrize("wrong", [None, 5, "a\0b"])
def test_what_cannot_be_a_directory_or_a_name_is_a_usage_error(wrong):
    found = audit.audit(FakeEncoder(), PROBE, data=four_faces(30))
    by_place = lambda each: found.finding("gender", each or "0")  # noqa: E731
    for use in (audit.load, audit.load_changes, found.save, found.finding, found.compare, by_place):
        with pytest.raises(UsageError):
            use(wrong)


def test_models_of_a_file_come_after_those_of_the_command_line():
    request = AuditRequest(model="x.pt", models="models.txt", probe="faces.py")
    assert request.model == ("x.pt", "a.pt", "b.pt")
    assert request.model_copy(update={"seed": 3}).model == request.model
    assert request.words("run")[1:4] == ("--model=x.pt", "--model=a.pt", "--model=b.pt")


@pytest.mark.parametrize("spec", ["colours.py:Colours", "colours.py", "./colours.py:"])
def test_a_list_of_models_names_no_code(place, spec, capsys):
    (place / "named.txt").write_text(f"a.pt\n{spec}\n")
    assert main(["--models", "named.txt", "--probe", "faces.py"]) == 4
    assert f"named.txt names code: '{spec}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": "nowhere.txt"}, "cannot read the models in 'nowhere.txt'"), ({"models": "empty.txt"}, "'empty.txt' names no model"),
        ({"models": "models.txt", "model_args": "axis=x"}, "--models cannot be used with --model-args"),
        ({"models": "models.txt", "predictions": "answers.csv", "probe": ()}, "--models cannot be used with --predictions"),
    ],
)  # fmt: skip
def test_a_file_of_models_that_cannot_be_used_is_named(given, said, place):
    (place / "empty.txt").write_text("# nothing\n\n")
    with pytest.raises(AuditError, match=re.escape(said)):
        AuditRequest(**{"probe": "faces.py", **given})
