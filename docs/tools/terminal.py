"""The terminal output in the README: ``python -m docs.tools.terminal`` rewrites its example and the first lines of a real run."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import numpy as np

from docs.tools.generated import ROOT, TERMINAL

README = ROOT / "README.md"
EXAMPLE = ROOT / "docs" / "examples" / "answers.csv"
LINES = 8
_RIGHT = {"north": (0.95, 0.95), "east": (0.94, 0.94), "south": (0.89, 0.79), "west": (0.95, 0.95), "centre": (0.93, 0.93)}
"""Share of right answers by region, in daylight and at night."""
_IMAGES = 200
_JOBS = np.array(["doctor", "nurse", "teacher"])


def write_example() -> None:
    """Write the example: invented answers; the south has the most errors, above all at night."""
    EXAMPLE.parent.mkdir(exist_ok=True)
    write_answers(EXAMPLE, _RIGHT)


def write_answers(path: Path, right: Mapping[str, tuple[float, float]]) -> None:
    """Write invented answers about 400 images from each region, with its shares of right answers in daylight and at night."""
    rng = np.random.default_rng(13)
    rows = ["id,region,light,y_true,y_pred"]
    for region, shares in right.items():
        for light, share in zip(("day", "night"), shares, strict=True):
            true = rng.integers(3, size=_IMAGES)
            wrong = rng.permutation(_IMAGES) >= round(share * _IMAGES)
            given = (true + wrong * rng.integers(1, 3, size=_IMAGES)) % 3
            rows += [f"{region}-{light}-{place},{region},{light},{_JOBS[true[place]]},{_JOBS[given[place]]}" for place in range(_IMAGES)]
    path.write_text("\n".join(rows) + "\n", "utf-8")


def first_lines(words: list[str]) -> str:
    """The first lines of a command's output."""
    with tempfile.TemporaryDirectory() as folder:
        printed = _printed([*words, "--out", str(Path(folder) / "audit")])
    return "\n".join(line.rstrip() for line in printed.splitlines()[:LINES])


def audit_example(table: Path, folder: Path) -> Path:
    """Audit a table of predictions and return its report."""
    _printed(["run", "--predictions", str(table), "--out", str(folder / "audit")])
    return folder / "audit" / "report.html"


def _printed(words: list[str]) -> str:
    from audit.__main__ import main

    printed = io.StringIO()
    language = mock.patch.dict(os.environ, {"LC_ALL": "en_US.UTF-8"})  # the output must not depend on the locale
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()), language:
        code = main(words)
    assert code == 0, f"the command ends with {code}"
    return printed.getvalue()


def shown(readme: str) -> tuple[list[str], str]:
    """The arguments of the command in the README, without ``--out``, and the lines of output that it shows."""
    found = TERMINAL.search(readme)
    assert found is not None, "the README shows no run"
    words = found[2].split()
    return words[1:], found[3]


def main() -> int:
    """Write the example and the lines."""
    write_example()
    text = README.read_text("utf-8")
    words, _ = shown(text)
    lines = first_lines(words)
    README.write_text(TERMINAL.sub(lambda match: match[1] + lines + match[4], text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
