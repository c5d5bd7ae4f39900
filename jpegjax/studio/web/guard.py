"""Who may speak to the studio: whoever has the address with its token, from a page of its own, on this machine."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

__all__ = ["HEADERS", "Guard", "is_address"]

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def is_address(host: str) -> bool:
    """Whether a Host header's name is "localhost" or an address in numbers, which no name server can point elsewhere."""
    if host.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _host_of(header: str) -> str:
    """The Host header without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0]


class Guard:
    """ASGI middleware: refuses other hosts (DNS rebinding), other origins, and addresses without the token; sets headers.

    host: the name that was asked for on the command line, which is taken too.
    """

    def __init__(self, app: Any, token: str, host: str):
        self.app, self.token, self.host = app, token, host

    def _why_not(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return 400, "no single Host"
        name = _host_of(hosts[0])
        if not is_address(name) and name != self.host:
            return 421, "this host is not served here"
        given = scope["path"].split("/", 2)[1].encode()
        if not hmac.compare_digest(given, self.token.encode()):
            return 404, "open the address that the studio printed; it has a token in it"
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope.get('scheme', 'http')}://{hosts[0]}":
            return 403, "another page's request"
        site = headers.get("sec-fetch-site", "none")
        navigates = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("none", "same-origin") and not navigates:
            return 403, "another page's request"
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app's answer, or the reason why there is none."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refused = self._why_not(scope)
        if refused is not None:
            await PlainTextResponse(refused[1], refused[0])(scope, receive, guarded)
        else:
            await self.app(scope, receive, guarded)
