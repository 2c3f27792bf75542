"""Tiny generative models with random weights, a function a class: a model and its processor."""

import torch
import transformers as hf

WORDS = (
    "a", "an", "photo", "of", "white", "black", "indian", "east", "asian", "southeast", "middle", "eastern", "latino", "man", "woman",
    "person", "thief", "criminal", "suspicious", "animal", "gorilla", "chimpanzee", "orangutan", "unclear", "which", "these", "options",
    "best", "completes", "this", "image", "reply", "with", "one", "option", "word", "for",
)  # fmt: skip
TEXT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 2048, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
SEEN = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
PLAIN_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
ROPE = {**PLAIN_ROPE, "mrope_section": [1, 1, 2]}
CHAT = (
    "{% for m in messages %}<user>{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>\n{% endif %}"
)


def chat(image: str) -> str:
    return CHAT.replace("IMAGE", image)


def tokenizer(*marks: str, **named: str):
    """All bytes, and merges that spell the words of the prompts from left to right."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    spelled = [["Ġ", *word] for word in WORDS]
    merges = list(dict.fromkeys(("".join(word[:i]), word[i]) for word in spelled for i in range(1, len(word))))
    tokens = dict.fromkeys([*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges)])
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made = hf.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<end>", extra_special_tokens=named)
    made.add_special_tokens({"additional_special_tokens": [*marks, "<user>", "<assistant>"]})
    return made


# ---- tiny models, one function a class ----------------------------------------------------------------------------------------------


def llava():
    words = tokenizer(image_token="<image>")
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**SEEN),
        text_config=hf.LlamaConfig(**TEXT, vocab_size=len(words)),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    pixels = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = hf.LlavaProcessor(
        pixels, words, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1, chat_template=chat("<image>")
    )
    return hf.LlavaForConditionalGeneration(config), processor


def qwen2_5_vl():
    words = tokenizer("<|vision_start|>", "<|vision_end|>", image_token="<image>", video_token="<video>")
    names = {"image_token_id": "<image>", "video_token_id": "<video>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    config = hf.Qwen2_5_VLConfig(
        text_config={**TEXT, "vocab_size": len(words), "rope_parameters": ROPE},
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "out_hidden_size": 32, "window_size": 32, "fullatt_block_indexes": [1],
        },
        **{name: words.convert_tokens_to_ids(token) for name, token in names.items()},
    )  # fmt: skip
    pixels = hf.Qwen2VLImageProcessor(patch_size=8, merge_size=2, min_pixels=256, max_pixels=4096)
    video = hf.Qwen2VLVideoProcessor(patch_size=8, merge_size=2)
    processor = hf.Qwen2_5_VLProcessor(pixels, words, video, chat_template=chat("<|vision_start|><image><|vision_end|>"))
    return hf.Qwen2_5_VLForConditionalGeneration(config), processor


def idefics3():
    words = tokenizer(
        image_token="<image>", fake_image_token="<fake_token_around_image>", global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )  # fmt: skip
    config = hf.Idefics3Config(
        text_config={"model_type": "llama", **TEXT, "vocab_size": len(words)},
        vision_config=SEEN,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    pixels = hf.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    return hf.Idefics3ForConditionalGeneration(config), hf.Idefics3Processor(pixels, words, image_seq_len=4, chat_template=chat("<image>"))


def internvl():
    words = tokenizer(start_image_token="<img>", end_image_token="</img>", context_image_token="<image>", video_token="<video>")
    config = hf.InternVLConfig(
        text_config={"model_type": "qwen2", **TEXT, "vocab_size": len(words)},
        vision_config={**SEEN, "image_size": [32, 32], "patch_size": [8, 8]},
        image_token_id=words.convert_tokens_to_ids("<image>"),
        downsample_ratio=0.5,
    )
    pixels = hf.GotOcr2ImageProcessor(size={"height": 32, "width": 32}, crop_to_patches=True, max_patches=4)
    processor = hf.InternVLProcessor(pixels, words, hf.InternVLVideoProcessor(), image_seq_length=4, chat_template=chat("<image>"))
    return hf.InternVLForConditionalGeneration(config), processor


def gemma3():
    """A window of 16 tokens in one layer, and image tokens that see each other in both directions."""
    words = tokenizer(image_token="<soft>", boi_token="<image>", eoi_token="<eoi>")
    names = {"image_token_index": "<soft>", "boi_token_index": "<image>", "eoi_token_index": "<eoi>"}
    layers = {"head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
    config = hf.Gemma3Config(
        text_config={**TEXT, **layers, "vocab_size": len(words)},
        vision_config=SEEN,
        mm_tokens_per_image=4,
        **{name: words.convert_tokens_to_ids(token) for name, token in names.items()},
    )
    model = hf.Gemma3ForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)  # the library's initial value is zero
    pixels = hf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    return model, hf.Gemma3Processor(pixels, words, image_seq_length=4, chat_template=chat("<image>"))


def mllama():
    """The image is seen through cross-attention, which a cache alone does not continue."""
    words = tokenizer("<|begin_of_text|>", image_token="<|image|>")
    words.bos_token = "<|begin_of_text|>"
    config = hf.MllamaConfig(
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_global_layers": 1, "attention_heads": 2,
            "image_size": 32, "patch_size": 8, "vision_output_dim": 64, "intermediate_layers_indices": [0], "max_num_tiles": 2,
            "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
        },
        text_config={
            **TEXT, "cross_attention_layers": [1], "vocab_size": len(words), "rope_parameters": PLAIN_ROPE,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        },
        image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )  # fmt: skip
    model = hf.MllamaForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "gate" in name and weight.ndim <= 1:
            torch.nn.init.ones_(weight)  # a new model keeps the gates to its image shut
    pixels = hf.MllamaImageProcessor(size={"height": 32, "width": 32}, max_image_tiles=2)
    return model, hf.MllamaProcessor(pixels, words, chat_template=chat("<|image|>"))


# ---- with an encoder and a decoder --------------------------------------------------------------------------------------------------


def framed_tokenizer(*marks: str, start: str = "", **named: str):
    """The tokenizer, which ends every text with a special token, and begins it with one where `start` names it."""
    from tokenizers.processors import TemplateProcessing

    made = tokenizer(*marks, **named)
    special = [(mark, made.convert_tokens_to_ids(mark)) for mark in (start, "<end>") if mark]
    made.backend_tokenizer.post_processor = TemplateProcessing(single=f"{start} $A <end>".strip(), special_tokens=special)
    if start:
        made.bos_token = start
    return made


def florence2():
    """BART: an answer begins with the end of a text, then with its start."""
    words = framed_tokenizer("<s>", start="<s>", image_token="<image>")
    stages = {"depths": (1, 1), "patch_size": (7, 3), "patch_stride": (4, 2), "patch_padding": (3, 1), "patch_prenorm": (False, True)}
    sizes = {"embed_dim": (16, 32), "num_heads": (2, 2), "num_groups": (2, 2), "window_size": 4, "projection_dim": 32}
    layers = {
        f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in (("layers", 2), ("ffn_dim", 64), ("attention_heads", 4))
    }
    config = hf.Florence2Config(
        vision_config={**stages, **sizes},
        text_config={
            "model_type": "bart", "d_model": 32, **layers, "max_position_embeddings": 2048, "vocab_size": len(words),
            "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id,
            "decoder_start_token_id": words.eos_token_id, "forced_eos_token_id": None,
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    pixels = hf.CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False)
    pixels.image_seq_length = 17
    return hf.Florence2ForConditionalGeneration(config), hf.Florence2Processor(pixels, words)


QFORMER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "encoder_hidden_size": 32}


def _with_t5(words):
    return {
        "vision_config": {**SEEN, "initializer_range": 0.1},  # the library's own is 1e-10
        "text_config": {
            "model_type": "t5", "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4, "vocab_size": len(words),
            "pad_token_id": words.pad_token_id, "eos_token_id": words.eos_token_id, "decoder_start_token_id": words.pad_token_id,
        },
        "num_query_tokens": 4,
        "image_token_index": words.convert_tokens_to_ids("<image>"),
    }  # fmt: skip


def blip2_t5():
    words = framed_tokenizer("<image>")
    config = hf.Blip2Config(qformer_config=QFORMER, **_with_t5(words))
    pixels = hf.BlipImageProcessor(size={"height": 32, "width": 32})
    return hf.Blip2ForConditionalGeneration(config), hf.Blip2Processor(pixels, words, num_query_tokens=4)


def instructblip_t5():
    """The question is read twice: while the image is looked at, and by the language model."""
    words, looking = framed_tokenizer("<image>"), framed_tokenizer()
    config = hf.InstructBlipConfig(qformer_config={**QFORMER, "vocab_size": len(looking)}, **_with_t5(words))
    pixels = hf.BlipImageProcessor(size={"height": 32, "width": 32})
    return hf.InstructBlipForConditionalGeneration(config), hf.InstructBlipProcessor(pixels, words, looking, num_query_tokens=4)


def t5gemma2():
    words = framed_tokenizer("<bos>", start="<bos>", image_token="<soft>", boi_token="<image>", eoi_token="<eoi>")
    ids = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    layers = {"head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
    text = {**TEXT, **ids, **layers, "vocab_size": len(words)}
    image = {"mm_tokens_per_image": 4, "image_token_index": words.convert_tokens_to_ids("<soft>")}
    marks = {"boi_token_index": words.convert_tokens_to_ids("<image>"), "eoi_token_index": words.convert_tokens_to_ids("<eoi>")}
    config = hf.T5Gemma2Config(encoder={"text_config": text, "vision_config": SEEN, **image, **marks}, decoder=text, **ids, **image)
    model = hf.T5Gemma2ForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "mm_input_projection_weight" in name:
            torch.nn.init.normal_(weight)
    pixels = hf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    return model, hf.Gemma3Processor(pixels, words, image_seq_length=4, chat_template=None)


CAUSAL = {make.__name__: make for make in (llava, qwen2_5_vl, idefics3, internvl, gemma3, mllama)}
ENCODER_DECODER = {make.__name__: make for make in (florence2, blip2_t5, instructblip_t5, t5gemma2)}
