"""The environment of pages: its templates are compiled once and kept as Python keeps its modules."""

import sys
from importlib.util import cache_from_source
from pathlib import Path

from reports import environment as environments


def macros():
    """Return the macros of an environment made anew."""
    return dir(environments.environment.__wrapped__().globals["m"])


def test_templates_are_kept_compiled_until_what_makes_them_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = Path(cache_from_source(environments.__file__)).parent
    as_written = macros()
    assert not folder.exists()  # where Python keeps no modules, no templates are kept

    folder.mkdir(parents=True)
    assert macros() == as_written
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"badge", b"bodge"))
    assert macros() == sorted({*as_written, "bodge"} - {"badge"})  # what was kept is what is used

    monkeypatch.setattr(environments._Compiled, "get_source_checksum", lambda self, source: "of another source")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = kept.read_bytes()
    assert macros() == as_written
    assert kept.read_bytes() == before
