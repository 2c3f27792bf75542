"""The sample reports in ``docs/samples`` and the page that lists them, ``docs/gallery.md``: ``make gallery`` makes all of them.

A sample has its page, its results (compressed), and a picture of its first screen. ``python -m docs.tools.gallery --pages`` only renders
the pages again, after a change of words. `stale` names the pages that differ from what the present code makes of their results, and
`outdated` the results that differ from what it makes of their input, where that needs no model.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from docs.tools import stub_model, terminal

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "samples"
PAGE = ROOT / "docs" / "gallery.md"
RUNS = ROOT / "runs" / "samples"
COUNTS = FOLDER / "clip" / "counts.csv"
CLIP_TABLE = ROOT.parent / "shared" / "clip_fairface" / "vit-l-14-laion2b.gender.csv"
"""The answers image by image, from which the counts were made; a clone has only the counts."""
MOST_BYTES = 400_000
"""The most bytes of a page."""
MADE = ("timing", "environment", "tool", "command", "sides")
"""What results say about when, where and from which files they were made."""
_AFTER = {"north": (0.95, 0.86), "east": (0.95, 0.84), "south": (0.95, 0.85), "west": (0.95, 0.85), "centre": (0.95, 0.84)}
"""Share of right answers by region, in daylight and at night, of the invented model after its retraining."""


@dataclass(frozen=True)
class Sample:
    """A sample report."""

    name: str
    title: str
    about: str
    make: Callable[[Path], Path]
    """Runs the audit in a folder, and returns the folder of its files."""
    from_input: bool
    """Whether its input is in the repository and needs no model: then its results can be checked, too."""
    file: str = "results.json"
    """The file that its page is drawn from."""

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def page(self) -> Path:
        return self.folder / ("comparison.html" if self.file == "comparison.json" else "report.html")

    @property
    def facts(self) -> Path:
        return self.folder / f"{self.file}.gz"


# ---- how each is made ----------------------------------------------------------------------------------------------------------------


def _audit(*words: str, out: Path) -> Path:
    """Run a command of ``vlm-audit`` and return the folder of its files."""
    from audit.__main__ import main

    if code := main([*words, "--quiet", "--out", str(out)]):
        raise SystemExit(code)
    return out


def train_demo() -> None:
    """Train the two models of the demo, unless they are finished."""
    from contrastive.train import main

    for recipe in ("emoji", "emoji_balanced"):
        if code := main([recipe]):
            raise SystemExit(code)


def _demo(work: Path) -> Path:
    train_demo()
    return _audit("run", "--model", "runs/emoji/ckpt.pt", "--probe", "emoji", "--no-inference", out=work / "demo")


def _mitigation(work: Path) -> Path:
    """Change the model of the demo; earlier runs on this machine are not part of the sample."""
    train_demo()
    with patch.dict(os.environ, AUDIT_CACHE_DIR=str(work / "cache")):
        return _audit("mitigate", "--model", "runs/emoji/ckpt.pt", "--probe", "emoji", out=work / "mitigated")


def _causes(work: Path) -> Path:
    """Train and audit the 24 models of the example: a quarter of an hour on two cores."""
    return _audit("causes", "docs/examples/causes.toml", out=work / "causes")


def _predictions(work: Path) -> Path:
    return _audit("run", "--predictions", str(terminal.EXAMPLE), out=work / "predictions")


def _comparison(work: Path) -> Path:
    """Audit the answers of the example, and invented answers after a retraining, and compare them."""
    after = work / "answers-retrained.csv"
    terminal.write_answers(after, _AFTER)
    tables = {"before": terminal.EXAMPLE, "after": after}
    sides = [str(_audit("run", "--predictions", str(table), out=work / name)) for name, table in tables.items()]
    return _audit("compare", *sides, out=work / "comparison")


def _endpoint(work: Path) -> Path:
    with stub_model.served() as address:
        model = ("--model", f"api:{stub_model.MODEL}", "--base-url", address, "--answer-log", str(work / "answers.jsonl"))
        return _audit("run", *model, "--probe", "emoji", "--no-inference", out=work / "endpoint")


def _clip(work: Path) -> Path:
    """Audit the published answers, one row per image, as the counts have them."""
    table = work / "CLIP ViT-L-14 laion2b.csv"
    with COUNTS.open(encoding="utf-8", newline="") as file, table.open("w", encoding="utf-8", newline="") as written:
        counts = list(csv.DictReader(file))
        rows = csv.DictWriter(written, ["id", *(name for name in counts[0] if name != "images")])
        rows.writeheader()
        answers = [{name: row[name] for name in row if name != "images"} for row in counts for _ in range(int(row["images"]))]
        rows.writerows({"id": number, **answer} for number, answer in enumerate(answers, 1))
    words = ("--predictions", str(table), "--name", "CLIP ViT-L/14 (laion2b)", "--attributes", "race,gender,age")
    return _audit("run", *words, out=work / "clip")


def write_counts() -> None:
    """Count the published answers by group, truth and answer."""
    columns = ("race", "gender", "age", "y_true", "y_pred")
    with CLIP_TABLE.open(encoding="utf-8", newline="") as file:
        counts = Counter(tuple(row[name] for name in columns) for row in csv.DictReader(file))
    with COUNTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([(*columns, "images"), *((*row, count) for row, count in sorted(counts.items()))])


SAMPLES = (
    Sample(
        "clip", "A real CLIP: whom does it take for a man or a woman?",
        "What CLIP ViT-L/14 (open_clip, laion2b_s32b_b82k) answered about the gender of 10,954 faces. Answers: repository "
        "[groovy-lizard/clip-face-attribs](https://github.com/groovy-lizard/clip-face-attribs) (MIT). Labels: FairFace, Karkkainen and "
        "Joo, WACV 2021 (CC BY 4.0). [The counts](samples/clip/counts.csv) by group, label and answer are all that the report is made "
        "of: no image, no name, no score.",
        _clip, from_input=True,
    ),
    Sample(
        "comparison", "A comparison: two tables of invented answers",
        "The invented answers of the next sample, and invented answers after a retraining: the south is no longer behind, but at night "
        "more answers are wrong.",
        _comparison, from_input=True, file="comparison.json",
    ),
    Sample(
        "predictions", "External predictions: invented answers about five regions",
        "[2,000 invented answers](examples/answers.csv): for the south fewer are right, above all at night.",
        _predictions, from_input=True,
    ),
    Sample(
        "demo", "The demo: a small model with a planted bias",
        "A small model trained on drawings of people. In the captions, women in 33 of the 66 roles are always called by the name of "
        "another role, on purpose. Drawings: Twemoji (CC BY 4.0).",
        _demo, from_input=False,
    ),
    Sample(
        "mitigation", "A mitigation: the model of the demo, changed",
        "The differences between genders were removed from the embeddings of the model of the demo. Its bias was planted in the names that "
        "women's drawings were trained with, and no such change is known to remove that: the page says that no change is shown.",
        _mitigation, from_input=False, file="mitigation.json",
    ),
    Sample(
        "causes", "From training data to a gap: what made the demo’s model misname women",
        "24 models, trained with different shares of the planted names and with three interventions, by the example plan of "
        "[`vlm-audit causes`](extensions/causes.md). Drawings: Twemoji (CC BY 4.0).",
        _causes, from_input=False, file="causes.json",
    ),
    Sample(
        "endpoint", "A model behind an endpoint",
        "A stub that recognises the same drawings, with planted errors and refusals: what the report says about requests, refusals and "
        "cost. Drawings: Twemoji (CC BY 4.0).",
        _endpoint, from_input=False,
    ),
)  # fmt: skip


# ---- making and checking -------------------------------------------------------------------------------------------------------------


def rendered(sample: Sample) -> str:
    """Return the page that the present code makes of a sample's results."""
    from reports.render import render_read

    return render_read(_read(sample))


def _read(sample: Sample) -> Any:
    from audit import results
    from audit.extensions.causes import record as causes
    from audit.extensions.mitigate.record import FILE
    from audit.records import comparison

    parse = {
        "results.json": results.from_json, "comparison.json": comparison.from_json, "mitigation.json": FILE.from_json,
        "causes.json": causes.FILE.from_json,
    }  # fmt: skip
    return parse[sample.file](gzip.decompress(sample.facts.read_bytes()).decode("utf-8"))


def stale() -> list[str]:
    """Return what is not as the present code makes it: pages, and the page that lists them."""
    pages = [sample.page for sample in SAMPLES if not sample.page.is_file() or sample.page.read_text("utf-8") != rendered(sample)]
    return [str(path.relative_to(ROOT)) for path in (*pages, *([PAGE] if PAGE.read_text("utf-8") != listing() else []))]


def outdated(sample: Sample, work: Path) -> list[str]:
    """Return where the results of a sample differ from those of its input, beyond rounding."""
    known = json.loads(gzip.decompress(sample.facts.read_bytes()))
    now = json.loads((sample.make(work) / sample.facts.name.removesuffix(".gz")).read_text("utf-8"))
    return list(differences({**known, **dict.fromkeys(MADE)}, {**now, **dict.fromkeys(MADE)}))


def differences(one: Any, other: Any, place: str = "", absolute: float = 0.0) -> Iterator[str]:
    """Yield where two JSON values differ, beyond rounding (of a value of this size, if it is absolute), and how."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(one[name], other[name], f"{place}.{name}", absolute)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for position, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}[{position}]", absolute)
    elif not (
        one == other
        or (isinstance(one, float) and isinstance(other, int | float) and math.isclose(one, other, rel_tol=1e-9, abs_tol=absolute))
    ):
        yield f"{place}: {one!r} became {other!r}"


def make(sample: Sample) -> None:
    """Run a sample's audit, and keep its results."""
    RUNS.mkdir(parents=True, exist_ok=True)
    sample.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUNS) as work:
        facts = sample.make(Path(work)) / sample.facts.name.removesuffix(".gz")
        sample.facts.write_bytes(gzip.compress(facts.read_bytes(), mtime=0))


def draw(sample: Sample) -> None:
    """Render a sample's page, and take the picture of its first screen."""
    from docs.tools.screenshots import first_screen

    sample.page.write_text(rendered(sample), "utf-8")
    first_screen(sample.page, sample.folder / "first-screen.png")
    size = sample.page.stat().st_size
    print(f"{sample.page.relative_to(ROOT)}: {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{sample.name} is larger than {MOST_BYTES / 1000:.0f} kB")


# ---- the page that lists them --------------------------------------------------------------------------------------------------------


def listing() -> str:
    """Return the page that lists the samples, with the headline of each."""
    return "\n\n".join([_HEAD, *map(_section, SAMPLES)]) + "\n"


_HEAD = """# Sample reports

Finished reports, as the program writes them. A report is one file that works offline: on this site a click opens it; on a code host,
download the file first. `make gallery` makes the reports, their pictures and this page."""


def _section(sample: Sample) -> str:
    picture, page = (path.relative_to(PAGE.parent).as_posix() for path in (sample.folder / "first-screen.png", sample.page))
    headline = headline_of_sample(sample)
    return "\n\n".join([
        f"## {sample.title}", f"{headline}", f"[![First screen of the report: {headline}]({picture})]({page})",
        f"{sample.about} [Open the report]({page}).",
    ])  # fmt: skip


def headline_of_sample(sample: Sample) -> str:
    """Return the first sentence of a sample's page."""
    from audit.extensions.causes import sentences as causes
    from audit.extensions.mitigate.sentences import OUTCOMES, outcome_sentence
    from reports.text.comparison_headline import comparison_sentence
    from reports.text.error_rates import comparison_as_errors
    from reports.text.headline import headline_of

    facts = _read(sample)
    if sample.file == "comparison.json":
        verdict = comparison_sentence(comparison_as_errors(facts.comparisons[0]), facts.settings)
        text = verdict.with_word
    elif sample.file == "mitigation.json":
        text = f"{OUTCOMES[facts.outcome]}. {outcome_sentence(facts).sentence}"
    elif sample.file == "causes.json":
        text = f"{causes.WORDS[facts.effect]}. {causes.causes_headline(facts)}"
    else:
        headline = headline_of(facts.audits[0], facts.settings)
        text = f"{headline.word}. {headline.sentence} {headline.size}"
    return text.replace("\u00a0", " ").strip()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = argparse.ArgumentParser("python -m docs.tools.gallery", description="Makes the sample reports and the page that lists them.")
    parse.add_argument("names", nargs="*", metavar="NAME", help="samples to make (default: all)")
    parse.add_argument("--pages", action="store_true", help="render pages from the results in docs/samples, without running an audit")
    return parse


def main(words: list[str] | None = None) -> int:
    """Make the samples that are named, or all."""
    chosen = parser().parse_args(words)
    for sample in (sample for sample in SAMPLES if sample.name in chosen.names or not chosen.names):
        if not chosen.pages:
            make(sample)
        draw(sample)
    PAGE.write_text(listing(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
