"""Whatever transformers loads, looks up or asks while it reads a folder has been looked at: in the version that CI installs."""

import ast
from importlib.metadata import version

import pytest

from tests.support import compat

EVERY_FOLDER_PASSES = tuple(pattern for pattern in compat.PATTERNS if not pattern.startswith("models/"))


@pytest.mark.parametrize("patterns", [EVERY_FOLDER_PASSES, pytest.param(compat.PATTERNS, marks=pytest.mark.slow)], ids=["shared", "all"])
def test_every_call_of_the_locked_transformers_that_loads_is_known(patterns):
    locked, installed = compat.locked_version(), version("transformers")
    if installed != locked:
        pytest.skip(f"transformers {installed} is installed, and {locked} is locked: make compat says what is new in it")
    found, known = compat.installed_calls(patterns), compat.known_calls()
    if patterns == EVERY_FOLDER_PASSES:
        known = {call for call in known if not call.startswith("models/")}
    assert len(found) > (100 if patterns == EVERY_FOLDER_PASSES else 200)
    assert sorted(found - known) == []
    assert sorted(known - found) == []


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("class A:\n def f(self):\n  return AutoModel.from_pretrained(self.path)", {"A.f: AutoModel.from_pretrained"}),
        ("def f(name):\n return getattr(transformers_module, name)", {"f: getattr(transformers_module, ...)"}),
        ("def f():\n answer = input('run? ')", {"f: input"}),
        ("def f(path):\n return torch.load(path)", {"f: torch.load"}),
        ("def f(kind):\n return CONFIG_MAPPING[kind]()", {"f: CONFIG_MAPPING[...]"}),
        ("import importlib\nmodule = importlib.import_module('x')", {": importlib.import_module"}),
        ("def f(self):\n return getattr(self, 'size'), json.loads('{}'), super().from_pretrained()", set()),
    ],
)
def test_a_call_that_loads_is_found_where_it_stands(code, calls):
    assert set(compat.calls_in(ast.parse(code))) == calls


def test_a_new_call_is_named(monkeypatch, capsys):
    found = compat.installed_calls(EVERY_FOLDER_PASSES)
    monkeypatch.setattr(compat, "installed_calls", lambda: found)
    monkeypatch.setattr(compat, "known_calls", lambda: found - {"processing_utils.py ProcessorMixin.get_processor_dict: open"})
    assert compat.main() == 1
    assert "not known: 1\n  processing_utils.py ProcessorMixin.get_processor_dict: open" in capsys.readouterr().out
