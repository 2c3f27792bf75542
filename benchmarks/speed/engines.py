"""ViT-B/32's image tower in ONNX Runtime and OpenVINO against torch, in float32, in one run: alone, and end to end through `embed_images`.

Random weights, 448 px JPEGs. The engines get the tower as ONNX, with batches of 32 fixed, and as many threads as torch; end to end they
compute instead of torch, all else equal. Prints images per second by wall clock and CPU time, medians, and the ratios; where one is more
than 1.15 times as fast end to end, it would be worth an engine of its own. An engine that is not installed is skipped.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_images
from audit.models import load
from benchmarks.speed.embedding import BATCH, made_data
from benchmarks.speed.made import installed, jpegs, medians, model_folder, say_setting
from strictio.images.decode import decode

WORTH_IT = 1.15


class Tower(torch.nn.Module):
    """The image tower alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return self.model.get_image_features(pixels).pooler_output


def onnx_runtime(path: Path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: torch.from_numpy(session.run(None, {name: pixels.numpy()})[0])


def open_vino(path: Path):
    import openvino

    core = openvino.Core()
    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = core.compile_model(core.read_model(str(path)), "CPU", {**threads, "NUM_STREAMS": 1})
    return lambda pixels: torch.from_numpy(compiled([pixels.numpy()])[0])


ENGINES = {"onnxruntime": onnx_runtime, "openvino": open_vino}


def with_engine(folder: Path, run):
    """Return an encoder whose image tower is another engine's."""
    encoder = load(str(folder))
    encoder._images._replicas[0] = (torch.device("cpu"), run)
    return encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=int, default=448)
    given = parser.parse_args()
    found = [name for name in ENGINES if installed(name)]
    if not found or not installed("onnx"):
        return
    say_setting(*found)
    contents = jpegs(given.images, given.side)
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "tower.onnx"
        tower = Tower(model_folder(folder)).eval()
        torch.onnx.export(tower, (torch.zeros(BATCH, 3, 224, 224),), str(path), dynamo=True, external_data=True)
        encoders = {"torch": load(str(folder)), **{engine: with_engine(folder, ENGINES[engine](path)) for engine in found}}
        ready = [encoders["torch"].prepare(decode(content).image) for content in contents]
        batches = [ready[start : start + BATCH] for start in range(0, len(ready), BATCH)]
        expected = encoders["torch"].start(batches[0], BATCH).rows()
        work = {}
        for engine, encoder in encoders.items():
            difference = np.abs(encoder.start(batches[0], BATCH).rows() - expected).max() / np.abs(expected).max()
            print(f"{engine}: largest difference from torch {difference:.1e} of the largest number", flush=True)
            work[f"{engine}, tower alone"] = (len(ready), lambda encoder=encoder: [encoder.start(part, BATCH).rows() for part in batches])
            end_to_end = partial(embed_images, encoder, made_data(contents), batch_size=BATCH)
            work[f"{engine}, end to end"] = (len(ready), lambda run=end_to_end: run(cache_root=MemoryRoot()))
        rates = medians(work, given.repeats)
    for name, (wall, cpu) in rates.items():
        engine, kind = name.split(", ")
        ratios = [one / other for one, other in zip((wall, cpu), rates[f"torch, {kind}"], strict=True)]
        print(f"{name:<28} {wall:6.1f} images/s ({ratios[0]:.2f} of torch), {cpu:5.1f} per CPU s ({ratios[1]:.2f})", flush=True)
    fast = [engine for engine in found if rates[f"{engine}, end to end"][0] > WORTH_IT * rates["torch, end to end"][0]]
    print(f"more than {WORTH_IT} times as fast end to end: {', '.join(fast) or 'none'}")


if __name__ == "__main__":
    main()
