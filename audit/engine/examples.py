"""Adds thumbnails to the report: the images whose answers were least certain, only on request; and right and wrong answers, if the data
say that their images may be shown.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from audit.engine.probe_audit import AuditedProbe
from audit.records.finding import pair_of
from audit.results import AnsweredImage, AnsweredImages, Example, Finding
from audit.statistics.null import generator
from audit.statistics.severity import worst_first
from audit.types import UNKNOWN, Dataset, Group, Predictions
from strictio.images.decoders import Decoders

MOST_GROUPS, OF_EACH_KIND = 6, 3
SIDE = 64
"""Longest side of a thumbnail in pixels: enough to see what kind of image it is, too little to be worth stealing."""


def with_examples(audited: AuditedProbe, dataset: Dataset, most: int) -> AuditedProbe:
    """Add at most `most` thumbnails for the first measurement, those with the smallest margin between two answers first.

    A thumbnail is re-encoded from the pixels, with at most 64 on a side: no metadata of the file survives. It has no name and no
    answer, since a label under a recognisable face is a claim about a person.
    """
    if not audited.predictions:
        return audited  # a probe of texts alone answers about no image
    name, predictions = next(iter(audited.predictions.items()))
    rows = dataset.attributes.index.get_indexer(predictions.attributes.index)
    uncertain = np.argsort(predictions.margin, kind="stable")[:most]
    with Decoders(1) as decoders:
        examples = tuple(Example(name, thumbnail(decoders.decode(dataset.images[int(rows[i])]).image)) for i in uncertain)
    return replace(audited, result=replace(audited.result, examples=examples))


def with_pictures(audited: AuditedProbe, dataset: Dataset, seed: int) -> AuditedProbe:
    """Add, for the groups of the finding that leads the report, three images with a right and three with a wrong answer.

    They are drawn at random, not chosen. At most `MOST_GROUPS` groups, first the two that the finding names. Only for data whose images
    may be shown (`Dataset.showable`); faces of real people never are.
    """
    judged = [finding for finding in audited.result.findings if finding.primary and finding.gap]
    finding = next(iter(worst_first(judged)), None)
    if finding is None or finding.measurement not in audited.predictions or not dataset.showable:
        return audited
    predictions = audited.predictions[finding.measurement]
    outcomes = {record.name: record.outcomes for record in audited.result.measurements}
    outcome = outcomes.get(finding.measurement, {}).get(finding.outcome or "", ())
    drawn = _drawn(finding, predictions, outcome, generator(seed, f"pictures of {finding.id}"))
    at = dataset.attributes.index.get_indexer(predictions.attributes.index)
    with Decoders(1) as decoders:
        pictures = tuple(
            AnsweredImage(
                group,
                right,
                None if predictions.y_true is None else str(predictions.y_true[row]),
                str(predictions.y_pred[row]),
                thumbnail(decoders.decode(dataset.images[int(at[row])]).image),
            )
            for group, right, row in drawn
        )
    return replace(audited, result=replace(audited.result, pictures=AnsweredImages(finding.id, pictures)))


def _drawn(finding: Finding, predictions: Predictions, outcome: Group, rng: np.random.Generator) -> Iterator[tuple[Group, bool, int]]:
    """Yield group, whether the answer is right, and row of each image to show; an image of unknown truth is not shown."""
    answers, truth = predictions.y_pred, predictions.y_true
    right = np.isin(answers, outcome) if truth is None else answers == truth
    known = np.ones(len(answers), bool) if truth is None else truth != UNKNOWN
    named = pair_of(finding.gap) if finding.gap else ()
    named = named[::-1] if finding.better == "high" else named  # the worse first, as on the page
    compared = [rate.group for rate in finding.by_group if rate.status == "ok"]
    for group in list(dict.fromkeys([*named, *compared]))[:MOST_GROUPS]:
        inside = known.copy()
        for name, level in zip(finding.attributes, group, strict=True):
            inside &= (predictions.attributes[name] == level).to_numpy()
        for wanted in (True, False):
            rows = np.flatnonzero(inside & (right == wanted))
            for row in np.sort(rng.permutation(rows)[:OF_EACH_KIND]).tolist():
                yield group, wanted, row


def thumbnail(image: Image.Image) -> str:
    """Encode an image as a small JPEG in base64, without its metadata."""
    image = image.copy()
    image.thumbnail((SIDE, SIDE))
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
