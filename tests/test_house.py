"""No public name is defined twice, and no imports form a cycle."""

import ast

from tests.support import house


def test_every_name_has_one_home_and_imports_no_cycle(capsys, monkeypatch):
    monkeypatch.chdir(house.ROOT)
    assert house.main() == 0, capsys.readouterr().out


def test_the_audit_imports_of_the_trainer_little_but_the_model_that_a_checkpoint_holds():
    """By statement; import-linter says which modules. It was 96 before there was `strictio`."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (house.ROOT / "audit").rglob("*.py")]
    froms = [node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    assert sum(module.split(".")[0] == "contrastive" for module in froms) <= 10
