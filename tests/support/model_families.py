"""Tiny random models of every family of transformers, and what their documentation computes with them."""

from pathlib import Path

import tokenizers
import torch
import transformers

from tests.support.model_folders import letters_tokenizer, saved

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


def sentence_pieces(words=()):
    """SigLIP's: lower case, one end of text, padded to 64, no mask. Its own class needs sentencepiece."""
    pieces = [(f"\u2581{word}", -1.0) for word in words] + [(letter, -9.0) for letter in f"\u2581{LETTERS}"]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram([("</s>", 0.0), ("<unk>", -20.0), *pieces], unk_id=1))
    tokenizer.normalizer, tokenizer.pre_tokenizer = tokenizers.normalizers.Lowercase(), tokenizers.pre_tokenizers.Metaspace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    names = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    settings = {"model_max_length": 64, "model_input_names": ["input_ids"]}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **settings)


def clip_images():
    return transformers.CLIPImageProcessor(size={"shortest_edge": 48}, crop_size=SIZE)


def vision(**more):
    return {**TOWER, "image_size": 48, "patch_size": 16, **more}


def text(words, length=64, **more):
    return {**TOWER, "vocab_size": len(words), "max_position_embeddings": length, **more}


def siglip():
    words = sentence_pieces()
    read = text(words, projection_size=32, eos_token_id=0, pad_token_id=0, bos_token_id=1)
    config = transformers.SiglipConfig(text_config=read, vision_config=vision())
    return transformers.SiglipModel(config), transformers.SiglipProcessor(transformers.SiglipImageProcessor(size=SIZE), words)


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


def clip():
    """It pads with the end of a text, which is the largest id."""
    words = letters_tokenizer()
    read = text(words, 40, eos_token_id=len(words) - 1, bos_token_id=len(words) - 2, pad_token_id=len(words) - 1)
    config = transformers.CLIPConfig(text_config=read, vision_config=vision(), projection_dim=16)
    return transformers.CLIPModel(config), transformers.CLIPProcessor(clip_images(), words)


LENGTHS = {"siglip": "max_length", "siglip2": "max_length", "siglip2_naflex": "max_length", "align": "max_length"}
"""How the documentation of a family pads; the others: to the longest."""
MADE = {each.__name__: each for each in (siglip, siglip2, siglip2_naflex, metaclip_2, align, altclip, chinese_clip, blip)}


def random_folder(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Save a random model of a family, with weights large enough to tell images and texts apart."""
    torch.manual_seed(3)
    model, processor = (MADE | {"clip": clip})[name]()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "logit" not in key and "temperature" not in key:
                weight.add_(torch.randn(weight.shape) * (0.5 if name == "align" else 0.1))
    return saved(folder, model.eval().to(dtype), processor)


@torch.inference_mode()
def documented(name: str, folder: Path, images: list, prompts: list[str]):
    """Return what transformers' documentation of each family computes: its own class and processor, and the scores of its forward pass."""
    cls = transformers.BlipForImageTextRetrieval if name == "blip" else transformers.AutoModel
    model, processor = cls.from_pretrained(folder).eval(), transformers.AutoProcessor.from_pretrained(folder)
    padding = LENGTHS.get(name, True)
    length = {"max_length": 64} if padding == "max_length" else {}
    inputs = processor(text=prompts, images=images, padding=padding, return_tensors="pt", **length)
    if name == "blip":
        return model(**inputs, use_itm_head=False).itm_score.numpy()
    scores = model(**inputs).logits_per_image
    return (torch.sigmoid(scores) if "siglip" in name else scores.softmax(dim=1)).numpy()
