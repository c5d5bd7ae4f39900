"""The studio's doors over HTTP: the page, pictures in, results out. All work is done elsewhere in this room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import secrets
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ...codecs import get
from ...errors import JpegError
from ...report.score import METRICS
from ..batch import Batch, Folder
from ..bounds import USUAL, Bounds, Refused, megabytes
from ..codecs import described
from ..measure import Measurer
from ..pictures import FORMATS, plain_name, read_picture
from ..results import Asked, Maker
from ..store import Picture, Result, Store
from ..views import fit_rect, reduced, view
from .guard import Guard
from .turns import Turns

__all__ = ["Studio", "make_app"]

_JSON_NBYTES = 1 << 16
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
_PARTS = {
    "studio.html": "studio/page", "studio.css": "studio/page", "studio.js": "studio/page", "controls.js": "studio/page",
    "panels.js": "studio/page", "stage.js": "studio/page", "talk.js": "studio/page", "base.css": "report",
    "slider.css": "report", "slider.js": "report",
}  # fmt: skip
"""What the page loads, and where in the package it lies; nothing else is read by name."""
log = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]


class Studio:
    """What one running studio holds: its bounds, pictures, results, the folder and its batch."""

    def __init__(self, folder: Path | None, bounds: Bounds, metrics: tuple[str, ...] | None = None):
        self.bounds, self.store = bounds, Store(bounds)
        self.maker, self.folder = Maker(self.store, bounds), Folder(folder, bounds)
        self.measurer = Measurer(metrics)
        self.turns = Turns(("codecs", "read", "preview", "exact", "view", "batch"))
        self.batch: Batch | None = None
        self.uploading = asyncio.Semaphore(2)

    async def warm_up(self) -> None:
        """Load the codecs, and let the first of them write a file, before somebody waits for that."""

        def first_call() -> None:
            codec.decode(codec.encode(np.zeros((64, 64, 3), np.uint8)))

        shown = await self.turns("codecs", described, droppable=False)
        codec = get(next(one["name"] for one in shown if "missing" not in one))
        await self.turns("exact", first_call, droppable=False)

    def close(self) -> None:
        """End what works, and remove what was written."""
        if self.batch:
            self.batch.close()
        self.turns.close()
        self.measurer.close()

    def read(self, name: str, data: bytes) -> dict[str, Any]:
        """Keep a file's picture; what the page is told of it."""
        pixels, notes = read_picture(data, self.bounds)
        picture = self.store.add(Picture(name, pixels, len(data), notes))
        width, height = picture.size
        return {
            "id": picture.id, "name": name, "width": width, "height": height, "nbytes": len(data), "notes": notes,
            "grey": pixels.ndim == 2,
        }  # fmt: skip

    def told(self, result: Result) -> dict[str, Any]:
        """A result as the page is told of it."""
        width, height = result.rect[2:]
        pixels = result.decoded.shape[0] * result.decoded.shape[1]
        return {
            "id": result.id, "picture": result.picture, "codec": result.codec, "exact": result.exact, "rect": result.rect,
            "size": [result.decoded.shape[1], result.decoded.shape[0]], "reduced": (width * height) != pixels,
            "nbytes": len(result.data), "bpp": 8 * len(result.data) / pixels, "suffix": result.suffix,
            "encode_seconds": result.encode_seconds, "decode_seconds": result.decode_seconds, "notes": result.notes,
            "target": result.key.target_nbytes, "used": {name: str(value)[:200] for name, value in result.used.items()},
            "metrics": result.metrics, "failed": result.failed,
            "left": self.measurer.left(result) if result.exact else [], "busy": result.busy,
            "measured": result.measured, "inside": result.inside,
        }  # fmt: skip


def _answer(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status)


def _saying(handler: Handler) -> Handler:
    """The handler, whose typed errors become {"error": text}."""

    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as error:
            return _answer({"error": str(error)}, error.status)
        except (JpegError, ValueError, TypeError, ImportError) as error:
            return _answer({"error": str(error)}, 422)
        except MemoryError:
            return _answer({"error": "not enough memory for this"}, 413)
        except Exception as error:
            log.exception("the studio's %s", request.scope["route"].name)
            return _answer({"error": f"failed: {type(error).__name__}: {error}"}, 500)

    return handled


async def _body(request: Request, most: int, stall: float) -> bytes:
    """The body, refused as soon as it is known to be larger than so many bytes."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise Refused(f"{megabytes(int(told))}; at most {megabytes(most)} are taken", 413)
    body = bytearray()
    stream = request.stream().__aiter__()
    while True:
        try:
            body += await asyncio.wait_for(anext(stream), stall)
        except StopAsyncIteration:
            return bytes(body)
        except TimeoutError:
            raise Refused("the upload stood still", 408) from None
        except ClientDisconnect:
            raise Refused("the upload was broken off", 400) from None
        if len(body) > most:
            raise Refused(f"more than {megabytes(most)}", 413)


async def _json(request: Request, studio: Studio) -> dict[str, Any]:
    try:
        found = json.loads(await _body(request, _JSON_NBYTES, studio.bounds.stall_seconds))
    except (ValueError, RecursionError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("not JSON", 400) from None
    if not isinstance(found, dict):
        raise Refused("must be an object", 400)
    return found


def _numbers(given: Any, name: str, count: int) -> list[float]:
    """So many finite numbers of a list or a text with commas. Refused otherwise."""
    words = given.split(",") if isinstance(given, str) else given
    try:
        numbers = [float(word) for word in words]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != count or not all(math.isfinite(one) and abs(one) < 1e6 for one in numbers):
        raise Refused(f"{name}: must be {count} numbers", 400)
    return numbers


def _window(studio: Studio, picture: Picture, rect: Any, out: Any) -> tuple[Any, tuple[int, int]]:
    """(rectangle inside the picture as floats, size of the view in pixels, within bounds)."""
    x, y, width, height = _numbers(rect, "rect", 4)
    wide, high = (max(1, round(one)) for one in _numbers(out, "out", 2))
    if wide * high > 6 * studio.bounds.preview_pixels:
        raise Refused("out: a view of so many pixels is not made", 400)
    x, y = (min(max(0.0, v), side - 1) for v, side in zip((x, y), picture.size, strict=True))
    width, height = min(max(width, 1), picture.size[0] - x), min(max(height, 1), picture.size[1] - y)
    return (x, y, width, height), (wide, high)


def _attachment(name: str) -> dict[str, str]:
    plain = "".join(c if c.isascii() and c not in '"\\%' else "_" for c in name)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
    }


def _doors(studio: Studio) -> list[Route]:
    turns, bounds = studio.turns, studio.bounds

    async def part(request: Request) -> Response:
        name = request.path_params.get("name") or "studio.html"
        if name not in _PARTS:
            return _answer({"error": "no such page"}, 404)
        text = files("jpegjax").joinpath(_PARTS[name], name).read_text(encoding="utf-8")
        return Response(text, media_type=_TYPES[Path(name).suffix])

    async def start(request: Request) -> Response:
        codecs = await turns("codecs", described, droppable=False)
        metrics = {n: {"label": m.label, "lower": m.lower, "unit": m.unit} for n, m in METRICS.items()}
        folder = None if studio.folder.path is None else {
            "name": plain_name(studio.folder.path.resolve().name), "files": studio.folder.listed(), "more": studio.folder.more,
        }  # fmt: skip
        return _answer({
            "codecs": codecs, "metrics": metrics, "order": studio.measurer.names, "folder": folder,
            "formats": ["JPEG", *FORMATS],
            "bounds": {"nbytes": bounds.upload_nbytes, "pixels": bounds.pixels, "view": bounds.preview_pixels},
        })  # fmt: skip

    async def upload(request: Request) -> Response:
        name = plain_name(urllib.parse.unquote(request.headers.get("x-name", ""), errors="replace"))
        async with studio.uploading:
            data = await _body(request, bounds.upload_nbytes, bounds.stall_seconds)
            return _answer(await turns("read", lambda: studio.read(name, data), droppable=False))

    async def from_folder(request: Request) -> Response:
        name, data = await asyncio.to_thread(studio.folder.read, request.path_params["index"])
        return _answer(await turns("read", lambda: studio.read(name, data), droppable=False))

    async def drop(request: Request) -> Response:
        studio.store.drop(request.path_params["id"])
        return _answer({})

    async def make(request: Request) -> Response:
        body = await _json(request, studio)
        picture, asked = studio.store.picture(request.path_params["id"]), Asked.of(body)
        exact = body.get("exact") is True or (studio.maker.quick(picture, asked) and not turns.busy("exact"))
        if exact:
            result = await turns("exact", lambda: studio.maker.exact(picture, asked))
            studio.measurer.look_at(result)
        else:
            rect, out = _window(studio, picture, body.get("rect"), body.get("out"))
            result = await turns("preview", lambda: studio.maker.preview(picture, asked, rect, out))
        return _answer(studio.told(result))

    async def look(request: Request) -> Response:
        return _answer(studio.told(studio.store.result(request.path_params["id"])))

    async def seen(request: Request) -> Response:
        query = request.query_params
        picture = studio.store.picture(request.path_params["id"])
        kind = query.get("kind", "before")
        if kind not in ("before", "after", "difference"):
            raise Refused("kind: must be before, after or difference", 400)
        result = studio.store.result(query["result"]) if "result" in query else None
        if result is not None and result.picture != picture.id:
            raise Refused("this result is of another picture", 400)
        rect, out = _window(studio, picture, query.get("rect", ""), query.get("out", ""))
        gain = min(max(_numbers(query.get("gain", "8"), "gain", 1)[0], 1), 64)
        found, shown = await turns(
            "view", lambda: view(picture, result, kind, fit_rect(rect, picture.size), out, gain), droppable=False
        )
        told = {"X-Rect": ",".join(map(str, shown)), "X-Size": f"{found.shape[1]},{found.shape[0]}"}
        return Response(found.tobytes(), media_type="application/octet-stream", headers=told)

    async def download(request: Request) -> Response:
        result = studio.store.result(request.path_params["id"])
        if not result.exact:
            raise Refused("a preview is no file of the picture", 409)
        name = Path(studio.store.picture(result.picture).name).stem + result.suffix
        return Response(result.data, media_type="application/octet-stream", headers=_attachment(name))

    async def thumbnail(request: Request) -> Response:
        def small() -> bytes:
            pixels, _ = read_picture(studio.folder.read(request.path_params["index"])[1], bounds)
            height, width = pixels.shape[:2]
            share = 96 / max(height, width)
            from ... import encode

            return encode(
                reduced(pixels, (0, 0, width, height), (round(width * share), round(height * share))), quality=70
            )

        return Response(await asyncio.to_thread(small), media_type="image/jpeg")

    async def begin_batch(request: Request) -> Response:
        asked = Asked.of(await _json(request, studio))
        if studio.batch and studio.batch.state == "running":
            raise Refused("the folder is being encoded already", 409)

        def begin() -> Batch:
            if studio.batch:
                studio.batch.close()
            return Batch(studio.folder, asked, bounds).start()

        if not studio.folder.files:
            raise Refused("there is no folder with pictures", 404)
        studio.batch = await turns("batch", begin, droppable=False)
        return _answer(studio.batch.told(0))

    def batch() -> Batch:
        if studio.batch is None:
            raise Refused("nothing was encoded yet", 404)
        return studio.batch

    async def batch_told(request: Request) -> Response:
        since = request.query_params.get("since", "0")
        return _answer(batch().told(int(since) if since.isdecimal() and len(since) < 9 else 0))

    async def batch_stop(request: Request) -> Response:
        batch().stop()
        return _answer({})

    async def batch_file(request: Request) -> Response:
        path, name = batch().file(request.path_params["index"])
        return FileResponse(path, media_type="application/octet-stream", headers=_attachment(name))

    async def batch_zip(request: Request) -> Response:
        path = await turns("batch", batch().zipped, droppable=False)
        return FileResponse(path, media_type="application/zip", headers=_attachment("jpegjax-studio.zip"))

    doors: list[tuple[str, str, Handler]] = [
        ("GET", "/", part), ("GET", "/{name}", part), ("GET", "/api/start", start), ("POST", "/api/pictures", upload),
        ("POST", "/api/folder/{index:int}", from_folder), ("GET", "/api/folder/{index:int}/thumbnail", thumbnail),
        ("DELETE", "/api/pictures/{id}", drop), ("POST", "/api/pictures/{id}/results", make),
        ("GET", "/api/pictures/{id}/view", seen), ("GET", "/api/results/{id}", look), ("GET", "/api/results/{id}/file", download),
        ("POST", "/api/batch", begin_batch), ("GET", "/api/batch", batch_told), ("POST", "/api/batch/stop", batch_stop),
        ("GET", "/api/batch/{index:int}/file", batch_file), ("GET", "/api/batch/zip", batch_zip),
    ]  # fmt: skip
    return [Route("/{token}" + path, _saying(handler), methods=[method]) for method, path, handler in doors]


def make_app(
    folder: Path | None = None,
    *,
    bounds: Bounds = USUAL,
    host: str = "127.0.0.1",
    token: str | None = None,
    metrics: tuple[str, ...] | None = None,
) -> tuple[Any, str]:
    """(ASGI application, its token: the page is at /TOKEN/).

    folder: whose pictures the page lists. host: the name that it is served under. token: random by default.
    metrics: names of those to measure, all by default. OSError where the folder cannot be read.
    """  # fmt: skip
    token = token or secrets.token_urlsafe(18)
    studio = Studio(folder, bounds, metrics)

    @contextlib.asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:
        warming = asyncio.create_task(studio.warm_up())
        try:
            yield
        finally:
            warming.cancel()
            await asyncio.to_thread(studio.close)

    app = Starlette(routes=_doors(studio), lifespan=living)
    app.state.studio = studio
    return Guard(app, token, host), token
