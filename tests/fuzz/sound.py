"""Sound files of every reader, which mutations start from. Heavy libraries are imported where they are used."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

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


def onnx_files() -> list[bytes]:
    """A graph whose sizes depend on constants, and one with branches."""
    from onnx import TensorProto, helper

    def file(nodes: list[object], weights: dict[str, list[int]]) -> bytes:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 8, 8]) for name in "xy")
        tensors = [helper.make_tensor(name, TensorProto.INT64, [len(values)], values) for name, values in weights.items()]
        graph = helper.make_graph(nodes, "g", [x], [y], tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()

    node = helper.make_node
    sized = [
        node("Tile", ["x", "repeats"], ["a"]), node("Pad", ["a", "pads"], ["b"]), node("Resize", ["b", "", "", "sizes"], ["c"]),
        node("ConstantOfShape", ["shape"], ["w"]), node("RandomNormal", [], ["g"], shape=[2, 3]), node("Reshape", ["c", "shape"], ["h"]),
        node("Expand", ["c", "shape"], ["d"]), node("Split", ["d"], ["e", "y"], axis=1, num_outputs=2), node("Conv", ["x", "w"], ["i"]),
    ]  # fmt: skip
    sizes = {"repeats": [1, 2, 1, 1], "pads": [0, 0, 1, 1, 0, 0, 1, 1], "sizes": [1, 6, 8, 8], "shape": [1, 6, 8, 8]}
    branch = [helper.make_graph([node(name, ["x"], [name])], name, [], []) for name in ("Relu", "Neg")]
    truth = node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
    return [file(sized, sizes), file([truth, node("If", ["c"], ["y"], then_branch=branch[0], else_branch=branch[1])], {})]


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


def mitigations() -> list[bytes]:
    from audit.extensions.mitigate.record import FILE
    from tests.extensions.mitigate import samples as mitigation_samples

    return [FILE.to_json(mitigation_samples.mitigation(outcome)).encode() for outcome in mitigation_samples.WRONG]


def causes() -> list[bytes]:
    """Of three seeds with held-back models and interventions, and of one seed, in which intervals are unknown."""
    from audit.extensions.causes.record import FILE
    from tests.extensions.causes import samples as causes_samples

    return [
        FILE.to_json(causes_samples.sample(**changes)).encode() for changes in ({}, {"seeds": (0,), "outcome": causes_samples.CONTRAST})
    ]


def shards() -> list[bytes]:
    """A shard of version 1, which has a hash and no seal: `read_shard` seals it."""
    manifest = {"dimensions": 3, "rows": [["a" * 64, ["EXIF rotation"]], ["b" * 64, []]]}
    body = json.dumps(manifest, separators=(",", ":")).encode() + b"\n" + struct.pack("<6f", *range(6))
    return [f"vlm-audit-embeddings 1 {hashlib.sha256(body).hexdigest()}\n".encode() + body]


def json_lines() -> list[bytes]:
    """Rows as objects: of texts and numbers, and with a list of captions."""
    rows = [dict(zip(CSV.splitlines()[0].split(","), line.split(","), strict=True)) for line in CSV.splitlines()[1:]]
    numbers = [{**row, "score:cat": 0.3, "score:dog": 0.7, "age": place, "seen": None} for place, row in enumerate(rows)]
    captions = [{"id": row["id"], "race": [row["race"], "a cup"], "y_pred": True} for row in rows]
    return ["".join(json.dumps(each) + "\n" for each in kind).encode() for kind in (rows, numbers, captions)]


def inspect_log() -> tuple[dict[str, object], list[dict[str, object]]]:
    """The header of a log of Inspect and its samples: of a question with choices, with an error and metadata that nest."""
    header = {
        "version": 2, "status": "success", "eval": {
            "task": "t", "model": "m", "dataset": {"name": "d", "samples": 6, "sample_ids": list(range(6))}, "config": {"epochs": 1},
            "packages": {"inspect_ai": "0.3.285"}, "scorers": [{"name": "choice"}],
        },
        "plan": {"steps": [{"solver": "multiple_choice"}]}, "results": {"scores": [{"name": "choice", "scorer": "choice"}]},
    }  # fmt: skip
    samples = [
        {
            "id": i, "epoch": 1, "input": "?", "choices": ["cat", "dog"], "target": "AB"[i % 2],
            "metadata": {"race": "AB"[i // 2 % 2], "place": {"city": "X", "tags": [1]}, "none": None},
            "scores": {"choice": {"value": "CI"[i % 3 == 1], "answer": "AB"[i % 2 ^ (i % 3 == 1)]}}, "error": None,
        }
        for i in range(6)
    ]  # fmt: skip
    samples[5] |= {"error": {"message": "x"}, "scores": {}}
    return header, samples


def inspect_archives() -> list[bytes]:
    """The log as an archive, compressed with Zstandard and deflated."""
    from tests.support.zips import packed

    header, samples = inspect_log()
    members = {"header.json": header, **{f"samples/{sample['id']}_epoch_1.json": sample for sample in samples}}
    return [packed({name: json.dumps(value).encode() for name, value in members.items()}, method) for method in (93, 8)]


def inspect_objects() -> list[bytes]:
    """The log as one object."""
    header, samples = inspect_log()
    return [json.dumps({**header, "samples": samples}, indent=1).encode()]


def sample_logs() -> list[bytes]:
    """Lines of lm-eval (choices, and texts), of Every Eval Ever and of lmms-eval, whose lines hold no groups."""
    choice = [
        {
            "doc_id": i, "doc": {"race": "AB"[i % 2], "place": {"city": "X"}, "options": [1]}, "target": str(i % 2),
            "arguments": {f"gen_args_{at}": {"arg_0": "?", "arg_1": f" {text}"} for at, text in enumerate(("cat", "dog"))},
            "filtered_resps": [["-1.5", "False"], [str(-2 + i % 3), "False"]], "filter": "none", "metrics": ["acc"],
            "acc": float((-2 + i % 3 > -1.5) == i % 2),
        }
        for i in range(8)
    ]  # fmt: skip
    until = {"gen_args_0": {"arg_0": "?", "arg_1": {"until": ["."]}}}
    texts = [
        {**line, "arguments": until, "target": "['cat']", "filtered_resps": ["cat" if i % 3 else "[invalid]"], "acc": 0.5}
        for i, line in enumerate(choice)
    ]
    pope = {"question_id": "1", "score": 1.0, "prediction": "cat", "ground_truth": "cat"}
    lmms = [{"doc_id": i, "target": "cat", "filtered_resps": "cat", "pope": pope} for i in range(8)]
    ever = [
        {
            "schema_version": "0.3.0", "evaluation_id": "e", "model_id": "m", "evaluation_name": "n", "sample_id": str(i),
            "interaction_type": "single_turn", "input": {"raw": "?", "reference": ["cat"]}, "metadata": {"race": "AB"[i % 2]},
            "answer_attribution": [{"extracted_value": ("cat", "dog")[i % 3 == 1], "is_terminal": True}],
            "evaluation": {"score": 1, "is_correct": i % 3 != 1}, "error": None,
        }
        for i in range(8)
    ]  # fmt: skip
    return ["".join(json.dumps(line) + "\n" for line in kind).encode() for kind in (choice, texts, ever, lmms)]


def workbooks() -> list[bytes]:
    """A workbook of texts and numbers, and one with a date, a formula and an empty sheet."""
    import datetime as dt

    import openpyxl

    def file(book: object) -> bytes:
        buffer = io.BytesIO()
        book.save(buffer)
        return buffer.getvalue()

    plain, odd = openpyxl.Workbook(), openpyxl.Workbook()
    for place, line in enumerate(CSV.splitlines()):
        cells = line.replace('"', "").split(",")
        plain.active.append(cells if not place else [*cells[:-2], *map(float, cells[-2:])])
        odd.active.append([*cells, "when" if not place else dt.datetime(2020, 1, 1 + place), "sum" if not place else "=1+1"])
    odd.create_sheet("empty")
    return [file(plain), file(odd)]


def own_predictions() -> list[bytes]:
    """The ``predictions.parquet`` of an audit of ours, which says in its metadata what its columns are."""
    from tests.support.command import command

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "answers.csv").write_text(CSV)
        words = ("--min-group-size", "2", "--cluster", "gender", "--attributes", "race")
        done = command("--predictions", Path(name) / "answers.csv", "--out", Path(name) / "out", *words)
        assert done.returncode in (0, 1), done.stderr
        return [(Path(name) / "out" / "predictions.parquet").read_bytes()]


def saved_streams() -> list[bytes]:
    """Arrow files as `datasets` saves them, of texts and classes, and of images."""
    import datasets

    pictures = [{"bytes": images()[3], "path": f"{place}.png"} for place in range(12)]
    columns = {"race": ["A", "B"] * 6, "seen": [1, 0] * 6, "kind": [0, 1] * 6, "image": pictures}
    kinds = datasets.Features(
        race=datasets.Value("string"), seen=datasets.Value("int64"), kind=datasets.ClassLabel(names=["cat", "dog"]), image=datasets.Image()
    )
    with tempfile.TemporaryDirectory() as name:
        datasets.Dataset.from_dict(columns, features=kinds).save_to_disk(name)
        return [next(Path(name).glob("*.arrow")).read_bytes()]


@cache
def model_folders() -> dict[str, dict[str, bytes]]:
    """Name -> the files of a folder: a CLIP, and a generative model with a processor."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    from tests.support.generative_models import llava
    from tests.support.model_folders import letters_tokenizer, saved

    torch.manual_seed(0)
    words = letters_tokenizer()
    end, tower = len(words) - 1, {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}
    config = CLIPConfig(
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        text_config={**tower, **ends, "vocab_size": len(words), "max_position_embeddings": 40}, projection_dim=24,
    )  # fmt: skip
    pixels = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    found = {}
    for name, parts in (("clip", (CLIPModel(config).eval(), words, pixels)), ("llava", llava())):
        with tempfile.TemporaryDirectory() as folder:
            saved(Path(folder), *parts)
            found[name] = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return found


def folders() -> list[bytes]:
    """The configuration of each folder as one object, file by file; the weights stay as they are."""
    return [
        json.dumps({"of": name, "files": {file: json.loads(text) for file, text in files.items() if file.endswith(".json")}}).encode()
        for name, files in model_folders().items()
    ]


def templates() -> list[bytes]:
    """Chat templates: a loop over messages, one with macros and filters, and one that knows only text."""
    from tests.support.generative_models import chat

    rich = (
        "{% macro part(c) %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] | trim }}{% endif %}{% endmacro %}"
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}[{{ m.role | upper }} {{ ns.n }}]"
        "{% for c in m['content'] %}{{ part(c) }}{% endfor %}{{ '\\n' * 2 }}{% endfor %}{{ messages | length // 1 ** 2 }}"
    )
    return [chat("<image>").encode(), rich.encode(), b"{% for m in messages %}{{ m['content'] }}{% endfor %}"]


def answer_logs() -> list[bytes]:
    """What an endpoint was asked: an answer, one with likelihoods, and one that was refused."""
    from audit.extensions.endpoint.answer_log import Answer, line_of_answer

    answers = (Answer("cat", sent=9, answered=2), Answer("A", top=(("A", -0.1), ("B", -2.5))), Answer("no", refused=True))
    return [b"".join(line_of_answer(hashlib.sha256(bytes([place])).hexdigest(), answer) for place, answer in enumerate(answers))]


def replies() -> list[bytes]:
    """Bodies of an endpoint's replies: an answer with likelihoods, and an error."""
    top = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.3}]
    prompt = [None, {"1": {"logprob": -1.0, "rank": 1, "decoded_token": "cat"}}]
    answer = {
        "id": "x", "model": "m", "created": 1700000000, "system_fingerprint": "f", "usage": {"prompt_tokens": 9, "completion_tokens": 1},
        "choices": [{
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '{"answer": "cat"}', "refusal": None},
            "logprobs": {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": top}]},
        }],
        "prompt_logprobs": prompt,
    }  # fmt: skip
    error = {"error": {"message": "Rate limit reached; try again in 20 s", "type": "requests", "code": "rate_limit_exceeded"}}
    return [json.dumps(answer).encode(), json.dumps(error).encode()]


def manifests() -> list[bytes]:
    """What a complete run says of its files."""
    names = (
        "results.json",
        "report.html",
        "predictions.parquet",
        "summary.md",
        *(f"tables/{name}.csv" for name in ("rates", "gaps", "groups")),
    )
    return [json.dumps({"schema_version": "1", "files": {name: hashlib.sha256(b"").hexdigest() for name in names}}).encode()]


def exclusions() -> list[bytes]:
    """A list with a comment and a blank line, and one of another system with a name that is not there."""
    from audit.testing import four_faces

    first, second, *_ = four_faces().attributes.index.astype(str)
    return [f"# not these\n{first}\n\n{second}\n".encode(), f"\ufeff{second}\r\nnone\r\n".encode()]


def answers_of_children() -> list[bytes]:
    """Return answers of each kind of child: who asks, the answer, and what is in the file that it shares."""
    import json
    from array import array

    import pyarrow as pa

    table, stream = (
        pa.table({"a": ["x", "y"], "b": pa.array([1, 2]), "c": pa.array(["x", "x"]).dictionary_encode()}),
        pa.BufferOutputStream(),
    )
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write(table)
    arrow, schema = stream.getvalue().to_pybytes(), table.schema.serialize().to_pybytes()
    encoded = array("I", [0, 0, 1, 1, 1, 1, 5, 6, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1]).tobytes()
    said: list[tuple[str, dict[str, object], bytes]] = [
        ("image", {"size": [2, 1], "offset": 9, "conversions": ["grey to RGB"]}, b"P6\n2 1\n255\n"[:9] + bytes(6)),
        ("image", {"reason": "damaged"}, b""),
        ("workbook", {"length": 22}, b'[1, ["id"]]\n[2, ["1"]]\n'[:22]),
        ("schema", {"length": len(schema)}, schema),
        ("groups", {"length": 16}, array("q", [1, 2]).tobytes()),
        ("check", {}, b""),
        ("read", {"length": len(arrow)}, arrow),
        ("read", {"raised": ["DataError", "what", None, "why", "fix"]}, b""),
        ("build", {}, b""),
        ("encode", {"length": len(encoded)}, encoded),
        ("encode", {"grown": [1, 99]}, b""),
        ("encode", {"failed": ["ValueError", "no"]}, b""),
        ("decode", {"length": 2}, b"ab"),
        ("graph", {"length": 4, "shape": [1, 1], "dtype": "float32"}, bytes(4)),
        ("graph", {"failed": "it cannot"}, b""),
        ("graph", {"memory": True}, b""),
    ]
    return [b"\n".join((asked.encode(), json.dumps(answer).encode(), content)) for asked, answer, content in said]
