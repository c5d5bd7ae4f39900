"""Headless Chromium over its DevTools protocol: real mouse events, real keys, files that are dropped, screenshots."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["BROWSER", "Browser"]

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120.0
KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "End": 35, "Home": 36}


class Browser:
    """One page. `js` evaluates, `wait` until an expression is true; what the page threw or logged as errors is in `errors`."""

    def __init__(self, profile: Path, width: int = 1440, height: int = 900):
        import websocket

        words = [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--force-color-profile=srgb", f"--user-data-dir={profile}",
            "--remote-debugging-port=0", "about:blank",
        ]  # fmt: skip
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if match := re.search(r"DevTools listening on ws://[\d.]+:(\d+)/", line):
                break
        else:
            raise RuntimeError("Chromium did not start")
        self.process.stderr.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{match[1]}/json", timeout=PATIENCE) as answer:
            pages = json.load(answer)
        url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self.socket = websocket.create_connection(url, timeout=PATIENCE, suppress_origin=True)
        self.count = 0
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come meanwhile are looked through for errors."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.count:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._heard(message)

    def _heard(self, message: dict[str, Any]) -> None:
        what, told = message.get("method"), message.get("params", {})
        if what == "Runtime.exceptionThrown":
            self.errors.append(
                json.dumps(told["exceptionDetails"].get("exception", {}).get("description", "exception"))
            )
        elif what == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif what == "Page.javascriptDialogOpening":
            self.errors.append(f"dialog: {told['message']}")

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        """The window; as a phone with a touch screen of twice the pixels."""
        scale = 2 if phone else 1
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    def open(self, url: str) -> None:
        """Go to an address, and wait until it is loaded."""
        self.send("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        made = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in made, made["exceptionDetails"]
        return made["result"].get("value")

    def wait(self, expression: str, seconds: float = PATIENCE) -> Any:
        """The expression's value once it is true; AssertionError where it does not become so."""
        end = time.monotonic() + seconds
        while not (value := self.js(expression)):
            assert time.monotonic() < end, f"not true: {expression}; errors: {self.errors}"
            time.sleep(0.05)
        return value

    def middle(self, selector: str) -> tuple[float, float]:
        """The middle of an element in the window, into which it is scrolled."""
        found = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'nearest'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return found[0], found[1]

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """A mouse event: "Pressed", "Released", "Moved" or "Wheel"."""
        button = {} if kind in ("Moved", "Wheel") and "buttons" not in more else {"button": "left"}
        self.send("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **button, **more)

    def click(self, selector: str) -> None:
        """Press and release in the middle of an element."""
        x, y = self.middle(selector)
        self.mouse("Moved", x, y)
        self.mouse("Pressed", x, y, clickCount=1)
        self.mouse("Released", x, y, clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        """Press at one place, move, release at another."""
        self.mouse("Moved", *start)
        self.mouse("Pressed", *start, clickCount=1)
        for i in range(1, steps + 1):
            x, y = (a + (b - a) * i / steps for a, b in zip(start, end, strict=True))
            self.mouse("Moved", x, y, buttons=1)
        self.mouse("Released", *end, clickCount=1)

    def key(self, name: str, shift: bool = False) -> None:
        """A key, pressed and released: a name of `KEYS`, or a character."""
        code = KEYS.get(name, ord(name.upper()[0]))
        text = {} if name in KEYS and name != "Enter" else {"text": "\r" if name == "Enter" else name}
        how = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", **how, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **how)

    def drop(self, path: Path, x: float, y: float) -> None:
        """A file, dragged in from elsewhere and dropped."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self, path: Path, full: bool = False) -> None:
        """The window as PNG, or all of the page."""
        made = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(made["data"]))
