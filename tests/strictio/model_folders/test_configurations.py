"""What a configuration may not say, wherever in the folder it is: by file and key, before anything is loaded."""

import json

import pytest

from audit.errors import DataError, UnsafeError
from strictio.model_folders.check import check_folder
from strictio.model_folders.configurations import MAX_BYTES, check_configurations

BUILT_IN = {
    "config.json": {"model_type": "llava", "torch_dtype": "bfloat16", "architectures": ["LlavaModel"], "backbone": "resnet50"},
    "processor_config.json": {"processor_class": "LlavaProcessor", "image_processor": {"image_processor_type": "CLIPImageProcessorFast"}},
    "preprocessor_config.json": {"feature_extractor_type": "CLIPFeatureExtractor", "processor_class": "CLIPProcessor", "size": 224},
    "video_preprocessor_config.json": {"video_processor_type": "Qwen2VLVideoProcessor"},
    "tokenizer_config.json": {
        "tokenizer_class": "LlamaTokenizerFast", "name_or_path": "./clip_ViT_B_32/", "vocab_file": None,
        "special_tokens_map_file": "./special_tokens_map.json",
        "init_inputs": [], "tokenizer_file": None, "unk_token": "<unk>", "model_max_length": 10**30,
    },
    "generation_config.json": {"max_length": 131_072, "eos_token_id": [151_645, 151_643]},
    "special_tokens_map.json": {"unk_token": "<unk>"},
    "vocab.json": {"../../etc": 1, "auto_map": 2},
    "adapter_config.json": {"auto_mapping": None},
}  # fmt: skip


def written(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    return folder


def test_what_models_of_the_hub_say_is_let_through(tmp_path):
    assert check_configurations(written(tmp_path, BUILT_IN)) is None


FOREIGN = [
    ("config.json", {"auto_map": {"AutoModel": "x.M"}}, "auto_map"),
    ("config.json", {"text_config": {"_attn_implementation": "org/repo"}}, "text_config._attn_implementation"),
    ("config.json", {"a": [{"b": [{"kernel_config": {}}]}]}, "a.0.b.0.kernel_config"),
    ("processor_config.json", {"audio_tokenizer": {"audio_tokenizer_class": "AutoModel"}}, "audio_tokenizer"),
    ("processor_config.json", {"image_processor": {"auto_map": {}}}, "image_processor.auto_map"),
    ("preprocessor_config.json", {"trust_remote_code": True}, "trust_remote_code"),
    ("video_preprocessor_config.json", {"auto_map": {"AutoVideoProcessor": "x.V"}}, "auto_map"),
    ("generation_config.json", {"custom_generate": "org/repo"}, "custom_generate"),
    ("tokenizer_config.json", {"auto_map": ["x.T", None]}, "auto_map"),
    ("special_tokens_map.json", {"auto_map": ["x.T", None]}, "auto_map"),
    ("qformer_tokenizer/tokenizer_config.json", {"auto_map": ["x.T", None]}, "auto_map"),
    ("a/b/c/config.json", {"auto_map": {"AutoModel": "x.M"}}, "auto_map"),
    ("tokenizer_config.json", {"tokenizer_class": "EvilTokenizer"}, "tokenizer_class"),
    ("tokenizer_config.json", {"tokenizer_class": "AutoModel"}, "tokenizer_class"),
    ("tokenizer_config.json", {"tokenizer_class": ["CLIPTokenizer"]}, "tokenizer_class"),
    ("processor_config.json", {"processor_class": "AutoModel"}, "processor_class"),
    ("processor_config.json", {"processor_class": "CLIPImageProcessor"}, "processor_class"),
    ("tokenizer_config.json", {"processor_class": "Trainer"}, "processor_class"),
    ("config.json", {"processor_class": "EvilProcessor"}, "processor_class"),
    ("preprocessor_config.json", {"image_processor_type": "pipeline"}, "image_processor_type"),
    (
        "processor_config.json",
        {"feature_extractor": {"feature_extractor_type": "EvilFeatureExtractor"}},
        "feature_extractor.feature_extractor_type",
    ),
    ("processor_config.json", {"video_processor": {"video_processor_type": "CLIPImageProcessor"}}, "video_processor.video_processor_type"),
    ("config.json", {"configuration_files": ["config.9.0.json"]}, "configuration_files"),
    ("tokenizer_config.json", {"fast_tokenizer_files": ["tokenizer.../../x.json"]}, "fast_tokenizer_files"),
    ("tokenizer_config.json", {"gguf_file": "../x.gguf"}, "gguf_file"),
    ("tokenizer_config.json", {"vocab": "/etc/passwd"}, "vocab"),
    ("tokenizer_config.json", {"merges": "../merges.txt"}, "merges"),
    ("tokenizer_config.json", {"vocab_file": "/etc/passwd"}, "vocab_file"),
    ("tokenizer_config.json", {"entity_vocab_file": "../x.json"}, "entity_vocab_file"),
    ("config.json", {"text_config": {"dtype": "load"}}, "text_config.dtype"),
    ("tokenizer_config.json", {"init_inputs": ["/etc/passwd"]}, "init_inputs"),
    ("tokenizer_config.json", {"sp_model_kwargs": {"model_file": "/etc/passwd"}}, "sp_model_kwargs.model_file"),
    ("config.json", {"vision_config": {"model_args": {"checkpoint_path": "evil.pth"}}}, "vision_config.model_args.checkpoint_path"),
    ("config.json", {"vision_config": {"architecture": "local-dir:/evil"}}, "vision_config.architecture"),
    ("config.json", {"backbone": "org/repo"}, "backbone"),
    ("config.json", {"backbone_config": {"backbone": "hf-hub:org/repo"}}, "backbone_config.backbone"),
    ("config.json", {"AUTO_MAP": {"AutoModel": "x.M"}}, "AUTO_MAP"),
    ("config.json", {"use_kernels": True}, "use_kernels"),
    ("config.json", {"text_config": {"model_type": "llama", "hub_kernels": {"RMSNorm": "org/repo"}}}, "text_config.hub_kernels"),
    ("config.json", {"text_config": {"fused_kernel": "org/repo"}}, "text_config.fused_kernel"),
    ("config.json", {"vision_config": {"model_type": "clip_vision_model", "weights_repo": "o/r"}}, "vision_config.weights_repo"),
    ("config.json", {"model_type": "clip", "text_config_dict": {"plugin": "x"}}, "text_config_dict.plugin"),
    ("config.json", {"backbone_kwargs": {"checkpoint": "evil.pth"}}, "backbone_kwargs"),
    ("generation_config.json", {"use_kernels": True}, "use_kernels"),
    ("video_preprocessor_config.json", {"font": "../../x.ttf"}, "font"),
    ("preprocessor_config.json", {"image_processor_type": "LayoutLMv3ImageProcessor"}, "image_processor_type"),
    ("preprocessor_config.json", {"feature_extractor_type": "LayoutLMv2FeatureExtractor"}, "feature_extractor_type"),
]


@pytest.mark.parametrize(("file", "content", "key"), FOREIGN)
def test_what_would_be_fetched_opened_or_run_is_refused_by_file_and_key(tmp_path, file, content, key):
    written(tmp_path, BUILT_IN | {file: BUILT_IN.get(file, {}) | content})
    with pytest.raises(UnsafeError) as caught:
        check_folder(tmp_path, tmp_path)
    assert caught.value.exit_code == 4
    assert caught.value.where == str(tmp_path / file)
    assert f"key {key!r}" in caught.value.what
    assert caught.value.fix


def test_a_model_for_sound_in_a_file_of_its_own_is_refused(tmp_path):
    written(tmp_path, BUILT_IN | {"audio_tokenizer_config.json": {}})
    with pytest.raises(UnsafeError, match="names a model of its own for sound"):
        check_folder(tmp_path, tmp_path)


def test_a_link_to_a_folder_of_another_model_of_the_hubs_cache_is_refused(tmp_path):
    """Within the cache of one repository files may be links to blobs; a folder of another commit would come in unchecked."""
    other, own = tmp_path / "snapshots" / "a" / "qformer_tokenizer", tmp_path / "snapshots" / "b"
    written(own, BUILT_IN)
    other.mkdir(parents=True)
    (own / "qformer_tokenizer").symlink_to(other)
    with pytest.raises(UnsafeError, match="the link qformer_tokenizer leaves"):
        check_folder(own, tmp_path)


def test_a_configuration_that_is_too_long_is_not_read(tmp_path):
    (written(tmp_path, BUILT_IN) / "config.json").write_text('{"a": "' + "b" * MAX_BYTES + '"}')
    with pytest.raises(UnsafeError, match=r"config.json is too long"):
        check_folder(tmp_path, tmp_path)


@pytest.mark.parametrize("content", ['{"a":' + "[" * 200 + "]" * 200 + "}", '{"a": [' + "[]," * 400_000 + "1]}"])
def test_a_configuration_that_would_take_minutes_to_walk_through_is_refused(tmp_path, content):
    (written(tmp_path, BUILT_IN) / "config.json").write_text(content)
    with pytest.raises(UnsafeError, match=r"config.json is no configuration"):
        check_folder(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["chat_template.jinja", "qformer_tokenizer/tokenizer.json", "spiece.model", "vocab.txt"])
def test_a_vocabulary_or_a_template_that_is_too_long_is_not_read(tmp_path, name):
    written(tmp_path, BUILT_IN)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(UnsafeError, match="is too long"):
        check_folder(tmp_path, tmp_path)


def test_a_damaged_configuration_is_bad_data_and_what_is_unsafe_elsewhere_comes_first(tmp_path):
    written(tmp_path, BUILT_IN)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="not readable JSON"):
        check_folder(tmp_path, tmp_path)
    written(tmp_path, {"tokenizer_config.json": {"auto_map": []}})
    with pytest.raises(UnsafeError, match="auto_map"):
        check_folder(tmp_path, tmp_path)
