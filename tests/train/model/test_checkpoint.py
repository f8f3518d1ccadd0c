# SPDX-License-Identifier: Apache-2.0
"""Reading weights: what fits is loaded, what doesn't is named, and no file is ever executed."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fmmp_train.checkpoint.files import load_model, load_network, save_model
from fmmp_train.model import ModelConfig, Network
from tests.golden.weights import released_state

SMALL = ModelConfig(backbone="test_resnet", dim=16, num_heads=4, image_size=64, structure="lite")


@pytest.fixture(scope="module")
def released() -> dict[str, Tensor]:
    return released_state()


def test_ours_comes_back_as_it_was(tmp_path: Path) -> None:
    network = Network(SMALL)
    save_model(network, tmp_path / "model.safetensors", notes={"recipe": "none"})
    again = load_model(tmp_path / "model.safetensors")
    assert again.config == network.config
    assert not again.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


WRAPPERS: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "bare": lambda state: state,
    "as mmcv writes it": lambda state: {
        "meta": {"epoch": 200, "mmpose_version": "0.29"},
        "state_dict": state,
    },
    "of a parallel run": lambda state: {"state_dict": {f"module.{name}": t for name, t in state.items()}},
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_released_file_is_read_in_every_wrapping(
    wrap: Callable[[dict[str, Tensor]], object], released: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(wrap(released), tmp_path / "split1.pth")
    network = load_network(tmp_path / "split1.pth", max_keypoints=35)
    assert network.config.max_keypoints == 35
    weight = network.state_dict()["query_miners.2.structure.heads.7.output_proj.weight"]
    assert torch.equal(
        weight, released["predictor.decoder_layers.2.deform_attn.attn_layers.7.output_proj.weight"]
    )


class Evil:
    """What a hostile checkpoint holds: unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


def test_a_file_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "meta": Evil(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"could run code.*Unsupported global: GLOBAL(?!.*Please)"):
        load_model(tmp_path / "evil.pth")
    with (tmp_path / "plain.pth").open("wb") as file:
        pickle.dump(Evil(tmp_path / "ran"), file)
    with pytest.raises(ValueError, match=r"could run code"):
        load_model(tmp_path / "plain.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_broken_file_is_named(suffix: str, released: dict[str, Tensor], tmp_path: Path) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        torch.save(dict(list(released.items())[-50:]), whole)
    else:
        save_model(Network(SMALL), whole)
    content = whole.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=rf"cut\{suffix}.*(truncated|run code)"):
            load_model(cut)
    cut.write_text("not weights")
    with pytest.raises(ValueError, match=rf"cut\{suffix}"):
        load_model(cut)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\r\n<!DOCTYPE html>\n<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "a Git LFS pointer"),
        (b"404: Not Found\n", "text"),
        (b"\x89HDF\r\n", "begins with the bytes 89 48 44 46"),
        (b"", "an empty file"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "split1.pth").write_bytes(content)
    with pytest.raises(ValueError, match=rf"split1\.pth is no PyTorch checkpoint but .*{kind}"):
        load_model(tmp_path / "split1.pth")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_damaged_file_of_an_old_torch_is_one_line(tmp_path: Path) -> None:
    """Wrong bytes make the unpickler raise IndexError, struct.error, AssertionError and others."""
    file = tmp_path / "old.pth"
    torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=False)
    whole = file.read_bytes()
    for place in range(2, len(whole)):
        for wrong in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x75]) + whole[place + 1 :]):
            file.write_bytes(wrong)
            with pytest.raises(ValueError, match=r"^.*(old\.pth|not an FMMP checkpoint).*$") as caught:
                load_model(file)
            assert "\n" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_model(tmp_path / "split1.pth")
    with pytest.raises(FileNotFoundError, match="folder"):
        load_model(tmp_path)


def test_parameters_that_do_not_fit_are_named(released: dict[str, Tensor]) -> None:
    broken = dict(released)
    del broken["backbone_projs.0.0.bias"]
    broken["predictor.extra.weight"] = torch.zeros(1)
    broken["predictor.kpt_branch.0.mlp.0.weight"] = torch.zeros(3, 4)
    with pytest.raises(ValueError, match=r"1 missing: pyramid.lateral.0.bias") as caught:
        load_model(broken)
    assert "1 unknown: predictor.extra.weight" in str(caught.value)
    assert "expected (256, 256), found (3, 4)" in str(caught.value)


def test_a_released_file_without_what_says_its_shape_is_refused(released: dict[str, Tensor]) -> None:
    without = {name: t for name, t in released.items() if not name.endswith("attention_weights.weight")}
    with pytest.raises(ValueError, match=r"lacks .*attention_weights\.weight"):
        load_model(without)
    headless = {name: t for name, t in released.items() if "backbone.layer3.5" not in name}
    with pytest.raises(ValueError, match=r"backbone .* is none of resnet50"):
        load_model(headless)


@pytest.mark.parametrize(
    "content", [{}, {"weight": torch.zeros(1)}, [1, 2], {"state_dict": {"epoch": 3}}, {0: torch.zeros(1)}]
)
def test_other_files_are_no_checkpoint(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"no FMMP checkpoint|not an FMMP checkpoint|holds no state_dict"):
        load_model(tmp_path / "other.pth")


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "new.safetensors", {"fmmp_config": '{"width": 3}'})
    with pytest.raises(ValueError, match=r"unknown model settings \['width'\]; known: .*backbone"):
        load_model(tmp_path / "new.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not an FMMP checkpoint"):
        load_model(tmp_path / "other.safetensors")


def test_settings_without_inner_heads_have_as_many_as_heads() -> None:
    assert ModelConfig.from_json('{"num_heads": 4, "dim": 32}').inner_heads == 4
    assert replace(ModelConfig(), num_heads=2).inner_heads == 8
    with pytest.raises(ValueError, match=r"dim \(20\) must be a multiple .* num_heads 5, inner_heads 8"):
        ModelConfig(dim=20, num_heads=5, inner_heads=8)
