"""Kinds of models that a package of yours declares: by scheme, suffix, a file of the folder or its config.json; the core's come first."""

import importlib.metadata
import json
import sys
from importlib.metadata import EntryPoint

import pytest

from audit.errors import DataError, UsageError
from audit.extension import GROUP, Extension, ModelKind, find, model_kinds
from audit.models import load
from audit.models.spec import WEIGHT_FILES
from audit.run import main
from tests.support.model_folders import refused
from tests.support.rooms import left_out

HERE = __name__
DOTS = ModelKind(
    "counter of dots", f"{HERE}:as_dots", scheme="dots", usage="dots:FILE", form="dots:FILE (dots)",
    suffixes=(".dots", *WEIGHT_FILES), marker="dots.txt", is_kind=f"{HERE}:has_dots",
)  # fmt: skip
GREEDY = ModelKind("everything", f"{HERE}:as_dots", scheme="hf", is_kind=f"{HERE}:is_anything")
LOADED = Extension("dots", models=(DOTS,))
TAKEN = Extension("also", models=(ModelKind("other dots", f"{HERE}:as_dots", suffixes=(".dots",)),))
ALL = Extension("all", models=(GREEDY,))


def as_dots(where, how):
    """What a loader is given."""
    return where, how


def has_dots(config):
    """Whether a folder is of this kind."""
    return config.get("model_type") == "dots"


def is_anything(config):
    """A test that claims every folder."""
    return True


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Return a function that installs extensions of this module beside ours; run in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    entry_points = importlib.metadata.entry_points

    def install(**declared):
        more = [EntryPoint(name, f"{HERE}:{place}", GROUP) for name, place in declared.items()]
        every = {GROUP: (*more, *entry_points(group=GROUP))}
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: every.get(group) or entry_points(group=group))
        find.cache_clear()
        return find()

    yield install
    find.cache_clear()


def folder(path, **config):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_a_model_is_loaded_by_its_scheme_its_suffix_or_its_folder(installed, tmp_path):
    installed(dots="LOADED")
    where, how = load("dots:any thing", device="cpu", dtype="bfloat16", model_args={"size": "3"})
    assert (where, how.setting, how.model_args) == ("any thing", {"device": "cpu", "dtype": "bfloat16"}, {"size": "3"})
    (tmp_path / "a.dots").write_bytes(b"")
    assert load("a.dots")[0] == "a.dots"
    (folder(tmp_path / "marked") / "dots.txt").write_bytes(b"")
    assert load("marked")[0] == "marked"
    where, how = load(str(folder(tmp_path / "configured", model_type="dots")))
    assert (where, how.folder) == (str(tmp_path / "configured"), {"name": f"{tmp_path.name}/configured"})


@pytest.mark.parametrize("content", [None, "[1]", "{"])
def test_of_a_configuration_that_cannot_be_read_nothing_is_known(installed, tmp_path, monkeypatch, content):
    installed(dots="LOADED")
    asked = []
    monkeypatch.setattr(sys.modules[HERE], "has_dots", asked.append)
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / "folder" / "config.json").write_text(content)
    refused("folder", DataError, "config.json")
    assert asked == [{}]


def test_help_and_errors_name_what_is_installed(installed, capsys):
    installed(dots="LOADED")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "dots:FILE, file.py:CLASS" in " ".join(capsys.readouterr().out.split())
    error = refused("dost:x", UsageError)
    assert "did you mean dots? Known: " in error.why
    assert "dots, hf, " in error.why
    assert "dots:FILE (dots), FILE.py:CLASS or plugin:NAME" in error.fix


def test_no_package_takes_a_spec_or_a_folder_from_ours(installed, tmp_path):
    assert not [line for line in installed(all="ALL").left_out if "'all'" in line]
    assert model_kinds()[-1] is GREEDY  # ours are asked first
    refused("hf:nothing", UsageError, "unknown model spec")
    (tmp_path / "a.pt").write_bytes(b"")
    refused("a.pt", DataError)
    installed(dots="LOADED", also="TAKEN")
    assert "the extension 'dots' is left out: ValueError: the suffix '.dots' of 'also' exists already" in find().left_out


def test_what_is_left_out_is_named_only_where_it_may_read_the_folder(tmp_path):
    clip = folder(tmp_path / "clip", model_type="clip", architectures=["CLIPModel"])
    other = folder(tmp_path / "other", model_type="bert", architectures=["BertForMaskedLM"])
    usual = str(refused(clip, DataError))
    with left_out("watch") as line:
        assert str(refused(clip, DataError)) == usual
        assert line in refused(other, DataError).why


def test_a_folder_that_none_claims_is_read_as_a_dual_encoder(installed, tmp_path):
    installed(dots="LOADED")
    refused(folder(tmp_path / "other", model_type="clip"), DataError)
