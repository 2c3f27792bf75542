"""Tables of many attributes: memory follows the columns, not the product of their levels."""

import sys

import numpy as np
import pandas as pd
import pytest

from tests.support.limits import GIB, limited


def wide(rows, columns):
    """Return answers about people with many attributes of two levels, none of which matters."""
    rng = np.random.default_rng(0)
    table = {f"a{place:02d}": np.where(rng.random(rows) < 0.5, "yes", "no") for place in range(columns)}
    truth = np.where(rng.random(rows) < 0.5, "cat", "dog")
    return pd.DataFrame({**table, "y_true": truth, "y_pred": np.where(rng.random(rows) < 0.8, truth, "cat")})


def peak_of_an_audit(folder, table, *flags):
    """Audit a table within a GiB of address space besides the libraries; return the most bytes that were resident."""
    table.to_csv(folder / "wide.csv", index=False)
    done = limited([sys.executable, "-m", "audit.run", "--predictions", "wide.csv", "--out", "out", *flags], folder, GIB)
    assert done.code == 0, done.err[-2000:]
    return done.peak_mib * 2**20


@pytest.mark.slow
def test_30_attributes_of_two_levels_fit_in_memory(tmp_path):
    """Adjusting a difference for the other 29 took every one of their 2²⁹ combinations: 9.5 GB."""
    assert peak_of_an_audit(tmp_path, wide(400, 30), "--depth", "1") < GIB


@pytest.mark.slow
def test_100_000_rows_of_30_attributes_and_their_435_pairs_take_less_than_a_gigabyte(tmp_path):
    assert peak_of_an_audit(tmp_path, wide(100_000, 30)) < GIB
