"""What README and docs say to type: their pages, commands and code; and a folder in which all of it can be run on small things."""

import contextlib
import itertools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from tests.probes.made import pairs
from tests.support import classifiers, text_encoders
from tests.support.command import command
from tests.support.house import ROOT
from tests.support.tiny import write_checkpoint, write_faces
from tests.support.web_datasets import benchmark_set, shard

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TUTORIAL = ROOT / "docs" / "tutorial.md"
"""Its commands need the files of the steps before them: tests/docs/test_tutorial.py runs them in order."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:vlm-audit|make|python -m|torchrun) [^`\n]+)`")
ADDRESSES = ("http://localhost:8000/v1", "https://api.example.com/v1")
ADDRESS = ""
"""Of the server that takes their place while commands are run."""
FEW_STEPS = ("optim.steps=4", "optim.warmup=1", "data.batch=8", "run.keep_every=2")


@dataclass(frozen=True)
class Written:
    """Something that stands in a page."""

    page: Path
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text}"


def blocks(language: str) -> list[Written]:
    """Return the fenced blocks of a language."""
    return [Written(page, match[2]) for page in PAGES for match in FENCE.finditer(page.read_text("utf-8")) if match[1] == language]


def commands() -> list[Written]:
    """Return the commands of all shell blocks and build steps, comments left out, each once; those of the tutorial are left out."""
    lines = [
        Written(block.page, line.split("  #")[0].strip()) for block in blocks("sh") for line in block.text.splitlines() if line.strip()
    ]
    steps = [Written(block.page, step["run"].strip()) for block in blocks("yaml") for step in yaml.safe_load(block.text) if "run" in step]
    return list({found.text: found for found in [*lines, *steps] if found.page != TUTORIAL}.values())


def mentioned() -> list[Written]:
    """Return the commands that sentences name."""
    return [Written(page, match[1]) for page in PAGES for match in INLINE.finditer(page.read_text("utf-8"))]


def code(name: str) -> str:
    """Return the block of code whose first line names a file."""
    return next(block.text for language in ("python", "toml") for block in blocks(language) if block.text.startswith(f"# {name}\n"))


def make_place(folder: Path) -> Path:
    """Make everything that the commands name, small."""
    for name in ("ckpt.pt", "old/ckpt.pt", "new/ckpt.pt", "seed0/ckpt.pt", "seed1/ckpt.pt"):
        (folder / name).parent.mkdir(exist_ok=True)
        write_checkpoint(folder / name, seed=sum(name.encode()))
    faces = folder / "path" / "to" / "fairface"
    faces.mkdir(parents=True)
    write_faces(faces)
    table = faces / "fairface_label_val.csv"
    ages = itertools.cycle(("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"))
    table.write_text(re.sub("20-29", lambda _: next(ages), table.read_text()))
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    for name in ("cups.py", "colours.py", "brightness.py", "my.toml", "prices.toml"):
        (folder / name).write_text(code(name))
    pairs.make(folder / "path" / "to" / "pairs")
    write_pictures(folder)
    for name in ("answers.csv", "answers-2026-01.csv", "answers-2026-03.csv"):
        _write_answers(folder / name)
    _write_ages(folder / "ages.csv")
    _write_tags_and_texts(folder)
    shutil.copytree(ROOT / "tests" / "extensions" / "logs" / "made", folder / "logs")
    _write_classifier(folder)
    _write_text_encoder(folder)
    _write_streams(folder)
    _finish_audits(folder)
    _stop_training(folder)
    return folder


def _stop_training(folder: Path) -> None:
    """Leave the state of a sharded run that was stopped after its first step."""
    from contrastive.config import read_config
    from contrastive.training import loop

    with contextlib.chdir(folder):
        inputs = loop.prepare(read_config("my.toml", ["run.out=runs/stopped", "run.sharded=true", *FEW_STEPS]))
        training = loop.start(inputs)
        loop.take_step(training, inputs)
        loop.save_run(training, inputs)


def write_pictures(folder: Path) -> None:
    """Sixty pictures, half of them in either hand, all cups; and enough captions for a batch."""
    for i in range(60):
        Image.new("RGB", (8, 8), (4 * i, 255 - 4 * i, 0)).save(folder / f"{i}.png")
    (folder / "cups.csv").write_text("\n".join(["image,thing,hand", *(f"{i}.png,cup,{('left', 'right')[i % 2]}" for i in range(60))]))
    who = ("woman", "man")
    rows = (f"{i % 60}.png,cup number {i % 60} of {i} of a {who[i % 2]},{who[i % 2]}" for i in range(300))
    (folder / "pairs.csv").write_text("\n".join(["image,caption,gender", *rows]))
    (folder / "words.txt").write_text("cup = cup | cups\nnumber\n")


def _write_answers(path: Path) -> None:
    """Six hundred answers with everything that the commands name: persons, ages, scenes in two tones, weights, a harmful word."""
    labels = np.array(["nurse", "thief", "criminal"])
    true, answered = np.random.default_rng(0).choice(labels, (2, 600))
    shown = [f"r{i},p{i // 2},{'ab'[i // 2 % 2]},{i % 80},s{i // 2},{('dark', 'light')[i % 2]}" for i in range(600)]
    named = [f"{shown[i]},{1 + i % 3},{true[i]},{answered[i]}" for i in range(600)]
    path.write_text("\n".join(["id,person,race,age,scene,tone,weight,y_true,y_pred", *named]) + "\n")


def _write_ages(path: Path) -> None:
    """Ages of three hundred people and a model's guesses at them, off by up to nine years."""
    rows = [f"{('north', 'south')[i % 2]},{i % 80},{abs(i % 80 + i % 19 - 9)}" for i in range(300)]
    path.write_text("\n".join(["region,y_true,y_pred", *rows]) + "\n")


def _write_tags_and_texts(folder: Path) -> None:
    """Labels of a vision service, flags of a moderation service, and texts that somebody recorded, about eighty people."""
    people = [f"r{i},{('Female', 'Male')[i % 2]},{'ab'[i // 2 % 2]}" for i in range(80)]
    tags = [f"{person},{('suit|tie', 'hat', '')[i % 3]}" for i, person in enumerate(people)]
    (folder / "labels.csv").write_text("\n".join(["id,gender,race,labels", *tags]) + "\n")
    flags = [f"{person},0.{i:02d},{('no', 'yes')[i > 60]}" for i, person in enumerate(people)]
    (folder / "api.csv").write_text("\n".join(["id,gender,race,unsafe,flagged", *flags]) + "\n")
    texts = [f"{person},A {('tall', 'quiet')[i % 5 < 2]} person.,Works as a cook." for i, person in enumerate(people)]
    (folder / "captions.csv").write_text("\n".join(["id,gender,race,caption,profile", *texts]) + "\n")
    (folder / "texts.csv").write_text("\n".join(["id,gender,race,text:caption,text:profile", *texts]) + "\n")


def _write_classifier(folder: Path) -> None:
    """A classifier of transformers, the same as an ONNX file, its labels, what they mean, and pictures with a class."""
    path = classifiers.folder(folder / "path" / "to" / "a" / "classifier", labels=("mug", "ship"))
    classifiers.exported(path, folder / "model.onnx")  # torch writes it without the extra [onnx]
    (folder / "labels.txt").write_text("mug\nship\n")
    (folder / "means.csv").write_text("label,answer\nmug,cup\nship,boat\n")
    rows = [f"{i}.png,{('cup', 'boat')[i % 4 < 2]},{('north', 'south')[i % 2]}" for i in range(60)]
    (folder / "photos.csv").write_text("\n".join(["image,class,region", *rows]))
    (folder / "images.csv").write_text("\n".join(["photo,class,region", *rows]))
    _write_seen(folder)


def _write_seen(folder: Path) -> None:
    """Sixty test pictures of two classes; a model was trained on half of each class."""
    source = np.random.default_rng(0)
    for i in range(60):
        picture = Image.fromarray(source.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64))
        for part in (f"test/{('cup', 'boat')[i % 2]}", *(["training"] if i < 30 else [])):
            (folder / "folder" / part).mkdir(parents=True, exist_ok=True)
            picture.save(folder / "folder" / part / f"{i}.png")


def _write_text_encoder(folder: Path) -> None:
    """An encoder of text alone."""
    text_encoders.folder(folder / "path" / "to" / "a" / "text" / "encoder")


def _write_streams(folder: Path) -> None:
    """The answers in Parquet parts, two tar shards of pictures, and a small set as DataComp publishes them."""
    answers = pd.read_csv(folder / "answers.csv", dtype={"race": "str"})
    (folder / "answers").mkdir()
    for number, rows in enumerate((answers[:200], answers[200:])):
        rows.to_parquet(folder / "answers" / f"part-{number}.parquet", index=False)
    (folder / "shards").mkdir()
    for number in range(2):
        rows = [{"class": ("cup", "boat")[place % 2], "region": ("north", "south")[place // 2 % 2]} for place in range(40)]
        shard(folder / "shards" / f"{number:06d}.tar", 40 * number, rows)
    benchmark_set(folder / "wds_geode_test", n=80)


def _finish_audits(folder: Path) -> None:
    assert command("--predictions", "answers.csv", "--cluster", "person", "--out", "audits/before", cwd=folder).returncode == 0
    for name in ("after", "none", "quarter", "half-seed0", "half-seed1"):
        shutil.copytree(folder / "audits" / "before", folder / "audits" / name)
    model = ("--model", "ckpt.pt", "--probe")
    assert command(*model, "fairface", "--data", "path/to/fairface", "--out", "audits/x", cwd=folder).returncode == 0
    for recipe in ("emoji", "emoji_balanced"):
        assert command(recipe, *FEW_STEPS, module="contrastive.train", cwd=folder).returncode == 0
    assert command(*model, "emoji", "--out", "audits/emoji", cwd=folder).returncode == 0
