"""Four sample reports: ``python -m docs.tools.gallery`` (``make gallery``) writes them to ``runs/gallery``, and the site shows them.

The models of the demo are trained where they are not there yet. Nothing of it goes into the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "runs" / "gallery"
CLIP_TABLES = ROOT.parent / "shared" / "clip_fairface"
_EMOJI = ("runs/emoji/ckpt.pt", "runs/emoji-balanced/ckpt.pt")
_SHOWN = ("report.html", "comparison.html", "summary.md", "comparison.md", "first-screen.png")


@dataclass(frozen=True)
class Sample:
    """A report of the gallery."""

    name: str
    title: str
    about: str
    words: tuple[str, ...]
    """The arguments of ``vlm-audit``, without ``--out``."""
    prepare: Callable[[], object] = lambda: None
    needs: Path | None = None
    """A path that must exist; otherwise the report is skipped, and the page says so."""

    @property
    def page(self) -> str:
        return "comparison.html" if self.words[0] == "compare" else "report.html"

    @property
    def command(self) -> str:
        return " ".join(["vlm-audit", *self.words, f"--out runs/gallery/{self.name}"])


def train_demo() -> None:
    """Train the two models of the demo, unless they are finished."""
    from contrastive.train import main

    for recipe in ("emoji", "emoji_balanced"):
        if main([recipe]) != 0:
            raise SystemExit(f"training {recipe} failed")


def write_countries() -> None:
    """Write 24,000 made-up answers about 60 countries: 9 of 10 are right, but 3 of 4 for the countries 07, 23 and 41."""
    rng = np.random.default_rng(0)
    country = rng.integers(1, 61, 24_000)
    right = rng.random(country.size) < np.where(np.isin(country, (7, 23, 41)), 0.75, 0.9)
    y_true = rng.integers(2, size=country.size)
    answers = np.array(["no", "yes"])
    rows = zip(country, answers[y_true], answers[np.where(right, y_true, 1 - y_true)], strict=True)
    named = (f"country {place:02},{true},{given}" for place, true, given in rows)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "countries.csv").write_text("\n".join(["country,y_true,y_pred", *named]) + "\n", "utf-8")


SAMPLES = (
    Sample(
        "demo", "The demo: a planted disparity and its control",
        "Two small models trained on drawings of people. In the captions of the first, women in 33 of the 66 roles are always called "
        "by the name of another role, on purpose. The second is its control. Drawings: Twemoji, CC BY 4.0.",
        ("run", *(f"--model {model}" for model in _EMOJI), "--probe emoji"), train_demo,
    ),
    Sample(
        "clip", "A real CLIP on FairFace's validation images",
        "What OpenAI's ViT-B/16 answered when it was asked for the race of 10,954 faces. Answers: repository "
        "groovy-lizard/clip-face-attribs (MIT). Labels: FairFace, Karkkainen and Joo, WACV 2021, CC BY 4.0. "
        "The table holds no image and no score.",
        ("run", "--predictions ../shared/clip_fairface/vit-b-16-openai.race.csv", "--attributes race,gender,age"), needs=CLIP_TABLES,
    ),
    Sample(
        "comparison", "A comparison: the demo's two models on the same drawings",
        "What changes where the captions are left as they are: each drawing, answered by the model with the bias and by its control.",
        ("compare", *_EMOJI, "--probe emoji"), train_demo,
    ),
    Sample(
        "countries", "A file of predictions with 60 groups",
        "24,000 invented answers about 60 countries. For three of them, 07, 23 and 41, a quarter is wrong instead of a tenth.",
        ("run", "--predictions runs/gallery/countries.csv", "--attributes country"), write_countries,
    ),
)  # fmt: skip


def files() -> dict[str, Path]:
    """The gallery files by their path in the site; a summary is shown as plain text."""
    paths = [FOLDER / sample.name / name for sample in SAMPLES for name in _SHOWN]
    return {
        f"gallery/{path.parent.name}/{path.with_suffix('.txt' if path.suffix == '.md' else path.suffix).name}": path
        for path in paths
        if path.is_file()
    }


def listing() -> str:
    """The Markdown that lists the reports."""
    return "\n\n".join(map(_section, SAMPLES))


def _section(sample: Sample) -> str:
    parts = [f"## {sample.title}", sample.about, f"```sh\n{sample.command}\n```"]
    folder, there = f"gallery/{sample.name}", files()
    if f"{folder}/{sample.page}" not in there:
        missing = sample.needs is not None and not sample.needs.is_dir()
        why = "the tables of `../shared/clip_fairface` are not beside this checkout" if missing else "run `make gallery`, then `make docs`"
        return "\n\n".join([*parts, f"*Not made here: {why}.*"])
    link, picture = f"{folder}/{sample.page}", f"{folder}/first-screen.png"
    text = f"{folder}/{'comparison' if sample.words[0] == 'compare' else 'summary'}.txt"
    parts += [f"[![First screen of the report]({picture})]({link})"] if picture in there else []
    return "\n\n".join([*parts, f"[Open the report]({link}) · [its summary as text]({text})"])


def make(sample: Sample) -> Path | None:
    """Write a report and return its page; None if its input does not exist."""
    from audit.__main__ import main
    from docs.tools.pictures import first_screen

    if sample.needs is not None and not sample.needs.is_dir():
        print(f"{sample.title}: left out, {sample.needs.relative_to(ROOT.parent)} is not beside this checkout")
        return None
    sample.prepare()
    out = FOLDER / sample.name
    words = [word for part in sample.words for word in part.split()]
    if code := main([*words, "--out", str(out.relative_to(ROOT))]):
        raise SystemExit(code)
    first_screen(out / sample.page, out / "first-screen.png")
    return out / sample.page


def chosen(names: list[str]) -> list[Sample]:
    """The samples with these names, or all of them."""
    return [sample for sample in SAMPLES if sample.name in names or not names]


if __name__ == "__main__":
    for page in [make(sample) for sample in chosen(sys.argv[1:])]:
        print(page.relative_to(ROOT) if page else "")
