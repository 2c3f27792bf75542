"""Every Hugging Face family: a tiny random model gives the scores of transformers' own documented use of it."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from audit.embedding.context import CountingEncoder
from audit.errors import DataError
from audit.measure.zero_shot import cosine_scores, probabilities
from audit.models import load
from tests.support.attacks import assert_is_attacked
from tests.support.folded import folded_towers
from tests.support.model_families import MADE, PROMPTS, chinese_clip, clip_images, documented, random_folder, text, vision
from tests.support.model_folders import all_faces, edited, letters_tokenizer, noise_and_colours, refused, saved
from tests.support.notes import sentences

torch.set_num_threads(1)


@pytest.fixture(scope="module", params=MADE)
def family(request, tmp_path_factory):
    """Return the name of a family and a folder with a random model of it."""
    return request.param, random_folder(request.param, tmp_path_factory.mktemp("models") / request.param)


def made_up_images():
    return noise_and_colours((55, 77))


def ours(name, encoder, images):
    cosines = cosine_scores(encoder.encode_images(images), encoder.encode_texts(PROMPTS))
    return cosines if name == "blip" else probabilities(cosines, encoder.record)


def assert_same_scores(family, images):
    name, folder = family
    scores, wanted = ours(name, load(str(folder)), images), documented(name, folder, images, PROMPTS)
    assert np.abs(scores - wanted).max() < 1e-5
    assert np.ptp(wanted, axis=1).min() > 1e-3  # texts do get different scores
    assert np.ptp(wanted, axis=0).max() > 1e-3  # and so do images


@pytest.mark.slow_except("siglip")
def test_made_up_images_get_the_documented_scores(family):
    assert_same_scores(family, made_up_images())


@pytest.mark.slow_except("align")
def test_a_family_is_attacked_where_it_takes_whole_pixels(family):
    """SigLIP 2 of many sizes takes patches instead, and ALIGN's pixels are divided twice."""
    name, folder = family
    encoder, images = load(str(folder)), made_up_images()
    if name in ("siglip2_naflex", "align"):
        assert encoder.attacked(images, encoder.encode_texts(PROMPTS[:2]), [0] * len(images), 1.0, 1) is None
    else:
        assert_is_attacked(encoder, images, PROMPTS)


@pytest.mark.slow
@pytest.mark.faces
def test_180_faces_get_the_documented_scores(family, fairface_dir):
    assert_same_scores(family, all_faces(fairface_dir))


@pytest.mark.slow_except("siglip")
def test_what_shares_a_batch_does_not_matter(family):
    """Padding is masked, or always there: a text's feature is its own."""
    encoder, images = load(str(family[1])), made_up_images()[:4]
    alone = np.concatenate([encoder.encode_texts([prompt]) for prompt in PROMPTS])
    np.testing.assert_allclose(encoder.encode_texts(PROMPTS), alone, atol=2e-5)
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    np.testing.assert_allclose(encoder.encode_images(images), alone, atol=2e-5)


@pytest.mark.slow_except("siglip", "align", "altclip", "blip")
def test_the_record_names_the_class_and_case_matters_where_the_tokenizer_says_so(family, caplog):
    name, folder = family
    caplog.set_level(logging.WARNING)
    encoder = load(str(folder))
    lower, upper = encoder.encode_texts(["a man"]), encoder.encode_texts(["A Man"])
    assert np.array_equal(lower, upper) == (name not in ("metaclip_2", "altclip"))
    record = encoder.record
    classes = {"siglip": "SiglipModel", "siglip2": "SiglipModel", "siglip2_naflex": "Siglip2Model", "align": "AlignModel",
               "metaclip_2": "MetaClip2Model", "altclip": "AltCLIPModel", "chinese_clip": "ChineseCLIPModel",
               "blip": "BlipForImageTextRetrieval"}  # fmt: skip
    assert record.kind == f"Hugging Face {classes[name]}"
    assert record.score_rule == ("sigmoid" if "siglip" in name else "softmax")
    assert bool(caplog.text) == (name == "blip")  # its temperature is a guess, and said aloud
    assert name != "blip" or ("no temperature" in caplog.text and record.logit_scale == 1)


@pytest.mark.slow_except("blip-64")
@pytest.mark.parametrize(("name", "tokens"), [("altclip", 40), ("align", 64), ("blip", 64), ("metaclip_2", 40)])
def test_the_longest_text_that_fits_is_read_and_the_next_refused(name, tokens, tmp_path):
    model, processor = MADE[name]()
    processor.tokenizer.model_max_length = 10**30  # as in many folders: then the model's own table decides
    encoder = load(str(saved(tmp_path / name, model.eval(), processor)))
    count = next(n for n in range(1, 99) if len(encoder.tokenizer("x " * n)["input_ids"]) == tokens)
    assert np.isfinite(encoder.encode_texts(["x " * count])).all()
    assert (isinstance(encoder, CountingEncoder), encoder.count_tokens(["x " * count]), encoder.context) == (True, [tokens], tokens)
    with pytest.raises(DataError, match="too long"):
        encoder.encode_texts(["x " * (count + 1)])


# A family that no test covers


def clipseg(folder):
    words = letters_tokenizer()
    read = text(words, 40, eos_token_id=len(words) - 1, bos_token_id=len(words) - 2)
    torch.manual_seed(0)
    config = transformers.CLIPSegConfig(text_config=read, vision_config=vision(), projection_dim=16)
    return saved(folder, transformers.CLIPSegModel(config).eval(), transformers.CLIPProcessor(clip_images(), words))


def test_another_family_is_read_with_a_loud_warning(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    encoder = load(str(clipseg(tmp_path / "clipseg")))
    assert "uessed" in caplog.text  # a code here; an audit logs the sentence
    assert "clipseg" in caplog.text
    assert any(note.startswith("Guessed") and "clipseg" in note for note in sentences(encoder.record.notes))
    assert encoder.encode_images(made_up_images()[:2]).shape == (2, 16)


# Every family is compared with the model's own logits when it is loaded


def test_a_family_whose_logits_are_something_else_than_scale_times_cosine_is_refused(tmp_path, monkeypatch):
    model, processor = chinese_clip()
    folder, texts = saved(tmp_path / "other", model.eval(), processor), ["a photo", "a dog"]
    encoder, images = load(str(folder)), made_up_images()[:3]
    assert encoder.record.score_rule == "softmax"
    cosines = cosine_scores(encoder.encode_images(images), encoder.encode_texts(texts))
    np.testing.assert_allclose(encoder.record.logit_scale * cosines, encoder.logits(images, texts), atol=1e-4)
    forward = transformers.ChineseCLIPModel.forward

    def other(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        output.logits_per_image = output.logits_per_image * 2
        return output

    monkeypatch.setattr(transformers.ChineseCLIPModel, "forward", other)
    refused(folder, DataError, "not those of its embeddings")


@pytest.mark.slow_except("altclip")
def test_quick_gelu_is_folded_in_the_towers_that_have_it(family):
    """By default: both towers of MetaCLIP 2, the image tower of AltCLIP and of Chinese CLIP, whose text tower is a BERT."""
    name, folder = family
    both = {"metaclip_2": {"image", "text"}, "altclip": {"image"}, "chinese_clip": {"image"}}
    assert folded_towers(load(str(folder)), PROMPTS) == both.get(name, set())


def test_settings_that_no_code_of_the_family_reads_are_left_out_and_named(tmp_path):
    folder = random_folder("clip", tmp_path / "clip")
    before = load(str(folder)).record
    edited(folder / "config.json", {"text_config.turbo": True, "made_by": {"name": "me"}})
    after = load(str(folder)).record
    (note,) = sentences(after.notes)
    assert note == "Settings of config.json that no code of the model's family reads were left out: 2 (text_config.turbo, made_by)."
    assert after == replace(before, notes=after.notes)
