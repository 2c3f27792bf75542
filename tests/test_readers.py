"""Only `strictio/files.py` and `strictio/folders.py` open files: no other module can wait for a pipe, or read a file without end."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("audit", "contrastive", "probes", "reports", "strictio", "verify")
READERS = frozenset((
    "read_text", "read_bytes", "open_code", "loadtxt", "genfromtxt", "fromfile", "memmap", "open_memmap", "mmap", "memory_map",
    "read_csv", "read_table", "read_parquet", "read_schema", "read_metadata", "read_excel", "read_json", "read_pickle", "read_feather",
    "ParquetFile", "ParquetDataset", "load_workbook", "ZipFile", "GzipFile", "BZ2File", "LZMAFile", "load_dataset", "load_from_disk",
    "from_pretrained", "safe_open", "load_file", "load_model", "InferenceSession", "spec_from_file_location", "run_path", "getlines",
    "SourceFileLoader", "parse_file", "from_file", "file_digest", "copyfileobj",
))  # fmt: skip
"""Functions and methods that read a file, where they are given a path."""
OF_MODULES = {
    "json": ("load",), "tomllib": ("load",), "np": ("load",), "torch": ("load",), "pickle": ("load",), "yaml": ("load",), "onnx": ("load",),
    "os": ("open", "fdopen"), "tarfile": ("open",), "gzip": ("open",), "zipfile": ("open",), "Image": ("open",), "bz2": ("open",),
    "lzma": ("open",), "codecs": ("open",), "io": ("open", "FileIO"),
}  # fmt: skip
"""Functions that read a file, by module."""
IN_MEMORY = "of bytes in memory"
OPENED = "of an open file"
CHECKED = "after `check_file`"
INSTALLED = "of a package that is installed"
THE_SYSTEM = "of the system's own files under /proc and /sys"
FOLDER = "of the files of a folder that was checked (`strictio.model_folders`, `strictio.tables.arrow_stream`, `open_shards`)"
OWN = "of a file that this program has just written"
PRIVATE = "without waiting and without following a link, and also judged by its owner and mode"
ALLOWED = {
    ("audit/api/plan_lock.py", "read_bytes"): INSTALLED,
    ("audit/commands/catalogue.py", "os.fdopen"): OPENED,
    ("audit/commands/catalogue.py", "read_text"): INSTALLED,
    ("audit/extensions/conditions/corruptions.py", "Image.open"): IN_MEMORY,
    ("audit/extensions/conditions/imagenet_c.py", "Image.open"): IN_MEMORY,
    ("audit/data/hub.py", "load_dataset"): "of the hub: `datasets` fetches Parquet into its own cache",
    ("audit/data/hub.py", "load_from_disk"): FOLDER,
    ("audit/extensions/capability/open_clip_prompts.py", "spec_from_file_location"): INSTALLED,
    ("audit/data/streams/webdataset.py", "np.load"): IN_MEMORY,
    ("audit/embedding/cores.py", "read_text"): THE_SYSTEM,
    ("audit/embedding/seal.py", "os.fdopen"): PRIVATE,
    ("audit/embedding/seal.py", "os.open"): PRIVATE,
    ("audit/embedding/shard.py", "open"): PRIVATE,
    ("audit/embedding/shard.py", "os.open"): PRIVATE,
    ("audit/extensions/classifiers/onnx_file.py", "InferenceSession"): "of bytes in memory, or of a file that `check_onnx` has read",
    ("audit/extensions/endpoint/answer_log.py", "os.fdopen"): "of a file that `Folder.append` has opened, line by line",
    ("audit/models/folder_weights.py", "file_digest"): OPENED,
    ("audit/models/huggingface/pretrained.py", "from_pretrained"): FOLDER,
    ("audit/extensions/mitigate/models/rewriting.py", "copyfileobj"): OPENED,
    ("audit/extensions/mitigate/models/rewriting.py", "safe_open"): FOLDER,
    ("audit/models/spec.py", "load_file"): "of a plug-in, by `read_bytes`",
    ("audit/extensions/formats/archive.py", "ZipFile"): IN_MEMORY,
    ("audit/output/publish.py", "copyfileobj"): OPENED,
    ("audit/output/publish.py", "os.fdopen"): OPENED,
    ("audit/output/run_directory.py", "os.fdopen"): OPENED,
    ("contrastive/checkpoint/file.py", "file_digest"): OPENED,
    ("contrastive/checkpoint/shards/folder.py", "read_metadata"): FOLDER,
    ("contrastive/config.py", "read_text"): INSTALLED,
    ("contrastive/data/emoji.py", "read_bytes"): INSTALLED,
    ("contrastive/data/saved.py", "load_dataset"): "of the hub: `datasets` fetches Parquet into its own cache",
    ("contrastive/data/saved.py", "load_from_disk"): FOLDER,
    ("contrastive/distributed/node.py", "from_file"): OWN,
    ("contrastive/distributed/node.py", "os.fdopen"): OPENED,
    ("contrastive/formats/convert.py", "GzipFile"): OPENED,
    ("contrastive/formats/exports/hugging_face.py", "from_pretrained"): OWN,
    ("contrastive/formats/exports/open_clip.py", "load_file"): OWN,
    ("contrastive/formats/siglip.py", "from_pretrained"): FOLDER,
    ("contrastive/model/tokenizer.py", "gzip.open"): INSTALLED,
    ("contrastive/train.py", "os.fdopen"): OPENED,
    ("contrastive/training/account.py", "read_text"): THE_SYSTEM,
    ("contrastive/training/logs.py", "os.fdopen"): OPENED,
    ("contrastive/training/loop.py", "open"): "of a board, to write it",
    ("audit/extensions/capability/limits.py", "read_bytes"): INSTALLED,
    ("probes/people/visogender.py", "read_csv"): CHECKED,
    ("probes/prompts/__init__.py", "read_text"): INSTALLED,
    ("probes/prompts/emoji_drawings.py", "read_bytes"): INSTALLED,
    ("probes/prompts/languages/__init__.py", "read_text"): INSTALLED,
    ("probes/published/__init__.py", "read_text"): INSTALLED,
    ("reports/environment.py", "read_text"): INSTALLED,
    ("reports/section.py", "read_bytes"): INSTALLED,
    ("reports/sections/provenance/requirements.py", "read_text"): INSTALLED,
    ("strictio/child/serve.py", "os.open"): "of a folder, only to name it to the kernel",
    ("strictio/child/process.py", "os.fdopen"): "of a file in memory that has no name",
    ("strictio/child/serve.py", "os.fdopen"): "of a file in memory that has no name",
    ("strictio/console.py", "os.open"): "os.devnull",
    ("strictio/images/decode.py", "Image.open"): IN_MEMORY,
    ("strictio/images/in_process.py", "Image.open"): IN_MEMORY,
    ("strictio/limits.py", "read_text"): THE_SYSTEM,
    ("strictio/logs/archive.py", "ZipFile"): OPENED,
    ("strictio/streams/fetch.py", "open"): "of a store behind a URL",
    ("strictio/streams/fetch.py", "os.fdopen"): OPENED,
    ("strictio/streams/parquet.py", "ParquetFile"): "of a `SourceFile`",
    ("strictio/streams/tars.py", "tarfile.open"): OPENED,
    ("strictio/streams/urls.py", "open"): "of an address",
    ("strictio/tables/arrow_stream.py", "memory_map"): "of a name that was found to be a regular file",
    ("strictio/tables/text_table.py", "read_csv"): OPENED,
    ("strictio/tables/parquet.py", "read_schema"): IN_MEMORY,
    ("strictio/tables/parquet_child.py", "ParquetFile"): OPENED,
    ("strictio/tables/parquet_child.py", "mmap"): OPENED,
    ("strictio/tables/parquet_child.py", "os.fdopen"): OPENED,
    ("strictio/tables/stream.py", "GzipFile"): OPENED,
    ("strictio/tables/workbook.py", "ZipFile"): OPENED,
    ("strictio/tables/workbook.py", "os.fdopen"): "of a file in memory that has no name",
    ("strictio/tables/workbook_child.py", "load_workbook"): OPENED,
    ("strictio/tables/workbook_child.py", "os.fdopen"): OPENED,
    ("strictio/templates/sandbox.py", "json.load"): "of its own standard input",
    ("strictio/templates/sandbox.py", "read_text"): THE_SYSTEM,
    ("strictio/weights/archive.py", "ZipFile"): OPENED,
    ("strictio/weights/archive.py", "mmap"): OPENED,
    ("strictio/weights/onnx_child.py", "InferenceSession"): IN_MEMORY,
    ("strictio/weights/onnx_child.py", "mmap"): OPENED,
    ("strictio/weights/onnx_file.py", "file_digest"): OPENED,
    ("strictio/weights/patch.py", "copyfileobj"): OPENED,
    ("strictio/weights/readers/safetensors_file.py", "load_file"): "after its first bytes were read by `open_file`",
    ("strictio/weights/readers/safetensors_file.py", "safe_open"): "after its first bytes were read by `open_file`",
    ("verify/answers.py", "read_table"): IN_MEMORY,
    ("verify/source.py", "ZipFile"): IN_MEMORY,
    ("verify/source.py", "file_digest"): OPENED,
    ("verify/source.py", "os.fdopen"): "its own, with the same limits: `verify` imports nothing of ours",
    ("verify/source.py", "os.open"): "its own, with the same limits: `verify` imports nothing of ours",
}
"""Calls by the name of one that reads a file, and why each may be there."""


ANY_NAME = re.compile(rf"\b({'|'.join({*READERS, *(name for names in OF_MODULES.values() for name in names), 'open'})})\b")


def name_of(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def reads(call, bounded):
    """Return the name of a call that opens or reads a file, if it may be one; `bounded`: functions of ours, which are seen there."""
    name, of = name_of(call.func), name_of(call.func.value) if isinstance(call.func, ast.Attribute) else None
    if of is None and name in bounded:
        return None
    if of in OF_MODULES and name in OF_MODULES[of]:
        return f"{of}.{name}"
    if name == "open":
        modes = [
            part.value
            for mode in [*call.args, *(word.value for word in call.keywords)]
            for part in ast.walk(mode)
            if isinstance(part, ast.Constant)
        ]
        writes = any(isinstance(mode, str) and set(mode) <= set("rwaxbt+") and set(mode) & set("wax") for mode in modes)
        return None if writes else "open" if of is None or call.args or call.keywords else None
    return name if name in READERS else None


def found(source):
    if not ANY_NAME.search(source):  # most modules: to parse them all takes seconds
        return []
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGES)]
    bounded = {alias.asname or alias.name for node in imports for alias in node.names}
    return [name for node in nodes if isinstance(node, ast.Call) and (name := reads(node, bounded))]


@pytest.mark.extension("classifiers")
def test_no_other_module_opens_a_file():
    seen = Counter()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if place not in ("strictio/files.py", "strictio/folders.py"):
                seen.update((place, name) for name in found(path.read_text("utf-8")))
    assert sorted(seen.keys() - ALLOWED.keys()) == []
    assert sorted(ALLOWED.keys() - seen.keys()) == [], "no longer there"


@pytest.mark.parametrize(
    "source",
    [
        "open(path)", "path.open('rb')", "path.read_text('utf-8')", "path.read_bytes()", "json.load(file)", "np.load(path)",
        "os.open(path, os.O_RDONLY)", "pd.read_csv(path)", "pq.ParquetFile(path)", "tarfile.open(path)", "Image.open(path)",
        "torch.load(path)", "from pandas import read_csv\nread_csv(path)", "gzip.open(path)", "zipfile.ZipFile(path)",
    ],
)  # fmt: skip
def test_what_reads_is_seen(source):
    assert len(found(source)) == 1


@pytest.mark.parametrize(
    "source",
    ["open(path, 'w')", "json.loads(text)", "from strictio.files import read_text\nread_text(path)", "folder.read(name)", "taken.open()"],
)
def test_what_does_not_is_not(source):
    assert found(source) == []
