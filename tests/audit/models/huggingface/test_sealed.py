"""While a model is loaded, transformers can neither run its author's code nor ask whether it may, even where the check of folders fails."""

import io
import json
import sys
import threading

import pytest
import torch
import transformers
from transformers import dynamic_module_utils

from audit.errors import DataError, UnsafeError
from audit.models.huggingface import sealed as seal
from audit.models.huggingface.pretrained import call_transformers
from audit.models.huggingface.sealed import sealed

LOADERS = {name: getattr(dynamic_module_utils, name) for name in seal.CODE_LOADERS}


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A folder whose code would touch a file, before a user who says yes to everything."""
    canary = tmp_path / "CANARY"
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "evil", "auto_map": {"AutoConfig": "x.C", "AutoModel": "x.M", "AutoTokenizer": ["x.T", None]}})
    )
    (tmp_path / "x.py").write_text(f"open({str(canary)!r}, 'w')\nclass C: pass\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    yield tmp_path
    assert not canary.exists()


def everything_is_as_before():
    bound = [(module, name) for module in list(sys.modules.values()) for name in LOADERS if name in vars(module)]
    bound = [(vars(module)[name], LOADERS[name]) for module, name in bound if module.__name__.startswith("transformers")]
    return len(bound) >= len(LOADERS) and all(found is wanted for found, wanted in bound)


@pytest.mark.parametrize("auto", ["AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor"])
@pytest.mark.parametrize("trusted", [{}, {"trust_remote_code": True}])
def test_code_is_not_run_and_nobody_is_asked(evil, auto, trusted, capsys):
    with pytest.raises(UnsafeError, match="would run code") as caught, sealed():
        getattr(transformers, auto).from_pretrained(evil, **trusted)
    assert caught.value.exit_code == 4
    assert "[y/N]" not in capsys.readouterr().out
    assert everything_is_as_before()


def test_a_refusal_that_transformers_swallows_is_raised_all_the_same(evil):
    def anyhow(then):
        try:
            transformers.AutoConfig.from_pretrained(evil)
        except Exception:
            return then()

    def fails():
        raise DataError("what came of it")

    for then in (dict, fails):
        with pytest.raises(UnsafeError, match="would run code"), sealed():
            call_transformers(evil, lambda _, then=then: anyhow(then))


def test_pickles_and_the_keyboard_are_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    torch.save({}, tmp_path / "x.pt")
    for reach in (lambda: torch.load(tmp_path / "x.pt"), lambda: torch.serialization.load(tmp_path / "x.pt"), lambda: input("? ")):
        with pytest.raises(UnsafeError, match="code or read a pickle"), sealed():
            reach()
    with sealed():
        assert sys.stdin.read() == ""
    assert sys.stdin.read() == "y\n"
    assert torch.load(tmp_path / "x.pt") == {}


def test_what_was_imported_in_the_meantime_is_given_back_too():
    name = "transformers.models.auto.video_processing_auto"
    before = sys.modules.pop(name, None)
    with sealed():
        __import__(name)
        assert sys.modules[name].resolve_trust_remote_code is not LOADERS["resolve_trust_remote_code"]
    assert everything_is_as_before()
    if before is not None:
        sys.modules[name] = before


def test_the_last_of_several_who_load_at_once_breaks_the_seal():
    first, second = threading.Event(), threading.Event()

    def load():
        with sealed():
            first.set()
            second.wait(10)

    thread = threading.Thread(target=load)
    thread.start()
    first.wait(10)
    with sealed():
        pass
    assert dynamic_module_utils.get_class_in_module is not LOADERS["get_class_in_module"]  # the thread is still loading
    second.set()
    thread.join()
    assert everything_is_as_before()


def test_every_way_to_code_that_is_replaced_exists():
    assert all(callable(getattr(dynamic_module_utils, name, None)) for name in seal.CODE_LOADERS)
