"""The results that every format is made of."""

import pytest

from tests.support import report_samples


@pytest.fixture(scope="session")
def everything():
    return report_samples.everything()
