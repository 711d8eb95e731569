"""Weights are safetensors: tensors by name with a header of plain text; reading them runs no code.

One path leads to a model: `resolve` turns a local folder or a hub id into a folder, and everything reads from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from medley.core.errors import MedleyError
from medley.core.files import whole_file

WEIGHTS = "weights.safetensors"


def save_tensors(path: Path | str, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors with a header of facts (plain JSON values), whole."""
    plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    with whole_file(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # of any new file here; safetensors makes its own readable by the owner alone
        try:
            save_file(plain, temporary, metadata={key: json.dumps(value) for key, value in facts.items()})
        except SafetensorError as error:  # what it makes of a full disk
            raise MedleyError(f"cannot write {path}: {error}") from error
        temporary.chmod(mode)


def load_tensors(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the facts of a file that `save_tensors` wrote."""
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _facts(file)  # noqa: SIM118 (not a mapping)


def read_facts(path: Path | str) -> dict[str, Any]:
    """The facts alone, without reading a tensor."""
    with _opened(path) as file:
        return _facts(file)


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    if not Path(path).is_file():
        raise MedleyError(f"{path} does not exist: this folder holds no weights; train first, or name another run")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise MedleyError(f"{path} is not a whole safetensors file: {error}") from error


def _facts(file: Any) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in (file.metadata() or {}).items()}


def resolve(name: str | Path) -> Path:
    """The folder of a run: a local folder as it is, else a hub id `owner/name` fetched into the hub's cache."""
    folder = Path(name)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise MedleyError(f"{name} is a file; name the run's folder")
    parts = str(name).split("/")
    if len(parts) != 2 or not all(parts) or str(name).startswith((".", "~")):
        raise MedleyError(f"{name} does not exist; a run is a folder that `medley train` wrote, or a hub id owner/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).splitlines()[0]
        raise MedleyError(f"{name} is no local folder and cannot be fetched from the hub: {first}") from error


def load_into(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], may_lack: set[str], where: str) -> None:
    """Lay saved tensors over the model's own. Names and shapes must fit; only `may_lack` may stay as built."""
    own = model.state_dict()
    unknown = sorted(set(tensors) - set(own))
    missing = sorted(set(own) - set(tensors) - may_lack)
    shapes = [name for name in tensors if name in own and tensors[name].shape != own[name].shape]
    for names, what in ((unknown, "holds tensors that the model lacks"), (missing, "lacks tensors of the model")):
        if names:
            raise MedleyError(f"{where} {what}, first '{names[0]}' ({len(names)} in all): it is of another model")
    if shapes:
        name = shapes[0]
        pair = f"{list(tensors[name].shape)} against {list(own[name].shape)}"
        raise MedleyError(f"{where}: '{name}' has another shape than the model's: {pair}; it is of another config")
    model.load_state_dict(dict(tensors), strict=False)
