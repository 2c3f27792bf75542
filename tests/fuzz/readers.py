"""The readers: what each does with a path, and the sound files that mutations start from.

Heavy libraries are imported where they are used.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

from tests.fuzz import sound

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Reader:
    """A kind of file."""

    suffix: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]


def read_model(path: Path) -> None:
    from audit.models import load

    load(str(path))


def read_folder(path: Path) -> None:
    """Load a model from a folder whose configuration is the object in a file: name -> content; what is not one is ``config.json``."""
    from audit.models import load

    content = path.read_bytes()
    try:
        said = json.loads(content)
        files, given = sound.model_folders()[said["of"]], {name: json.dumps(each).encode() for name, each in said["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        files, given = sound.model_folders()["clip"], {"config.json": content}
    with tempfile.TemporaryDirectory() as name:
        for file, data in {**files, **{file: data for file, data in given.items() if file in files}}.items():
            (Path(name) / file).write_bytes(data)
        load(name)


def read_template(path: Path) -> None:
    from audit.extensions.generative.chat_template import frames

    words = SimpleNamespace(special_tokens_map={"eos_token": "</s>"}, chat_template=None)
    template = path.read_bytes().decode("utf-8", "replace")  # a folder's other text is refused before
    frames(SimpleNamespace(chat_template=template, tokenizer=words, image_token="<image>"), "a folder")


def read_table(path: Path) -> None:
    """Read a table as predictions, as a label table and as captions; each refuses it or not by itself."""
    from audit.data import load_dataset
    from audit.data.schema import Schema
    from audit.predictions.read import load_predictions
    from audit.predictions.rows import ColumnOptions
    from contrastive.config import DataConfig
    from contrastive.data import open_source

    one_of(
        lambda: load_predictions(path, ColumnOptions()),
        lambda: load_dataset(path, Schema(), name="d", licence="l"),
        lambda: open_source(DataConfig(str(path), image_column="id", caption_column="race")),
    )


def read_log(path: Path) -> None:
    """Read a log of an evaluation tool as predictions: by its answers, and by whether they are right; every choice is made."""
    from audit.predictions.read import load_predictions
    from audit.predictions.rows import ColumnOptions

    given = {"epoch": "all", "unfinished": True}
    one_of(
        lambda: load_predictions(path, ColumnOptions(given=given)),
        lambda: load_predictions(path, ColumnOptions(given=given, prediction="correct")),
    )


def one_of(*readers: Callable[[], object]) -> None:
    """Try all; raise the first refusal where all refuse."""
    from audit.errors import AuditError, MachineError

    errors = []
    for read in readers:
        try:
            read()
        except MachineError:
            raise
        except AuditError as error:
            errors.append(error)
    if len(errors) == len(readers):
        raise errors[0]


def read_saved(path: Path) -> None:
    """Read an Arrow file as the only one of a folder that `datasets` has saved."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(path, Path(name) / "data.arrow")
        for file, content in SAVED.items():
            (Path(name) / file).write_text(content)
        read_images(Path(name))


SAVED = {
    "state.json": json.dumps({
        "_data_files": [{"filename": "data.arrow"}], "_fingerprint": "0" * 16, "_format_columns": None, "_format_kwargs": {},
        "_format_type": None, "_output_all_columns": False, "_split": None,
    }),
    "dataset_info.json": json.dumps({"citation": "", "description": "", "homepage": "", "license": ""}),
}  # fmt: skip
"""What stands beside it."""


def read_onnx(path: Path) -> None:
    """Check an ONNX file; onnxruntime does not run it."""
    from strictio.weights.onnx_file import check_onnx

    check_onnx(path)


def read_images(path: Path) -> None:
    """Read a data set and every image in it, those that cannot be read by their reason."""
    from audit.data import load_dataset
    from audit.data.schema import Schema
    from strictio.images.decode import UnreadableImage

    found = load_dataset(path, Schema(), name="d", licence="l")
    for row in range(len(found.images)):
        with suppress(UnreadableImage):
            found.images[row]


def read_web_dataset(path: Path) -> None:
    """Read a tar shard as the audit and as the trainer do."""
    from contrastive.config import DataConfig
    from contrastive.data import open_source
    from strictio.images.in_process import UnreadableImage

    def pairs() -> None:
        source = open_source(DataConfig(str(path)))
        for row in range(min(len(source), 50)):
            with suppress(UnreadableImage):
                source.captions(row)
                source.image(row)

    one_of(lambda: read_images(path), pairs)


def read_image(path: Path) -> None:
    from strictio.images.decode import decode

    decode(path.read_bytes())


def read_exclusions(path: Path) -> None:
    """Leave the listed images out of four."""
    from audit.data.changed.subset import read_list, without
    from audit.testing import four_faces

    without(four_faces(), read_list(path), "the list")


def read_manifest(path: Path) -> None:
    """Read what a folder says of its files, and hold them to it."""
    from audit.output.manifest import checked_folder

    with tempfile.TemporaryDirectory() as name:
        for file in ("results.json", "report.html", "tables/rates.csv"):
            (Path(name) / file).parent.mkdir(exist_ok=True)
            (Path(name) / file).write_bytes(b"")
        shutil.copy(path, Path(name) / "manifest.json")
        checked_folder(Path(name))


def read_answer_log(path: Path) -> None:
    """Read a log of answers, sums made right, and every answer in it."""
    from audit.extensions.endpoint import answer_log

    lines = [line.partition(b" ")[2] for line in path.read_bytes().split(b"\n")]
    path.write_bytes(b"".join(answer_log._sum(line) + b" " + line + b"\n" for line in lines))
    with answer_log.AnswerLog(path) as log:
        for digest in list(log._places):
            log.get(digest.hex())


def read_reply(path: Path) -> None:
    """Read a body as the answer to a question, and as what a server says where it gives none."""
    from audit.extensions.endpoint.client import Client
    from audit.extensions.endpoint.complaints import BusyError, complaint
    from audit.extensions.endpoint.reply import chosen
    from audit.types import Question

    content, asked = path.read_bytes(), Client.__new__(Client)
    asked._key = "sk-0123456789abcdef"
    with suppress(BusyError):
        chosen(Question("Which?", ("cat", "dog"), letters=("A", "B")), asked._read(content, {"max_tokens": 64}).text)
    for status in (302, 400, 401, 404, 429, 500):
        assert isinstance(complaint(status, {"retry-after": content[:40].decode("latin-1")}, content, asked._key), Exception)


def read_prices(path: Path) -> None:
    from audit.extensions.endpoint.prices import read_prices

    read_prices(path, "m")


def read_results(path: Path) -> None:
    """Read the facts of an audit and draw their page, as ``vlm-audit render`` does."""
    from audit.results import from_json
    from reports.render import render_read

    render_read(from_json(path.read_text("utf-8")))


def read_comparison(path: Path) -> None:
    from audit.records.comparison import from_json
    from reports.render import render_read

    render_read(from_json(path.read_text("utf-8")))


def read_mitigation(path: Path) -> None:
    from audit.extensions.mitigate.record import FILE
    from reports.render import render_read

    render_read(FILE.from_json(path.read_text("utf-8")))


def read_causes(path: Path) -> None:
    from audit.extensions.causes.record import FILE
    from reports.render import render_read

    render_read(FILE.from_json(path.read_text("utf-8")))


FINGERPRINT = "ab" * 32


def read_shard(path: Path) -> None:
    """Put the file into a cache of its own, sealed as if this user had written it, open that, and read every row."""
    from audit.embedding import shard
    from audit.embedding.cache import EmbeddingCache, cache_place
    from audit.embedding.seal import user_key

    content = path.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        cache = EmbeddingCache(Path(name) / "cache", FINGERPRINT, "image", 3)
        with suppress(shard.Rejected):  # whose hash is wrong cannot be sealed, and is put there as it is
            content = shard.resealed(content, user_key(), cache_place(cache.folder))
        (cache.folder / f"{'0' * 32}.shard").write_bytes(content)
        (cache.folder / f"{'0' * 32}.shard").chmod(0o600)
        cache = EmbeddingCache(Path(name) / "cache", FINGERPRINT, "image", 3)
        cache.read(list(cache._places))


def read_answer(path: Path) -> None:
    """Take the file for what a child says that has been taken over: who asks it, its answer, and what is in the file that it shares."""
    from unittest import mock

    from strictio.child.process import EndedError
    from tests.fuzz.answers import ASKED, TakenOver

    asked, _, rest = path.read_bytes().partition(b"\n")
    line, _, content = rest.partition(b"\n")
    module, ask = ASKED[asked.decode("latin-1") if asked.decode("latin-1") in ASKED else "image"]
    with TakenOver(line, content) as child:
        names = [name for name in ("Child", "shared_child") if hasattr(module(), name)]
        with mock.patch.multiple(module(), **{name: lambda *_: child for name in names}):
            try:
                ask()
            except EndedError:  # of a decoder, which is then started again
                return
            except Exception:
                if b'"failed"' not in line and b'"error"' not in line:  # what the library itself said of its input
                    raise


def read_configuration(path: Path) -> None:
    from contrastive.config import read_config

    read_config(str(path))


READERS = {
    "checkpoint": Reader(".pt", read_model, sound.checkpoints),
    "safetensors": Reader(".safetensors", read_model, sound.safetensors),
    **({"onnx": Reader(".onnx", read_onnx, sound.onnx_files)} if find_spec("onnx") else {}),
    "folder": Reader(".json", read_folder, sound.folders),
    "template": Reader(".jinja", read_template, sound.templates),
    "csv": Reader(".csv", read_table, sound.tables),
    "jsonl": Reader(".jsonl", read_table, sound.json_lines),
    "xlsx": Reader(".xlsx", read_table, sound.workbooks),
    "parquet": Reader(".parquet", read_table, lambda: [*sound.parquets(), *sound.own_predictions()]),
    "eval": Reader(".eval", read_log, sound.inspect_archives),
    "eval_json": Reader(".json", read_log, sound.inspect_objects),
    "samples": Reader(".jsonl", read_log, sound.sample_logs),
    "arrow": Reader(".arrow", read_saved, sound.saved_streams),
    "tar": Reader(".tar", read_web_dataset, sound.tar_shards),
    "image": Reader(".img", read_image, sound.images),
    "exclusions": Reader(".txt", read_exclusions, sound.exclusions),
    "results": Reader(".json", read_results, sound.results),
    "comparison": Reader(".json", read_comparison, sound.comparisons),
    "mitigation": Reader(".json", read_mitigation, sound.mitigations),
    "causes": Reader(".json", read_causes, sound.causes),
    "manifest": Reader(".json", read_manifest, sound.manifests),
    "cache": Reader(".shard", read_shard, sound.shards),
    "answers": Reader(".jsonl", read_answer_log, sound.answer_logs),
    "reply": Reader(".json", read_reply, sound.replies),
    "answer": Reader(".bin", read_answer, sound.answers_of_children),
    "toml": Reader(".toml", read_configuration, lambda: [sound.TOML.encode()]),
    "prices": Reader(".toml", read_prices, lambda: [b'currency = "USD"\n[models."m"]\ninput = 2.5\noutput = 10\nimage_tokens = 800\n']),
}


def outcome(reader: Reader, path: Path) -> str:
    """Return how reading ended: "read", "refused", or what came out that should not: the error and the function of ours it came from."""
    import traceback

    from audit.errors import AuditError, MachineError
    from strictio.images.decode import UnreadableImage

    try:
        reader.read(path)
    except MachineError as error:
        return f"machine error: {error.what[:80]}"
    except (AuditError, UnreadableImage) as error:
        return "refused" if len(str(error)) < 4000 else "a message of thousands of characters"
    except BaseException as error:  # a panic of Rust's is not an Exception
        if isinstance(error, UnicodeDecodeError) and reader.suffix == ".json":
            return "refused"  # `reports.read` reads the text, and says so
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
        ours = [frame for frame in frames if Path(frame.filename) != Path(__file__)]
        place = f"{Path(ours[-1].filename).stem}.{ours[-1].name}" if ours else "unknown"
        return f"{type(error).__name__} in {place}"
    return "read"


def main() -> None:
    """Serve: of each line of stdin, a reader and a path, print the outcome. Limits are set once everything is imported.

    What a library prints goes to stderr: it must not be taken for an outcome.
    """
    import os
    import resource
    import sys
    import warnings

    import reports.render  # noqa: F401
    from strictio.limits import limit_memory

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        for number, seed in enumerate(READERS[name].seeds()):  # what is imported late is imported now
            path = Path(tempfile.gettempdir()) / f"seed-{number}{READERS[name].suffix}"
            path.write_bytes(seed)
            outcome(READERS[name], path)
            path.unlink()
    limit_memory(3 * 2**30)  # what is used of it, `Child` judges
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        reader, _, path = line.rstrip("\n").partition(" ")
        print(json.dumps({"outcome": outcome(READERS[reader], Path(path))}), file=answers, flush=True)


if __name__ == "__main__":
    main()
