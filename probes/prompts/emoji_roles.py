"""Roles drawn as a man and as a woman in five skin tones, and their CLDR names from the `emoji` package."""

from __future__ import annotations

import importlib.util
from functools import cache

NOUNS = (
    "artist", "astronaut", "construction worker", "cook", "detective", "elf", "factory worker", "fairy", "farmer", "firefighter", "guard",
    "health worker", "judge", "mage", "mechanic", "office worker", "pilot", "police officer", "scientist", "singer", "student", "superhero",
    "supervillain", "teacher", "technologist", "vampire",
)  # fmt: skip
DOING = (
    "biking", "bouncing ball", "bowing", "cartwheeling", "climbing", "dancing", "facepalming", "feeding baby", "frowning", "gesturing NO",
    "gesturing OK", "getting haircut", "getting massage", "golfing", "in lotus position", "in manual wheelchair", "in motorized wheelchair",
    "in steamy room", "in tuxedo", "juggling", "kneeling", "lifting weights", "mountain biking", "playing handball", "playing water polo",
    "pouting", "raising hand", "rowing boat", "running", "shrugging", "standing", "surfing", "swimming", "tipping hand", "walking",
    "wearing turban", "with veil", "with white cane",
)  # fmt: skip
"""Words after "man", "woman" or "person" in a name."""
ADJECTIVES = ("deaf", "pregnant")
ROLES = (*NOUNS, *DOING, *ADJECTIVES)
"""Occupations, fairy-tale figures, and activities, clothing or traits of a person."""
LANGUAGES = {
    "de": "German", "es": "Spanish", "fr": "French", "pt": "Portuguese", "it": "Italian", "tr": "Turkish", "ja": "Japanese",
    "zh": "Chinese",
}  # fmt: skip
"""Code of the `emoji` package -> language."""


def role_name(role: str, gender: str = "") -> str:
    """Return the name of a role, with or without a gender.

    Examples
    --------
    >>> role_name("judge"), role_name("biking"), role_name("deaf", "woman")
    ('judge', 'person biking', 'deaf woman')
    """
    if role in ADJECTIVES:
        return f"{role} {gender or 'person'}"
    return f"{gender} {role}".strip() if role in NOUNS else f"{gender or 'person'} {role}"


@cache
def names_in(language: str) -> dict[str, str]:
    """Return role -> gender-neutral name in a language, from the `emoji` package; empty if it is not installed."""
    if importlib.util.find_spec("emoji") is None:
        return {}
    import emoji

    emoji.config.load_language(language)
    wanted = {role_name(role): role for role in ROLES} | {role_name(role, "man"): role for role in ("dancing",)}
    names = {}
    for entry in emoji.EMOJI_DATA.values():
        role = wanted.get(entry["en"].strip(":").replace("_", " "))
        if role and language in entry and role not in names:
            names[role] = entry[language].strip(":").replace("_", " ")
    return names
