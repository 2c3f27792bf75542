"""From a ViT-B/32 checkpoint of 600 MB to the first embedding, against open_clip and transformers on the same weights, in one run.

Random weights as an open_clip training checkpoint, a safetensors file and a Hugging Face folder. Each run is a fresh process of one thread
that imports what it needs, loads, and embeds one image; the files are in the page cache. Rounds are interleaved and the median is printed:
wall time, CPU time and peak resident memory, with ratios to the faster of the two others and to the size of the file. Ours also
hashes the file and checks every checksum and every number, and has read its tokenizer.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROUNDS = int(os.environ.get("ROUNDS", "5"))
PICTURE = "from PIL import Image; image = Image.new('RGB', (320, 240), (200, 120, 40))"
OURS = f"""
{PICTURE}
from audit.models import load
encoder = load({{path!r}}, model_args={{stated}})
print(encoder.encode_images([image])[0, :3])
"""
AND_A_TEXT = f"{OURS}print(encoder.encode_texts(['a photo of a cook'])[0, :3])\n"
OPEN_CLIP = f"""
{PICTURE}
import torch, open_clip
model, _, transform = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", pretrained={{path!r}})
model.eval()
with torch.inference_mode():
    print(model.encode_image(transform(image)[None])[0, :3])
"""
TRANSFORMERS = f"""
{PICTURE}
import torch
from transformers import CLIPImageProcessor, CLIPModel
model, processor = CLIPModel.from_pretrained({{path!r}}).eval(), CLIPImageProcessor.from_pretrained({{path!r}})
with torch.inference_mode():
    print(model.get_image_features(**processor(images=[image], return_tensors="pt")).pooler_output[0, :3])
"""
STATED = {"activation": "quick_gelu"}
PROGRAMS = {
    "ours, open_clip checkpoint": ("train.pt", OURS, STATED),
    "ours, safetensors": ("weights.safetensors", OURS, STATED),
    "ours, Hugging Face folder": ("folder", OURS, {}),
    "ours, open_clip checkpoint, then a text": ("train.pt", AND_A_TEXT, STATED),
    "open_clip.create_model_and_transforms": ("train.pt", OPEN_CLIP, {}),
    "CLIPModel.from_pretrained": ("folder", TRANSFORMERS, {}),
}
PEERS = ("open_clip.create_model_and_transforms", "CLIPModel.from_pretrained")


class Run(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def write_files(folder: Path) -> None:
    """Write the same weights in three ways."""
    import torch
    from safetensors.torch import save_file
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    from contrastive.model.clip import CLIP, portable_state
    from contrastive.model.presets import PRESETS
    from contrastive.model.tokenizer import clip_tokenizer
    from strictio.weights.weight_names import to_hugging_face

    state = portable_state(CLIP(PRESETS["ViT-B/32"], torch.Generator().manual_seed(0)))
    torch.save({"epoch": 1, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, folder / "train.pt")
    save_file(state, folder / "weights.safetensors")
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(vision_config={"patch_size": 32}))
    model.save_pretrained(folder / "folder", state_dict=to_hugging_face(state))
    tokenizer = clip_tokenizer()
    vocabulary = {symbol: number for number, symbol in enumerate(tokenizer._symbols)}
    merges = [tuple(merge.split(" ")) for merge in tokenizer.merges]
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77).save_pretrained(folder / "folder")
    CLIPImageProcessor().save_pretrained(folder / "folder")


def run(name: str, folder: Path) -> Run:
    """Run one program in a fresh process."""
    file, program, stated = PROGRAMS[name]
    code = program.format(path=str(folder / file), stated=stated)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", code]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{name} failed: {child.stderr.read().decode()[-2000:]}")
    child.stderr.close()
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run([sys.executable, __file__, "write", place], check=True, stderr=subprocess.DEVNULL)
        size = (folder / "train.pt").stat().st_size / 1e6
        rounds = [{name: run(name, folder) for name in PROGRAMS} for _ in range(ROUNDS + 1)][1:]
    middle = {name: Run(*map(statistics.median, zip(*(each[name] for each in rounds), strict=True))) for name in PROGRAMS}
    fastest = min(middle[peer].wall_s for peer in PEERS)
    print(f"file {size:.0f} MB; median of {ROUNDS} rounds after one that is not counted; x: to the faster peer, to the file")
    for name, (wall, cpu, peak) in middle.items():
        print(f"{name:<40} wall {wall:5.2f} s {wall / fastest:4.2f}x   CPU {cpu:5.2f} s   peak {peak:5.0f} MB {peak / size:4.2f}x")


if __name__ == "__main__":
    write_files(Path(sys.argv[2])) if sys.argv[1:2] == ["write"] else main()
