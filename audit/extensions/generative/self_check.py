"""Tests at load time how much of a model's computation can be reused: the numbers must equal those of full passes."""

from __future__ import annotations

import logging

import numpy as np
import torch
from PIL import Image

from audit.errors import AuditError, DataError
from audit.extensions.generative.model import TOKENS_AT_ONCE, GenerativeModel, Reuse
from audit.models.runtime import out_of_memory
from audit.types import Note, Question

log = logging.getLogger("audit")
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}
"""Maximum difference between reuse and full passes, in nats per token. A wrong cache or position causes larger ones."""
_LONG_LIST = "\n".join(f"- a person {i}" for i in range(20))
SAMPLE_QUESTIONS = (
    Question(f"Which of these options best describes this image?\n{_LONG_LIST}", ("a person", "unclear")),
    Question("Look at the image. Is it a person or a drawing of a house?", ("a drawing of a house",)),
)


def choose_reuse(model: GenerativeModel) -> Note:
    """Try a model out and set how it is used; returns a note. Raises DataError if its answers ignore the image or it reads ahead."""
    light, wide = _picture((112, 84), 0), _picture((300, 100), 40)
    model.tokens_at_once = 0  # each image alone
    with torch.inference_mode():
        _require_image_use(model, light, _picture((112, 84), 120))
        _choose_answer_type(model, light)
        prompts = list(map(model.prompt, SAMPLE_QUESTIONS))
        full = [
            np.concatenate([model.scorer.in_full(model.read(image, prompt), prompt.options)[0] for prompt in prompts])
            for image in (light, wide)
        ]
    tolerance, reasons = TOLERANCE[model.record.dtype], []
    reuses: tuple[Reuse, ...] = ("all", "question")
    for reuse in reuses:
        model.reuse = reuse
        try:
            reused = [model.log_likelihoods([image], SAMPLE_QUESTIONS)[0] for image in (light, wide)]
        except AuditError:
            raise
        except Exception as error:  # the class may use its cache differently and raise anything; full passes are right
            if out_of_memory(error):
                raise
            reasons.append(type(error).__name__)
            continue
        if reuse == "all" and not model.shares_image:
            continue  # the questions come before the image, or the processor puts words after them
        worst = float(np.abs(np.subtract(reused, full)).max())
        if worst <= tolerance:
            return Note("image_read_once" if reuse == "all" else "question_read_once", {"tolerance": tolerance})
        reasons.append(f"off by {worst:.1g} nats a token")
    model.reuse = "nothing"
    log.warning("%s: its cache cannot be reused (%s): every option takes a full forward pass", model.record.name, "; ".join(reasons))
    return Note("cache_not_reused", {"reasons": tuple(reasons)})


def choose_batches(model: GenerativeModel) -> None:
    """Let images be read together, if that gives the same numbers as each alone."""
    pictures = [_picture((112, 84), 0), _picture((112, 84), 120), _picture((300, 100), 40)]
    alone = np.concatenate([model.log_likelihoods([picture], SAMPLE_QUESTIONS) for picture in pictures])
    model.tokens_at_once, reason = TOKENS_AT_ONCE, ""
    try:
        worst = float(np.abs(model.log_likelihoods(pictures, SAMPLE_QUESTIONS) - alone).max())
    except AuditError:
        raise
    except Exception as error:  # as above: a class that takes one image at a time may raise anything
        if out_of_memory(error):
            raise
        reason = type(error).__name__
    else:
        reason = f"off by {worst:.1g} nats a token" if worst > TOLERANCE[model.record.dtype] else ""
    if reason:
        model.tokens_at_once = 0
        log.warning("%s: images cannot be read together (%s): each is read alone", model.record.name, reason)


def _require_image_use(model: GenerativeModel, first: Image.Image, second: Image.Image) -> None:
    prompt = model.prompt(SAMPLE_QUESTIONS[0])
    seen = [model.scorer.chances_along(model.read(image, prompt), prompt.options[0][:1]) for image in (first, second)]
    if seen[0].equal(seen[1]):
        why = "two different images gave bit-identical likelihoods: its template or processor drops the image"
        fix = "check chat_template.jinja and processor_config.json, or leave this model out"
        raise DataError(f"the answers of {model.record.name} do not depend on the image", why=why, fix=fix)


def _choose_answer_type(model: GenerativeModel, image: Image.Image) -> None:
    """Find the token type with which an answer attends only to earlier tokens."""
    prompt = model.prompt(SAMPLE_QUESTIONS[1])
    inputs, option = model.read(image, prompt), prompt.options[0]
    alone = model.scorer.chances_along(inputs, option[:1])[0, 0]
    for kind in (None, 1):
        model.scorer.answer_type = kind
        if float((model.scorer.chances_along(inputs, option)[0, 0] - alone).abs().max()) <= TOLERANCE[model.record.dtype]:
            return
    why = "the likelihood of an option's first token depends on the tokens after it: this is not a causal model"
    raise DataError(f"{model.record.name} reads an answer before it gives it", why=why, fix="leave this model out")


def _picture(size: tuple[int, int], shift: int) -> Image.Image:
    """A synthetic image: colour gradients in both directions."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    return Image.fromarray(((pixels + shift) % 256).astype(np.uint8))
