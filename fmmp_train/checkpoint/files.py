# SPDX-License-Identifier: Apache-2.0
"""Read and write weights as data only: ours (safetensors, configuration inside) and the released `.pth`."""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from fmmp_runtime.files import write_atomically
from fmmp_train.checkpoint.content import kind_of
from fmmp_train.checkpoint.released import UNREAD
from fmmp_train.checkpoint.systems import SYSTEMS, load_released, name_of
from fmmp_train.model import Network
from fmmp_train.model.estimator import Config, Estimator

CONFIG_KEY = "fmmp_config"  # in the safetensors metadata
SYSTEM_KEY = "fmmp_system"  # likewise: whose configuration it is; files without it are FMMP's
LOGGER = logging.getLogger("fmmp.checkpoint")
_NAMED = 4  # how many parameters an error names


def load_model(
    source: str | os.PathLike[str] | Mapping[str, Tensor], *, max_keypoints: int | None = None
) -> Estimator:
    """Build the network that a weight file describes, in eval mode on the CPU.

    Args:
        source: a `.safetensors` file of ours; a released `.pth` of any of `SYSTEMS` (bare state dict, or a
            dict with `state_dict` and `meta` as mmcv writes it, with or without a `module.` prefix); or such
            a state dict itself.
        max_keypoints: K of a released checkpoint, which doesn't say it; ours do. None: its authors' K.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no checkpoint, would run code, or its parameters don't fit; names file and
            parameters.
    """
    if isinstance(source, Mapping):
        return _build(source, None, max_keypoints)
    state, config = read_state(Path(source))
    try:
        return _build(state, config, max_keypoints)
    except ValueError as error:
        raise ValueError(f"{os.fspath(source)}: {error}") from error


def _build(state: Mapping[str, Tensor], config: Config | None, max_keypoints: int | None) -> Estimator:
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if config is not None:
        network: Estimator = _network_of(config)
    else:
        network, state = load_released(state, max_keypoints)
        LOGGER.info("a checkpoint of %s: %s", SYSTEMS[name_of(network)].title, network.config.to_json())
    own = network.state_dict()
    state = _with_trust(state, own)
    state |= {name: own[name] for name in own if name.endswith(UNREAD) and name not in state}
    _check_fits(own, state)
    _check_finite(state)
    network.load_state_dict(state)
    return network.eval()


def load_network(
    source: str | os.PathLike[str] | Mapping[str, Tensor], *, max_keypoints: int | None = None
) -> Network:
    """Build the network of a checkpoint of FMMP, for what is made for that one alone; see `load_model`.

    Raises:
        ValueError: also where the checkpoint is another estimator's.
    """
    network = load_model(source, max_keypoints=max_keypoints)
    if not isinstance(network, Network):
        raise ValueError(f"expected a checkpoint of FMMP, found one of {SYSTEMS[name_of(network)].title}")
    return network


def _network_of(config: Config) -> Estimator:
    (system,) = (system for system in SYSTEMS.values() if type(config) is system.config)
    return system.network(config)


def _with_trust(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add what older files lack: presence, and the evidence of it in a score; that counts nothing there.

    A released network has neither: both start uncalibrated.
    """
    trust = {name: value for name, value in own.items() if name.startswith(("confidence.", "presence."))}
    state = trust | state
    weight, count = state["confidence.weight"], len(own["confidence.weight"])
    more = len(own["presence.weight"]) if "presence.weight" in own else 0
    if weight.ndim == 1 and len(weight) == count - more:
        state["confidence.weight"] = functional.pad(weight, (0, more))
    return state


def save_model(
    network: Estimator, path: str | os.PathLike[str], *, notes: Mapping[str, str] | None = None
) -> None:
    """Write the weights with their configuration, under a temporary name first.

    Args:
        network: what to save.
        path: a `.safetensors` file; replaced if it exists.
        notes: further metadata, such as the recipe; readable with any safetensors tool.

    Raises:
        OSError: it cannot be written; the file that was there is as it was.
    """
    path = Path(path)
    metadata = {**(notes or {}), SYSTEM_KEY: name_of(network), CONFIG_KEY: network.config.to_json()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(path, save(tensors, metadata))


def read_state(path: Path) -> tuple[dict[str, Tensor], Config | None]:
    """Tensors of a file by name, as data only, and the configuration if the file carries one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no weight file, or would run code.
    """
    if not path.is_file():
        why = "it is a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"no checkpoint at {path}: {why}")
    if kind_of(path) == "safetensors":
        return _read_safetensors(path)
    try:
        # Opened here: by its name torch would take it for something else.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle: what is wrong with it is raised
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is damaged, or holds more than tensors and plain data; it was not loaded, because that "
            f"could run code. Download it again, or re-save its state_dict alone. ({reason_of(error)})"
        ) from error
    except Exception as error:  # of nearly any type, where bytes are wrong
        raise ValueError(f"{path} is truncated or damaged: {reason_of(error)}") from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and _is_plain(value) for name, value in state.items()
    ):
        raise ValueError(
            f"{path} holds no state_dict: expected a dict of plain tensors by name, or one under 'state_dict'"
        )
    return state, None


def reason_of(error: Exception) -> str:
    """What kind of error, and the first sentence of what it says, if it says anything."""
    reason = str(error).rpartition("WeightsUnpickler error: ")[2]  # torch advises before that to run the code
    return f"{type(error).__name__}: {reason}".splitlines()[0].partition(". ")[0]


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Config | None]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- the file is no mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is truncated or no safetensors file: {error}") from error
    if CONFIG_KEY not in metadata:
        return state, None
    system = metadata.get(SYSTEM_KEY, "fmmp")
    if system not in SYSTEMS:
        raise ValueError(f"{path} holds an estimator called {system!r}; known are {', '.join(SYSTEMS)}")
    try:
        config: Config = SYSTEMS[system].config.from_json(metadata[CONFIG_KEY])
    except ValueError as error:
        raise ValueError(f"{path}: its configuration can't be used: {error}") from error
    return state, config


def _is_plain(value: object) -> bool:
    """Whether it is a tensor with numbers of its own, not a sparse, quantised or empty shell of one."""
    if not isinstance(value, Tensor):
        return False
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized


def _check_finite(state: Mapping[str, Tensor]) -> None:
    """Name the first parameter that holds NaN or infinity: every answer would be NaN."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            raise ValueError(
                f"{name} holds numbers that are not finite: the file is damaged, or its training diverged"
            )


def _check_fits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Name the first parameters that are missing, unknown or of another shape."""
    problems = {
        "missing": [name for name in expected if name not in found],
        "unknown": [name for name in found if name not in expected],
        "misshapen": [
            f"{name} (expected {tuple(expected[name].shape)}, found {tuple(tensor.shape)})"
            for name, tensor in found.items()
            if name in expected and tensor.shape != expected[name].shape
        ],
    }
    lines = [
        f"{len(names)} {kind}: {', '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"
        for kind, names in problems.items()
        if names
    ]
    if lines:
        raise ValueError("the checkpoint doesn't fit the network; " + "; ".join(lines))
