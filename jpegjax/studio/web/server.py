"""The studio behind a socket: loopback unless told otherwise, one process, no log of addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from ..bounds import USUAL, Bounds
from .app import make_app

__all__ = ["serve"]


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. OSError where there is none."""
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def serve(
    folder: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8750,
    bounds: Bounds = USUAL,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until interrupted.

    Args:
        folder: Whose pictures the page lists.
        host: Address or name to listen at.
        port: 0 takes a free one.
        bounds: What it may cost.
        ready: Told the address to open, with its token, once it listens.

    Raises:
        OSError: The folder cannot be read, or there is no such host, or the port is taken.
    """
    app, token = make_app(folder, bounds=bounds, host=host)
    listening = _bound(host, port)
    taken = listening.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app, log_config=None,
        log_level="critical", access_log=False, proxy_headers=False, server_header=False, date_header=False, lifespan="on",
        timeout_graceful_shutdown=3, limit_concurrency=64, h11_max_incomplete_event_size=1 << 16,
    )  # fmt: skip
    ready(f"http://{name}:{taken}/{token}/")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()
