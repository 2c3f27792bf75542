"""A small model with random weights, forty plain pictures in FairFace's layout and a short probe: what tests of the commands audit."""

from pathlib import Path

from PIL import Image

GENDERS, RACES = ("Female", "Male"), ("White", "Black")


def write_checkpoint(path: Path, seed: int = 0, **stated) -> Path:
    import torch

    from contrastive.checkpoint.file import Checkpoint, save
    from contrastive.model.clip import CLIP
    from contrastive.model.preprocess import Preprocess
    from contrastive.model.presets import preset
    from contrastive.model.tokenizer import train_bpe

    torch.set_num_threads(1)
    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=77)
    config = preset("tiny-conv", vocab_size=tokenizer.vocab_size, context=77)
    model = CLIP(config, torch.Generator().manual_seed(seed)).eval()
    save(path, Checkpoint(model, Preprocess(config.vision.image_size), tokenizer, **stated))
    return path


def write_faces(folder: Path) -> Path:
    """Forty plain pictures; no person is shown."""
    (folder / "val").mkdir()
    lines = ["file,age,gender,race,service_test"]
    for number in range(40):
        Image.new("RGB", (32, 32), (number * 6, 255 - number * 6, 128)).save(folder / "val" / f"{number}.jpg")
        lines.append(f"val/{number}.jpg,20-29,{GENDERS[number % 2]},{RACES[number // 20]},TRUE")
    (folder / "fairface_label_val.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_probe(path: Path, more: str = "paired=()") -> Path:
    """FairFace's first measurement only, named like the file: the whole probe asks a hundred questions."""
    path.write_text(
        "from dataclasses import replace\nfrom audit.types import PairedClaim\nfrom probes.faces.fairface import PROBE as F\n"
        f"PROBE = replace(F, name={path.stem!r}, measurements=F.measurements[:1], specifications=(), published=(), {more})\n"
    )
    return path


def write_open_probe(path: Path, claims: str = "Claim('selection_rate', ('race',), 'cup')") -> Path:
    """A probe of a cup or a glass on any table: every column but the pictures' is an attribute, and nothing is true."""
    path.write_text(
        "from audit.data import load_dataset\nfrom audit.data.schema import Schema\n"
        "from audit.types import Claim, LabelSet, Measurement, Probe\n"
        "LABELS = LabelSet('thing', ('cup', 'glass'), {'cup': ('a photo of a cup',), 'glass': ('a photo of a glass',)})\n"
        f"ASKED = Measurement('thing', 'Which is it?', LABELS, 'plain v1', claims=({claims},), outcomes={{'cup': ('cup',)}})\n"
        "def load(options):\n    return load_dataset(options.location, Schema(), name='things', licence='none')\n"
        f"PROBE = Probe({path.stem!r}, 'Which?', load, (ASKED,), 'made by the test', 'none', (), ('all else',))\n"
    )
    return path


def write_things(folder: Path, count: int = 72) -> Path:
    """Pictures of one colour each, and a table of them with two groups of equal size."""
    folder.mkdir()
    lines = ["file,race"]
    for number in range(count):
        Image.new("RGB", (32, 32), (number * 3, 255 - number * 3, number * 37 % 256)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{RACES[number % 2]}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_failing_model(path: Path) -> Path:
    """An encoder that can be loaded, which tries it on two images, and fails at the first batch."""
    path.write_text(
        "import numpy as np\nclass Failing:\n    seen = 0\n"
        "    def encode_images(self, images):\n        self.seen += len(images)\n"
        "        if self.seen > 2: raise ValueError('planted')\n"
        "        return np.ones((len(images), 4))\n"
        "    def encode_texts(self, texts):\n        return np.ones((len(texts), 4))\n"
    )
    return path
