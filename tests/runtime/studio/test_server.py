# SPDX-License-Identifier: Apache-2.0
"""The server of fmmp-studio: answers are `PoseEstimator`'s, and nothing from a page is trusted."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the [studio] extra")
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from fmmp_runtime import PoseEstimator, Support, read_image
from fmmp_runtime.studio import app as app_module
from fmmp_runtime.studio.answers import Answers
from fmmp_runtime.studio.app import create_app
from fmmp_runtime.studio.project import ProjectFolder, RevisionError

HOST = "http://127.0.0.1:8000"
SOCKET = "ws://127.0.0.1:8000/api/model"
POINTS = [[20.0, 30.0], [90.0, 40.0], [60.0, 70.0]]
PROJECT = {"version": 1, "name": "x", "categories": [], "pictures": [], "annotations": []}


def picture(seed: int = 0) -> tuple[str, bytes]:
    """A picture of 120 x 90 pixels as a PNG file, and its SHA-256."""
    pixels = np.random.default_rng(seed).integers(0, 256, (90, 120, 3), np.uint8)
    data = cv2.imencode(".png", pixels)[1].tobytes()
    return hashlib.sha256(data).hexdigest(), data


@pytest.fixture
def estimator(bundle: Path) -> PoseEstimator:
    return PoseEstimator(bundle, threads=1)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page, so that these tests need no build of the real one."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<h1>page</h1>")
    monkeypatch.setattr(app_module, "page_folder", lambda: folder)
    return folder


def client_of(
    estimator: PoseEstimator, project: Path, token: str | None = None, base_url: str = HOST
) -> TestClient:
    folder = ProjectFolder(project)
    return TestClient(create_app(Answers(estimator, folder), folder, token), base_url=base_url)


@pytest.fixture
def client(estimator: PoseEstimator, page: Path, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(estimator, tmp_path / "project") as opened:
        yield opened


def put(client: TestClient, key: str, data: bytes) -> None:
    assert client.put(f"/api/pictures/{key}", content=data).status_code == 204


def ask(socket: WebSocketTestSession, method: str, *arguments: object) -> Any:  # noqa: ANN401  # JSON
    socket.send_text(json.dumps({"id": 7, "method": method, "args": arguments}))
    reply = json.loads(socket.receive_text())
    assert reply.pop("id") == 7
    return reply.get("value", reply.get("error"))


def test_the_answer_is_that_of_the_estimator(
    client: TestClient, estimator: PoseEstimator, tmp_path: Path
) -> None:
    (one, one_data), (two, two_data) = picture(1), picture(2)
    put(client, one, one_data)
    put(client, two, two_data)
    example = {"picture": one, "keypoints": POINTS, "visible": [True, True, True], "box": None}
    with client.websocket_connect(SOCKET) as socket:
        assert ask(socket, "info")["bundle"] == "fake"
        assert ask(socket, "picture", two) == {"width": 120, "height": 90}
        assert ask(socket, "remember", "c", [example], None) == [[0, 2], [1, 2]]
        answer = ask(socket, "locate", "c", two, [10, 10, 80, 60])

    pictures = tmp_path / "project" / "pictures"
    state = estimator.remember([Support(read_image(pictures / one), POINTS)])
    pose = estimator.locate(read_image(pictures / two), state, box=[10, 10, 80, 60])
    assert answer["keypoints"] == pose.keypoints.tolist()
    assert answer["score"] == pose.score.tolist()
    assert answer["box"] == pose.box.tolist()


def test_a_page_that_asks_nonsense_is_told_and_the_next_call_works(client: TestClient) -> None:
    with client.websocket_connect(SOCKET) as socket:
        assert "annotate an example first" in ask(socket, "locate", "c", "0" * 64, None)
        assert "no picture" in ask(socket, "picture", "0" * 64)
        assert "named by its SHA-256" in ask(socket, "picture", "../../etc/passwd")
        assert ask(socket, "info")["shots"] == 1


def test_of_answers_that_wait_only_the_newest_is_worked_on(
    client: TestClient, estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, data = picture()
    put(client, key, data)
    example = {"picture": key, "keypoints": POINTS, "visible": [True] * 3, "box": None}
    with client.websocket_connect(SOCKET) as socket:
        ask(socket, "remember", "c", [example], None)
        for number in range(20):
            call = {"id": number, "method": "locate", "args": ["c", key, None]}
            socket.send_text(json.dumps(call))
        replies = {
            reply["id"]: reply["value"] for reply in (json.loads(socket.receive_text()) for _ in range(20))
        }
    assert replies[19] is not None
    assert sorted(replies) == list(range(20))


def test_a_project_is_kept_and_two_pages_do_not_overwrite_each_other(
    client: TestClient, tmp_path: Path
) -> None:
    assert client.get("/api/project").json()["revision"] == 0
    saved = client.put("/api/project", json=PROJECT, headers={"If-Match": "0"})
    assert saved.json() == {"revision": 1}
    late = client.put("/api/project", json=PROJECT | {"name": "late"}, headers={"If-Match": "0"})
    assert late.status_code == 409
    assert "another page" in late.text
    assert ProjectFolder(tmp_path / "project").load() == {"project": PROJECT, "revision": 1}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"annotations": 3}', b"\xff"])
def test_what_is_no_project_is_refused(client: TestClient, body: bytes) -> None:
    assert client.put("/api/project", content=body, headers={"If-Match": "0"}).status_code == 400
    assert client.get("/api/project").json()["revision"] == 0


def test_pictures_are_named_by_what_is_in_them(client: TestClient, tmp_path: Path) -> None:
    key, data = picture()
    put(client, key, data)
    assert client.get(f"/api/pictures/{key}").content == data
    assert client.put(f"/api/pictures/{'0' * 64}", content=data).status_code == 400
    for name in ("..%2f..%2fproject.json", "%2e%2e", "A" * 64, "a" * 63):
        assert client.get(f"/api/pictures/{name}").status_code in (400, 404)
        assert client.put(f"/api/pictures/{name}", content=data).status_code in (400, 404, 405)
    assert [file.name for file in (tmp_path / "project" / "pictures").iterdir()] == [key]


def test_what_is_too_large_is_given_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "MOST_PICTURE_BYTES", 1000)
    key, data = picture()
    assert "too large" in client.put(f"/api/pictures/{key}", content=data).text


def test_another_site_is_kept_out(client: TestClient) -> None:
    assert client.get("/api/project", headers={"Origin": "http://evil.example"}).status_code == 403
    assert (
        client.get("/api/project", headers={"Host": "evil.example"}).status_code == 403
    )  # a name made to point here
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(SOCKET, headers={"Origin": "http://evil.example"}),
    ):
        pass
    own = client.get("/", headers={"Origin": HOST})
    assert own.status_code == 200
    assert own.headers["cross-origin-opener-policy"] == "same-origin"


def test_beyond_this_machine_a_page_needs_the_token(
    estimator: PoseEstimator, page: Path, tmp_path: Path
) -> None:
    with client_of(estimator, tmp_path / "project", "secret", "http://studio.example") as client:
        assert client.get("/").status_code == 403
        assert client.get("/?token=wrong").status_code == 403
        assert client.get("/?token=secret").status_code == 200
        assert client.get("/api/project").status_code == 200  # by the cookie
        client.cookies.clear()
        address = "ws://studio.example/api/model"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(address):
            pass


def test_a_damaged_project_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text("{")
    with pytest.raises(ValueError, match=r"project\.json is no project of fmmp-studio, or damaged"):
        ProjectFolder(tmp_path)
    assert (tmp_path / "project.json").read_text() == "{"


def test_a_save_over_another_revision_changes_nothing(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    assert folder.save(json.dumps(PROJECT).encode(), 0) == 1
    with pytest.raises(RevisionError, match="revision 1, this page has 0"):
        folder.save(json.dumps(PROJECT | {"name": "other"}).encode(), 0)
    assert folder.load()["project"] == PROJECT


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"annotations": [NaN]}',
        '{"annotations": [1e999]}',
        '{"annotations": [], "annotations": []}',
    ],
)
def test_what_no_browser_would_read_again_is_not_saved(client: TestClient, text: str) -> None:
    answer = client.put("/api/project", content=text, headers={"If-Match": "0"})
    assert answer.status_code == 400
    assert client.get("/api/project").json()["revision"] == 0


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, "[]", "1", "{}", '{"id": 1, "method": "locate", "args": 5}'),
        *('{"method": "locate", "args": []}', '{"id": 1, "args": [], "method": "x"}'),
    ],
)
def test_what_is_no_call_ends_the_conversation_alone(client: TestClient, text: str) -> None:
    with client.websocket_connect(SOCKET) as socket:
        socket.send_text(text)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    with client.websocket_connect(SOCKET) as socket:
        assert ask(socket, "info")["bundle"] == "fake"


def test_a_damaged_project_that_is_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"project\.json is no project of fmmp-studio, or damaged"):
        ProjectFolder(tmp_path)


def test_a_save_whose_answer_got_lost_can_be_repeated(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path)
    folder.save(json.dumps(PROJECT).encode(), 0)
    assert folder.save(json.dumps(PROJECT).encode(), 0) == 1
    assert folder.save(json.dumps(PROJECT | {"name": "next"}).encode(), 1) == 2


def test_a_file_of_another_tool_becomes_our_own(client: TestClient) -> None:
    key, data = picture()
    client.put(f"/api/pictures/{key}", content=data, headers={"Origin": HOST})
    shapes = [{"label": f"p{n}", "shape_type": "point", "points": [at]} for n, at in enumerate(POINTS)]
    labelme = {"shapes": shapes, "imagePath": "one.png", "imageHeight": 90, "imageWidth": 120}
    asked = {
        "name": "../../one.json",
        "text": json.dumps(labelme),
        "pictures": [{"key": key, "name": "../../one.png"}],
    }
    reply = client.post("/api/annotations", json=asked, headers={"Origin": HOST})
    assert reply.status_code == 200, reply.text
    (found,) = reply.json()["objects"]
    assert found["content"]["image"] == "../../one.png"  # as the page calls it
    assert found["content"]["names"] == ["p0", "p1", "p2"]
    assert [row[:2] for row in found["content"]["keypoints"]] == POINTS


def test_a_file_of_no_tool_is_refused_with_its_name(client: TestClient) -> None:
    key, data = picture()
    client.put(f"/api/pictures/{key}", content=data, headers={"Origin": HOST})
    asked = {"name": "odd.json", "text": '{"people": []}', "pictures": [{"key": key, "name": "one.png"}]}
    reply = client.post("/api/annotations", json=asked, headers={"Origin": HOST})
    assert reply.status_code == 400
    assert "odd.json" in reply.text
    assert "OpenPose" in reply.text
    assert client.post("/api/annotations", content="[]", headers={"Origin": HOST}).status_code == 400
    asked["pictures"] = []
    assert "add the pictures" in client.post("/api/annotations", json=asked, headers={"Origin": HOST}).text
