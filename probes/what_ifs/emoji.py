"""Emoji: role accuracy by drawn gender and by skin tone. All images of a role are in the same half."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.plans import Combined, Direction, WhatIfPlan
from probes.what_ifs import neighbours

_NEUTRAL = {"person": ("person",), "human being": ("human being",)}


def plans(roles: Sequence[str], genders: Sequence[str], tones: Sequence[str], named: Callable[[str, str], str]) -> tuple[WhatIfPlan, ...]:
    """Return the plans of the probe.

    `named` returns the name of a role with a gender ("man", "woman") or without; `tones` are words after it ("light skin tone").
    """
    gendered: Combined = {(role, word or "none stated"): (named(role, word),) for role in roles for word in ("", *genders)}
    toned: Combined = {(role, tone): (f"{named(role, '')} {tone}",) for role in roles for tone in tones}
    first, last = tones[0], tones[-1]
    return (
        WhatIfPlan(
            "Role accuracy by gender",
            "role/accuracy/gender",
            _NEUTRAL,
            gendered,
            Direction(neighbours((*genders, "person")), tuple((named(role, genders[0]), named(role, genders[1])) for role in roles)),
            cluster="role",
        ),
        WhatIfPlan(
            "Role accuracy by tone",
            "role/accuracy/tone",
            _NEUTRAL,
            toned,
            Direction(neighbours(tones), tuple((f"{named(role, '')} {first}", f"{named(role, '')} {last}") for role in roles)),
            cluster="role",
        ),
    )
