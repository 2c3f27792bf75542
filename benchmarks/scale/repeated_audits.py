"""Many audits in one process: resident memory, open handles and threads after some of them. They stay flat.

``python -m benchmarks.scale.repeated_audits [N]`` runs N (200) rounds of three audits: of a model, of a model whose embeddings are kept
only while it is audited, and of predictions.
"""

from __future__ import annotations

import gc
import logging
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import audit
from audit.testing import FakeEncoder, four_faces, gender_probe


class Held(NamedTuple):
    """The resources that a process holds."""

    rss_kib: int
    handles: int
    threads: int
    log_handlers: int
    temporary: int
    """Files and folders in the folder for temporary ones."""


def held(folder: Path) -> Held:
    """Return the resources that this process holds now."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    log = logging.getLogger("audit")
    rss, handles, left = int(status["VmRSS"].split()[0]), list(Path("/proc/self/fd").iterdir()), list(folder.iterdir())
    return Held(rss, len(handles), threading.active_count(), len(log.handlers) + len(log.filters), len(left))


def bare() -> FakeEncoder:
    """Return an encoder without a record: its embeddings are kept only while it is audited."""
    encoder = FakeEncoder()
    del encoder.record
    return encoder


def rounds(n: int, shown: tuple[int, ...], folder: Path) -> dict[int, Held]:
    """Run `n` rounds of audits and return what was held after those that are shown."""
    faces = four_faces(10)
    probe, temporary = gender_probe(faces), folder / "tmp"
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    rows = pd.DataFrame({"race": ["A", "B"] * 60, "y_true": ["x", "y", "y"] * 40, "y_pred": ["x", "y", "x", "y"] * 30})
    options = {"min_group_size": 5, "draws": 99, "cache_root": folder / "cache"}
    found = {}
    for place in range(1, n + 1):
        audit.audit(FakeEncoder(), probe, out=folder / "out", seed=place, **options)
        audit.audit(bare(), probe, min_group_size=5, draws=99)
        audit.audit(predictions=rows, out=folder / "predictions", min_group_size=5, draws=99).to_html()
        if place in shown:
            found[place] = held(temporary)
    return found


def main(n: int) -> None:
    """Print what is held after a tenth, a half and all of the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        for place, each in rounds(n, (n // 10, n // 2, n), Path(folder)).items():
            print(f"{place:>4} rounds: {each.rss_kib / 1024:.0f} MiB resident, {each.handles} handles, {each.threads} threads, "
                  f"{each.log_handlers} handlers and filters of the log, {each.temporary} temporary files")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
