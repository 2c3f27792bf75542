"""What is imported is declared, and no file names a machine."""

import re
import tomllib

from tests.support.house import PACKAGES, ROOT


def test_what_is_imported_at_run_time_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[]", name)[0].replace("-", "_").lower() for name in project["dependencies"]}

    assert {"torch", "transformers", "datasets", "fairlearn", "pandas", "matplotlib", "jinja2", "regex", "pydantic"} <= declared


def test_no_file_names_a_machine():
    # A path under a home or a workplace, in any file that is tracked or would be.
    pattern = re.compile(r"(^|[^A-Za-z0-9_.])/(root|work|home/[a-z]+)/[a-z]")
    for path in (path for folder in (*PACKAGES, "benchmarks", "docs") for path in (ROOT / folder).rglob("*.*")):
        if path.suffix in (".py", ".toml", ".html", ".css", ".md"):
            assert not pattern.search(path.read_text("utf-8").replace("/home/me/", "")), path
