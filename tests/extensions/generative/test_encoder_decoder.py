"""Classes with an encoder and a decoder: likelihoods as transformers' own losses, the refusal of others, and what is written."""

from functools import partial

import numpy as np
import pytest
import torch
import transformers as hf

from audit.errors import DataError
from audit.extensions.generative import folder as generative
from audit.extensions.generative.encoder_decoder import FAMILIES, answer_start
from audit.types import Question
from tests.support.generative_models import ENCODER_DECODER, florence2
from tests.support.model_folders import edited, noise, refused, saved
from tests.support.notes import sentences

WHO = Question("Who is this?\n- man\n- a suspicious person", ("man", "a suspicious person", "unclear"))
START = {"florence2": ("<end>", "<s>"), "blip2_t5": ("<pad>",), "instructblip_t5": ("<pad>",), "t5gemma2": ("<bos>",)}
"""What the decoder of each reads before an answer, by hand: of BART the end of a text and the start of one, of T5 the padding."""


def read_by_transformers(folder, image, text):
    model, processor = hf.AutoModelForImageTextToText.from_pretrained(folder).eval(), hf.AutoProcessor.from_pretrained(folder)
    return model, processor.tokenizer, dict(processor(images=[image], text=[text], return_tensors="pt"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODER_DECODER)
def test_the_likelihood_of_an_option_is_transformers_own_loss_of_its_tokens_as_labels(models, folders, name):
    light, dark = noise((50, 70), (50, 70), seed=5)
    rows = models(name).log_likelihoods([light, dark], [WHO])
    assert np.abs(rows[0] - rows[1]).max() > 1e-3  # it looks at the image
    model, tokenizer, inputs = read_by_transformers(folders(name), light, models(name).prompt(WHO).text)
    start = [tokenizer.convert_tokens_to_ids(mark) for mark in START[name]]
    assert models(name).scorer.start == tuple(start)
    for option, score in zip(WHO.options, rows[0], strict=True):
        words = tokenizer(option, add_special_tokens=False)["input_ids"]
        # Labels are an answer between the tokenizer's special tokens; only its own words count.
        labels = torch.tensor([[*start[1:], *words, tokenizer.eos_token_id]])
        counted = torch.tensor([[*[-100] * len(start[1:]), *words, -100]])
        shifted = torch.tensor([[*start, *words]])
        with torch.inference_mode():
            own, loss = model(**inputs, labels=labels), model(**inputs, decoder_input_ids=shifted, labels=counted).loss
            torch.testing.assert_close(own.logits, model(**inputs, decoder_input_ids=shifted).logits)  # transformers shifts as we do
        assert score == pytest.approx(-float(loss), abs=1e-5)


@pytest.mark.slow_except("blip2_t5")
@pytest.mark.parametrize("name", ENCODER_DECODER)
def test_image_and_question_are_encoded_once_and_each_option_costs_its_own_tokens(models, name):
    model, images = models(name), noise((50, 70), (90, 30), seed=5)
    assert model.reuse == "question"
    reused = model.log_likelihoods(images, [WHO, Question("Is it an animal?", ("an animal", "no"))])
    model.reuse = "nothing"
    try:
        full = model.log_likelihoods(images, [WHO, Question("Is it an animal?", ("an animal", "no"))])
    finally:
        model.reuse = "question"
    np.testing.assert_allclose(reused, full, atol=1e-5)


@pytest.mark.slow_except("florence2", "blip2_t5")
@pytest.mark.parametrize("name", ENCODER_DECODER)
def test_what_is_written_is_the_most_likely_token_again_and_again(models, name, monkeypatch):
    model, (image,) = models(name), noise((50, 70), seed=5)
    monkeypatch.setattr(model, "max_new_tokens", 6)
    ((text,),) = model.write([image], ["What does the image describe?"])
    inputs, ids = model.read(image, model.prompt(Question("What does the image describe?", ()))), []
    with torch.inference_mode():
        while len(ids) < 6 and model._tokenizer.eos_token_id not in ids:
            ids.append(int(model.scorer.chances_along(inputs, [*ids, 0])[0, -1].argmax()))
    assert text == model._tokenizer.decode(ids, skip_special_tokens=True).strip()


def test_florence_is_asked_in_bare_words_and_t5_as_it_was_trained_and_the_record_says_so(models):
    assert "“{question}”" in sentences(models("florence2").record.asked)[0]
    assert "“Question: {question} Answer:”" in sentences(models("blip2_t5").record.asked)[0]
    for name in ("florence2", "blip2_t5"):
        assert "decoder" in sentences(models(name).record.asked)[1]
    assert any("trained on tasks" in sentence for sentence in sentences(models("florence2").record.notes))
    assert not any("trained on tasks" in sentence for sentence in sentences(models("blip2_t5").record.notes))


@pytest.mark.parametrize("config", [hf.Pix2StructConfig, hf.UdopConfig, hf.VisionEncoderDecoderConfig])
def test_a_class_whose_encoder_reads_no_question_is_refused(config, tmp_path):
    parts = {"encoder": hf.ViTConfig(), "decoder": hf.BartConfig()} if config is hf.VisionEncoderDecoderConfig else {}
    with pytest.raises(DataError, match="reads no question") as caught:
        generative._architecture(config(**{name: part.to_dict() for name, part in parts.items()}), tmp_path)
    assert all(family in str(caught.value) for family in FAMILIES)


def test_a_decoder_without_a_start_is_refused(tmp_path):
    model, processor = florence2()
    nothing = {"decoder_start_token_id": None, "bos_token_id": None}
    saved(tmp_path, model, processor)
    edited(tmp_path / "config.json", {f"text_config.{name}": value for name, value in nothing.items()})
    edited(tmp_path / "generation_config.json", nothing)
    refused(tmp_path, DataError, "with which token an answer begins")


def test_what_a_decoder_begins_with_is_said_once():
    class Made:  # a model whose start is the token that its tokenizer puts before every text
        generation_config = type("", (), {"decoder_start_token_id": 7})
        config = type("", (), {"model_type": "t5gemma2", "get_text_config": lambda *_, **__: None})

    def tokenizer(lead, text, add_special_tokens):
        return {"input_ids": [*lead, 3, 1] if add_special_tokens else [3]}

    assert [answer_start(Made, partial(tokenizer, lead)) for lead in ([7], [5], [])] == [(7,), (7, 5), (7,)]
