# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: the servers are started here, the tests are in runtime/studio/test/browser."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from fmmp_runtime.bundle.folder import Bundle

ROOT = Path(__file__).parents[3]
STUDIO = ROOT / "runtime" / "studio"
KEYPOINTS = [[541, 155], [580, 372], [207, 325], [368, 335], [425, 200], [272, 245], [160, 165], [110, 208]]

pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The demo model, exported."""
    pytest.importorskip("torch", reason="needs the [train,export] extras")
    command = [sys.executable, "-m", "fmmp_export.cli.export", "--ckpt", "models/fmmp-demo.safetensors"]
    subprocess.run([*command, "--out", tmp_path / "demo"], cwd=ROOT, check=True, capture_output=True)
    return tmp_path / "demo"


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None or not (STUDIO / "node_modules").is_dir():
        pytest.skip("needs Chromium and `make studio`")
    return found


@pytest.fixture
def static(bundle: Path, tmp_path: Path) -> Iterator[str]:
    """Address of a plain web server that serves the folder of `fmmp-studio --static`."""
    from fmmp_runtime.studio.static import write_static

    write_static(Bundle.open(bundle), tmp_path / "web", STUDIO / "node_modules" / "onnxruntime-web" / "dist")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_the_page_in_a_browser(chromium: str, bundle: Path, static: str, tmp_path: Path) -> None:
    skimage = pytest.importorskip("skimage.data", reason="its photographs are the pictures")
    left, right, _ = skimage.stereo_motorcycle()
    for name, picture in (("left.png", left), ("right.png", right)):
        cv2.imwrite(str(tmp_path / name), picture[..., ::-1])
    annotation = tmp_path / "left.json"
    annotation.write_text(json.dumps({"keypoints": KEYPOINTS, "image": "left.png"}))
    run: list[str | Path] = [
        sys.executable,
        "-m",
        "fmmp_runtime.cli.run",
        bundle,
        "--support",
        tmp_path / "left.png",
    ]
    run += ["--annotation", annotation, "--query", tmp_path / "right.png", "--out", tmp_path / "found"]
    run += ["--box", "whole"]  # as the page asks; fmmp-run alone would search
    subprocess.run(run, check=True, capture_output=True)
    found = json.loads((tmp_path / "found" / "right-pose.json").read_text())
    given = {
        "chromium": chromium,
        "shots": str(ROOT / "build" / "studio"),
        "static": static,
        "server": [sys.executable, "-m", "fmmp_runtime.cli.studio", str(bundle), "--threads", "1"],
        "support": str(tmp_path / "left.png"),
        "query": str(tmp_path / "right.png"),
        "size": [left.shape[1], left.shape[0]],
        "annotation": str(annotation),
        "keypoints": KEYPOINTS,
        "found": found["keypoints"],
        "score": found["score"],
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    vitest = ["npx", "vitest", "run", "--config", "vitest.browser.config.ts"]
    variables = os.environ | {"STUDIO_TEST": str(tmp_path / "given.json"), "NO_COLOR": "1"}
    done = subprocess.run(vitest, cwd=STUDIO, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
