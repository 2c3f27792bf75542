"""No public name is defined twice, no imports form a cycle, and slices are independent."""

import ast

import pytest

from tests.support import house


def test_every_name_has_one_home_and_imports_no_cycle(capsys, monkeypatch):
    monkeypatch.chdir(house.ROOT)
    assert house.main() == 0, capsys.readouterr().out


def test_the_audit_imports_of_the_trainer_little_but_the_model_that_a_checkpoint_holds():
    """By statement; import-linter says which modules. It was 96 before there was `strictio`."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (house.ROOT / "audit").rglob("*.py")]
    froms = [node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    assert sum(module.split(".")[0] == "contrastive" for module in froms) <= 12


@pytest.mark.parametrize("folder", ["audit.analyses", "audit.evidence", "reports.analyses", "reports.evidence"])
def test_slices_import_nothing_of_each_other_but_base(folder):
    """import-linter could say it only with a list of exceptions for `base`, or a list of slices that each new one lengthens."""
    paths = {house.module_name(path.relative_to(house.ROOT)): path for path in (house.ROOT / folder.replace(".", "/")).rglob("*.py")}
    del paths[folder]
    slices = {module: module.removeprefix(f"{folder}.").split(".")[0] for module in paths}
    imports = {
        (slices[module], slices[other])
        for module, path in paths.items()
        for other in house.imported(ast.parse(path.read_text("utf-8")), set(paths))
    }
    assert len(set(slices.values())) > 5
    assert {(one, other) for one, other in imports if other not in (one, "base")} == set()
