"""No public name is defined twice, and no imports form a cycle."""

from tests.support import house


def test_every_name_has_one_home_and_imports_no_cycle(capsys, monkeypatch):
    monkeypatch.chdir(house.ROOT)
    assert house.main() == 0, capsys.readouterr().out
