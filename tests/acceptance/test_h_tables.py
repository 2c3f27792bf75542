"""Row H10: protocols that are not read, names of thousands of characters, formulas in other scripts, and tables of thousands of columns."""

import pytest

from tests.contrastive.test_urls import REFUSED


@pytest.mark.parametrize("url", REFUSED)
def test_h10_a_url_of_another_protocol_names_the_allowed_ones(bench, of_any, url):
    bench.run(*of_any, "--data", url, code=2, said=["are not read", "https://, http://, s3://, gs://, az://, hf:// and file://"])
