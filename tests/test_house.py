"""The limits of the code's layout: modules a folder, names defined twice, import cycles, long files."""

from tests.support import house


def test_no_limit_of_the_house_is_passed(capsys, monkeypatch):
    monkeypatch.chdir(house.ROOT)
    assert house.main() == 0, capsys.readouterr().out
