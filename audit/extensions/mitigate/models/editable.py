"""Opens a model that a spec names so that its output layers can be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from audit.errors import UsageError
from audit.extensions.mitigate.models.output_layers import HUGGING_FACE, openai_layers
from audit.extensions.mitigate.models.rewriting import EditableFolder, EditableModel
from audit.models.spec import only_file, refer

_FIX = "mitigate a ckpt.pt, a folder in Hugging Face layout, one of open_clip's, or open_clip:ARCH,FILE"


def editable(spec: str, model_args: Mapping[str, str] | None = None) -> EditableModel:
    """Open a model; raises UsageError if it is in no form in which it could be written again, or of a family without known layers."""
    from audit.extensions.mitigate.models.open_clip import open_architecture, open_open_clip_folder
    from audit.models import hub

    reference = refer(spec)
    where, path = reference.where, Path(reference.where)
    if reference.kind == "hub":
        name, _, revision = where.partition("@")
        folder = hub.fetch(name, revision or None)
        return _open_folder(folder, folder.parents[1], model_args)
    if reference.kind == "open_clip" and not path.is_dir():
        return open_architecture(where, model_args)
    if reference.kind == "file":
        return _open_file(path)
    if reference.kind not in ("folder", "open_clip"):
        raise UsageError(f"{spec!r} cannot be written again", why="it is code, not weights in a known form", fix=_FIX)
    if (path / "open_clip_config.json").is_file() and not (path / "config.json").is_file():
        return open_open_clip_folder(path, model_args)
    return _open_file(file) if (file := only_file(path)) is not None else _open_folder(path, path, model_args)


def _open_file(path: Path) -> EditableModel:
    from audit.extensions.mitigate.models.checkpoint import EditableCheckpoint
    from audit.models import single_file
    from strictio.weights.readers.safetensors_file import read_tensors

    if single_file.exported_weights(path.parent) == path:
        tensors = read_tensors(path)
        return EditableFolder(path.parent, (path,), openai_layers(tensors), tensors, "vlm-audit folder")
    if (checkpoint := single_file.own_checkpoint(path)) is not None:
        return EditableCheckpoint(checkpoint)
    what, why = "the weights of another program in one file cannot be written again", "the file does not describe its model"
    raise UsageError(what, where=str(path), why=why, fix=f"name its architecture: --model open_clip:ARCH,{path}; a folder is written then")


def _open_folder(folder: Path, inside: Path, model_args: Mapping[str, str] | None) -> EditableFolder:
    """A folder in Hugging Face layout."""
    from audit.models.folder_weights import read_weights, weight_files
    from audit.models.huggingface.encoder import RETRIEVAL
    from audit.models.model_args import refuse_overrides
    from strictio.model_folders.check import check_folder
    from strictio.model_folders.configurations import read_configuration

    refuse_overrides(model_args, "a folder whose model is written again")
    check_folder(folder, inside)
    config = read_configuration(folder / "config.json")
    family = str(config.get("model_type"))[:80]
    if family not in HUGGING_FACE or (family == "blip" and RETRIEVAL not in (config.get("architectures") or ())):
        what = f"a model of type {family!r} has no known output layers"
        raise UsageError(what, where=str(folder), why=f"they are known of {', '.join(HUGGING_FACE)} (for retrieval)", fix=_FIX)
    return EditableFolder(folder, tuple(weight_files(folder)), HUGGING_FACE[family], read_weights(folder).tensors)
