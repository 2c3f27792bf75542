"""Tests run beside each other, one to a core: how many threads NumPy computes with."""

import os

from threadpoolctl import threadpool_info  # comes with scikit-learn


def test_numpy_was_imported_after_it_was_told_to_use_one_thread():
    """A NumPy that was built with something else than OpenBLAS has nothing to tell."""
    pools = {pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}
    assert pools <= {int(os.environ["OPENBLAS_NUM_THREADS"])}
