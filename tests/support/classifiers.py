"""Tiny image classifiers: folders of transformers, ONNX files of the same weights, and pictures that they can tell apart."""

import warnings
from pathlib import Path

import numpy as np
import torch
import transformers as hf

from tests.support.model_folders import saved

SIDE = 32
PEOPLE = ("Female", "Male")


def vit(labels=PEOPLE, **more):
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "image_size": SIDE,
        "patch_size": 8,
    }
    return hf.ViTForImageClassification(hf.ViTConfig(**sizes, **named(labels), **more)), processor(hf.ViTImageProcessor)


def resnet(labels=PEOPLE, **more):
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    made = hf.ResNetForImageClassification(hf.ResNetConfig(**sizes, **named(labels), **more))
    with torch.no_grad():  # as after training: the statistics of a batch norm are not 0 and 1
        for name, buffer in made.named_buffers():
            if name.endswith("running_mean"):
                buffer.uniform_(-0.5, 0.5)
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return made, hf.ConvNextImageProcessor(size={"shortest_edge": SIDE}, crop_pct=1.0)


def convnext(labels=PEOPLE, **more):
    sizes = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
    return hf.ConvNextForImageClassification(hf.ConvNextConfig(**sizes, **named(labels), **more)), hf.ConvNextImageProcessor(
        size={"shortest_edge": SIDE}
    )


def swin(labels=PEOPLE, **more):
    sizes = {"image_size": SIDE, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4}
    return hf.SwinForImageClassification(hf.SwinConfig(**sizes, **named(labels), **more)), processor(hf.ViTImageProcessor)


def siglip(labels=PEOPLE, **more):
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision, text = {**tower, "image_size": SIDE, "patch_size": 8}, {**tower, "vocab_size": 20}
    config = hf.SiglipConfig(vision_config=vision, text_config=text, **named(labels), **more)
    return hf.SiglipForImageClassification(config), processor(hf.SiglipImageProcessor)


FAMILIES = {"vit": vit, "resnet": resnet, "convnext": convnext, "swin": swin, "siglip": siglip}


def named(labels):
    return {"id2label": dict(enumerate(labels)), "label2id": {label: position for position, label in enumerate(labels)}}


def processor(cls):
    return cls(size={"height": SIDE, "width": SIDE})


def folder(path: Path, make=vit, labels=PEOPLE, **more) -> Path:
    """Save a classifier with random weights, large enough that pictures of noise get different answers."""
    torch.manual_seed(0)
    model, pixels = make(labels, **more)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1.5 / weight[0].numel() ** 0.5)
    return saved(path, model.eval(), pixels)


def exported(path: Path, onnx: Path | None = None) -> Path:
    """Export the classifier of a folder to ONNX, by default into the folder itself."""
    model = hf.AutoModelForImageClassification.from_pretrained(path).eval()
    file = onnx or path / "model.onnx"

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model(pixel_values).logits

    with warnings.catch_warnings(action="ignore"):  # the older exporter needs no further package
        torch.onnx.export(
            Logits(), (torch.zeros(2, 3, SIDE, SIDE),), str(file), input_names=["pixel_values"], output_names=["logits"],
            dynamic_axes={"pixel_values": {0: "n"}, "logits": {0: "n"}}, dynamo=False,
        )  # fmt: skip
    return file


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
