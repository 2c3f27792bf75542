"""Only `strictio/folders.py` opens files to write them, or changes folders: no other module can follow a link that somebody planted."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("audit", "contrastive", "probes", "reports", "strictio", "verify")
WRITERS = frozenset((
    "write_text", "write_bytes", "mkdir", "makedirs", "touch", "symlink_to", "hardlink_to", "unlink", "rmdir", "removedirs", "rmtree",
    "chmod", "lchmod", "chown", "utime", "truncate", "copyfile", "copytree", "copy2", "move", "NamedTemporaryFile", "mkstemp",
    "FileHandler", "RotatingFileHandler", "FileLock", "SoftFileLock", "SummaryWriter", "save_file", "save_pretrained", "savefig",
    "to_csv", "to_parquet", "to_excel", "to_pickle", "to_json", "save", "write_table", "ParquetWriter", "HuggingFaceStorageWriter",
    "memmap", "open_memmap", "tofile", "savez", "savetxt", "extractall", "extract", "connect", "basicConfig", "pipe_file", "rm_file",
))  # fmt: skip
"""Functions and methods that write a file or change a folder, where they are given a path."""
FLAGS = frozenset(("O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"))
IN_MEMORY = "into a buffer in memory"
ITS_OWN = "by `strictio.folders`"
A_STORE = "in a store behind a URL, which has no links"
A_NEW_FOLDER = "in a folder that `Folder.new_folder` or `Folder.folder` holds open"
ALLOWED = {
    ("audit/api/audits.py", "to_json"): "returns text",
    ("audit/extensions/causes/run.py", "to_json"): "returns text",
    ("audit/extensions/causes/run.py", "write_text"): ITS_OWN,
    ("audit/api/compare_models.py", "write_text"): ITS_OWN,
    ("audit/extensions/causes/training.py", "write_text"): ITS_OWN,
    ("audit/extensions/causes/target.py", "write_text"): ITS_OWN,
    ("audit/api/pipeline.py", "write_text"): ITS_OWN,
    ("audit/extensions/watch/look.py", "to_json"): "returns text",
    ("audit/extensions/watch/look.py", "write_text"): ITS_OWN,
    ("audit/extensions/conditions/corruptions.py", "save"): IN_MEMORY,
    ("audit/extensions/counterfactual_sets/harmless.py", "save"): IN_MEMORY,
    ("audit/extensions/conditions/imagenet_c.py", "save"): IN_MEMORY,
    ("strictio/images/lazy.py", "save"): IN_MEMORY,
    ("strictio/images/decoders.py", "truncate"): "of a file in memory that has no name",
    ("strictio/images/worker.py", "save"): "into that file",
    ("audit/data/load.py", "save"): IN_MEMORY,
    ("audit/embedding/cache.py", "utime"): "not of what a link names",
    ("audit/embedding/folders.py", "makedirs"): A_STORE,
    ("audit/embedding/folders.py", "pipe_file"): A_STORE,
    ("audit/embedding/folders.py", "rm_file"): A_STORE,
    ("audit/engine/examples.py", "save"): IN_MEMORY,
    ("audit/extensions/endpoint/image_payload.py", "save"): IN_MEMORY,
    ("audit/api/audit_output.py", "to_csv"): "returns text",
    ("audit/api/audit_output.py", "to_json"): "returns text",
    ("audit/api/audit_output.py", "write_text"): ITS_OWN,
    ("audit/api/comparison_output.py", "to_json"): "returns text",
    ("audit/api/comparison_output.py", "write_text"): ITS_OWN,
    ("audit/extensions/mitigate/models/checkpoint.py", "save"): ITS_OWN,
    ("audit/extensions/mitigate/models/rewriting.py", "save_file"): "to a path that `drafted` gives",
    ("audit/output/directory.py", "write_text"): ITS_OWN,
    ("audit/api/junit.py", "write_text"): ITS_OWN,
    ("audit/extensions/mitigate/run.py", "to_json"): "returns text",
    ("audit/extensions/mitigate/run.py", "write_text"): ITS_OWN,
    ("audit/extensions/trackers/log.py", "to_csv"): "returns text",
    ("audit/extensions/trackers/log.py", "to_json"): "returns text",
    ("audit/extensions/mitigate/fold.py", "save"): IN_MEMORY,
    ("audit/output/manifest.py", "write_text"): ITS_OWN,
    ("audit/output/predictions.py", "write_table"): "into an open file",
    ("audit/output/publish.py", "chmod"): ITS_OWN,
    ("audit/output/run_directory.py", "write_text"): ITS_OWN,
    ("audit/predictions/columns.py", "to_csv"): "returns text",
    ("audit/testing.py", "save"): IN_MEMORY,
    ("audit/commands/plan.py", "to_json"): "returns text",
    ("audit/commands/plan.py", "write_text"): ITS_OWN,
    ("audit/extensions/words/command.py", "write_text"): ITS_OWN,
    ("audit/engine/plan_lock.py", "to_json"): "returns text",
    ("audit/rules/step.py", "to_json"): "returns text",
    ("contrastive/checkpoint/file.py", "save"): "into an open file",
    ("contrastive/checkpoint/shards/writer.py", "HuggingFaceStorageWriter"): A_NEW_FOLDER,
    ("contrastive/checkpoint/shards/writer.py", "save"): A_NEW_FOLDER,
    ("contrastive/data/remote.py", "unlink"): "of a folder of its own under the system's for temporary files",
    ("contrastive/distributed/node.py", "mkstemp"): "under a name of its own, in shared memory or the system's folder for temporary files",
    ("contrastive/distributed/node.py", "truncate"): "of that file, which is open",
    ("contrastive/distributed/node.py", "unlink"): "of that file",
    ("contrastive/foreign.py", "save_file"): "to a path that `drafted` gives",
    ("contrastive/formats/exports/__init__.py", "write_text"): ITS_OWN,
    ("contrastive/formats/exports/hugging_face.py", "save_file"): A_NEW_FOLDER,
    ("contrastive/formats/exports/hugging_face.py", "save_pretrained"): A_NEW_FOLDER,
    ("contrastive/formats/exports/hugging_face.py", "write_text"): ITS_OWN,
    ("contrastive/formats/exports/open_clip.py", "save_file"): A_NEW_FOLDER,
    ("contrastive/formats/exports/tensors.py", "save_file"): A_NEW_FOLDER,
    ("contrastive/release.py", "save"): ITS_OWN,
    ("contrastive/training/checkpointing.py", "save"): ITS_OWN,
    ("contrastive/training/checkpointing.py", "save_file"): ITS_OWN,
    ("contrastive/training/logs.py", "SummaryWriter"): A_NEW_FOLDER,
    ("contrastive/training/loop.py", "save_file"): ITS_OWN,
    ("contrastive/training/state.py", "save"): ITS_OWN,
    ("contrastive/training/watch.py", "save_file"): ITS_OWN,
    ("contrastive/unshard.py", "save"): ITS_OWN,
    ("strictio/tables/parquet.py", "truncate"): "of memory that is shared with a locked child",
    ("strictio/tables/workbook.py", "truncate"): "of memory that is shared with a locked child",
    ("strictio/weights/onnx_child.py", "truncate"): "of memory that is shared with a locked child",
    ("strictio/console.py", "open"): "os.devnull",
    ("strictio/console.py", "os.open"): "os.devnull",
    ("audit/extensions/capability/limits.py", "save"): IN_MEMORY,
    ("probes/prompts/emoji_drawings.py", "to_csv"): "returns text",
    ("reports/comparison/page.py", "to_json"): "returns text",
    ("reports/figures.py", "savefig"): IN_MEMORY,
    ("audit/extensions/causes/page.py", "to_json"): "returns text",
    ("audit/extensions/mitigate/page/__init__.py", "to_json"): "returns text",
    ("audit/extensions/watch/page.py", "to_json"): "returns text",
    ("reports/render.py", "to_json"): "returns text",
    ("reports/render.py", "write_text"): ITS_OWN,
}
"""Calls by the name of one that writes, and why each may be there."""


ANY_NAME = re.compile(rf"\b({'|'.join([*WRITERS, 'open', 'replace', 'rename', 'remove'])})\b")


def name_of(function):
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def writes(call):
    """Return the name of a call that writes a file or changes a folder, if it may be one."""
    name, of = name_of(call.func), call.func.value if isinstance(call.func, ast.Attribute) else None
    if name == "open" and getattr(of, "id", "") == "os":
        flags = {each.attr for part in call.args[1:] for each in ast.walk(part) if isinstance(each, ast.Attribute)}
        return "os.open" if flags & FLAGS else None
    if name == "open":
        modes = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
        parts = [part for mode in modes for part in ast.walk(mode)]
        words = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        return "open" if any(set(word) <= set("rwaxbt+:|") and set(word) & set("wax+") for word in words) else None
    if name in ("replace", "rename"):  # of a path; a text or a frame is given more, a table, or keywords
        one = len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Dict | ast.DictComp)
        return f"Path.{name}" if of is not None and one else None
    if name == "remove":
        return "os.remove" if getattr(of, "id", "") == "os" else None
    return name if name in WRITERS else None


def found(source):
    if not ANY_NAME.search(source):  # many modules: to parse them all takes seconds
        return []
    return [name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and (name := writes(node))]


@pytest.mark.extension("causes")
def test_no_other_module_opens_a_file_to_write_it():
    seen = Counter()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if place != "strictio/folders.py":
                seen.update((place, name) for name in found(path.read_text("utf-8")))
    assert sorted(seen.keys() - ALLOWED.keys()) == []
    assert sorted(ALLOWED.keys() - seen.keys()) == [], "no longer there"


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')", "path.open('ab')", "path.open(mode='r+')", "open(path, 'x')", "path.write_text('x')",
        "os.open(path, os.O_CREAT | os.O_RDWR)",
        "frame.to_csv(path)", "draft.replace(path)", "draft.rename(path)", "logging.FileHandler(path)", "FileLock(path)", "os.remove(path)",
        "shutil.rmtree(folder)", "tarfile.open(path, 'w:')",
    ],
)  # fmt: skip
def test_what_writes_is_seen(source):
    assert len(found(source)) == 1


@pytest.mark.parametrize(
    "source",
    ["open(path)", "path.open('rb')", "os.open(path, os.O_RDONLY)", "text.replace('a', 'b')", "tarfile.open(path, 'r:')", "x.remove(y)"],
)
def test_what_reads_is_not(source):
    assert found(source) == []
