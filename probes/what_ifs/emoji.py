"""Emoji: occupation accuracy by drawn gender and by skin tone. The images of an occupation stay in one half."""

from __future__ import annotations

from collections.abc import Sequence

from audit.plans import Combined, Direction, WhatIfPlan
from probes.what_ifs import neighbours

_NEUTRAL = {"person": ("person",), "human being": ("human being",)}


def plans(occupations: Sequence[str], genders: Sequence[str], tones: Sequence[str]) -> tuple[WhatIfPlan, ...]:
    """Return the plans.

    `genders` are words in front of an occupation ("man", "woman"; an occupation without one states none), `tones` words behind it
    ("light skin tone").
    """
    gendered: Combined = {(name, word or "none stated"): (f"{word} {name}".strip(),) for name in occupations for word in ("", *genders)}
    toned: Combined = {(name, tone): (f"{name} {tone}",) for name in occupations for tone in tones}
    first, last = tones[0], tones[-1]
    return (
        WhatIfPlan(
            "Occupation accuracy by gender",
            "occupation/accuracy/gender",
            _NEUTRAL,
            gendered,
            Direction(neighbours((*genders, "person")), tuple((f"{genders[0]} {name}", f"{genders[1]} {name}") for name in occupations)),
            cluster="occupation",
        ),
        WhatIfPlan(
            "Occupation accuracy by tone",
            "occupation/accuracy/tone",
            _NEUTRAL,
            toned,
            Direction(neighbours(tones), tuple((f"{name} {first}", f"{name} {last}") for name in occupations)),
            cluster="occupation",
        ),
    )
