"""Predictions in Parquet parts, from a million rows on: rows per second, and memory that does not grow with them.

Each size is written as parts of a million rows and audited by a separate process, start-up, tests and page included; reading the parts
alone is timed in another, start-up left out. At the first size one file of the same rows is audited too: the findings must be equal. The
goal: under 1 GB at 10⁸ rows, at a constant rate. ``--rows N [N …]`` changes the sizes (10⁸ rows take 200 MB of disk and some minutes),
``--scores`` adds five columns of scores; what is compared with one file are then the findings alone, since scores lie in bins.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.speed.predictions import AGES, LABELS, RACES, measured

PART = 1_000_000
MOST_GB = 1.0
SLOWEST = 0.7
"""Rows per second at the last size, as a share of those at the first: a machine that others use is noisy."""
READ_ALONE = """
import sys, time
from pathlib import Path
from audit.predictions.parts import load_parts
from audit.predictions.rows import ColumnOptions
started = time.process_time()
load_parts(Path(sys.argv[1]), ColumnOptions())
Path(sys.argv[2]).write_text(str(time.process_time() - started))
"""
EQUAL = ("counts", "verdict", "findings", "measurements")


def part(number: int, rows: int, *, scores: bool) -> pa.Table:
    """Return the rows of one part: women are right a little less often, 88 against 90 of 100."""
    rng = np.random.default_rng(number)
    gender, truth = rng.integers(2, size=rows), rng.integers(len(LABELS), size=rows)
    wrong = rng.random(rows) < np.where(gender == 0, 0.12, 0.1)
    answer = np.where(wrong, (truth + rng.integers(1, len(LABELS), size=rows)) % len(LABELS), truth)
    codes = {
        "race": (rng.integers(len(RACES), size=rows), RACES), "gender": (gender, ("Female", "Male")),
        "age": (rng.integers(len(AGES), size=rows), AGES), "y_true": (truth, LABELS), "y_pred": (answer, LABELS),
    }  # fmt: skip
    columns = {name: pa.DictionaryArray.from_arrays(pa.array(each.astype(np.int8)), list(names)) for name, (each, names) in codes.items()}
    if scores:
        given = rng.random((rows, len(LABELS)), np.float32) + 2 * (np.arange(len(LABELS), dtype=np.float32) == answer[:, None])
        given /= given.sum(axis=1, keepdims=True)
        columns |= {f"score:{label}": pa.array(given[:, place]) for place, label in enumerate(LABELS)}
    return pa.table(columns)


def audited(out: Path) -> dict[str, object]:
    """Return the results of an audit."""
    found: dict[str, object] = json.loads((out / "results.json").read_text())["audits"][0]
    return found


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parse.add_argument("--scores", action="store_true", help="five columns of scores as well")
    given = parse.parse_args()
    sizes = sorted(given.rows)
    command = [sys.executable, "-m", "audit.run", "--quiet", "--predictions"]
    rates, peaks = [], []
    with tempfile.TemporaryDirectory() as place:
        folder, written = Path(place) / "parts", 0
        folder.mkdir()
        for size in sizes:
            while written < size:
                rows = min(PART, size - written)
                pq.write_table(part(written // PART, rows, scores=given.scores), folder / f"part-{written // PART:05d}.parquet")
                written += rows
            whole = measured([*command, f"{folder}/*.parquet", "--out", f"{place}/out"])
            alone = measured([sys.executable, "-c", READ_ALONE, f"{folder}/*.parquet", f"{place}/seconds"])
            seconds = float(Path(f"{place}/seconds").read_text())
            rates.append(size / seconds)
            peaks.append(max(whole[2], alone[2]))
            stored = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
            print(
                f"{size:>12,} rows ({stored:,.0f} MB)  audit {whole[1]:6.1f} s CPU {whole[2]:.2f} GB   "
                f"reading {seconds:6.1f} s CPU {alone[2]:.2f} GB, {rates[-1] / 1e6:.2f} million rows/s", flush=True,
            )  # fmt: skip
            if size == sizes[0]:
                one = Path(place) / "one.parquet"
                pq.write_table(pa.concat_tables(map(pq.read_table, sorted(folder.iterdir()))), one)
                measured([*command, str(one), "--out", f"{place}/one"])
                first, second = audited(Path(place) / "out"), audited(Path(place) / "one")
                compared = EQUAL[:-1] if given.scores else EQUAL
                print(f"equal to one file ({', '.join(compared)}): {all(first[name] == second[name] for name in compared)}")
                one.unlink()
    print(f"peak {max(peaks):.2f} GB (goal: under {MOST_GB:g}); rows/s at the last size {rates[-1] / rates[0]:.2f} x those at the first")
    if max(peaks) > MOST_GB or rates[-1] < SLOWEST * rates[0]:
        raise SystemExit("memory or time grows with the rows")


if __name__ == "__main__":
    main()
