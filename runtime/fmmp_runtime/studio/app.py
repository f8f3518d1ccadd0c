# SPDX-License-Identifier: Apache-2.0
"""The server of fmmp-studio: the page, the project's files, and answers over a WebSocket.

Of the answers that a page waits for, only the newest is worked on. A request must come from the page itself:
its Origin is the Host that it was asked at, and on a network it carries the token of the printed address.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from fmmp_runtime.settings import parse
from fmmp_runtime.studio.answers import Answers
from fmmp_runtime.studio.foreign import MOST_ANNOTATION_BYTES, read_foreign
from fmmp_runtime.studio.project import (
    MOST_PICTURE_BYTES,
    MOST_PROJECT_BYTES,
    ProjectFolder,
    RevisionError,
)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "fmmp_studio"


def page_folder() -> Path:
    """Folder of the built page.

    Raises:
        FileNotFoundError: this checkout has none.
    """
    folder = Path(str(resources.files("fmmp_runtime.studio") / "page"))
    if not (folder / "index.html").is_file():
        raise FileNotFoundError(f"no page in {folder}: `make studio` builds it (needs Node)")
    return folder


def create_app(answers: Answers, project: ProjectFolder, token: str | None) -> Starlette:
    """The application.

    Args:
        answers: of the bundle.
        project: what the page works on.
        token: that a page on a network has to know; None: loopback only, where none is needed.
    """

    async def settings(request: Request) -> Response:
        return JSONResponse({"bundle": None, "ort": "", "server": True})

    async def load(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(project.load))

    async def save(request: Request) -> Response:
        body = await _body(request, MOST_PROJECT_BYTES)
        revision = int(request.headers.get("if-match", "-1"))
        return JSONResponse({"revision": await run_in_threadpool(project.save, body, revision)})

    async def get_picture(request: Request) -> Response:
        headers = {"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}
        return FileResponse(project.picture(request.path_params["key"]), headers=headers)

    async def put_picture(request: Request) -> Response:
        body = await _body(request, MOST_PICTURE_BYTES)
        await run_in_threadpool(project.put_picture, request.path_params["key"], body)
        return Response(status_code=204)

    async def foreign(request: Request) -> Response:
        body = await _body(request, MOST_ANNOTATION_BYTES)
        return JSONResponse(await run_in_threadpool(read_foreign, body, project))

    async def model(socket: WebSocket) -> None:
        await socket.accept()
        await _Conversation(socket, answers).run()

    return Starlette(
        routes=[
            Route("/studio.json", settings),
            Route("/api/project", load, methods=["GET"]),
            Route("/api/project", save, methods=["PUT"]),
            Route("/api/pictures/{key}", get_picture, methods=["GET"]),
            Route("/api/pictures/{key}", put_picture, methods=["PUT"]),
            Route("/api/annotations", foreign, methods=["POST"]),
            WebSocketRoute("/api/model", model),
            Mount("/", StaticFiles(directory=page_folder(), html=True)),
        ],
        middleware=[Middleware(_Guard, token=token)],
        exception_handlers={
            RevisionError: _said(409),
            ValueError: _said(400),
            FileNotFoundError: _said(404),
            OSError: _said(507),
        },
    )


def new_token() -> str:
    """A token for an address that is printed once."""
    return secrets.token_urlsafe(24)


class _Guard:
    """Lets in what comes from the page; the token becomes a cookie with the first visit."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        connection = HTTPConnection(scope)
        host = connection.headers.get("host", "")
        origin = connection.headers.get("origin")
        given = connection.query_params.get("token", connection.cookies.get(COOKIE, ""))
        problem = None
        if origin is not None and origin.split("://")[-1] != host:
            problem = "this page is of another site"
        elif self._token is None and connection.url.hostname not in LOOPBACK:
            problem = f"this server is for {LOOPBACK[0]} alone"  # a name that was made to point here
        elif self._token is not None and not secrets.compare_digest(given.encode(), self._token.encode()):
            problem = "open the address that fmmp-studio printed: it has the token"
        if problem is None:
            return await self._app(scope, receive, self._with_headers(send, scope))
        if scope["type"] == "websocket":
            return await WebSocket(scope, receive, send).close(1008, problem)
        await PlainTextResponse(problem, 403)(scope, receive, send)

    def _with_headers(self, send: Send, scope: Scope) -> Send:
        async def sending(message: Any) -> None:  # noqa: ANN401  # an ASGI message
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"cross-origin-opener-policy", b"same-origin"),
                    (b"cross-origin-embedder-policy", b"require-corp"),
                    (
                        b"content-security-policy",
                        b"default-src 'self' blob: data:; style-src 'self' 'unsafe-inline'",
                    ),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-cache"),
                ]
                if self._token is not None and b"token=" in scope["query_string"]:
                    cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                    message["headers"].append((b"set-cookie", cookie.encode()))
            await send(message)

        return sending


class _Conversation:
    """What one page asks over its WebSocket."""

    def __init__(self, socket: WebSocket, answers: Answers) -> None:
        self._socket = socket
        self._answers = answers
        self._page = uuid4().hex
        self._waiting: dict[str, Any] | None = None  # the newest `locate`
        self._locating: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer until the page goes away."""
        try:
            while True:
                call = _call(parse(await self._socket.receive_text()))
                if call["method"] == "locate":
                    await self._ask_newest(call)
                else:
                    await self._reply(call, self._method(call))
        except (WebSocketDisconnect, RuntimeError):  # gone, before or while it was answered
            pass
        except (ValueError, KeyError, TypeError):  # not our page
            with suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close(1007, "not a call of fmmp-studio")
        finally:
            await run_in_threadpool(self._answers.forget, self._page)

    async def _ask_newest(self, call: dict[str, Any]) -> None:
        overtaken, self._waiting = self._waiting, call  # before anything is awaited: nobody else takes it
        if self._locating is None or self._locating.done():
            self._locating = asyncio.create_task(self._locate_newest())
        if overtaken is not None:
            await self._send({"id": overtaken["id"], "value": None})

    async def _locate_newest(self) -> None:
        while self._waiting is not None:
            call, self._waiting = self._waiting, None
            await self._reply(call, partial(self._answers.locate, self._page, *call["args"]))

    def _method(self, call: dict[str, Any]) -> Callable[[], Any]:
        arguments = call["args"]
        if call["method"] == "info":
            return self._answers.info
        if call["method"] == "picture":
            return partial(self._answers.picture, *arguments)
        if call["method"] == "remember":
            return partial(self._answers.remember, self._page, *arguments)
        raise ValueError(f"no method {call['method']!r}")

    async def _reply(self, call: dict[str, Any], work: Callable[[], Any]) -> None:
        try:
            value = await run_in_threadpool(work)
        except (OSError, ValueError, KeyError, TypeError) as error:
            await self._send({"id": call["id"], "error": str(error)})
        else:
            await self._send({"id": call["id"], "value": value})

    async def _send(self, message: dict[str, Any]) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):  # the page went away while we worked
            await self._socket.send_text(json.dumps(message))


def _call(message: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    """A message that has the form of a call.

    Raises:
        ValueError: it has not, and so is none of our page's.
    """
    if not isinstance(message, dict) or not isinstance(message.get("args"), list) or "id" not in message:
        raise ValueError("expected a call with id, method and args")
    return message


async def _body(request: Request, most: int) -> bytes:
    """The body of a request, given up where it gets too large."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > most:
            raise ValueError(f"too large: at most {most >> 20} MB are taken")
    return bytes(data)


def _said(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), status)

    return answer
