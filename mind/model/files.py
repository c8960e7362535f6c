"""A model as two files: weights (safetensors) and a description (JSON). No pickle.

The description holds the architecture, the checksum of the weights and the caller's facts, such as the
vocabulary's fingerprint. It is written last, so a folder with a description that fits is complete.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch

from mind.model.architecture import Architecture
from mind.model.mind import MIND

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
FORMAT_VERSION = 1


class ModelFileError(ValueError):
    """A stored model that is incomplete, damaged, or of another format."""


def save(model: MIND, folder: str | os.PathLike[str], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model; each file appears whole or not at all. Returns the description.

    Args:
        model: its weights are stored in their own type.
        folder: made if missing.
        extra: facts of the caller, standard JSON values only; stored under "extra".

    Raises:
        ValueError: extra is not standard JSON (NaN and infinity are not).
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    data = safetensors.torch.save(weights)
    description = {
        "format_version": FORMAT_VERSION,
        "weights_file": WEIGHTS,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "architecture": model.architecture.as_json(),
        "extra": dict(extra),
    }
    try:
        text = json.dumps(description, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"extra is {extra!r}, it must hold standard JSON values only; turn the others into text ({error})"
        ) from error
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    _write(target / WEIGHTS, data)
    _write(target / DESCRIPTION, text.encode() + b"\n")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def load(folder: str | os.PathLike[str]) -> tuple[MIND, dict[str, Any]]:
    """The model on the CPU, with the weights' own types, and its description.

    The checksum is compared before the weights are opened, on the bytes that are then read.

    Raises:
        ModelFileError: a file is missing or damaged, the format is another one, or the weights do not fit.
    """
    source = Path(folder)
    description = _read_description(source / DESCRIPTION)
    data = _read(source / WEIGHTS)
    expected, found = description.get("weights_sha256"), hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ModelFileError(
            f"{source / WEIGHTS}: checksum expected {expected}, found {found}; weights and description are "
            "not of one save or a file is damaged: copy both files again or take an older model"
        )
    weights = safetensors.torch.load(data)
    try:
        architecture = Architecture.from_json(description["architecture"])
        arguments = {name: getattr(architecture, name) for name in architecture.__dataclass_fields__}
        model = MIND(item_features_VF=weights["item_embedding.item_features_VF"], **arguments)
        # Assigned, not copied: the weights keep the type they were saved in.
        model.load_state_dict(weights, strict=True, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"{source}: the weights do not fit the architecture ({error}); save the model again with this version"
        ) from error
    return model, description


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(_read(path))
    except ValueError as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path}: expected JSON, found {error}; copy the file again") from error
    version = description.get("format_version") if isinstance(description, dict) else None
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: format version expected {FORMAT_VERSION}, found {version}; save the model with this version"
        )
    parsed: dict[str, Any] = description
    return parsed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path}: expected a file, found none; the save was cut short or the folder is another: save again"
        ) from error


def _write(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner may read.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
