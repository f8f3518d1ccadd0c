# SPDX-License-Identifier: Apache-2.0
"""Checkpoints, ours and pickled ones, spoilt: no code runs, nobody is asked, one line says what is wrong."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path
from typing import Any

from safetensors import safe_open

from tests.faults.spoil import spoil_bytes, spoil_json
from tests.faults.verdict import Attack, Fault, Strike, ends_well, holds


def _no_network(*_: object) -> None:
    raise Fault("a checkpoint made us open a connection")


def _small() -> Any:  # noqa: ANN401  # a Network
    import torch

    from fmmp_train.model import ModelConfig, Network

    torch.manual_seed(0)
    return Network(
        ModelConfig(
            backbone="test_resnet", dim=16, num_heads=2, num_layers=1, image_size=64, structure="lite"
        )
    )


def ours(folder: Path) -> Strike:
    """A `.safetensors` file: its bytes, or its configuration."""
    from safetensors.torch import load, save

    from fmmp_train.checkpoint.files import CONFIG_KEY, load_model, save_model

    socket.socket.connect = _no_network  # type: ignore[method-assign]
    file = folder / "model.safetensors"
    save_model(_small(), file)
    data = file.read_bytes()
    tensors = load(data)
    with safe_open(file, framework="pt") as opened:
        words = dict(opened.metadata())
    config = json.loads(words[CONFIG_KEY])

    def strike(draw: random.Random) -> bool:
        if draw.random() < 0.5:
            content = save(tensors, words | {CONFIG_KEY: spoil_json(config, draw)})
        else:
            content = (
                spoil_bytes(data[:4000], draw) + data[4000:]
                if draw.random() < 0.7
                else spoil_bytes(data, draw)
            )
        file.write_bytes(content)
        network = ends_well(lambda: load_model(file))
        if network is not None:
            holds(
                all(bool(t.float().isfinite().all()) for t in network.state_dict().values()), "NaN in weights"
            )
        return network is not None

    return strike


def pickled(folder: Path) -> Strike:
    """A `.pth` file; one that would run code makes a file, if it ever does."""
    import torch

    from fmmp_train.checkpoint.files import read_state

    file = folder / "a.pth"
    torch.save(
        {"state_dict": {"a.weight": torch.ones(3, 4), "b": torch.zeros(())}, "meta": {"epoch": 3}}, file
    )
    data = file.read_bytes()
    code = f"cposix\nsystem\n(S'touch {folder}/ran'\ntR.".encode()

    def strike(draw: random.Random) -> bool:
        content = spoil_bytes(data, draw)
        if draw.random() < 0.1:
            place = draw.randrange(len(content) + 1)
            content = draw.choice((code, content[:place] + code + content[place:], b"\x80\x02" + code))
        file.write_bytes(content)
        read = ends_well(lambda: read_state(file))
        holds(not (folder / "ran").exists(), "code of a checkpoint ran")
        return read is not None

    return strike


ATTACKS = [Attack("checkpoints", ours, 40), Attack("pickles", pickled, 150)]
