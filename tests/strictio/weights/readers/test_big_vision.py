"""big_vision's arrays: read without unpickling, renamed as open_clip's own converter does, and an encoder once a tokenizer is named."""

import io
import pickle
import zipfile
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from audit.errors import DataError, UnsafeError
from audit.models import load
from strictio.weights.readers.big_vision import read, to_siglip
from tests.support.hostile import Evil
from tests.support.notes import sentences

torch.set_num_threads(1)
HEADS, WIDTH, MLP, PATCH, GRID, CONTEXT, VOCABULARY = 2, 32, 48, 8, 3, 16, 40


def norm(generator):
    return {"scale": 1 + 0.1 * generator.standard_normal(WIDTH), "bias": 0.1 * generator.standard_normal(WIDTH)}


def dense(generator, inputs, outputs):
    return {"kernel": generator.standard_normal((inputs, outputs)) / inputs**0.5, "bias": 0.1 * generator.standard_normal(outputs)}


def attention(generator):
    def projection():
        kernel = generator.standard_normal((WIDTH, HEADS, WIDTH // HEADS)) / WIDTH**0.5
        return {"kernel": kernel, "bias": 0.1 * generator.standard_normal((HEADS, WIDTH // HEADS))}

    out = {"kernel": generator.standard_normal((HEADS, WIDTH // HEADS, WIDTH)) / WIDTH**0.5, "bias": 0.1 * generator.standard_normal(WIDTH)}
    return {"query": projection(), "key": projection(), "value": projection(), "out": out}


def mlp(generator):
    return {"Dense_0": dense(generator, WIDTH, MLP), "Dense_1": dense(generator, MLP, WIDTH)}


def block(generator):
    return {
        "LayerNorm_0": norm(generator), "MultiHeadDotProductAttention_0": attention(generator), "LayerNorm_1": norm(generator),
        "MlpBlock_0": mlp(generator),
    }  # fmt: skip


def siglip_tree(layers=2):
    """Parameters of a small SigLIP as big_vision nests them."""
    generator = np.random.default_rng(0)
    blocks = [{f"encoderblock_{i}": block(generator) for i in range(layers)} for _ in range(2)]
    image = {
        "embedding": {"kernel": generator.standard_normal((PATCH, PATCH, 3, WIDTH)) / 14, "bias": generator.standard_normal(WIDTH)},
        "pos_embedding": generator.standard_normal((1, GRID**2, WIDTH)),
        "Transformer": {**blocks[0], "encoder_norm": norm(generator)},
        "MAPHead_0": {
            "probe": generator.standard_normal((1, 1, WIDTH)), "MultiHeadDotProductAttention_0": attention(generator),
            "LayerNorm_0": norm(generator), "MlpBlock_0": mlp(generator),
        },
    }  # fmt: skip
    text = {
        "Embed_0": {"embedding": generator.standard_normal((VOCABULARY, WIDTH))},
        "pos_embedding": generator.standard_normal((1, CONTEXT, WIDTH)),
        "Encoder_0": {**blocks[1], "encoder_norm": norm(generator)},
        "head": dense(generator, WIDTH, WIDTH),
    }
    return {"img": image, "txt": text, "t": np.array([2.3]), "b": np.array([-10.0])}


def flat(tree, prefix=""):
    arrays = {}
    for name, value in tree.items():
        arrays |= flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {prefix + name: np.asarray(value, np.float32)}
    return arrays


def stacked(arrays):
    """Put all blocks of a tower into one array with a leading axis, as newer big_vision files have them."""
    found = {}
    for name, array in arrays.items():
        if "encoderblock_" not in name:
            found[name] = array
        elif "encoderblock_0/" in name:
            others = [arrays[name.replace("encoderblock_0/", f"encoderblock_{i}/")] for i in (0, 1)]
            found[name.replace("encoderblock_0/", "encoderblock/")] = np.stack(others)
    return found


@pytest.fixture
def arrays():
    return {f"params/{name}": array for name, array in flat(siglip_tree()).items()}


@pytest.fixture
def npz(tmp_path, arrays):
    np.savez(tmp_path / "siglip.npz", **arrays)
    return tmp_path / "siglip.npz"


def test_arrays_come_out_bit_equal_and_the_trainers_own_state_is_left_alone(tmp_path, npz, arrays):
    np.savez(tmp_path / "x.npz", **{"opt/mu/t": np.ones(1)}, **arrays)
    assert set(read(tmp_path / "x.npz").data) == {name.removeprefix("params/") for name in arrays}
    tensors = read(npz).data
    assert list(tensors) == [name.removeprefix("params/") for name in arrays]
    for name, array in arrays.items():
        np.testing.assert_array_equal(tensors[name.removeprefix("params/")].numpy(), array)


def test_bfloat16_is_two_raw_bytes(tmp_path):
    """1.5 is 0x3FC0 in bfloat16: the upper half of float32's 0x3FC00000."""
    np.savez(tmp_path / "x.npz", w=np.array([b"\xc0\x3f", b"\x00\xc0"], "V2"))
    assert read(tmp_path / "x.npz").data["w"].tolist() == [1.5, -2.0]


def test_renaming_agrees_with_open_clips_converter(npz):
    """Its converter fills its own classes; SigLIP's image tower there is timm's, so towers are compared by what they compute."""
    from open_clip.convert import load_big_vision_weights
    from open_clip.model import CustomTextCLIP
    from timm.layers import LayerNorm
    from timm.models.vision_transformer import VisionTransformer

    norms = {"eps": 1e-6}
    vision = {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "map", "timm_proj": "none", "image_size": 224}
    text = {
        "context_length": CONTEXT, "vocab_size": VOCABULARY, "width": WIDTH, "heads": HEADS, "layers": 2, "no_causal_mask": True,
        "proj_bias": True, "pool_type": "last", "norm_kwargs": norms, "mlp_ratio": MLP / WIDTH, "act_kwargs": {"approximate": "tanh"},
    }  # fmt: skip
    theirs = CustomTextCLIP(WIDTH, vision, text, init_logit_bias=-10.0)
    theirs.visual.trunk = VisionTransformer(
        PATCH * GRID, PATCH, num_classes=0, global_pool="map", embed_dim=WIDTH, depth=2, num_heads=HEADS, mlp_ratio=MLP / WIDTH,
        class_token=False, act_layer="gelu_tanh", norm_layer=partial(LayerNorm, **norms),
    )  # fmt: skip
    load_big_vision_weights(theirs, str(npz))
    theirs.eval()
    ours = siglip_model(npz)
    pixels = torch.randn(3, 3, PATCH * GRID, PATCH * GRID, generator=torch.Generator().manual_seed(1))
    ids = torch.randint(VOCABULARY, (4, CONTEXT), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        torch.testing.assert_close(ours.get_text_features(ids).pooler_output, theirs.encode_text(ids), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(ours.get_image_features(pixels).pooler_output, theirs.encode_image(pixels), atol=1e-5, rtol=1e-5)
    for name in ("logit_scale", "logit_bias"):
        assert float(getattr(ours, name).detach()) == float(getattr(theirs, name).detach())


def siglip_model(npz):
    from transformers import SiglipConfig, SiglipModel

    tower = {"hidden_size": WIDTH, "intermediate_size": MLP, "num_hidden_layers": 2, "num_attention_heads": HEADS}
    words = {"vocab_size": VOCABULARY, "max_position_embeddings": CONTEXT, "projection_size": WIDTH}
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    vision = {**tower, "image_size": PATCH * GRID, "patch_size": PATCH}
    config = SiglipConfig(text_config={**tower, **words, **special}, vision_config=vision)
    model = SiglipModel(config).eval()
    state, heads = to_siglip(read(npz).data)
    assert heads == (HEADS, HEADS)
    model.load_state_dict(state, strict=True)
    return model


def test_stacked_blocks_are_the_same_model(tmp_path, npz, arrays):
    plain = {name.removeprefix("params/"): array for name, array in arrays.items()}
    np.savez(tmp_path / "stacked.npz", **stacked(plain))
    one, other = to_siglip(read(npz).data)[0], to_siglip(read(tmp_path / "stacked.npz").data)[0]
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def refused(path, kind=DataError):
    with pytest.raises(kind) as caught:
        to_siglip(read(path).data)
    assert caught.value.where in (None, str(path))
    return caught.value


def test_compressed_arrays_and_pickled_objects_are_refused_and_not_run(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", w=np.zeros(2**20))
    assert "compressed" in refused(tmp_path / "x.npz", UnsafeError).what
    np.savez(tmp_path / "x.npz", w=np.array([Evil(tmp_path / "canary")], object))
    assert "Python objects" in refused(tmp_path / "x.npz", UnsafeError).what
    (tmp_path / "y.npz").write_bytes(pickle.dumps(Evil(tmp_path / "canary")))
    assert "pickle" in refused(tmp_path / "y.npz", UnsafeError).what
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("header", "kind", "said"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", UnsafeError, "declares another size"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", UnsafeError, "declares another size"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", DataError, "is damaged"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", DataError, "holds no weights"),
        ("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", DataError, "holds no weights"),
        ("__import__('os').system('id')", DataError, "is damaged"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1" * 900 + ", }", DataError, "is damaged"),  # no slow pattern
        ("{" * 500, DataError, "is damaged"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, header, kind, said):
    entry = io.BytesIO()
    text = header.encode() + b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    entry.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("w.npy", entry.getvalue())
    assert said in refused(tmp_path / "x.npz", kind).what


def test_a_flipped_bit_and_weights_that_are_no_numbers_are_named(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **{**arrays, "params/t": np.array([np.nan], np.float32)})
    assert "tensor 't' holds 1 values" in refused(tmp_path / "x.npz").what
    np.savez(tmp_path / "x.npz", **arrays)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[content.index(arrays["params/txt/head/kernel"].tobytes()) + 5] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    assert "'params/txt/head/kernel.npy' does not match its CRC" in refused(tmp_path / "x.npz").what


def changed(arrays, drop=(), **more):
    kept = {name: array for name, array in arrays.items() if not any(part in name for part in drop)}
    return {**kept, **{f"params/{name.replace('__', '/')}": array for name, array in more.items()}}


@pytest.mark.parametrize(
    ("drop", "more", "said"),
    [
        (("MAPHead_0",), {}, "missing: img/MAPHead_0/probe"),
        ((), {"img__cls": np.zeros((1, 1, WIDTH))}, "class token"),
        ((), {"img__head__kernel": np.zeros((WIDTH, WIDTH))}, "projection of its own"),
        ((), {"img__pre_logits__bias": np.zeros(WIDTH)}, "nothing like its 'img/pre_logits/bias'"),
        (("params/t", "params/b"), {}, "missing: t, b"),
        (("img/Transformer/encoderblock_0",), {}, "found [1]"),
        ((), {"img__Transformer__encoderblock_1__Extra__kernel": np.zeros(3)}, "no counterpart"),
        (("txt",), {"txt__BertModel_0__x": np.zeros(3)}, "BERT"),
    ],
)
def test_what_siglip_does_not_have_is_said(tmp_path, arrays, drop, more, said):
    np.savez(tmp_path / "x.npz", **changed(arrays, drop, **more))
    assert said in str(refused(tmp_path / "x.npz"))


@pytest.fixture
def tokenizer(tmp_path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [("</s>", 0.0), ("<unk>", -20.0), *((letter, -9.0) for letter in "\u2581abcdefghijklmnopqrstuvwxyz")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    names = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    folder = tmp_path / "tokenizer"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, model_max_length=CONTEXT).save_pretrained(folder)
    return folder


def test_a_siglip_file_and_its_tokenizer_make_an_encoder(tmp_path, npz, tokenizer):
    from transformers import AutoTokenizer

    encoder = load(str(npz), model_args={"tokenizer": str(tokenizer)})
    texts, model = ["a cook", "A Nurse"], siglip_model(npz)
    ids = AutoTokenizer.from_pretrained(tokenizer)(texts, padding="max_length", max_length=CONTEXT, return_tensors="pt")["input_ids"]
    images = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)) for seed in range(3)]
    pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1 for image in images])
    with torch.inference_mode():
        np.testing.assert_allclose(encoder.encode_texts(texts), model.get_text_features(ids).pooler_output.numpy(), atol=1e-5)
        np.testing.assert_allclose(encoder.encode_images(images), model.get_image_features(pixels).pooler_output.numpy(), atol=1e-5)
    record = encoder.record
    assert (record.score_rule, record.logit_bias, record.dimensions) == ("sigmoid", -10.0, WIDTH)
    assert record.logit_scale == pytest.approx(np.exp(2.3))
    assert record.kind == "big_vision npz file of a SigLIP"
    assert "24 px, patch 8, width 32, layers 2, heads 2" in record.architecture
    assert not any("heads" in note for note in sentences(record.notes))  # the arrays' shapes show them
    assert any(note.startswith("Guessed: images are prepared as for SigLIP") for note in sentences(record.notes))
    assert str(tmp_path) not in repr(record)


def test_the_same_weights_by_hugging_faces_names_are_the_same_model(tmp_path, npz, tokenizer):
    torch.save({"model": to_siglip(read(npz).data)[0]}, tmp_path / "siglip.pt")
    stated = {"tokenizer": str(tokenizer), "image_head_width": "16", "text_head_width": "16"}
    one, other = load(str(npz), model_args={"tokenizer": str(tokenizer)}), load(str(tmp_path / "siglip.pt"), model_args=stated)
    image, text = [Image.new("RGB", (40, 30), (200, 30, 90))], ["a cook"]
    np.testing.assert_array_equal(one.encode_images(image), other.encode_images(image))
    np.testing.assert_array_equal(one.encode_texts(text), other.encode_texts(text))
    with pytest.raises(DataError, match="how many attention heads") as caught:
        load(str(tmp_path / "siglip.pt"), model_args={"tokenizer": str(tokenizer)})
    assert "--model-args image_head_width=N" in caught.value.fix


def test_other_arrays_are_no_model_and_without_a_tokenizer_what_is_missing_is_said(tmp_path, npz, tokenizer):
    np.savez(tmp_path / "x.npz", w=np.ones(3, np.float32))
    with pytest.raises(DataError, match="not a SigLIP model of big_vision") as caught:
        load(str(tmp_path / "x.npz"))
    assert "the file's first are w" in caught.value.why
    with pytest.raises(DataError, match="the file has no tokenizer") as caught:
        load(str(npz))
    assert "--model-args tokenizer=DIR" in caught.value.fix
    with pytest.raises(DataError, match="no tokenizer in this folder"):
        load(str(npz), model_args={"tokenizer": str(tmp_path)})
    (tokenizer / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": "evil.Tokenizer"}}')
    with pytest.raises(UnsafeError, match="auto_map"):
        load(str(npz), model_args={"tokenizer": str(tokenizer)})
