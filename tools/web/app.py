"""The page as a web application: its files, and one address that takes a picture and gives back JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tools.web import site
from tools.web.child import Answer, Child
from tools.web.guard import Guard
from tools.web.limits import MOST_NAME
from tools.web.refused import Refused, as_response
from tools.web.turns import Turns
from tools.web.upload import Uploads

DETECT = "/detect"
ENDING = "The server is ending. Try again later."
GONE = Response(status_code=499)  # nobody reads it


def make_app(child: Child, names: Iterable[str], ending: asyncio.Event, *, addresses: bool) -> Starlette:
    """The application. names, addresses: by which browsers may call it, as in Guard. ending: the server stops."""
    turns, uploads = Turns(child), Uploads()

    async def detect(request: Request) -> Response:
        return await _unless_ending(ending, answered(request))

    async def answered(request: Request) -> Response:
        """POST a picture's file, ?name= its name: answer.Answerer's JSON, or {"error": a sentence}."""
        name = request.query_params.get("name", "")[:MOST_NAME] or "the picture"
        try:
            async with uploads.body(request) as picture:
                answer = await _unless_gone(request, turns.answer(name, picture))
        except ClientDisconnect:
            return GONE
        return Response(answer.stored, answer.status, media_type="application/json")

    app = Starlette(
        routes=[Route(DETECT, detect, methods=["POST"]), *(Route(at, _file(it)) for at, it in site.files().items())],
        middleware=[Middleware(Guard, names=names, addresses=addresses)],
        exception_handlers={Refused: as_response},
    )
    app.router.redirect_slashes = False
    return app


def _file(file: site.File) -> Callable[[Request], Awaitable[Response]]:
    async def served(request: Request) -> Response:
        headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.type, headers=headers)

    return served


async def _unless_ending(ending: asyncio.Event, work: Coroutine[None, None, Response]) -> Response:
    """What `work` returns; Refused, and `work` is cancelled, when the server ends before."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(ending.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Refused(503, ENDING)
        return working.result()
    finally:
        working.cancel()
        waiting.cancel()


async def _unless_gone(request: Request, work: Coroutine[None, None, Answer]) -> Answer:
    """What `work` returns; ClientDisconnect, and `work` is cancelled, when the visitor leaves before."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(request.receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
