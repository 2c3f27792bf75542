"""URLs: an allowlist of protocols; a redirection leads to no other."""

from urllib.request import Request

import pytest

from contrastive.config import DataConfig
from contrastive.data import open_source
from strictio.errors import MachineError, UsageError
from strictio.streams.urls import SameProtocol, file_system, http_opener
from tests.support.web_datasets import served

REFUSED = ("github://org:repo@main/0.tar", "ftp://127.0.0.1/0.tar", "reference://x/0.tar", "dir://x/0.tar", "data://x/0.tar", "git://x/0.tar",
           "ssh://127.0.0.1/0.tar", "local:///etc/0.tar", "zip://0.tar::https://127.0.0.1/x.zip", "simplecache::s3://bucket/0.tar",
           "filecache::memory://x/0.tar", "S4://x/0.tar")  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_another_protocol_is_refused_and_the_allowed_ones_are_named(url):
    with pytest.raises(UsageError, match="are not read") as caught:
        file_system(url)
    assert "https://, http://, s3://, gs://, az://, hf:// and file://" in caught.value.fix
    with pytest.raises(UsageError, match="are not read"):
        open_source(DataConfig(url))


def test_the_allowed_ones_are_opened_or_name_the_package(tmp_path):
    assert file_system(f"file://{tmp_path}/x.tar")[1] == f"{tmp_path}/x.tar"
    assert file_system("MEMORY://x/0.tar")[1].strip("/") == "x/0.tar"
    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")):
        try:
            file_system(f"{scheme}://bucket/0.tar")
        except MachineError as error:
            assert error.fix == f"python -m pip install {package}"  # noqa: PT017  (installed or not, both are right)


def test_a_redirection_leads_to_no_other_protocol(tmp_path):
    follow = SameProtocol().redirect_request
    for before, after in (("https://a.invalid/x", "http://a.invalid/x"), ("http://a.invalid/x", "ftp://a.invalid/x")):
        with pytest.raises(OSError, match="leads to something that is not HTTPS"):
            follow(Request(before), None, 302, "", {}, after)
    assert follow(Request("http://a.invalid/x"), None, 302, "", {}, "https://a.invalid/y").full_url == "https://a.invalid/y"
    with served(tmp_path) as (url, _), pytest.raises(OSError, match=r"(?i)redirection"):
        http_opener().open(f"{url}/leads-to-a-file/0.tar")
