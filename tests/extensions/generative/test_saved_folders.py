"""A folder that the installed transformers saved is read as transformers reads it: models of the tests, and others that the docs name."""

import numpy as np
import pytest
import torch
import transformers as hf

from audit.extensions.generative.processor import load_processor
from audit.models import load
from audit.types import Question
from tests.support.generative_models import CAUSAL, ENCODER_DECODER, ROPE, SEEN, TEXT, chat, tokenizer
from tests.support.model_folders import noise, saved
from tests.support.tiers import first


def qwen2_vl():
    words = tokenizer("<|vision_start|>", "<|vision_end|>", image_token="<image>", video_token="<video>")
    names = {"image_token_id": "<image>", "video_token_id": "<video>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    seen = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "patch_size": 8, "mlp_ratio": 2}
    config = hf.Qwen2VLConfig(
        text_config={**TEXT, "vocab_size": len(words), "rope_parameters": ROPE},
        vision_config=seen,
        **{name: words.convert_tokens_to_ids(token) for name, token in names.items()},
    )
    pixels = hf.Qwen2VLImageProcessor(patch_size=8, merge_size=2, min_pixels=256, max_pixels=4096)
    video = hf.Qwen2VLVideoProcessor(patch_size=8, merge_size=2)
    template = chat("<|vision_start|><image><|vision_end|>")
    return hf.Qwen2VLForConditionalGeneration(config), hf.Qwen2VLProcessor(pixels, words, video, chat_template=template)


def llava_onevision():
    words = tokenizer(image_token="<image>", video_token="<video>")
    config = hf.LlavaOnevisionConfig(
        vision_config=hf.SiglipVisionConfig(**SEEN),
        text_config=hf.LlamaConfig(**TEXT, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[32, 32], [32, 64]],
    )
    pixels = hf.LlavaOnevisionImageProcessor(size={"height": 32, "width": 32}, image_grid_pinpoints=[[32, 32], [32, 64]])
    video = hf.LlavaOnevisionVideoProcessor(size={"height": 32, "width": 32})
    options = {"num_image_tokens": 16, "vision_feature_select_strategy": "full", "chat_template": chat("<image>")}
    return hf.LlavaOnevisionForConditionalGeneration(config), hf.LlavaOnevisionProcessor(pixels, words, video, **options)


def git():
    """It reads the image without a placeholder, and its images go through CLIP's processor."""
    words = tokenizer()
    text = {name: TEXT[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
    config = hf.GitConfig(vision_config={**SEEN}, **text, vocab_size=len(words), max_position_embeddings=512, pad_token_id=0)
    pixels = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return hf.GitForCausalLM(config), hf.GitProcessor(pixels, words)


MADE = {**CAUSAL, **ENCODER_DECODER, **{make.__name__: make for make in (qwen2_vl, llava_onevision, git)}}
ASKED = Question("Is it a man or an animal?", ("a man", "an animal"))


@pytest.fixture(scope="module", params=first(["florence2", "llava_onevision", "git"], of=MADE))  # of the others tests ask more
def folder(request, tmp_path_factory):
    torch.manual_seed(0)
    model, processor = MADE[request.param]()
    for weight in model.parameters():
        weight.data.mul_(3)  # as drawn, a tiny model's answers hardly differ
    return saved(tmp_path_factory.mktemp("saved") / request.param, model, processor)


@pytest.mark.slow_except("git")
def test_its_processor_makes_of_images_and_texts_what_transformers_own_does(folder):
    ours, theirs = load_processor(folder, hf.AutoConfig.from_pretrained(folder)), hf.AutoProcessor.from_pretrained(folder)
    assert type(ours) is type(theirs)
    assert ours.get_attributes() == theirs.get_attributes()
    assert ours.to_dict() == theirs.to_dict()
    assert getattr(ours, "chat_template", None) == getattr(theirs, "chat_template", None)
    # Florence-2's puts the image first by itself.
    mark = "" if folder.name == "florence2" else str(getattr(theirs, "boi_token", None) or getattr(theirs, "image_token", None) or "")
    for image in noise((64, 64), (90, 40)):
        read = [each(images=[image], text=[f"{mark} a man"], return_tensors="pt") for each in (ours, theirs)]
        assert read[0].keys() == read[1].keys()
        for name, value in read[0].items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(read[1][name])), name


@pytest.mark.slow_except("florence2", "git")
def test_it_is_loaded_and_answers(folder):
    rows = load(str(folder)).log_likelihoods(noise((64, 64), (90, 40)), [ASKED])
    assert rows.shape == (2, 2)
    assert np.isfinite(rows).all()
    assert np.ptp(rows, axis=1).min() > 0
