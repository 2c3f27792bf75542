"""Model architectures as frozen values: parsed strictly from untrusted files, with bounded sizes, and without torch.

Source of the shapes: Radford et al. 2021, table 20, https://arxiv.org/abs/2103.00020
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from strictio.errors import UsageError
from strictio.limits import LIMIT, MAX_LAYERS
from strictio.schema import from_dict, record, to_dict

Size = Annotated[StrictInt, Field(ge=1, le=LIMIT)]
Layers = Annotated[StrictInt, Field(ge=1, le=MAX_LAYERS)]


class Stored:
    """A `record` that is stored in files as a plain table."""

    PLACE = ""  # its name in messages

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers."""
        return dict(to_dict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read strictly: an unknown or missing key, or a value that does not fit, raises `UsageError`."""
        return from_dict(cls, data, cls.PLACE)


@record
class ViTConfig:
    """A vision transformer over square patches."""

    image_size: Size
    patch_size: Size
    width: Size
    layers: Layers
    head_width: Size = 64
    kind: Literal["vit"] = "vit"
    mlp_width: Size | None = None  # inside a block's MLP; None: four times `width`
    pooling: Literal["class", "attention"] = "class"
    """``class``: the feature of a class token, projected. ``attention``: a learned query attends to all patches (SigLIP); there are no
    class token, no first layer norm and no projection, and the patch embedding has a bias."""

    def __post_init__(self) -> None:
        check_divides("vision.head_width", self.head_width, "width", self.width)
        check_divides("vision.patch_size", self.patch_size, "image_size", self.image_size)


@record
class ResNetConfig:
    """A ModifiedResNet: `width` is the width of the stem (64 for RN50), `layers` the number of bottlenecks in each of the four stages."""

    image_size: Size
    width: Size
    layers: tuple[Layers, Layers, Layers, Layers]
    kind: Literal["resnet"] = "resnet"

    def __post_init__(self) -> None:
        check_divides("2", 2, "vision.width", self.width)
        check_divides("32", 32, "vision.image_size", self.image_size)


@record
class ConvConfig:
    """A few stride-2 3x3 convolutions: each entry of `channels` halves the image size. For small images on small machines."""

    image_size: Size
    channels: tuple[Size, ...]
    kind: Literal["conv"] = "conv"

    def __post_init__(self) -> None:
        if not 1 <= len(self.channels) <= 10:
            raise UsageError("vision.channels must have 1 to 10 entries")
        check_divides(f"2^{len(self.channels)}", 2 ** len(self.channels), "vision.image_size", self.image_size)


@record
class TextConfig:
    """A text transformer. The end-of-text (EOT) id is the largest: ``vocab_size - 1``."""

    context: Size
    vocab_size: Size
    width: Size
    layers: Layers
    head_width: Size = 64
    causal: StrictBool = True
    pooling: Literal["eot", "mean", "last"] = "eot"
    """The feature at the first EOT, or the mean up to and including it, without padding; or the feature at the last position of a text that
    is padded to the whole context, with padding attended to, and a projection with a bias (SigLIP)."""
    mlp_width: Size | None = None  # inside a block's MLP; None: four times `width`

    def __post_init__(self) -> None:
        check_divides("text.head_width", self.head_width, "width", self.width)

    @property
    def eot(self) -> int:
        return self.vocab_size - 1


VisionConfig = ViTConfig | ResNetConfig | ConvConfig


@record
class ModelConfig(Stored):
    """A dual encoder: two towers, shared settings, and the score rule."""

    PLACE = "config"
    embed_dim: Size
    vision: Annotated[VisionConfig, Field(discriminator="kind")]
    text: TextConfig
    activation: Literal["quick_gelu", "gelu", "gelu_tanh", "relu"] = "gelu"
    """Of both towers (except for a ModifiedResNet, which always has ReLU). ``quick_gelu`` is x * sigmoid(1.702 x), as in OpenAI's models.
    Weights do not reveal it; using the wrong one is a classic silent error."""
    layer_norm_eps: Annotated[StrictFloat, Field(gt=0, lt=1)] = 1e-5
    score_rule: Literal["softmax", "sigmoid"] = "softmax"  # jointly over labels, or per label (SigLIP, with a `logit_bias`)

    def __post_init__(self) -> None:
        if isinstance(self.vision, ViTConfig) and self.vision.pooling == "attention" and self.vision.width != self.embed_dim:
            raise UsageError("embed_dim must be vision.width", why="an image tower that pools by attention has no projection")
        if self.text.pooling == "last" and self.text.causal:
            raise UsageError("text.causal must be false with text.pooling = 'last'")

    def to_dict(self) -> dict[str, Any]:
        plain = super().to_dict()
        for tower in (plain["vision"], plain["text"]):
            if tower.get("mlp_width", 0) is None:  # omitted by default, so that hashes from before this setting stay valid
                del tower["mlp_width"]
        if plain["vision"].get("pooling") == "class":
            del plain["vision"]["pooling"]
        return plain


def check_divides(name: str, divisor: int, of: str, number: int) -> None:
    """Refuse a number that `divisor` does not divide."""
    if number % divisor:
        raise UsageError(f"{name} must divide {of} without rest")
