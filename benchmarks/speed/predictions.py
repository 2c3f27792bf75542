"""A million external predictions through the command, against pandas reading the same file and grouping by the same columns.

Both run in separate processes; start-up counts. Prints wall and CPU seconds, peak memory, and the ratio; then the same with five columns of
scores. The goal: under 20 s and 2 GB. ``--rows N`` changes the number.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

LABELS = ("artist", "cook", "judge", "pilot", "teacher")
RACES = ("White", "Black", "Indian", "East Asian", "Southeast Asian", "Middle Eastern", "Latino_Hispanic")
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
PLAIN = """
import pandas as pd, sys
rows = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False)
for by in (["race"], ["gender"], ["age"], ["race", "gender"], ["race", "age"], ["gender", "age"]):
    print(len(rows.groupby([*by, "y_true", "y_pred"]).size()))
"""


def rows(number: int, scores: bool) -> pd.DataFrame:
    """Women are right a little less often: 88 against 90 of 100."""
    rng = np.random.default_rng(0)
    gender = rng.integers(2, size=number)
    truth = rng.integers(len(LABELS), size=number)
    wrong = rng.random(number) < np.where(gender == 0, 0.12, 0.1)
    answer = np.where(wrong, (truth + rng.integers(1, len(LABELS), size=number)) % len(LABELS), truth)
    table = {
        "id": [f"val/{row:07d}.jpg" for row in range(number)],
        "race": np.array(RACES)[rng.integers(len(RACES), size=number)],
        "gender": np.array(("Female", "Male"))[gender],
        "age": np.array(AGES)[rng.integers(len(AGES), size=number)],
        "y_true": np.array(LABELS)[truth],
        "y_pred": np.array(LABELS)[answer],
    }
    if scores:
        given = rng.random((number, len(LABELS))) + 2 * (np.arange(len(LABELS)) == answer[:, None])
        given /= given.sum(axis=1, keepdims=True)
        table |= {f"score:{label}": given[:, place].round(6) for place, label in enumerate(LABELS)}
    return pd.DataFrame(table)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak GB of a process."""
    before = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[1:3]} ended with {status}")
    return time.monotonic() - before, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--rows", type=int, default=1_000_000)
    number = parse.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        for scores in (False, True):
            file = Path(folder) / "answers.csv"
            rows(number, scores).to_csv(file, index=False)
            ours = measured([sys.executable, "-m", "audit.run", "--predictions", str(file), "--out", str(Path(folder) / f"out{scores}")])
            plain = measured([sys.executable, "-c", PLAIN, str(file)])
            print(f"{number:,} rows{', five scores' * scores}")
            for name, (wall, cpu, peak) in (("audit.run --predictions", ours), ("pandas read and group", plain)):
                print(f"  {name:<24} {wall:6.1f} s wall  {cpu:6.1f} s CPU  {peak:5.2f} GB")
            print(f"  ratio {ours[1] / plain[1]:.1f}x CPU, {ours[2] / plain[2]:.1f}x memory")


if __name__ == "__main__":
    main()
