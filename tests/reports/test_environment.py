"""The environment of pages: its templates are compiled once and kept as Python keeps its modules."""

import re
import sys
from importlib.util import cache_from_source
from pathlib import Path

from reports import environment as environments
from reports.render import render
from tests.support.report_samples import fairface, mapped, results


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


def test_a_text_of_more_than_a_hundred_thousand_characters_is_cut_on_a_page(tmp_path):
    """A page repeats the name of a model: with three million characters it had 54 MB, after fifteen seconds."""
    facts = results(fairface(limited=True))
    name = facts.audits[0].model.name
    most = environments.MOST_CHARACTERS
    page = render(mapped(facts, lambda text: "N" * 1_000_000 if text == name else text))
    assert max(len(run) for run in re.findall("N{1000,}", page)) == most
    assert re.search(r"N… \(1,000,0\d\d characters\)</title>", page)
    assert len(page) < 40 * most
    assert "… (" not in environments._cut("N" * most)
