"""The pages that are made from the code hold all of it, and the map names every folder."""

import argparse
import re
from html import unescape

import pytest

import audit
import probes
from audit.extension import what_ifs
from audit.gates.parse import CHANGE_SUBJECTS, SUBJECTS, parse
from audit.statistics.metrics import METRICS
from contrastive.config import read_config
from docs.tools import command_line
from docs.tools.generated import BLOCKS, MARK, filled
from tests.support import documented
from tests.support.house import PACKAGES, ROOT

DOCS = ROOT / "docs"


def test_every_mark_of_a_page_is_filled_and_every_block_is_used():
    marked = {name for page in documented.PAGES for name in MARK.findall(page.read_text("utf-8"))}
    assert marked == set(BLOCKS)
    assert not MARK.search(filled((DOCS / "method.md").read_text("utf-8")))


@pytest.mark.parametrize("module", command_line.parsers())
def test_the_page_of_the_command_line_has_every_option_with_its_meaning(module):
    parser = command_line.parsers()[module]
    page = command_line.page()
    section = page.split(f"## {command_line.SHORT.get(module, f'python -m {module}')}\n")[1].split("\n## ")[0]
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        assert action.help, action
        row = next(line for line in section.splitlines() if line.startswith(f"| `{(action.option_strings or [action.metavar])[0]}`"))
        assert all(f"`{flag}`" in row for flag in action.option_strings)
        assert " ".join((action.help % vars(action)).split()) in " ".join(unescape(row).split())


@pytest.mark.slow
def test_the_tables_have_every_probe_metric_and_what_if():
    assert all(f"[`{name}`](probes.md#{name}) |" in BLOCKS["probes"]() for name in probes.names())
    assert all(f"[`{name}`]" in BLOCKS["metrics"]() for name in METRICS)
    guide = (DOCS / "extensions" / "whatif.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w[\w-]+)` \|", guide, re.MULTILINE)) == set(what_ifs().methods)


def test_the_catalogue_says_of_every_probe_what_it_asks_of_which_data_under_which_licence():
    sections = re.split(r"^### `(\w+)` \{ #\1 \}$", BLOCKS["catalogue"](), flags=re.MULTILINE)[1:]
    assert sections[::2] == [name for group in probes.by_tier().values() for name in group]
    assert {*sections[::2]} == {*probes.names()}
    for name, text in zip(sections[::2], sections[1::2], strict=True):
        probe = probes.get(name)
        lines = text.strip().splitlines()
        assert lines[0] == f"**{probe.question}**"
        assert f"* Licence: {probe.licence}" in lines
        assert any(line.startswith(f"* Data: {probe.data.name if probe.data else 'its own'} (") for line in lines)
    fairface = sections[sections.index("fairface") + 1]
    assert "selection rate" in fairface
    assert "* Published numbers, in the report beside ours: " in fairface


def test_every_gate_of_the_guide_is_one():
    audits, comparisons = (DOCS / "guides" / "gates.md").read_text("utf-8").split("## Gates on a comparison")
    for text, fewest, subjects in ((audits, 8, SUBJECTS), (comparisons, 5, CHANGE_SUBJECTS)):
        gates = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
        assert len(gates) >= fewest
        assert all(parse(gate, subjects) for gate in gates)


@pytest.mark.parametrize("folder", sorted(path.parent.name for package in PACKAGES for path in (ROOT / package).glob("*/__init__.py")))
def test_the_map_names_every_folder(folder):
    assert f"{folder}/" in (DOCS / "architecture.md").read_text("utf-8").split("## Map")[1]


@pytest.mark.slow
def test_the_probe_of_the_docs_asks_the_model_of_the_docs(tmp_path, monkeypatch):
    """60 pictures, half of them in either hand, all cups; a model that knows only colours answers "cup" to each: 30 of 30, twice."""
    for name in ("cups.py", "colours.py"):
        (tmp_path / name).write_text(documented.code(name))
    documented.write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)

    found = audit.audit(model="colours.py:Colours", probe="cups.py", data="cups.csv").findings[0]
    assert found.id == "thing/accuracy/hand"
    assert [(rate.group, rate.events, rate.n) for rate in found.by_group] == [(("left",), 30, 30), (("right",), 30, 30)]


def test_the_smallest_configuration_of_the_docs_is_one(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(documented.code("my.toml"))

    assert read_config(str(path)).data.train == "pairs.csv"


def test_so_is_that_of_open_clips_flags(tmp_path):
    path = tmp_path / "clip.toml"
    path.write_text(documented.code("clip.toml"))

    found = read_config(str(path))
    assert (found.data.image_column, found.data.batch, found.data.tokenizer, found.optim.epochs) == ("filepath", 128, "clip", 30)


def test_the_short_configuration_leaves_the_defaults_to_the_recipe(tmp_path):
    path = tmp_path / "clip_short.toml"
    path.write_text(documented.code("clip_short.toml"))

    found = read_config(str(path), recipe="open_clip")
    assert (found.model.preset, found.data.image_column, found.data.batch) == ("ViT-B/32", "filepath", 64)
    assert (found.optim.lr, found.optim.epochs, found.optim.warmup, found.optim.weight_decay) == (5e-4, 32, 10000, 0.2)
