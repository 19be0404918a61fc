"""The model zoo: trained models, a folder each under `models/`, loaded by name with checked hashes.

A model is `config.yaml` (sizes of its networks, version of the format, SHA-256 of each weights file), half-precision
weights in safetensors files of at most 16 MiB, and its card, `README.md`. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from uniscene_sim.errors import InputError
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.storage.input_file import is_folder, read_input, reading
from uniscene_sim.storage.output_file import Outputs, told
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT",
    "ZooModel",
    "check_tensors",
    "load_model",
    "model_names",
    "require_learned",
    "save_model",
]

FORMAT = 1
_MAX_BYTES = 16 * 2**20
CONFIG, CARD = "config.yaml", "README.md"
_FILE = r"^[A-Za-z0-9_-]+\.safetensors$"
_SCHEMA = {
    "type": "object",
    "required": ["format", "weights"],
    "properties": {
        "format": {"type": "integer"},
        "weights": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": _FILE},
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
    },
}


@dataclass(frozen=True)
class ZooModel:
    """Config and weights of a model."""

    folder: Path
    config: dict[str, Any]
    weights: dict[str, dict[str, np.ndarray]]  # float16 tensors, by file stem and name
    sha256: str  # of the config, which holds the hashes of all weights

    @property
    def name(self) -> str:
        return self.folder.name

    def require_networks(self, *parts: str, made_by: str) -> None:
        """Make sure that it is a model of the expected kind.

        Args:
            parts: its networks.
            made_by: the command that writes such models.

        Raises:
            InputError: it holds other networks.
        """
        if missing := [part for part in parts if part not in self.weights]:
            has = f"is a model with {' and '.join(sorted(self.weights))} and without {' and '.join(missing)}"
            raise InputError(f"{has}; expected one that `uniscene-sim {made_by}` writes", file=self.folder)


def require_learned(*more: str, extra: str = "learned") -> None:
    """Make sure that the dependencies of learned models are installed.

    Args:
        more: required modules besides torch and safetensors.
        extra: that installs them.

    Raises:
        InputError: one is missing; says how to install it.
    """
    if missing := [name for name in ("torch", "safetensors", *more) if find_spec(name) is None]:
        raise InputError(f"learned models need {' and '.join(missing)}: pip install 'uniscene_sim[{extra}]'")


def model_names() -> list[str]:
    """Names of the models in the zoo, sorted."""
    try:
        return sorted(path.parent.name for path in data_dir("models").glob(f"*/{CONFIG}"))
    except InputError:  # no zoo at all
        return []


def load_model(name: str | Path) -> ZooModel:
    """Load a model of the zoo by name, or any other by folder.

    Raises:
        InputError: there is no such model (the message lists the existing ones), it has another version of the format,
            or a file is missing, does not match its hash, or holds anything but half-precision tensors.
    """
    if not str(name):
        raise InputError(f"expected a folder or a model of the zoo, which has {', '.join(model_names())}; got none")
    folder = _find(name)
    file = YamlFile(folder / CONFIG, _SCHEMA, "a model of the zoo")
    if file.data["format"] != FORMAT:
        raise file.error(("format",), f"this version reads format {FORMAT}, got {file.data['format']}")
    weights = {Path(part).stem: _read(folder / part, sha256) for part, sha256 in file.data["weights"].items()}
    return ZooModel(folder, file.data, weights, _hash(json.dumps(file.data, sort_keys=True).encode()))


def save_model(
    folder: str | Path, config: Mapping[str, Any], weights: Mapping[str, Mapping[str, np.ndarray]], card: str
) -> None:
    """Write a model, completely or not at all; other files of the folder stay.

    Args:
        folder: created if missing.
        config: values for YAML; `format` and `weights` are added.
        weights: tensors by file stem and name; written as float16.
        card: text of the model card.

    Raises:
        InputError: a tensor is not finite in float16, a file would be over 16 MiB, or the folder cannot be written.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    files = {}
    for stem, tensors in weights.items():
        body = save({name: _half(folder, f"{stem}.{name}", tensors[name]) for name in sorted(tensors)})
        if len(body) > _MAX_BYTES:
            raise InputError(f"expected at most {_MAX_BYTES} bytes, got {len(body)}", file=folder, field=stem)
        files[f"{stem}.safetensors"] = body
    whole = {**config, "format": FORMAT, "weights": {name: _hash(body) for name, body in files.items()}}
    files[CARD] = card.encode()
    files[CONFIG] = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).encode()
    with Outputs() as outputs:
        part = outputs.folder(folder, files)
        with told(folder):
            for name, body in files.items():
                (part / name).write_bytes(body)
        outputs.publish(stale=[path for path in folder.glob("*.safetensors") if path.name not in files])


def check_tensors(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], file: str | Path) -> None:
    """Make sure that tensors match those of a network by name and shape.

    Args:
        tensors: as read.
        shapes: as expected.
        file: for the message.

    Raises:
        InputError: a tensor is missing, unknown, or has another shape; names it.
    """
    for name, shape in shapes.items():
        if name not in tensors:
            raise InputError("missing tensor", file=file, field=name)
        if tuple(tensors[name].shape) != tuple(shape):
            raise InputError(f"expected shape {tuple(shape)}, got {tensors[name].shape}", file=file, field=name)
    for name in tensors:
        if name not in shapes:
            raise InputError("unknown tensor", file=file, field=name)


def _find(name: str | Path) -> Path:
    known, folder = model_names(), Path(name)
    if isinstance(name, str) and name in known:
        return data_dir("models") / name
    if is_folder(folder):
        return folder
    raise InputError(f"no such model; the zoo has {', '.join(known) or 'none'}", file=name)


def _read(path: Path, sha256: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    body = read_input(path, _MAX_BYTES, "weights as safetensors")
    if (found := _hash(body)) != sha256:
        raise InputError(f"expected the SHA-256 {sha256} that {CONFIG} names, got {found}", file=path)
    with reading(path, "weights as safetensors"):
        tensors = load(body)
    for name, tensor in tensors.items():
        if tensor.dtype != np.float16:
            raise InputError(f"expected float16, got {tensor.dtype}", file=path, field=name)
    return tensors


def _half(folder: Path, field: str, tensor: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(tensor, dtype=np.float16)
    if not np.isfinite(half).all():
        raise InputError("not finite in float16", file=folder, field=field)
    return half


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
