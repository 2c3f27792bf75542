"""What may be the address of a Ray cluster."""

import pytest

from audit.errors import UsageError
from audit.ray_cluster import on_cluster


@pytest.mark.parametrize(
    "address", ["evil://x", "http://127.0.0.1:8265", "file:///etc/passwd", "local\nauto", "ray://", "a:1/../b", "x" * 5000]
)
def test_what_is_no_address_is_refused_before_ray_imports_a_module_of_its_name(address, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", address)
    for given in (address, None):
        with pytest.raises(UsageError, match="no address of a Ray cluster") as caught, on_cluster(given, "", ""):
            pass
        assert len(str(caught.value)) < 300
    assert not (tmp_path / "ran").exists()
