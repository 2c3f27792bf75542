"""Maps in the weights of every family: the written model gives the mapped embeddings, and its own library reads it."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, safe_open

from audit.errors import DataError, UsageError
from audit.extensions.mitigate.command import main
from audit.extensions.mitigate.fold import fold_map, largest_difference, require_equal, require_layers
from audit.extensions.mitigate.models.editable import editable
from audit.extensions.mitigate.sentences import loading
from audit.linear_maps import Whitening, calibrated_projection, linear_erasure, random_projection, unit
from audit.models import load
from contrastive.checkpoint.file import Checkpoint, averaged, save
from contrastive.checkpoint.file import load as load_checkpoint
from contrastive.model.clip import CLIP, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.presets import preset
from contrastive.model.tokenizer import train_bpe
from strictio.folders import Folder
from tests.support.model_families import PROMPTS, documented, random_folder
from tests.support.model_folders import edited, noise_and_colours

torch.set_num_threads(1)
BOTH, TEXT = ("image", "text"), ("text",)
HUGGING_FACE = {
    "clip": BOTH, "metaclip_2": BOTH, "altclip": BOTH, "chinese_clip": BOTH, "blip": BOTH,
    "siglip": TEXT, "siglip2": TEXT, "siglip2_naflex": TEXT, "align": TEXT,
}  # fmt: skip


def maps(d):
    """One direction, three, strongly calibrated, coordinates dropped, and an oblique one."""
    rng = np.random.default_rng(d)
    pairs = rng.normal(size=(4, d)), rng.normal(size=(4, d))
    mask = np.diag((np.arange(d) % 5 > 0).astype(float))
    spread = Whitening.of(unit(rng.normal(size=(300, d)) * np.linspace(0.3, 2, d)))
    return {
        "rank 1": random_projection(1, d, rng).matrix, "rank 3": random_projection(3, d, rng).matrix, "mask": mask,
        "calibrated": calibrated_projection(rng.normal(size=(1, d)), *pairs, 1000.0).matrix,
        "oblique": linear_erasure(rng.normal(size=(1, d)), spread).matrix,
    }  # fmt: skip


def written(spec, matrix, towers, out, **options):
    """Write the folded model as the command does, and return the folder."""
    model = editable(spec, **options)
    require_layers(model, towers)
    with Folder.of(out.parent).new_folder(out.name) as folder:
        model.write(folder, fold_map(model, matrix, towers))
    return out


def assert_every_map_is_in_the_weights(spec, towers, tmp_path, limit=2e-6):
    """Compare with the map applied to the original's embeddings; return the last folder."""
    original = load(spec)
    for name, matrix in maps(original.record.dimensions).items():
        out = written(spec, matrix, towers, tmp_path / name.replace(" ", "-"))
        assert largest_difference(original, load(str(out)), matrix, towers, PROMPTS) < limit, name
        assert largest_difference(original, original, matrix, towers, PROMPTS) > 0.01, name
    return out


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


# ---- Hugging Face


@pytest.mark.slow
@pytest.mark.parametrize("family", HUGGING_FACE)
def test_every_family_of_transformers(family, tmp_path):
    source = random_folder(family, tmp_path / "source")
    before = hashes(source)
    out = assert_every_map_is_in_the_weights(str(source), HUGGING_FACE[family], tmp_path)
    assert hashes(source) == before
    assert sorted(hashes(out)) == sorted(before)
    assert [name for name, sha256 in hashes(out).items() if sha256 != before[name]] == ["model.safetensors"]
    one, other = (load_file(folder / "model.safetensors") for folder in (source, out))
    layers = editable(str(source)).layers
    allowed = {name for tower in HUGGING_FACE[family] for name in (layers[tower].weight, layers[tower].bias)}
    assert {name for name in one if not torch.equal(one[name], other[name])} <= allowed
    as_the_page_says = {"DIR": str(out)}
    exec(loading(editable(str(source)).form, load(str(out)).record.kind), as_the_page_says)
    assert type(as_the_page_says["model"]).__name__ in load(str(out)).record.kind
    scores = documented(family, out, noise_and_colours((55, 77)), PROMPTS)  # read by transformers itself
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, documented(family, source, noise_and_colours((55, 77)), PROMPTS), atol=1e-3)


def test_transformers_reads_what_was_written_as_the_mapped_model(tmp_path, caplog):
    source = random_folder("clip", tmp_path / "source")
    matrix = maps(16)["oblique"]
    out = written(str(source), matrix, BOTH, tmp_path / "out")
    models = [transformers.CLIPModel.from_pretrained(folder).eval() for folder in (source, out)]
    pixels, ids = torch.randn(3, 3, 48, 48), torch.tensor([[5, 7, 9, models[0].config.text_config.eos_token_id]])
    with torch.inference_mode():
        for method, given in (("get_image_features", pixels), ("get_text_features", ids)):
            before, after = (getattr(model, method)(given).pooler_output.numpy() for model in models)
            np.testing.assert_allclose(unit(after), unit(before @ matrix.T), atol=2e-6)
    assert "newly initialized" not in caplog.text
    with safe_open(source / "model.safetensors", "pt") as one, safe_open(out / "model.safetensors", "pt") as other:
        assert other.metadata() == one.metadata()
        assert list(other.keys()) == list(one.keys())


def test_a_mask_is_exact(tmp_path):
    source = random_folder("clip", tmp_path / "source")
    out = written(str(source), maps(16)["mask"], BOTH, tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors")["text_projection.weight"] for folder in (source, out))
    dropped = np.arange(16) % 5 == 0
    assert not after[dropped].any()
    assert torch.equal(after[~dropped], before[~dropped])


@pytest.mark.slow_except("dtype0-0.001")
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float16, 1e-3), (torch.bfloat16, 5e-3)])
def test_half_precision_stays_half_precision(dtype, limit, tmp_path):
    source = random_folder("clip", tmp_path / "source", dtype)
    original, direction = load(str(source)), np.random.default_rng(1).normal(size=(1, 16))
    matrix = np.eye(16) - unit(direction).T @ unit(direction)
    out = written(str(source), matrix, BOTH, tmp_path / "out")
    assert {tensor.dtype for tensor in load_file(out / "model.safetensors").values()} == {dtype}
    after = load(str(out))
    assert largest_difference(original, after, matrix, BOTH, PROMPTS) < limit
    left = unit(after.encode_images(noise_and_colours((55, 77)))) @ unit(direction)[0]
    assert np.abs(left).max() < limit


def test_the_shards_of_a_large_model_are_copied_and_two_tensors_patched(tmp_path):
    source = random_folder("clip", tmp_path / "whole")
    model = transformers.CLIPModel.from_pretrained(source)
    model.save_pretrained(tmp_path / "whole", max_shard_size="60KB")
    (source / "model.safetensors").unlink(missing_ok=True)
    assert len(list(source.glob("*.safetensors"))) > 2
    (source / "pytorch_model.bin").write_bytes(b"the original's weights for another loader")
    (source / ".cache").mkdir()
    (source / ".cache" / "download").write_text("a record")
    before, matrix = load(str(source)), maps(16)["rank 1"]
    out = written(str(source), matrix, BOTH, tmp_path / "out")
    assert largest_difference(before, load(str(out)), matrix, BOTH, PROMPTS) < 2e-6
    assert set(hashes(source)) - set(hashes(out)) == {"pytorch_model.bin", ".cache/download"}
    changed = [name for name, sha256 in hashes(out).items() if sha256 != hashes(source)[name]]
    assert 1 <= len(changed) <= 2
    assert all(name.endswith(".safetensors") for name in changed)


def test_a_pickled_folder_is_written_as_safetensors(tmp_path):
    source = random_folder("clip", tmp_path / "source")
    torch.save(load_file(source / "model.safetensors"), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    matrix = maps(16)["rank 3"]
    out = written(str(source), matrix, BOTH, tmp_path / "out")
    assert sorted(path.name for path in out.iterdir() if "model." in path.name) == ["model.safetensors"]
    assert largest_difference(load(str(source)), load(str(out)), matrix, BOTH, PROMPTS) < 2e-6
    assert transformers.CLIPModel.from_pretrained(out).config.projection_dim == 16


@pytest.mark.parametrize("towers", [(), ("--towers", "both")])
@pytest.mark.parametrize("family", ["siglip", "siglip2", "align"])
def test_a_tower_without_an_output_layer_is_refused_with_the_way_out(family, towers, tmp_path, capsys):
    source = random_folder(family, tmp_path / "source")
    assert main(["--model", str(source), "--probe", "emoji", "--out", str(tmp_path / "out"), *towers]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the image tower of this model has no output layer" in said
    assert "--towers text" in said
    assert "open_clip:ARCH,FILE" in said
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_other_families_weights_in_one_file_and_code_are_refused_with_the_way_out(tmp_path):
    source = random_folder("clip", tmp_path / "source")
    edited(source / "config.json", {"model_type": "clipseg"})
    with pytest.raises(UsageError, match="'clipseg' has no known output layers") as caught:
        editable(str(source))
    assert "open_clip" in caught.value.fix
    torch.save({"visual.proj": torch.ones(2, 2)}, tmp_path / "x.pt")
    with pytest.raises(UsageError, match="weights of another program in one file") as caught:
        editable(str(tmp_path / "x.pt"))
    assert f"open_clip:ARCH,{tmp_path / 'x.pt'}" in caught.value.fix
    (tmp_path / "mine.py").write_text("class Mine: pass")
    with pytest.raises(UsageError, match="cannot be written again"):
        editable(f"{tmp_path / 'mine.py'}:Mine")


def test_a_layer_of_whole_numbers_is_refused(tmp_path):
    model = editable(str(random_folder("clip", tmp_path / "source")))
    quantised = replace(model, tensors={**model.tensors, "visual_projection.weight": torch.ones(16, 32, dtype=torch.int8)})
    with pytest.raises(DataError, match=r"visual_projection.weight' cannot be changed"):
        require_layers(quantised, BOTH)


def test_a_written_model_that_differs_is_refused():
    require_equal(9e-6, torch.float32)
    require_equal(4e-3, torch.bfloat16)
    for difference, dtype in ((2e-5, torch.float32), (2e-3, torch.float16), (float("nan"), torch.float32)):
        with pytest.raises(Exception, match="does not give the embeddings that it should"):
            require_equal(difference, dtype)


# ---- our own checkpoints


def checkpoint(path, vision="tiny-conv", **stated):
    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=77)
    config = preset("tiny-conv", vocab_size=tokenizer.vocab_size, context=77)
    if vision == "vit":
        from contrastive.model.architecture import ViTConfig

        text = replace(config.text, causal=True, pooling="eot")
        config = replace(config, vision=ViTConfig(image_size=32, patch_size=16, width=64, layers=1), text=text)
    if vision == "resnet":
        from contrastive.model.architecture import ResNetConfig

        config = replace(config, vision=ResNetConfig(image_size=32, width=8, layers=(1, 1, 1, 1)))
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim:
                weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
    save(path, Checkpoint(model, Preprocess(config.vision.image_size), tokenizer, **stated))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("vision", ["tiny-conv", "vit", "resnet"])
def test_our_own_checkpoints(vision, tmp_path):
    path = checkpoint(tmp_path / "ckpt.pt", vision, step=7, data_card="Drawings.")
    before = path.read_bytes()
    out = assert_every_map_is_in_the_weights(str(path), BOTH, tmp_path)
    assert path.read_bytes() == before
    assert [entry.name for entry in out.iterdir()] == ["ckpt.pt"]
    one, other = load_checkpoint(path), load_checkpoint(out / "ckpt.pt")
    assert (other.step, other.data_card, other.config, other.tokenizer) == (7, "Drawings.", one.config, one.tokenizer)
    states = portable_state(one.model), portable_state(other.model)
    layers = editable(str(path)).layers.values()
    assert {name for name in states[0] if not torch.equal(states[0][name], states[1][name])} == {
        name for layer in layers for name in (layer.weight, layer.bias) if name
    }


def test_what_belongs_to_the_original_weights_is_left_out_of_a_checkpoint(tmp_path):
    model = load_checkpoint(checkpoint(tmp_path / "plain.pt"))
    save(tmp_path / "ckpt.pt", replace(model, ema=portable_state(model.model), training={"step": 1}, account={"identity": {"a": 1}}))
    out = written(str(tmp_path / "ckpt.pt"), maps(model.config.embed_dim)["rank 1"], BOTH, tmp_path / "out")
    kept = load_checkpoint(out / "ckpt.pt")
    assert (kept.ema, kept.training, kept.account) == (None, None, None)
    with pytest.raises(DataError, match="no running average"):
        averaged(kept)


def test_an_export_of_ours_and_a_mitigated_checkpoint_that_is_exported(tmp_path):
    from contrastive.export import export

    path = checkpoint(tmp_path / "ckpt.pt", "vit")
    export(load_checkpoint(path), tmp_path / "tensors", "safetensors")
    matrix = maps(load_checkpoint(path).config.embed_dim)["oblique"]
    out = written(str(tmp_path / "tensors"), matrix, BOTH, tmp_path / "out")
    assert largest_difference(load(str(path)), load(str(out)), matrix, BOTH, PROMPTS) < 2e-6
    mitigated = written(str(path), matrix, BOTH, tmp_path / "mitigated")
    assert export(load_checkpoint(mitigated / "ckpt.pt"), tmp_path / "theirs", "huggingface") < 1e-5


# ---- open_clip

open_clip = pytest.importorskip("open_clip", reason="needs the extra [open_clip]")
TOWERS = {
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 64, "heads": 2, "layers": 1},
}
CONFIGS = {
    "fold-vit": {"embed_dim": 48, **TOWERS},
    "fold-rn": {"embed_dim": 48, "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}, "text_cfg": TOWERS["text_cfg"]},
    "fold-timm": {
        "embed_dim": 64, "custom_text": True, "text_cfg": TOWERS["text_cfg"],
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160},
    },
    "fold-map": {
        "embed_dim": 96, "custom_text": True, "init_logit_bias": -10.0,
        "vision_cfg": {"timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "none", "image_size": 160},
        "text_cfg": {**TOWERS["text_cfg"], "no_causal_mask": True, "pool_type": "last", "proj_bias": True},
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _architectures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("configs")
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    for name in CONFIGS:
        del open_clip.factory._MODEL_CONFIGS[name]


def open_clip_file(name, path):
    torch.manual_seed(0)
    model = open_clip.create_model(name).eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "logit" not in key:
                weight.add_(0.1 * torch.randn(weight.shape))
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in model.state_dict().items()}}, path)
    return f"open_clip:{name},{path}"


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_open_clip_by_architecture_and_file_becomes_a_folder_that_open_clip_reads(name, tmp_path):
    spec = open_clip_file(name, tmp_path / "x.pt")
    out = assert_every_map_is_in_the_weights(spec, BOTH, tmp_path)
    assert sorted(path.name for path in out.iterdir()) == ["open_clip_config.json", "open_clip_model.safetensors"]
    as_the_page_says = {"DIR": str(out)}
    exec(loading("open_clip folder", ""), as_the_page_says)
    theirs = as_the_page_says["model"].eval()  # strictly, by its own factory
    original, matrix = load(spec), maps(load(spec).record.dimensions)["oblique"]
    with torch.inference_mode():
        texts = theirs.encode_text(as_the_page_says["tokenizer"](PROMPTS)).numpy()
    np.testing.assert_allclose(unit(texts), unit(unit(original.encode_texts(PROMPTS)) @ matrix.T), atol=5e-6)
    again = written(str(out), maps(load(spec).record.dimensions)["rank 1"], BOTH, tmp_path / "again")  # a folder in, a folder out
    assert sorted(hashes(again)) == sorted(hashes(out))
    assert hashes(again)["open_clip_config.json"] == hashes(out)["open_clip_config.json"]
    assert largest_difference(load(str(out)), load(str(again)), maps(original.record.dimensions)["rank 1"], BOTH, PROMPTS) < 2e-6


def test_the_image_tower_of_a_siglip_gets_a_layer_that_changes_nothing_by_itself(tmp_path):
    spec = open_clip_file("fold-map", tmp_path / "x.pt")
    assert editable(spec).layers["image"].absent
    out = written(spec, np.eye(96), BOTH, tmp_path / "out")
    config = json.loads((out / "open_clip_config.json").read_text())["model_cfg"]["vision_cfg"]
    assert (config["timm_proj"], config["timm_proj_bias"]) == ("linear", True)
    added = set(load_file(out / "open_clip_model.safetensors")) - set(editable(spec).tensors)
    assert added == {"visual.head.proj.weight", "visual.head.proj.bias"}
    pictures = noise_and_colours((55, 77))
    assert np.array_equal(load(str(out)).encode_images(pictures), load(spec).encode_images(pictures))
    assert load(str(out)).record.logit_bias == load(spec).record.logit_bias
