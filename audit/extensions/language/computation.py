"""Checks whether a model understands a language before any difference in it is reported.

Texts: each of about twenty pairs of words, such as a doctor and a dog, is compared with its English translation. A pair is right if both
words together are closer to their own translations than to each other's; by chance half of the pairs are. Most must be right, among all
pairs and among those about people. With 20 pairs and 16 needed, chance alone passes in .6 % of languages.

Images, for a dual encoder and data that say what they show: the prompts must tell women from men, and a person from a dog, better than
chance and at least half as far above it as the English prompts do. Two texts without meaning for the model also split the images somehow,
which is why images alone do not decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import LanguagePlan, PicturedContrast, WordContrast
from audit.errors import UsageError
from audit.extensions.language.record import ImageContrast, LanguageCheck, TextContrast
from audit.measure.zero_shot import cosine_scores, unit_vectors
from audit.records.inputs import TextSet
from audit.types import Dataset, Probe, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

MODELS = ("dual encoder", "text encoder")
LEAST_CONTRASTS, NEEDED = 16, 0.8
"""Minimum number of pairs of words, and the share of them that must be right."""
OF_ENGLISH = 0.5
"""Share of the English prompts' accuracy above chance that those of a language must reach."""
CHANCE, Z = 0.5, 1.96


def check(plans: Sequence[LanguagePlan], probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the plans before the model is used; raises UsageError."""
    for plan in plans:
        about_people = sum(contrast.people for contrast in plan.contrasts)
        if len(plan.contrasts) < LEAST_CONTRASTS or about_people < 5:
            what = f"{plan.question!r} has {len(plan.contrasts)} pairs of words, {about_people} of them about people"
            raise UsageError(what, fix=f"name {LEAST_CONTRASTS} at least, 5 of them about people")


def prompts(plan: LanguagePlan) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield the texts of all pairs."""
    pairs = (*plan.contrasts, *(pictured.contrast for pictured in plan.pictured))
    for name, texts in (
        (plan.language, [text for contrast in pairs for text in contrast.texts]),
        ("English", [text for contrast in pairs for text in contrast.english]),
    ):
        yield TextSet("check of the language", (plan.question,), plan.preset, name, ()), texts


def analyse(plans: Sequence[LanguagePlan], inputs: AnalysisInputs) -> tuple[LanguageCheck, ...]:
    """Check each language."""
    return tuple(_checked(plan, inputs) for plan in plans)


def is_met(records: Sequence[LanguageCheck]) -> bool:
    """Whether the model understands every language."""
    return all(record.understood for record in records)


def _checked(plan: LanguagePlan, inputs: AnalysisInputs) -> LanguageCheck:
    texts = tuple(_text_contrast(contrast, inputs.texts) for contrast in plan.contrasts)
    images = tuple(filter(None, (_image_contrast(pictured, inputs) for pictured in plan.pictured)))
    right = [contrast.right for contrast in texts]
    of_people = [contrast.right for contrast in texts if contrast.people]
    understood = min(np.mean(right), np.mean(of_people)) >= NEEDED - 1e-9 and all(contrast.passed for contrast in images)
    others = [measurement.question for measurement in inputs.probe.measurements]
    others += [other.question for other in inputs.probe.analyses if not isinstance(other, LanguagePlan)]
    withheld = () if understood else tuple(dict.fromkeys(others))
    return LanguageCheck(plan.question, plan.code, plan.language, bool(understood), NEEDED, texts, images, withheld)


def _text_contrast(contrast: WordContrast, texts: Mapping[str, Float[np.ndarray, "d"]]) -> TextContrast:
    own, english = (unit_vectors(np.stack([texts[text] for text in pair])) for pair in (contrast.texts, contrast.english))
    right = closer_to_own(own, english)
    return TextContrast(contrast.name, contrast.texts, contrast.english, contrast.people, right)


def closer_to_own(own: Float[np.ndarray, "2 d"], english: Float[np.ndarray, "2 d"]) -> bool:
    """Whether two unit vectors together are closer to their translations than to each other's; a tie is wrong.

    Examples
    --------
    >>> axes = np.eye(2)
    >>> closer_to_own(axes, axes), closer_to_own(axes[::-1], axes), closer_to_own(axes[[0, 0]], axes)
    (True, False, False)
    """
    return bool((own[0] - own[1]) @ (english[0] - english[1]) > 1e-9)


def _image_contrast(pictured: PicturedContrast, inputs: AnalysisInputs) -> ImageContrast | None:
    """None without images, without the attribute, or with too few images of either value."""
    attributes, contrast = inputs.attributes, pictured.contrast
    if not len(attributes) or (pictured.attribute and pictured.attribute not in attributes):
        return None
    if pictured.attribute:
        column = attributes[pictured.attribute].to_numpy(object)
        groups = [np.flatnonzero(column == level) for level in pictured.levels]
    else:
        groups = [np.arange(len(attributes))]
    if min(map(len, groups)) < inputs.settings.min_group_size:
        return None
    vectors = inputs.images.vectors
    shares, low = right_share(_firsts(contrast.texts, inputs.texts, vectors), groups)
    english, _ = right_share(_firsts(contrast.english, inputs.texts, vectors), groups)
    passed = low > CHANCE and shares - CHANCE >= OF_ENGLISH * (english - CHANCE)
    images = sum(map(len, groups))
    return ImageContrast(
        contrast.name, contrast.texts, contrast.english, pictured.attribute, images, shares, low, english, bool(passed)
    )  # fmt: skip


def _firsts(pair: tuple[str, str], texts: Mapping[str, Float[np.ndarray, "d"]], vectors: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, "n"]:
    """Whether each image is closer to the first text."""
    scores = cosine_scores(vectors, np.stack([texts[text] for text in pair]))
    return np.asarray(scores[:, 0] > scores[:, 1])


def right_share(firsts: Bool[np.ndarray, "n"], groups: Sequence[np.ndarray]) -> tuple[float, float]:
    """Mean share of right answers over the groups, and the lower bound of its 95 % interval.

    `groups` are the images for which the first answer is right, then those for which the second is. Images count as independent.

    Examples
    --------
    Of 100 women 90 are called women, of 100 men 30: 90 % and 70 % are right.

    >>> share, low = right_share(np.arange(200) % 100 < np.repeat([90, 30], 100), [np.arange(100), np.arange(100, 200)])
    >>> round(share, 3), round(low, 3)
    (0.8, 0.746)
    """
    right = [float(firsts[rows].mean()) if place == 0 else float(1 - firsts[rows].mean()) for place, rows in enumerate(groups)]
    sizes = [len(rows) for rows in groups]
    shrunk = [(share * n + 1) / (n + 2) for share, n in zip(right, sizes, strict=True)]  # a share of 1 is not certain
    variance = sum(share * (1 - share) / n for share, n in zip(shrunk, sizes, strict=True)) / len(groups) ** 2
    mean = float(np.mean(right))
    return mean, float(mean - Z * np.sqrt(variance))
