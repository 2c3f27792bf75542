"""Notebooks as pages of the site, with their outputs: ``python -m docs.tools.notebooks`` runs those that have changed.

The notebooks in the repository have no outputs. Executed copies are in ``runs/notebooks``, under a digest of the notebook and the
program, so that a page never shows the outputs of other code. They use the demo's models and its audit, which are made if missing.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "notebooks"
FOLDER = ROOT / "runs" / "notebooks"
DEMO = {"MODEL": ROOT / "runs" / "emoji" / "ckpt.pt", "RUN": ROOT / "runs" / "emoji", "AUDIT": ROOT / "runs" / "emoji-audit"}
"""What the notebooks open, by environment variable."""
TIMEOUT_S = 3600
_LINK = re.compile(r"\(((?:\.\./)+)notebooks/(\w+)\.ipynb\)")


def notebooks() -> list[Path]:
    """The notebooks of the repository."""
    return sorted(SOURCES.glob("*.ipynb"))


@cache
def _program() -> bytes:
    packages = ("audit", "contrastive", "probes", "reports", "strictio")
    files = sorted(path for package in packages for path in (ROOT / package).rglob("*") if path.suffix in (".py", ".toml"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).digest()


def executed(notebook: Path) -> Path:
    """The path of the executed copy of a notebook, which need not exist."""
    digest = hashlib.sha256(notebook.read_bytes() + _program()).hexdigest()[:12]
    return FOLDER / f"{notebook.stem}-{digest}.ipynb"


def execute(notebook: Path) -> Path:
    """Run a notebook on the demo and save it with its outputs."""
    import nbclient
    import nbformat

    FOLDER.mkdir(parents=True, exist_ok=True)
    content = nbformat.read(notebook, as_version=4)
    with mock.patch.dict("os.environ", {name: str(path) for name, path in DEMO.items()}):
        nbclient.NotebookClient(content, timeout=TIMEOUT_S, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for outdated in FOLDER.glob(f"{notebook.stem}-*.ipynb"):
        outdated.unlink()
    nbformat.write(content, executed(notebook))
    return executed(notebook)


def files() -> dict[str, bytes]:
    """The pages, their images and the notebooks themselves, by their path in the site."""
    return {f"notebooks/{name}": content for path in notebooks() for name, content in _files(path)}


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    import nbformat

    copy = executed(path)
    notebook = nbformat.read(copy if copy.is_file() else path, as_version=4)
    images: dict[str, bytes] = {}
    text = markdown(notebook, path.stem, images)
    note = "" if copy.is_file() else "\n\n*The outputs were not made here: run `make docs`.*"
    title, _, rest = text.partition("\n")
    yield f"{path.stem}.md", f"{title}\n\n[Download this notebook]({path.name}){note}\n{rest}".encode()
    yield path.name, path.read_bytes()
    yield from images.items()


def markdown(notebook: Any, stem: str, images: dict[str, bytes]) -> str:
    """Return a notebook as Markdown, and add its images to `images`, by file name."""
    parts, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)
            heading = headings[-1] if headings else heading
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            parts += [_output(output, heading, stem, images) for output in cell.outputs]
    return "\n\n".join(filter(None, parts)) + "\n"


def _output(output: Any, heading: str, stem: str, images: dict[str, bytes]) -> str:
    """Return an output: a plot, a table or text. Standard error, which has progress and warnings, is left out."""
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```" if output.name == "stdout" else ""
    data = output.data
    if "image/png" in data:
        name = f"{stem}-{len(images) + 1}.png"
        images[name] = base64.b64decode(data["image/png"])
        return f"![Plot: {heading}]({name})"
    if "text/html" in data:
        return f'<div class="output">\n{_table(data["text/html"])}\n</div>'
    return f"```text\n{data['text/plain']}\n```"


def _table(html: str) -> str:
    """Return the HTML of a data frame without pandas' own style, so that it looks like any table of the site."""
    html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
    html = re.sub(r' (?:border="1"|class="dataframe"|style="text-align: right;")', "", html)
    return "\n".join(line for line in html.splitlines() if line.strip())  # a blank line would end the HTML block


def linked(text: str) -> str:
    """Make the links to notebooks in the text of a page lead to their pages."""
    return _LINK.sub(lambda match: f"({match[1].removeprefix('../')}notebooks/{match[2]}.md)", text)


def main() -> int:
    """Execute every notebook whose executed copy is missing or outdated."""
    from audit.__main__ import main as vlm_audit
    from docs.tools.gallery import train_demo

    outdated = [path for path in notebooks() if not executed(path).is_file()]
    if outdated and not (DEMO["AUDIT"] / "results.json").is_file():
        train_demo()
        models = [f"--model={ROOT / 'runs' / name / 'ckpt.pt'}" for name in ("emoji", "emoji-balanced")]
        if code := vlm_audit(["run", *models, "--probe", "emoji", "--out", str(DEMO["AUDIT"])]):
            return code
    for path in outdated:
        print(f"running {path.relative_to(ROOT)}", flush=True)
        execute(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
