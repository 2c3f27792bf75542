"""Every Hugging Face family: a tiny random model gives the scores of transformers' own documented use of it."""

import logging

import numpy as np
import pytest
import torch
import transformers

from audit.embedding.context import CountingEncoder
from audit.errors import DataError
from audit.measure.zero_shot import cosine_scores, probabilities
from audit.models import load
from tests.support.attacks import assert_is_attacked
from tests.support.model_folders import all_faces, letters_tokenizer, noise_and_colours, refused, saved
from tests.support.notes import sentences

torch.set_num_threads(1)
PROMPTS = ["a photo of a woman", "a photo of a Man, at work", "a thief", "an Animal", "A photo of the office of a chief"]
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIZE = {"height": 48, "width": 48}


def bert():
    """It lowers case."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return transformers.BertTokenizer(vocab={word: number for number, word in enumerate(words)}, model_max_length=64)


def xlm():
    """It does not lower case: a capital is another word."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "\u2581"]
    pieces = [(piece, 0.0) for piece in special] + [(letter, -5.0) for letter in LETTERS + "AM"]
    return transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=40)


def gemma():
    """SigLIP 2's: lower case, and no mask."""
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "\u2581", *LETTERS]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    settings = {"padding_side": "right", "model_input_names": ["input_ids"], "model_max_length": 64}
    return transformers.Siglip2Tokenizer(vocab=vocabulary, merges=[], **settings)


def clip_images():
    return transformers.CLIPImageProcessor(size={"shortest_edge": 48}, crop_size=SIZE)


def vision(**more):
    return {**TOWER, "image_size": 48, "patch_size": 16, **more}


def text(words, length=64, **more):
    return {**TOWER, "vocab_size": len(words), "max_position_embeddings": length, **more}


def siglip2():
    words = gemma()
    config = transformers.SiglipConfig(text_config=text(words, projection_size=32), vision_config=vision())
    return transformers.SiglipModel(config), transformers.SiglipProcessor(transformers.SiglipImageProcessor(size=SIZE), words)


def siglip2_naflex():
    words = gemma()
    seen = {**TOWER, "patch_size": 16, "num_patches": 256}
    config = transformers.Siglip2Config(text_config=text(words, projection_size=32), vision_config=seen)
    images = transformers.Siglip2ImageProcessor(patch_size=16, max_num_patches=256)
    return transformers.Siglip2Model(config), transformers.Siglip2Processor(images, words)


def metaclip_2():
    words = xlm()
    ends = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    config = transformers.MetaClip2Config(text_config=text(words, 40, **ends), vision_config=vision(), projection_dim=16)
    return transformers.MetaClip2Model(config), transformers.CLIPProcessor(clip_images(), words)


def align():
    words = bert()
    blocks = {"in_channels": [32, 16], "out_channels": [16, 24], "kernel_sizes": [3, 3], "strides": [1, 2], "num_block_repeats": [1, 1]}
    image = {**blocks, "expand_ratios": [1, 6], "image_size": 48, "hidden_dim": 64, "width_coefficient": 1.0, "depth_coefficient": 1.0}
    config = transformers.AlignConfig(text_config=text(words), vision_config=image, projection_dim=24, temperature_init_value=0.05)
    images = transformers.EfficientNetImageProcessor(size=SIZE, crop_size=SIZE)
    return transformers.AlignModel(config), transformers.AlignProcessor(images, words)


def altclip():
    words = xlm()
    read = text(words, 42, project_dim=24, pad_token_id=1)
    config = transformers.AltCLIPConfig(text_config=read, vision_config=vision(), projection_dim=16)
    return transformers.AltCLIPModel(config), transformers.AltCLIPProcessor(clip_images(), words)


def chinese_clip():
    words = bert()
    config = transformers.ChineseCLIPConfig(text_config=text(words), vision_config=vision(), projection_dim=16)
    images = transformers.ChineseCLIPImageProcessor(size=SIZE, crop_size=SIZE)
    return transformers.ChineseCLIPModel(config), transformers.ChineseCLIPProcessor(images, words)


def blip():
    words = bert()
    read = text(words, encoder_hidden_size=32, pad_token_id=0)
    config = transformers.BlipConfig(text_config=read, vision_config=vision(), image_text_hidden_size=16)
    model = transformers.BlipForImageTextRetrieval(config)
    return model, transformers.BlipProcessor(transformers.BlipImageProcessor(size=SIZE), words)


LENGTHS = {"siglip2": "max_length", "siglip2_naflex": "max_length", "align": "max_length"}
"""How the documentation of a family pads; the others: to the longest."""
MADE = {each.__name__: each for each in (siglip2, siglip2_naflex, metaclip_2, align, altclip, chinese_clip, blip)}


@pytest.fixture(scope="module", params=MADE)
def family(request, tmp_path_factory):
    """Return the name of a family and a folder with a random model of it, with weights large enough to tell images and texts apart."""
    torch.manual_seed(3)
    model, processor = MADE[request.param]()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "logit" not in name and "temperature" not in name:
                weight.add_(torch.randn(weight.shape) * (0.5 if request.param == "align" else 0.1))
    return request.param, saved(tmp_path_factory.mktemp("models") / request.param, model.eval(), processor)


def made_up_images():
    return noise_and_colours((55, 77))


@torch.inference_mode()
def documented(name, folder, images):
    """Return what transformers' documentation of each family computes: its own class and processor, and the scores of its forward pass."""
    cls = transformers.BlipForImageTextRetrieval if name == "blip" else transformers.AutoModel
    model, processor = cls.from_pretrained(folder).eval(), transformers.AutoProcessor.from_pretrained(folder)
    padding = LENGTHS.get(name, True)
    length = {"max_length": 64} if padding == "max_length" else {}
    inputs = processor(text=PROMPTS, images=images, padding=padding, return_tensors="pt", **length)
    if name == "blip":
        return model(**inputs, use_itm_head=False).itm_score.numpy()
    scores = model(**inputs).logits_per_image
    return (torch.sigmoid(scores) if "siglip" in name else scores.softmax(dim=1)).numpy()


def ours(name, encoder, images):
    cosines = cosine_scores(encoder.encode_images(images), encoder.encode_texts(PROMPTS))
    return cosines if name == "blip" else probabilities(cosines, encoder.record)


def assert_same_scores(family, images):
    name, folder = family
    scores, wanted = ours(name, load(str(folder)), images), documented(name, folder, images)
    assert np.abs(scores - wanted).max() < 1e-5
    assert np.ptp(wanted, axis=1).min() > 1e-3  # texts do get different scores
    assert np.ptp(wanted, axis=0).max() > 1e-3  # and so do images


def test_made_up_images_get_the_documented_scores(family):
    assert_same_scores(family, made_up_images())


def test_a_family_is_attacked_where_it_takes_whole_pixels(family):
    """SigLIP 2 of many sizes takes patches instead, and ALIGN's pixels are divided twice."""
    name, folder = family
    encoder, images = load(str(folder)), made_up_images()
    if name in ("siglip2_naflex", "align"):
        assert encoder.attacked(images, encoder.encode_texts(PROMPTS[:2]), [0] * len(images), 1.0, 1) is None
    else:
        assert_is_attacked(encoder, images, PROMPTS)


@pytest.mark.faces
def test_180_faces_get_the_documented_scores(family, fairface_dir):
    assert_same_scores(family, all_faces(fairface_dir))


def test_what_shares_a_batch_does_not_matter(family):
    """Padding is masked, or always there: a text's feature is its own."""
    encoder, images = load(str(family[1])), made_up_images()[:4]
    alone = np.concatenate([encoder.encode_texts([prompt]) for prompt in PROMPTS])
    np.testing.assert_allclose(encoder.encode_texts(PROMPTS), alone, atol=2e-5)
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    np.testing.assert_allclose(encoder.encode_images(images), alone, atol=2e-5)


def test_the_record_names_the_class_and_case_matters_where_the_tokenizer_says_so(family, caplog):
    name, folder = family
    caplog.set_level(logging.WARNING)
    encoder = load(str(folder))
    lower, upper = encoder.encode_texts(["a man"]), encoder.encode_texts(["A Man"])
    assert np.array_equal(lower, upper) == (name not in ("metaclip_2", "altclip"))
    record = encoder.record
    classes = {"siglip2": "SiglipModel", "siglip2_naflex": "Siglip2Model", "metaclip_2": "MetaClip2Model", "align": "AlignModel",
               "altclip": "AltCLIPModel", "chinese_clip": "ChineseCLIPModel", "blip": "BlipForImageTextRetrieval"}  # fmt: skip
    assert record.kind == f"Hugging Face {classes[name]}"
    assert record.score_rule == ("sigmoid" if "siglip" in name else "softmax")
    assert bool(caplog.text) == (name == "blip")  # its temperature is a guess, and said aloud
    assert name != "blip" or ("no temperature" in caplog.text and record.logit_scale == 1)


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
