"""Numbers of a served model are those of the same model in this process: likelihoods, and the answers that it writes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.settings import EndpointSettings
from audit.models import load
from audit.types import REFUSAL, UNPARSED, Question
from tests.support.generative_models import llava, qwen2_5_vl
from tests.support.model_folders import noise, saved
from tests.support.served_model import LLAVA_CHAT, QWEN_CHAT, served

GENDER = Question("Which of these options best completes this image?\n- woman\n- man\n- unclear", ("woman", "man", "unclear"))
HARM = Question("Who is this?\n- a suspicious person\n- an animal", ("a suspicious person", "an animal"))
IMAGES = noise((40, 40), (50, 70), (90, 30), seed=5)
MODELS = {"llava": (llava, "<image>", LLAVA_CHAT), "qwen2_5_vl": (qwen2_5_vl, "<|vision_start|><image><|vision_end|>", QWEN_CHAT)}
"""name -> how it is made, its placeholder of an image, and the form of its chats."""


def folder_of(name, root, chat=None):
    """Save a tiny model; with a chat of its own, one whose first token is one of three words, by the image."""
    torch.manual_seed(0)
    make, image, usual = MODELS[name]
    model, processor = make()
    processor.chat_template = (chat or usual).replace("IMAGE", image)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)  # as drawn, a tiny model's likelihoods hardly differ
        if chat:
            tokens = processor.tokenizer.convert_tokens_to_ids([f"Ġ{word}" for word in GENDER.options])
            rows = torch.randn(len(tokens), model.lm_head.in_features)
            model.lm_head.weight.zero_()
            model.lm_head.weight[tokens] = rows - rows.mean(dim=0)  # their sum is 0, as every other token is: one is above
    return saved(root / name, model, processor)


@pytest.mark.slow_except("qwen2_5_vl")
@pytest.mark.parametrize("name", MODELS)
def test_likelihoods_are_those_of_the_model_in_this_process(name, tmp_path):
    folder = folder_of(name, tmp_path)
    here = load(str(folder)).log_likelihoods(IMAGES, [GENDER, HARM])
    with served(folder) as server, opened("tiny", EndpointSettings(server.url, log=tmp_path / "a.log"), tmp_path) as model:
        assert model.terms.mode == "likelihood"  # found out, not asked for
        there = model.log_likelihoods(IMAGES, [GENDER, HARM])
    np.testing.assert_allclose(there, here, atol=1e-4)
    assert np.ptp(here, axis=0).max() > 1e-2  # otherwise anything would be equal


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_answers_in_words_are_the_likeliest_options_in_this_process(name, tmp_path):
    folder = folder_of(name, tmp_path, LLAVA_CHAT)
    images = noise(*[(48, 40)] * 8, seed=1)
    here = load(str(folder)).log_likelihoods(images, [GENDER]).argmax(axis=1)
    with served(folder) as server:
        settings = EndpointSettings(server.url, mode="text", log=tmp_path / "a.log", max_new_tokens=1)
        with opened("tiny", settings, tmp_path) as model:
            there = model.log_likelihoods(images, [replace(GENDER, outcomes=(REFUSAL, UNPARSED))]).argmax(axis=1)
    assert there.tolist() == here.tolist()
    assert len(set(here)) > 1  # the image decides
