"""The readers: what each does with a path, and the sound files that mutations start from.

Heavy libraries are imported where they are used.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOML = """
[model]
preset = "tiny-conv"
vision.channels = [8, 16]
text = {width = 24, layers = 1}
[data]
train = "shapes"
templates = ["{caption}", 'a picture of {caption}']
[optim]
steps = 12
lr = 2e-3
betas = [0.9, 0.98]
multipliers = {"^visual" = 0}
[loss]
kind = "softmax"
[run]
out = "runs/x"
"""
CSV = "id,race,gender,y_true,y_pred,score:cat,score:dog\n" + "".join(
    f'"{i}.png",{"AB"[i % 2]},{"FM"[i // 2 % 2]},cat,{("cat", "dog")[i % 3 == 1]},0.{(3, 7)[i % 3 != 1]},0.{(7, 3)[i % 3 != 1]}\n'
    for i in range(12)
)


@dataclass(frozen=True)
class Reader:
    """A kind of file."""

    suffix: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]


def read_model(path: Path) -> None:
    from audit.models import load

    load(str(path))


def read_table(path: Path) -> None:
    """Read a table as predictions, as a label table and as captions; each refuses it or not by itself."""
    from audit.data import load_dataset
    from audit.data.schema import Schema
    from audit.errors import AuditError
    from audit.predictions.read import load_predictions
    from audit.predictions.rows import ColumnOptions

    errors = []
    for read in (lambda: load_predictions(path, ColumnOptions()), lambda: load_dataset(path, Schema(), name="d", licence="l")):
        try:
            read()
        except AuditError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def read_web_dataset(path: Path) -> None:
    """Read a tar shard and every image in it, those that cannot be read by their reason."""
    from audit.data import load_dataset
    from audit.data.images import UnreadableImage
    from audit.data.schema import Schema

    found = load_dataset(path, Schema(), name="d", licence="l")
    for row in range(len(found.images)):
        with suppress(UnreadableImage):
            found.images[row]


def read_image(path: Path) -> None:
    from audit.data.images import decode

    decode(path.read_bytes())


def read_results(path: Path) -> None:
    """Read the facts of an audit and draw their page, as ``vlm-audit render`` does."""
    from audit.records.results import from_json
    from reports.render import render_read

    render_read(from_json(path.read_text("utf-8")))


def read_comparison(path: Path) -> None:
    from audit.records.comparison import from_json
    from reports.render import render_read

    render_read(from_json(path.read_text("utf-8")))


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


def read_configuration(path: Path) -> None:
    from contrastive.config import read_config

    read_config(str(path))


# ---- sound files ---------------------------------------------------------------------------------------------------------------------


def small_model() -> tuple[object, object, object]:
    """Return a model of 20,000 parameters, its preprocessing and its tokenizer."""
    import torch

    from contrastive.model.architecture import ModelConfig
    from contrastive.model.clip import CLIP
    from contrastive.model.preprocess import Preprocess
    from contrastive.model.presets import preset
    from contrastive.model.tokenizer import train_bpe

    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=8)
    plan = preset("tiny-conv", vocab_size=tokenizer.vocab_size, context=8).to_dict()
    plan["vision"] |= {"channels": [4, 8]}
    plan["text"] |= {"width": 8, "layers": 1, "head_width": 8}
    config = ModelConfig.from_dict({**plan, "embed_dim": 8})
    return CLIP(config, torch.Generator().manual_seed(0)).eval(), Preprocess(config.vision.image_size), tokenizer


def checkpoints() -> list[bytes]:
    """A checkpoint of ours, flat weights, and a TorchScript archive."""
    import warnings

    import torch

    from contrastive.checkpoint.file import Checkpoint, save

    found = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model"
        save(path, Checkpoint(*small_model()))
        found.append(path.read_bytes())
        torch.save({"epoch": 3, "state_dict": {"visual.proj": torch.zeros(4, 2), "logit_scale": torch.zeros(())}, "args": [1, "x"]}, path)
        found.append(path.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), str(path))
        found.append(path.read_bytes())
    return found


def tar_shards() -> list[bytes]:
    """Two tar shards: one with a JSON object beside each picture, one with classes and numbers."""
    import tarfile

    import numpy as np
    from PIL import Image

    def file(write: Callable[[io.BytesIO], object]) -> bytes:
        buffer = io.BytesIO()
        write(buffer)
        return buffer.getvalue()

    picture = file(lambda buffer: Image.new("RGB", (8, 8), "red").save(buffer, "PNG"))
    numbers = file(lambda buffer: np.save(buffer, np.array([1, 0])))
    described = [[("json", b'{"race": "A", "age": 3, "seen": true}')], [("cls", b"1"), ("npy", numbers), ("txt", b"a cup")]]

    def write(buffer: io.BytesIO, members: list[tuple[str, bytes]]) -> None:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for number in range(3):
                for ending, content in (("png", picture), *members):
                    member = tarfile.TarInfo(f"a/{number:06d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))

    return [file(lambda buffer, each=members: write(buffer, each)) for members in described]


def safetensors() -> list[bytes]:
    """Weights in OpenAI's names, which say an architecture, and some that say none."""
    import torch
    from safetensors.torch import save

    from contrastive.model.clip import CLIP, ModelConfig, TextConfig, ViTConfig, portable_state

    whole = portable_state(CLIP(ModelConfig(8, ViTConfig(32, 16, 64, 1), TextConfig(8, 40, 64, 1)), torch.Generator().manual_seed(0)))
    tensors = {
        "visual.proj": torch.zeros(4, 2),
        "logit_scale": torch.zeros(()),
        "positional_embedding": torch.ones(3, 2, dtype=torch.float16),
    }
    return [save(tensors, metadata={"format": "pt"}), save({"w": torch.arange(4)}), save({k: v.contiguous() for k, v in whole.items()})]


def archives_of_arrays() -> list[bytes]:
    """big_vision's arrays of a small SigLIP, and some that are none."""
    import numpy as np

    from tests.contrastive.formats.readers.test_big_vision import flat, siglip_tree

    buffer = io.BytesIO()
    np.savez(buffer, **flat({"params": siglip_tree(layers=1)}))
    found = [buffer.getvalue()]
    for write in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        write(buffer, **{"params/img/embedding/kernel": np.zeros((2, 2, 3, 4), np.float32), "params/t": np.ones(1), "name": np.array("x")})
        found.append(buffer.getvalue())
    return found


def tables() -> list[bytes]:
    return [CSV.encode(), CSV.replace(",", ";").encode(), CSV.replace("\n", "\r\n").encode("utf-8-sig")]


def parquets() -> list[bytes]:
    import pandas as pd

    frame = pd.read_csv(io.StringIO(CSV))
    found = []
    for options in (
        {"compression": "snappy"},
        {"compression": None, "use_dictionary": False, "data_page_version": "2.0"},
        {"compression": "zstd"},
    ):
        buffer = io.BytesIO()
        frame.assign(raw=[b"\xff" * 3] * len(frame), seen=[[1, 2]] * len(frame)).to_parquet(buffer, index=False, **options)
        found.append(buffer.getvalue())
    return found


def images() -> list[bytes]:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    picture, found = Image.fromarray(pixels), []
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        ("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_blocks": 1}), ("PNG", {"exif": exif}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}), ("GIF", {"save_all": True, "append_images": [picture.rotate(90)]}), ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {"compression": "raw"}),
    ]  # fmt: skip
    for kind, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    for odd in (
        picture.convert("CMYK"),
        picture.convert("P"),
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257),
        picture.convert("LA"),
    ):
        buffer = io.BytesIO()
        odd.save(buffer, "TIFF" if odd.mode == "CMYK" else "PNG")
        found.append(buffer.getvalue())
    return found


def results() -> list[bytes]:
    from tests.support.command import command

    found = []
    with tempfile.TemporaryDirectory() as name:
        for rows in (CSV, "".join(line.rpartition(",")[0].rpartition(",")[0] + "\n" for line in CSV.splitlines())):
            (Path(name) / "answers.csv").write_text(rows)
            gate = ("--fail-on", "gap > 0.5", "--min-group-size", "2")
            done = command("--predictions", Path(name) / "answers.csv", "--out", Path(name) / "out", *gate)
            assert done.returncode in (0, 1), done.stderr
            found.append((Path(name) / "out" / "results.json").read_bytes())
    return found


def comparisons() -> list[bytes]:
    from audit.records.comparison import to_json
    from tests.support import comparison_samples

    return [to_json(comparison_samples.skewed_and_plain()).encode(), to_json(comparison_samples.four_steps()).encode()]


def shards() -> list[bytes]:
    """A shard of version 1, which has a hash and no seal: `read_shard` seals it."""
    manifest = {"dimensions": 3, "rows": [["a" * 64, ["EXIF rotation"]], ["b" * 64, []]]}
    body = json.dumps(manifest, separators=(",", ":")).encode() + b"\n" + struct.pack("<6f", *range(6))
    return [f"vlm-audit-embeddings 1 {hashlib.sha256(body).hexdigest()}\n".encode() + body]


READERS = {
    "checkpoint": Reader(".pt", read_model, checkpoints),
    "safetensors": Reader(".safetensors", read_model, safetensors),
    "npz": Reader(".npz", read_model, archives_of_arrays),
    "csv": Reader(
        ".csv", read_table, lambda: [CSV.encode(), CSV.replace(",", ";").encode(), CSV.replace("\n", "\r\n").encode("utf-8-sig")]
    ),
    "parquet": Reader(".parquet", read_table, parquets),
    "tar": Reader(".tar", read_web_dataset, tar_shards),
    "image": Reader(".img", read_image, images),
    "results": Reader(".json", read_results, results),
    "comparison": Reader(".json", read_comparison, comparisons),
    "cache": Reader(".shard", read_shard, shards),
    "toml": Reader(".toml", read_configuration, lambda: [TOML.encode()]),
}


def outcome(reader: Reader, path: Path) -> str:
    """Return how reading ended: "read", "refused", or what came out that should not: the error and the function of ours it came from."""
    import traceback

    from audit.data.images import UnreadableImage
    from audit.errors import AuditError, MachineError

    try:
        reader.read(path)
    except MachineError as error:
        return f"machine error: {error.what[:80]}"
    except (AuditError, UnreadableImage) as error:
        return "refused" if len(str(error)) < 4000 else "a message of thousands of characters"
    except Exception as error:
        if isinstance(error, UnicodeDecodeError) and reader.suffix == ".json":
            return "refused"  # `reports.read` reads the text, and says so
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(ROOT)]
        ours = [frame for frame in frames if Path(frame.filename) != Path(__file__)]
        place = f"{Path(ours[-1].filename).stem}.{ours[-1].name}" if ours else "unknown"
        return f"{type(error).__name__} in {place}"
    return "read"


def main() -> None:
    """Serve: of each line of stdin, a reader and a path, print the outcome. Limits are set once everything is imported."""
    import resource
    import sys
    import warnings

    import reports.render  # noqa: F401

    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        for number, seed in enumerate(READERS[name].seeds()):  # what is imported late is imported now
            path = Path(tempfile.gettempdir()) / f"seed-{number}{READERS[name].suffix}"
            path.write_bytes(seed)
            outcome(READERS[name], path)
            path.unlink()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    room = size + 2 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        reader, _, path = line.rstrip("\n").partition(" ")
        found = outcome(READERS[reader], Path(path))
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # getrusage begins with the parent's
        print(json.dumps({"outcome": found, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
