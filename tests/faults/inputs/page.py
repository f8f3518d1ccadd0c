# SPDX-License-Identifier: Apache-2.0
"""What a page may send to the server of fmmp-studio: it answers, and answers the next call too."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import cv2
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from fmmp_runtime import PoseEstimator
from fmmp_runtime.studio import app as app_module
from fmmp_runtime.studio.answers import Answers
from fmmp_runtime.studio.project import ProjectFolder
from tests.fakes.bundle import write_bundle
from tests.faults.inputs.bundles import IMAGE, POINTS
from tests.faults.spoil import spoil_bytes, spoil_json
from tests.faults.verdict import Attack, Fault, Strike, ends_well, holds

HOST = "http://127.0.0.1:8000"
PICTURE = cv2.imencode(".png", IMAGE)[1].tobytes()
KEY = hashlib.sha256(PICTURE).hexdigest()
PROJECT = {
    "version": 1,
    "name": "x",
    "categories": [{"id": "c", "name": "cat", "keypoints": ["a", "b"], "links": [[0, 1]]}],
    "pictures": [{"key": KEY, "name": "cat.png", "width": 140, "height": 90}],
    "annotations": [{"category": "c", "picture": KEY, "marks": [{"at": [1.5, 2], "visible": True}, None]}],
}
EXAMPLE = {"picture": KEY, "keypoints": POINTS.tolist(), "visible": [True] * 4, "box": None}
CALLS = (
    {"id": 1, "method": "info", "args": []},
    {"id": 2, "method": "picture", "args": [KEY]},
    {"id": 3, "method": "remember", "args": ["c", [EXAMPLE], [[0, 1]]]},
    {"id": 4, "method": "locate", "args": ["c", KEY, [10, 10, 80, 60]]},
)


def _client(folder: Path) -> tuple[TestClient, Path]:
    page = folder / "page"
    page.mkdir()
    (page / "index.html").write_text("page")
    app_module.page_folder = lambda: page
    estimator = PoseEstimator(write_bundle(folder / "bundle"), "onnxruntime", threads=1)
    project = ProjectFolder(folder / "project")
    client = TestClient(app_module.create_app(Answers(estimator, project), project, None), base_url=HOST)
    holds(client.put(f"/api/pictures/{KEY}", content=PICTURE).status_code == 204, "a sound picture")
    return client, folder / "project"


def messages(folder: Path) -> Strike:
    """A call over the WebSocket; then a sound one, on the same or a new connection."""
    client, _ = _client(folder)

    def strike(draw: random.Random) -> bool:
        call = draw.choice(CALLS)
        text = (
            spoil_json(call, draw)
            if draw.random() < 0.9
            else spoil_bytes(json.dumps(call).encode(), draw).decode(errors="replace")
        )

        def talk() -> bool:
            with client.websocket_connect("ws://127.0.0.1:8000/api/model") as socket:
                socket.send_text(json.dumps(CALLS[2]))
                holds("value" in json.loads(socket.receive_text()), "a sound call was refused")
                socket.send_text(text)
                socket.send_text(json.dumps({"id": "last", "method": "info", "args": []}))
                said: dict[str, Any] = {}
                answers = 0
                while said.get("id") != "last":
                    said = json.loads(socket.receive_text())
                    answers += 1
                holds("value" in said, "a sound call was refused after another")
                return answers > 1

        try:
            return bool(ends_well(talk))
        except Fault as fault:
            if isinstance(fault.__cause__, WebSocketDisconnect):  # how a message that is no call is refused
                return False
            raise

    return strike


def saving(folder: Path) -> Strike:
    """A project or picture that is saved; what is there can always be loaded, and is what was sent."""
    client, project = _client(folder)

    def strike(draw: random.Random) -> bool:
        if draw.random() < 0.2:
            data = spoil_bytes(PICTURE, draw)
            key = draw.choice((KEY, hashlib.sha256(data).hexdigest(), KEY.upper(), "..%2f..%2fa", "0" * 63))
            status = client.put(f"/api/pictures/{key}", content=data).status_code
            holds(status < 500, f"status {status} for a picture")
            holds(
                {entry.name for entry in project.iterdir()} <= {"pictures", "project.json"},
                "a file elsewhere",
            )
            return status == 204
        revision = client.get("/api/project").json()["revision"]
        text = spoil_json(PROJECT, draw).encode()
        headers = {"If-Match": draw.choice((str(revision), str(revision), "-1", "x", "9" * 5000))}
        status = client.put("/api/project", content=text, headers=headers).status_code
        holds(status < 500, f"status {status} for a project")
        found = client.get("/api/project")
        holds(found.status_code == 200, "a project that was saved and can't be loaded")
        json.loads(found.text, parse_constant=_no_json)  # as a browser reads it
        if status == 200:
            holds(found.json()["project"] == json.loads(text), "another project than was saved")
        return bool(status == 200)

    return strike


def _no_json(text: str) -> None:
    holds(False, f"a project with {text} in it, which no browser reads")


ATTACKS = [Attack("messages", messages, 100), Attack("saving", saving, 100)]
