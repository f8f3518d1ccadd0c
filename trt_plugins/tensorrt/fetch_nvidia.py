# SPDX-License-Identifier: Apache-2.0
"""Fetch what building and checking the TensorRT plugin needs, into build/nvidia: no SDK, no GPU.

Each part is a pip package put into a folder of its own: two TensorRT versions share module names, and none of
them may enter the Python that runs the project. The parts but `headers` and `stubs` are under NVIDIA's
licence: they are fetched from the package registry for checks on this machine and are never redistributed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "nvidia"
PARTS = {
    "headers": ("kernel-lens==2.0.1",),  # carries TensorRT's C++ headers
    "lean10": ("tensorrt-lean-cu12-libs==10.16.1.11", "tensorrt-lean-cu12-bindings==10.16.1.11"),
    "lean11": ("tensorrt-lean-cu13-libs==11.4.0.106", "tensorrt-lean-cu13-bindings==11.4.0.106"),
    "rtx": (
        "tensorrt-rtx-cu13==1.7.1.116",
        "tensorrt-rtx-cu13-libs==1.7.1.116",
        "tensorrt-rtx-cu13-bindings==1.7.1.116",
    ),
    "stubs": ("tensorrt-stubs==10.13.0.35.1",),  # types of TensorRT's Python API, under the MIT licence
}


def is_present(part: str) -> bool:
    """Whether all packages of a part lie in its folder, in the version wanted."""
    folders = (package.replace("-", "_").replace("==", "-") + ".dist-info" for package in PARTS[part])
    return all((FOLDER / part / folder).is_dir() for folder in folders)


def fetch(part: str) -> None:
    """Install the packages of a part into its folder.

    Raises:
        subprocess.CalledProcessError: pip failed and has said why.
    """
    target = FOLDER / part
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    subprocess.run([*pip, "--no-deps", "--target", target, *PARTS[part]], check=True)
    # With a plugin in the graph the parser opens this name, which the wheel lacks, or ends the process.
    for library in target.glob("tensorrt_rtx_libs/libtensorrt_rtx.so.1"):
        link = library.with_suffix("")
        link.unlink(missing_ok=True)
        link.symlink_to(library.name)


def main() -> int:
    """Fetch the parts named on the command line, or all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)} (default: all)")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for part in parts:
        if is_present(part):
            print(f"{part}: already in {FOLDER / part}")
            continue
        print(f"{part}: {' '.join(PARTS[part])}", flush=True)
        try:
            fetch(part)
        except subprocess.CalledProcessError:
            parser.exit(1, f"fetch_nvidia: pip could not install {part}: its words are above\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
