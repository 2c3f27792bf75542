"""What the installed transformers loads, imports or asks while it reads a folder: ``make compat`` names the calls that are not known.

A call is known if somebody has looked at what bounds it: `KNOWN` lists them, by what does. A new release of transformers may bring others:
they are looked at before the release is allowed, and each gets its place in the list, or a guard in
`strictio.model_folders.configurations` or `audit.models.huggingface.sealed` and then its place.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

KNOWN = Path(__file__).with_name("compat_known.toml")
LOCK = Path(__file__).parents[2] / ".ci" / "requirements.txt"
PATTERNS = (
    "processing_utils.py", "modeling_utils.py", "configuration_utils.py", "tokenization_*.py", "image_processing_*.py",
    "video_processing_*.py", "feature_extraction_*.py", "dynamic_module_utils.py", "backbone_utils.py", "core_model_loading.py",
    "models/auto/*.py", "models/timm_*/*.py", "generation/utils.py", "generation/configuration_utils.py", "integrations/peft.py",
    "integrations/hub_kernels.py", "integrations/tiktoken.py", "utils/hub.py", "utils/peft_utils.py", "quantizers/auto.py",
    *(f"models/*/{part}_*.py" for part in ("configuration", "processing", "image_processing", "video_processing", "tokenization")),
)  # fmt: skip
"""Modules of transformers that every folder passes through, and those of its classes that read something else than weights."""
LOADING = {
    "from_pretrained", "from_config", "_from_config", "create_model", "load_adapter", "load_backbone",  # models and parts
    "import_module", "__import__", "exec_module",  # modules and code
    "get_class_from_dynamic_module", "get_class_in_module", "get_cached_module_file", "resolve_trust_remote_code", "get_kernel",
    "load", "loads", "load_file", "truetype", "hf_hub_download", "snapshot_download", "cached_file", "cached_files", "urlopen",
}  # fmt: skip
"""Names of calls that load, import or fetch."""
BUILT_IN = {"input", "exec", "eval", "compile", "open"}
"""Functions of Python that ask, run or open."""
LOOKED_UP_IN = re.compile(r"(^|_)(transformers|main)_?module|^(transformers|torch|module)$")
"""``getattr`` of such an object looks a class or a function up, by a name from wherever."""


def call_of(node: ast.AST) -> str | None:
    """Return how a call or a look-up that loads is written, without its arguments; None for another node."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id.endswith("_MAPPING"):
        return f"{node.value.id}[...]"
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    written = ast.unparse(function)
    if written == "getattr" and node.args and LOOKED_UP_IN.search(ast.unparse(node.args[0])):
        return f"getattr({ast.unparse(node.args[0])}, ...)"
    name = function.attr if isinstance(function, ast.Attribute) else written
    loads = name in LOADING and not written.startswith(("json.", "super()"))
    return written if loads or written in BUILT_IN else None


def calls_in(tree: ast.AST, place: str = "") -> Iterator[str]:
    """Yield ``Class.function: call`` for every call of a module that loads."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = f"{place}.{node.name}".lstrip(".") if named else place
        if (call := call_of(node)) is not None:
            yield f"{inner}: {call}"
        yield from calls_in(node, inner)


@cache
def installed_calls(patterns: tuple[str, ...] = PATTERNS) -> frozenset[str]:
    """Return the calls of the installed transformers, by file. Reading all of them takes seconds."""
    root = Path(find_spec("transformers").origin).parent
    files = sorted({path for pattern in patterns for path in root.glob(pattern)})
    return frozenset(
        f"{path.relative_to(root).as_posix()} {call}" for path in files for call in calls_in(ast.parse(path.read_text("utf-8")))
    )


def known_calls() -> set[str]:
    return {call for entry in tomllib.loads(KNOWN.read_text("utf-8")).values() for call in entry["calls"]}


def locked_version() -> str:
    """Return the version of transformers that CI installs."""
    return next(line.split("==")[1].split()[0] for line in LOCK.read_text("utf-8").splitlines() if line.startswith("transformers=="))


def main() -> int:
    found, known = installed_calls(), known_calls()
    print(f"transformers {version('transformers')} (locked: {locked_version()}): {len(found)} calls that load, import or ask")
    for title, calls in (("not known", found - known), ("known, and no longer there", known - found)):
        print(f"{title}: {len(calls)}", *sorted(calls), sep="\n  ")
    return bool(found - known)


if __name__ == "__main__":
    sys.exit(main())
