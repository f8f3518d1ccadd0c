# SPDX-License-Identifier: Apache-2.0
"""Reading weights: what fits is loaded, what doesn't is named, and no file is ever executed."""

import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fmmp_train.checkpoint.files import load_model, load_network, save_model
from fmmp_train.model import ModelConfig, Network
from tests.golden.weights import released_state


def archive(name: str) -> bytes:
    """A zip archive with one member."""
    with io.BytesIO() as content:
        with zipfile.ZipFile(content, "w") as file:
            file.writestr(name, "text")
        return content.getvalue()


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


@pytest.mark.slow
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
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (
            archive("word/document.xml"),
            r"a zip archive that torch\.save did not write: it holds word/document\.xml",
        ),
    ],
)
@pytest.mark.parametrize("name", ["split1.pth", "split1.safetensors"])
def test_what_is_no_checkpoint_is_called_what_it_is(
    content: bytes, kind: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is no checkpoint but .*{kind}"):
        load_model(tmp_path / name)


def test_what_does_not_fit_is_said_with_its_file(released: dict[str, Tensor], tmp_path: Path) -> None:
    file = tmp_path / "split1.pth"
    for state, words in (
        (dict(list(released.items())[:-1]), "1 missing"),
        ({"weight": torch.zeros(2)}, "not an FMMP checkpoint"),
    ):
        torch.save(state, file)
        with pytest.raises(ValueError, match=rf"split1\.pth: .*{words}"):
            load_model(file)


def test_a_file_is_known_by_its_content(released: dict[str, Tensor], tmp_path: Path) -> None:
    save_model(Network(SMALL), tmp_path / "ours.pth")
    assert load_model(tmp_path / "ours.pth").config == SMALL
    torch.save(released, tmp_path / "theirs.safetensors")
    assert load_model(tmp_path / "theirs.safetensors").config == ModelConfig()


def test_batches_that_were_not_counted(released: dict[str, Tensor], tmp_path: Path) -> None:
    """As PyTorch before 0.4.1 wrote it, and tools that leave out what is not read."""
    older = {name: tensor for name, tensor in released.items() if not name.endswith("num_batches_tracked")}
    assert len(older) < len(released)
    expected = load_model(released).state_dict()
    for name, tensor in load_model(older).state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, expected[name])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_named(value: float, tmp_path: Path) -> None:
    network = Network(SMALL)
    network.query_miners[1].norm.weight.data[3] = value
    save_model(network, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError,
        match=r"model\.safetensors: query_miners\.1\.norm\.weight holds numbers that are not finite",
    ):
        load_model(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "name",
    [
        "predictor.support_layers.0.norm1.weight",
        "predictor.support_layers.0.deform_attn.attn_layers.0.attention_weights.weight",
        "predictor.decoder_layers.2.self_attn.in_proj_weight",
        "backbone.conv1.weight",
        "backbone_projs.0.0.weight",
    ],
)
def test_a_parameter_without_axes_is_one_line(name: str, released: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"axes|rows|backbone|misshapen") as caught:
        load_model(released | {name: torch.tensor(1.0)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shell",
    [torch.zeros(3, device="meta"), torch.zeros(3).to_sparse()],
    ids=["on no device", "sparse"],
)
def test_a_tensor_without_numbers_of_its_own(shell: Tensor, tmp_path: Path) -> None:
    torch.save({"weight": shell}, tmp_path / "shell.pth")
    with pytest.raises(ValueError, match="plain tensors"):
        load_model(tmp_path / "shell.pth")


def with_config(path: Path, text: str) -> Path:
    """A file of ours whose configuration is `text`."""
    save_file({"a": torch.zeros(1)}, path, {"fmmp_config": text})
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"width": 3}', "unknown key 'width'; known keys are backbone,"),
        ("null", "must be an object, got null"),
        ("[]", "must be an object, got"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested more than"),
        ('{"dim": "256"}', 'dim must be a whole number, got "256"'),
        ('{"num_layers": true}', "num_layers must be a whole number, got true"),
        ('{"dim": 256, "dim": 128}', "'dim' is given twice"),
        ('{"dim": NaN}', "NaN is no number"),
        ('{"num_layers": 10000000}', "num_layers must be 1 to 64, got 10000000"),
        ('{"max_keypoints": 1000000000}', "max_keypoints must be 1 to 4096, got 1000000000"),
        ('{"dim": 2048, "num_heads": 64, "num_layers": 64}', "no machine holds"),
        ('{"image_size": 32000000}', "image_size must be 1 to 4096"),
        ('{"num_heads": 0}', "num_heads must be 1 to 256, got 0"),
        ('{"backbone": "nobodys"}', "backbone 'nobodys'"),
        ('{"backbone": "hf-hub:some/model"}', "backbone must be the name of a timm model"),
        ('{"backbone": "local-dir:/etc"}', "backbone must be the name of a timm model"),
        ('{"backbone": "a/b"}', "backbone must be the name of a timm model"),
    ],
)
def test_a_configuration_that_no_network_has(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        load_model(with_config(tmp_path / "model.safetensors", text))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_no_file_makes_us_ask_a_server(tmp_path: Path) -> None:
    """In a process of its own, in which the hub is a server of this machine and nothing is offline."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # the library's name

        def log_message(self, *_: object) -> None:
            pass

    file = with_config(tmp_path / "model.safetensors", '{"backbone": "hf-hub:some/model"}')
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from fmmp_train.checkpoint import load_model; load_model({str(file)!r})",
            ],
            env=os.environ
            | {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_OFFLINE": "0"}
            | {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert "backbone must be the name of a timm model" in done.stderr
    assert not asked


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk."""
    network, file = Network(SMALL), tmp_path / "model.safetensors"
    save_model(network, file)
    before = file.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .*model\.safetensors: File too large"):
            save_model(network, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


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


def test_a_file_without_a_configuration_is_not_ours(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not an FMMP checkpoint"):
        load_model(tmp_path / "other.safetensors")


def test_settings_without_inner_heads_have_as_many_as_heads() -> None:
    assert ModelConfig.from_json('{"num_heads": 4, "dim": 32}').inner_heads == 4
    assert replace(ModelConfig(), num_heads=2).inner_heads == 8
    with pytest.raises(ValueError, match=r"dim \(20\) must be a multiple .*num_heads 5, inner_heads 8"):
        ModelConfig(dim=20, num_heads=5, inner_heads=8)
