"""The audit imports little of the trainer, and slices are independent; `make check` runs `tests.support.house`."""

import ast

import pytest

from tests.support import house


def test_the_core_imports_of_the_trainer_little_but_the_model_that_a_checkpoint_holds():
    """By statement; import-linter says which modules. It was 96 before there was `strictio`."""
    sources = [path.read_text("utf-8") for path in (house.ROOT / "audit").rglob("*.py") if "extensions" not in path.parts]
    trees = [ast.parse(source) for source in sources if "contrastive" in source]
    froms = [node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    assert sum(module.split(".")[0] == "contrastive" for module in froms) <= 12


@pytest.mark.parametrize("folder", ["audit.evidence", "reports.evidence"])
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
