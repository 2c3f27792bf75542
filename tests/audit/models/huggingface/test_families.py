"""Every Hugging Face family: a tiny random model gives the scores of transformers' own documented use of it."""

import logging

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from audit.data.images import decode
from audit.errors import DataError
from audit.measure.zero_shot import cosine_scores, probabilities
from audit.models import load
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


def siglip2():
    words = gemma()
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 64, "projection_size": 32}
    model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision()))
    return model, transformers.SiglipProcessor(transformers.SiglipImageProcessor(size=SIZE), words)


def siglip2_naflex():
    words = gemma()
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 64, "projection_size": 32}
    config = transformers.Siglip2Config(text_config=text, vision_config={**TOWER, "patch_size": 16, "num_patches": 256})
    images = transformers.Siglip2ImageProcessor(patch_size=16, max_num_patches=256)
    return transformers.Siglip2Model(config), transformers.Siglip2Processor(images, words)


def metaclip_2():
    words = xlm()
    ends = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 40, **ends}
    config = transformers.MetaClip2Config(text_config=text, vision_config=vision(), projection_dim=16)
    return transformers.MetaClip2Model(config), transformers.CLIPProcessor(clip_images(), words)


def align():
    words = bert()
    blocks = {"in_channels": [32, 16], "out_channels": [16, 24], "kernel_sizes": [3, 3], "strides": [1, 2], "num_block_repeats": [1, 1]}
    image = {**blocks, "expand_ratios": [1, 6], "image_size": 48, "hidden_dim": 64, "width_coefficient": 1.0, "depth_coefficient": 1.0}
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 64}
    config = transformers.AlignConfig(text_config=text, vision_config=image, projection_dim=24, temperature_init_value=0.05)
    images = transformers.EfficientNetImageProcessor(size=SIZE, crop_size=SIZE)
    return transformers.AlignModel(config), transformers.AlignProcessor(images, words)


def altclip():
    words = xlm()
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 42, "project_dim": 24, "pad_token_id": 1}
    config = transformers.AltCLIPConfig(text_config=text, vision_config=vision(), projection_dim=16)
    return transformers.AltCLIPModel(config), transformers.AltCLIPProcessor(clip_images(), words)


def chinese_clip():
    words = bert()
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 64}
    config = transformers.ChineseCLIPConfig(text_config=text, vision_config=vision(), projection_dim=16)
    images = transformers.ChineseCLIPImageProcessor(size=SIZE, crop_size=SIZE)
    return transformers.ChineseCLIPModel(config), transformers.ChineseCLIPProcessor(images, words)


def blip():
    words = bert()
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 64, "encoder_hidden_size": 32, "pad_token_id": 0}
    config = transformers.BlipConfig(text_config=text, vision_config=vision(), image_text_hidden_size=16)
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
    folder = tmp_path_factory.mktemp("models") / request.param
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return request.param, folder


def made_up_images():
    rng = np.random.default_rng(0)
    sizes = [(448, 448), (64, 48), (48, 64), (200, 90), (48, 48), (55, 77)]
    noise = [Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)) for width, height in sizes]
    return noise + [Image.fromarray(rng.integers(0, 255, (3, 4, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC) for size in sizes]


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


@pytest.mark.faces
def test_180_faces_get_the_documented_scores(family, fairface_dir):
    images = [decode(path.read_bytes()).image for path in sorted((fairface_dir / "train").glob("*.jpg"))]
    assert len(images) == 180
    assert_same_scores(family, images)


def test_what_shares_a_batch_does_not_matter(family):
    """Padding is masked, or always there: a text's feature is its own."""
    encoder, images = load(str(family[1])), made_up_images()[:4]
    alone = np.concatenate([encoder.encode_texts([prompt]) for prompt in PROMPTS])
    np.testing.assert_allclose(encoder.encode_texts(PROMPTS), alone, atol=2e-5)
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    np.testing.assert_allclose(encoder.encode_images(images), alone, atol=2e-5)


def test_case_matters_where_the_tokenizer_says_so(family):
    name, folder = family
    encoder = load(str(folder))
    lower, upper = encoder.encode_texts(["a man"]), encoder.encode_texts(["A Man"])
    assert np.array_equal(lower, upper) == (name not in ("metaclip_2", "altclip"))


def test_the_record_names_the_class(family, caplog):
    name, folder = family
    caplog.set_level(logging.WARNING)
    record = load(str(folder)).record
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
    model.eval().save_pretrained(tmp_path / name)
    processor.save_pretrained(tmp_path / name)
    encoder = load(str(tmp_path / name))
    count = next(n for n in range(1, 99) if len(encoder.tokenizer("x " * n)["input_ids"]) == tokens)
    assert np.isfinite(encoder.encode_texts(["x " * count])).all()
    with pytest.raises(DataError, match="too long"):
        encoder.encode_texts(["x " * (count + 1)])


# A family that no test covers


def clipseg(folder):
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    words = transformers.CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=40)
    end = len(words) - 1
    text = {**TOWER, "vocab_size": len(words), "max_position_embeddings": 40, "eos_token_id": end, "bos_token_id": end - 1}
    torch.manual_seed(0)
    config = transformers.CLIPSegConfig(text_config=text, vision_config=vision(), projection_dim=16)
    model = transformers.CLIPSegModel(config)
    model.eval().save_pretrained(folder)
    transformers.CLIPProcessor(clip_images(), words).save_pretrained(folder)
    return folder


def test_another_family_is_read_with_a_loud_warning(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    encoder = load(str(clipseg(tmp_path / "clipseg")))
    assert "uessed" in caplog.text  # a code here; an audit logs the sentence
    assert "clipseg" in caplog.text
    assert any(note.startswith("Guessed") and "clipseg" in note for note in sentences(encoder.record.notes))
    assert encoder.encode_images(made_up_images()[:2]).shape == (2, 16)
