#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetch ONNX Runtime's C headers into build/onnxruntime/include, where CMake looks for them.

They come out of Debian's package libonnxruntime-dev (85 kB), through apt-get with package lists of its own in
a temporary folder: nothing is installed, no root is needed. On a system without apt-get, unpack a release of
ONNX Runtime instead and give CMake -DONNXRUNTIME_INCLUDE_DIR=/path/to/include.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PACKAGE = "libonnxruntime-dev"
SUITE = "trixie"  # the oldest Debian that has it; these headers (1.21) suit any later ONNX Runtime
FOLDER = Path(__file__).resolve().parents[2] / "build" / "onnxruntime" / "include"


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch the headers, unless they are there."""
    parser = argparse.ArgumentParser(description="Fetch ONNX Runtime's C headers from Debian.")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, help="(default: %(default)s)")
    args = parser.parse_args(argv)
    if (args.output / "onnxruntime_c_api.h").is_file():
        return 0
    try:
        fetch(args.output)
    except (OSError, ValueError) as error:
        parser.exit(1, f"fetch_headers: {error}\n")
    print(args.output)
    return 0


def fetch(output: Path) -> None:
    """Download the package and put its headers into `output`.

    Raises:
        OSError: no apt-get, no Debian mirror, no network.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise OSError("no apt-get here; give CMake -DONNXRUNTIME_INCLUDE_DIR of an ONNX Runtime release")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "sources.list").write_text(debian_source())
        apt = ["apt-get", "-q", "-o", f"Dir::State::lists={folder}/lists", "-o", "Dir::Etc::sourceparts=-"]
        apt += ["-o", f"Dir::Etc::sourcelist={folder}/sources.list", "-o", f"Dir::Cache={folder}"]
        run([*apt, "update"], folder)
        run([*apt, "download", PACKAGE], folder)
        (package,) = folder.glob(f"{PACKAGE}*.deb")
        run(["dpkg-deb", "-x", str(package), "unpacked"], folder)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder / "unpacked/usr/include/onnxruntime", output, dirs_exist_ok=True)


def debian_source() -> str:
    """One line of sources.list for SUITE, from the mirror that this system uses.

    Raises:
        OSError: no mirror of Debian is configured.
    """
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n\n".join(
        file.read_text() for file in files if file.suffix in {".list", ".sources"} and file.is_file()
    )
    key = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
    for uri in re.findall(r"^(?:URIs:|deb(?:\s+\[.*?\])?)\s*(\S+)", text, flags=re.MULTILINE):
        if re.search(r"/debian/?$", uri):
            return f"deb [{key}] {uri} {SUITE} main\n"
    raise OSError("apt knows no mirror of Debian; give CMake -DONNXRUNTIME_INCLUDE_DIR of another copy")


def run(command: list[str], folder: Path) -> None:
    """Run `command` in `folder`; its output is shown only if it fails."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise OSError(f"{' '.join(command[:1] + command[-2:])} failed: {result.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
