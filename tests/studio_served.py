"""A studio behind a real socket, in a thread, and a client of plain HTTP."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Client", "served"]


@dataclass(frozen=True)
class Answer:
    """status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Requests to the studio at a port, below its token."""

    port: int
    token: str
    studio: Any

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def __call__(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """path: below the token, or with a slash in front as it is. body: bytes, or what becomes JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        content = body if body is None or isinstance(body, (bytes, Iterator)) else json.dumps(body).encode()
        try:
            full = path if path.startswith("/") else f"/{self.token}/{path}"
            connection.request(method, full, content, headers or {}, encode_chunked=isinstance(body, Iterator))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def open(self, data: bytes, name: str = "picture.png") -> dict[str, Any]:
        """A picture, uploaded."""
        answer = self("POST", "api/pictures", data, {"X-Name": name})
        assert answer.status == 200, answer.body
        return answer.json

    def make(self, picture: dict[str, Any], codec: str, exact: bool = True, **more: Any) -> dict[str, Any]:
        """A result of a picture."""
        size = [picture["width"], picture["height"]]
        body = {"codec": codec, "settings": {}, "exact": exact, "rect": [0, 0, *size], "out": size, **more}
        answer = self("POST", f"api/pictures/{picture['id']}/results", body)
        assert answer.status == 200, answer.body
        return answer.json

    def until(self, path: str, true: Any, seconds: float = 120) -> Any:
        """The JSON at a path, once it is as wanted."""
        end = time.monotonic() + seconds
        while not true(found := self("GET", path).json):
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found


@contextmanager
def served(folder: Path | None = None, **how: Any) -> Iterator[Client]:
    """A running studio."""
    import uvicorn

    from jpegjax.studio import make_app

    app, token = make_app(folder, **how)
    config = uvicorn.Config(
        app, port=0, log_config=None, log_level="critical", access_log=False, lifespan="on", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 120
    while not (server.started and server.servers):
        assert thread.is_alive() and time.monotonic() < end
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Client(port, token, app.app.state.studio)
    finally:
        server.should_exit = True
        thread.join(timeout=60)
        assert not thread.is_alive()
