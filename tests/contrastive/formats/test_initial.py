"""Fine-tuning goes on from any CLIP: in whatever file or folder the same weights stand, training begins with them."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from contrastive.checkpoint.file import Checkpoint, load, save
from contrastive.config import read_config
from contrastive.export import export
from contrastive.export import main as export_main
from contrastive.formats.initial import read_model
from contrastive.model.clip import CLIP, ModelConfig, ResNetConfig, TextConfig, ViTConfig, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import clip_tokenizer, train_bpe
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.step import batch_of, take_step
from strictio.errors import DataError, UnsafeError, UsageError

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

TEXT = TextConfig(context=77, vocab_size=49_408, width=64, layers=1)
VIT = ModelConfig(16, ViTConfig(32, 16, 64, 1), TEXT, activation="quick_gelu")
RESNET = ModelConfig(16, ResNetConfig(32, 8, (1, 1, 1, 1)), TEXT, activation="quick_gelu")
SIZES = {"input_resolution": 32, "context_length": 77, "vocab_size": 49_408}


def random_clip(config):
    """Weights exact in half precision, and large enough for the activation to matter."""
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight * 2).half().float())
    return model


@pytest.fixture(scope="module")
def vit():
    return Checkpoint(random_clip(VIT), Preprocess(32), clip_tokenizer(77), data_card="Trained on nothing.")


class Skeleton(torch.nn.Module):
    """Holds weights by nested names and computes nothing; TorchScript saves it as it saves OpenAI's models."""

    def forward(self):
        return 0


def torchscript(path, state):
    """Save an archive like OpenAI's: matrices in half precision, three size buffers."""
    root = Skeleton()
    for name, tensor in state.items():
        *parents, last = name.split(".")
        place = root
        for part in parents:
            if part not in place._modules:
                place.add_module(part, Skeleton())
            place = place._modules[part]
        half = tensor.half() if tensor.ndim > 1 and "embedding" not in name else tensor
        buffer = "running" in name or "num_batches" in name
        setattr(place, last, torch.nn.Buffer(half.clone()) if buffer else torch.nn.Parameter(half.clone(), requires_grad=False))
    for name, value in SIZES.items():
        root.register_buffer(name, torch.tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; OpenAI's files are such archives
        torch.jit.save(torch.jit.script(root), str(path))


def write(kind, folder, checkpoint):
    """Write one model in one form; return its path and what must be stated about it."""
    state, path = portable_state(checkpoint.model), folder / "model.pt"
    if kind == "own":
        save(path, checkpoint)
        return path, {}
    if kind == "OpenAI":
        torchscript(path, state)
        return path, {}
    if kind in ("huggingface", "open_clip folder"):
        export(checkpoint, folder / "out", kind.removesuffix(" folder"))
        return folder / "out", {}
    if kind == "transformers' own":
        return transformers_folder(folder / "out", checkpoint), {}
    if kind == "safetensors":
        save_file(state, folder / "model.safetensors")
        return folder / "model.safetensors", {"activation": "quick_gelu"}
    torch.save({"epoch": 3, "name": "run", "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    return path, {"activation": "quick_gelu"}


def transformers_folder(out, checkpoint):
    """Save as transformers does by itself, and with little said: an old configuration relies on transformers' defaults."""
    from transformers import CLIPConfig, CLIPModel

    from contrastive.formats.exports.hugging_face import model_settings
    from strictio.weights.weight_names import to_hugging_face

    settings = model_settings(checkpoint)
    model = CLIPModel(CLIPConfig.from_dict(settings))
    model.load_state_dict(to_hugging_face(portable_state(checkpoint.model)))
    model.save_pretrained(out)
    for tower in ("vision_config", "text_config"):
        del settings[tower]["hidden_act"], settings[tower]["layer_norm_eps"]
    (out / "config.json").write_text(json.dumps(settings))
    return out


KINDS = ["own", "OpenAI", "open_clip", "safetensors", "huggingface", "transformers' own", "open_clip folder"]


@pytest.mark.slow_except("open_clip folder")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_weights_in_any_form_are_the_same_model(kind, vit, tmp_path):
    path, stated = write(kind, tmp_path, vit)
    found = read_model(str(path), stated)
    assert found.config == vit.config
    assert (found.preprocess, found.tokenizer.sha256) == (vit.preprocess, vit.tokenizer.sha256)
    assert len(found.sha256) == 64
    expected = portable_state(vit.model)
    assert all(torch.equal(tensor.float(), expected[name]) for name, tensor in portable_state(found.model).items())


@pytest.mark.slow
def test_a_resnet_of_openai_is_read_too(tmp_path):
    model = random_clip(RESNET)
    torchscript(tmp_path / "RN.pt", portable_state(model))
    found = read_model(str(tmp_path / "RN.pt"))
    assert found.config == RESNET
    assert torch.equal(found.model.visual.layer1[0].bn1.running_mean, model.visual.layer1[0].bn1.running_mean)


RUN = '[model]\ninit = "INIT"\n[data]\ntrain = "shapes"\nbatch = 8\n[optim]\nsteps = 2\nlr = 1e-5\n[run]\nout = "OUT"\n'


def written_run(tmp_path, path):
    (tmp_path / "run.toml").write_text(RUN.replace("INIT", str(path)).replace("OUT", str(tmp_path / "run")))
    return str(tmp_path / "run.toml")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["OpenAI", "huggingface"])
def test_training_goes_on_from_a_foreign_model(kind, vit, tmp_path, capsys):
    path, _ = write(kind, tmp_path, vit)
    run = written_run(tmp_path, path)
    training = loop.start(loop.prepare(read_config(run)))
    assert all(torch.equal(tensor.detach(), portable_state(vit.model)[name]) for name, tensor in portable_state(training.model).items())
    assert all(parameter.dtype == torch.float32 for parameter in training.model.parameters())
    assert main([run, "--quiet"]) == 0
    found = load(tmp_path / "run" / "ckpt.pt")
    assert (found.step, found.config, found.tokenizer.vocab_size) == (2, VIT, 49_408)
    assert f"went on from the weights with sha256 {read_model(str(path)).sha256[:16]}" in found.data_card
    moved = (found.model.visual.proj - vit.model.visual.proj).abs().max()
    assert 0 < moved < 1e-4
    assert main([run, "--quiet"]) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.slow
def test_what_a_file_does_not_say_is_asked_for_as_a_setting(vit, tmp_path, capsys):
    path, stated = write("safetensors", tmp_path, vit)
    with pytest.raises(DataError) as caught:
        read_model(str(path))
    assert "model.stated.activation=gelu" in caught.value.fix
    assert "--model-args" not in caught.value.fix
    run = written_run(tmp_path, path)
    assert main([run, "--quiet"]) == 3
    assert main([run, "--quiet", "model.stated.activation=quick_gelu"]) == 0
    shown = capsys.readouterr().err
    assert "warning: Guessed: the text tower is causal" in shown
    assert load(tmp_path / "run" / "ckpt.pt").config.activation == "quick_gelu"
    assert stated == {"activation": "quick_gelu"}


def test_what_cannot_be_stated_is_refused(vit, tmp_path):
    path, _ = write("own", tmp_path, vit)
    with pytest.raises(UsageError, match="the checkpoint says itself"):
        read_model(str(path), {"activation": "gelu"})
    with pytest.raises(UsageError, match="unknown model override 'activaton'") as caught:
        read_model(str(path), {"activaton": "gelu"})
    assert "did you mean activation" in caught.value.fix
    with pytest.raises(UsageError, match="'stated' without 'init'"):
        read_config("shapes", ["model.stated.activation=gelu"])


def test_folders_that_are_no_clip_are_refused_in_words(vit, tmp_path):
    out, _ = write("huggingface", tmp_path, vit)
    with pytest.raises(DataError, match="not a model that can be read"):
        read_model(str(tmp_path))
    vocabulary = json.loads((out / "vocab.json").read_text())
    first, second = list(vocabulary)[600:602]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (out / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(DataError, match="does not follow from its merges"):
        read_model(str(out))
    (out / "config.json").write_text(json.dumps({"model_type": "align"}))
    with pytest.raises(DataError, match="'align' cannot be trained here"):
        read_model(str(out))
    (out / "config.json").write_text("[" * 100)
    with pytest.raises(DataError, match="not readable JSON"):
        read_model(str(out))


def test_a_file_that_asks_for_code_is_refused(tmp_path):
    torch.save({"state_dict": print}, tmp_path / "bad.pt")
    with pytest.raises(UnsafeError, match="print"):
        read_model(str(tmp_path / "bad.pt"))
    (tmp_path / "bad.safetensors").write_bytes(b"not one")
    with pytest.raises(DataError, match="is damaged"):
        read_model(str(tmp_path / "bad.safetensors"))
    with pytest.raises(DataError, match="file not found"):
        read_model(str(tmp_path / "none.pt"))


def test_a_folder_with_a_vocabulary_of_its_own(tmp_path):
    words = train_bpe(["one two three four"] * 3, vocab_size=560, context=16)
    text = TextConfig(context=16, vocab_size=words.vocab_size, width=64, layers=1)
    own = Checkpoint(random_clip(ModelConfig(16, ViTConfig(32, 16, 64, 1), text)), Preprocess(32), words)
    export(own, tmp_path / "out", "huggingface")
    assert read_model(str(tmp_path / "out")).tokenizer.sha256 == words.sha256


def test_an_export_that_transformers_has_saved_again_is_the_same_model(tmp_path, capsys):
    from transformers import AutoProcessor, CLIPModel

    words = train_bpe(["one two three four"] * 3, vocab_size=560, context=16)
    text = TextConfig(context=16, vocab_size=words.vocab_size, width=64, layers=1)
    pixels = Preprocess(32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3), interpolation="bilinear")
    config = ModelConfig(16, ViTConfig(32, 16, 64, 1), text, activation="gelu")
    save(tmp_path / "ckpt.pt", Checkpoint(random_clip(config), pixels, words))
    assert export_main([str(tmp_path / "ckpt.pt"), str(tmp_path / "out"), "--to", "huggingface"]) == 0
    for part in (CLIPModel, AutoProcessor):
        part.from_pretrained(tmp_path / "out").save_pretrained(tmp_path / "again")
    assert {path.name for path in (tmp_path / "again").iterdir()} >= {"processor_config.json", "tokenizer.json"}
    assert not (tmp_path / "again" / "merges.txt").exists()
    run = written_run(tmp_path, tmp_path / "again")
    begun = loop.prepare(read_config(run))
    assert (begun.model, begun.preprocess, begun.tokenizer) == (config, pixels, words)
    stated = [note for note in read_model(str(tmp_path / "again"), {"activation": "gelu"}).notes if note.startswith("Stated by")]
    assert "Stated by the user: activation is gelu." in stated
    assert "Stated by the folder's configuration: interpolation is bilinear." in stated
    assert sum("by the user" in note for note in stated) == 1
    expected = portable_state(random_clip(config))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in portable_state(begun.initial.model).items())
    capsys.readouterr()
    assert main([run, "--quiet"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "longer than the 16 tokens" not in line]
    assert said == []  # nothing was guessed

    processor = tmp_path / "again" / "processor_config.json"
    whole = processor.read_text()
    content = json.loads(whole)
    content["image_processor"]["size"] = {"shortest_edge": 36}
    processor.write_text(json.dumps(content))
    assert main([run, "--quiet", "--fresh"]) == 3
    assert "error: the folder's processor resizes images to 36 and cuts out 32, which cannot be done here" in capsys.readouterr().err
    processor.write_text(whole)

    saved = json.loads((tmp_path / "again" / "tokenizer.json").read_text())
    saved["model"]["merges"].reverse()
    (tmp_path / "again" / "tokenizer.json").write_text(json.dumps(saved))
    assert main([run, "--quiet", "--fresh"]) == 3
    assert "error: the folder's vocabulary does not follow from its merges, as CLIP's does (tokenizer.json)" in capsys.readouterr().err
    (tmp_path / "again" / "tokenizer.json").write_text("{}")
    assert main([run, "--quiet", "--fresh"]) == 3
    assert "error: tokenizer.json is not a tokenizer of CLIP's kind" in capsys.readouterr().err


def open_clip_file(path, **cfg):
    """Save a model of open_clip's own class as its trainer does."""
    import open_clip

    torch.manual_seed(0)
    model = open_clip.CLIP(**OPEN_CLIP | cfg)
    torch.save({"epoch": 1, "name": "run-model_tiny", "state_dict": {f"module.{name}": t for name, t in model.state_dict().items()}}, path)
    return model.eval()


OPEN_CLIP = {
    "embed_dim": 16, "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1},
    "text_cfg": {"context_length": 77, "vocab_size": 49_408, "width": 64, "heads": 4, "layers": 1},
}  # fmt: skip


@pytest.mark.slow
def test_open_clips_own_checkpoint_begins_at_its_own_loss(tmp_path, capsys):
    # 4 heads of 16 in a tower 64 wide: nothing in the file says so, and a guess of 64 begins at another loss.
    from open_clip.loss import ClipLoss

    peer = open_clip_file(tmp_path / "epoch_1.pt")
    run = written_run(tmp_path, tmp_path / "epoch_1.pt")
    stated = ["model.stated.activation=quick_gelu", "model.stated.text_head_width=16"]
    assert main([run, "--quiet"]) == 3
    asked = capsys.readouterr().err
    assert "fix: state it, for example model.stated.activation=gelu\n" in asked
    assert "--model" not in asked
    assert main([run, "--quiet", *stated]) == 0
    shown = capsys.readouterr().err
    assert "warning: Guessed: attention heads of the image tower are 64 wide, 1 of them (model.stated.image_head_width=N)." in shown
    assert "--model" not in shown
    inputs = loop.prepare(read_config(run, stated))
    images, ids = batch_of(inputs, 0, torch.device("cpu"))
    full = torch.nn.functional.pad(ids, (0, 77 - ids.shape[1]))
    with torch.no_grad():
        expected = float(ClipLoss()(*peer(images, full)))
    assert abs(take_step(loop.start(inputs), inputs)["loss"] - expected) < 1e-4


@pytest.mark.slow
def test_a_stated_fact_may_have_its_own_type(tmp_path, capsys):
    open_clip_file(tmp_path / "epoch_1.pt")
    run = written_run(tmp_path, tmp_path / "epoch_1.pt")
    stated = ["model.stated.activation=quick_gelu", "model.stated.causal=true", "model.stated.mean=[0.5, 0.5, 0.5]"]
    inputs = loop.prepare(read_config(run, stated))
    assert inputs.preprocess.mean == (0.5, 0.5, 0.5)
    assert inputs.config.identity()["model.stated.mean"] == "0.5,0.5,0.5"
    for wrong, says in (
        ("text_head_width=wide", "error: text_head_width must be a whole number, such as 64, not str (model.stated)"),
        ("text_head_with=16", "error: unknown model override 'text_head_with' (model.stated)\nfix: did you mean text_head_width"),
        ("mean={}", "error: model.stated.mean must be a word, a number, true or false, or a list of numbers"),
    ):
        assert main([run, "--quiet", f"model.stated.{wrong}"]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.slow_except("safetensors")
@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_a_folder_whose_weights_are_in_several_files_is_the_same_model(kind, vit, tmp_path):
    from transformers import CLIPModel

    whole, _ = write("huggingface", tmp_path, vit)
    parts = tmp_path / "parts"
    CLIPModel.from_pretrained(whole).save_pretrained(parts, max_shard_size="100KB")
    index = parts / "model.safetensors.index.json"
    assert index.is_file()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "preprocessor_config.json"):
        (parts / name).write_bytes((whole / name).read_bytes())
    if kind == "torch":
        content = json.loads(index.read_text())
        for file in set(content["weight_map"].values()):
            torch.save(load_file(parts / file), parts / file.replace("safetensors", "bin"))
            (parts / file).unlink()
        content["weight_map"] = {name: file.replace("safetensors", "bin") for name, file in content["weight_map"].items()}
        index.unlink()
        index = parts / "pytorch_model.bin.index.json"
        index.write_text(json.dumps(content))
    files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    assert len(files) > 2
    found = read_model(str(parts))
    assert found.config == vit.config
    assert all(torch.equal(tensor, portable_state(vit.model)[name]) for name, tensor in portable_state(found.model).items())
    assert len(found.sha256) == 64
    assert found.sha256 != read_model(str(whole)).sha256

    content = json.loads(index.read_text())
    name = next(iter(content["weight_map"]))
    for file, words in (("../model.safetensors", "list files in its own folder"), ("none.safetensors", "file not found")):
        index.write_text(json.dumps({"weight_map": content["weight_map"] | {name: file}}))
        with pytest.raises(DataError, match=f"{words}|does not hold the weights"):
            read_model(str(parts))
    index.write_text(
        json.dumps({"weight_map": content["weight_map"] | {name: files[-1] if content["weight_map"][name] != files[-1] else files[0]}})
    )
    with pytest.raises(DataError, match="does not hold the weights"):
        read_model(str(parts))
    index.write_text("{}")
    with pytest.raises(DataError, match="does not list the files"):
        read_model(str(parts))
