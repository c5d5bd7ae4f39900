"""The studio on a picture of 24 Mpixel: from a change of quality to what the screen shows of it.

    python benchmarks/studio.py [FOLDER] [--rounds 5] [--codecs jpeg,webp,learned] [--browser]

The picture is a mosaic of photographs, 6000×4000; the view is 1008×672, the whole picture as a window of 1440×900 shows it, or
1008×720 of its pixels. Over HTTP: the request with a new quality, then the pixels of the view. "first" is the first of a codec
(libraries are loaded, programs compiled, no pace is known), the others follow with another quality each. With --browser too: in
headless Chromium, from the key on the slider to the frame after the canvas was painted. The exact file comes after a preview:
"exact" is its encoding and decoding.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import ROOT, describe
from PIL import Image

SIZE = (6000, 4000)
VIEWS = {"whole": ((0, 0, *SIZE), (1008, 672)), "pixels": ((2400, 1600, 1008, 720), (1008, 720))}
CODECS = "jpeg,jpeg:tune=ssimulacra2,libjpeg-turbo,webp,jpegxl,avif,jpeg2000,dft,learned,jpeg+restore"


def mosaic(folder: Path | None) -> np.ndarray:
    """uint8 [4000, 6000, 3] of photographs side by side."""
    if folder is None:
        from skimage import data

        pictures = [data.astronaut(), data.coffee(), data.chelsea()]
    else:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg"))
        pictures = [np.array(Image.open(path).convert("RGB")) for path in paths]
    pictures = [np.rot90(one) if one.shape[0] > one.shape[1] else one for one in pictures]  # rows without gaps
    canvas = Image.new("RGB", SIZE)
    y = i = 0
    while y < SIZE[1]:
        x = high = 0
        while x < SIZE[0]:
            one = pictures[i % len(pictures)]
            canvas.paste(Image.fromarray(one), (x, y))
            x, high, i = x + one.shape[1], max(high, one.shape[0]), i + 1
        y += high
    return np.array(canvas)


@contextlib.contextmanager
def running() -> Iterator[tuple[int, str]]:
    """(port, token) of a studio in a thread."""
    import uvicorn

    from jpegjax.studio import make_app

    app, token = make_app(metrics=("psnr",))
    config = uvicorn.Config(app, port=0, log_config=None, log_level="critical", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not (server.started and server.servers):
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1], token
    finally:
        server.should_exit = True
        thread.join(60)


class Page:
    """What the page's script does, without a browser: one connection, one request after the other."""

    def __init__(self, port: int, token: str):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.token = token

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The answer's body; RuntimeError where it is none."""
        self.connection.request(method, f"/{self.token}/api/{path}", body, {"X-Name": "mosaic.png"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(content.decode())
        return content

    def respond(self, picture: str, codec: str, settings: dict[str, str], view: str, exact: bool) -> tuple[float, Any]:
        """(seconds to the pixels of a view, what was made)."""
        rect, out = VIEWS[view]
        body = {"codec": codec, "settings": settings, "rect": rect, "out": out, "exact": exact}
        start = time.perf_counter()
        made = json.loads(self.ask("POST", f"pictures/{picture}/results", json.dumps(body).encode()))
        query = f"kind=after&result={made['id']}&rect={','.join(map(str, rect))}&out={out[0]},{out[1]}"
        self.ask("GET", f"pictures/{picture}/view?{query}")
        return time.perf_counter() - start, made


def values(codec: str, settings: dict[str, str], count: int) -> list[dict[str, str]]:
    """Settings with so many values of the codec's sweep, from the middle of its grid on."""
    from jpegjax import codecs
    from jpegjax.studio.codecs import sweep_span

    one = codecs.get(codec)
    span = sweep_span(one)
    assert one.sweep and span
    middle = one.grid[len(one.grid) // 2]
    step = 1 if span[2] else 0.01 * middle
    return [settings | {one.sweep: str(round(middle + i * step, 6))} for i in range(count)]


def over_http(page: Page, picture: str, word: str, rounds: int) -> dict[str, Any]:
    """Times of a codec, for each view."""
    codec, _, more = word.partition(":")
    settings = dict(one.split("=") for one in more.split(";") if one)
    tried = values(codec, settings, 2 * (rounds + 1) + 1)
    row: dict[str, Any] = {}
    for view in VIEWS:
        times, kinds = [], []
        for i in range(rounds + 1):
            seconds, made = page.respond(picture, codec, tried.pop(), view, False)
            times.append(seconds)
            kinds.append("exact" if made["exact"] else "preview")
            if i == 0 and view == "whole":  # as the page does where nobody moves the slider any more
                row["exact_seconds"], whole = page.respond(picture, codec, tried.pop(), view, True)
                row["exact_nbytes"] = whole["nbytes"]
        row[view] = {
            "first_seconds": times[0], "median_seconds": statistics.median(times[1:]), "most_seconds": max(times[1:]),
            "shown": kinds,
        }  # fmt: skip
    return row


def in_browser(port: int, token: str, path: Path, rounds: int) -> dict[str, Any]:
    """Seconds from a key on the quality's slider until the view of the new file was painted."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import Browser

    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        browser.open(f"http://127.0.0.1:{port}/{token}/")
        browser.wait("document.documentElement.dataset.ready === 'yes'")
        start = time.perf_counter()
        browser.drop(path, 400, 400)
        browser.wait("(document.documentElement.dataset.shown ?? '').startsWith('exact')", 600)
        opened = time.perf_counter() - start
        browser.js(
            "window.times = []; window.began = 0; sweep.addEventListener('keydown', () => { began = performance.now(); }, true);"
            "new MutationObserver(() => { if (!began) return; const start = began, what = document.documentElement.dataset.shown;"
            "began = 0; requestAnimationFrame(() => requestAnimationFrame(() => times.push("
            "[performance.now() - start, what.split(' ')[0]]))); })"
            ".observe(document.documentElement, { attributeFilter: ['data-shown'] }); sweep.focus()"
        )
        for i in range(2 * rounds):  # every other key while the last exact file is still being made
            browser.key("ArrowLeft")
            browser.wait(f"times.length > {i}", 600)
            if i % 2:
                browser.wait("document.documentElement.dataset.shown.startsWith('exact')", 600)
        found = browser.js("times")
    seconds = [one[0] / 1000 for one in found]
    return {
        "opened_seconds": opened, "median_seconds": statistics.median(seconds), "most_seconds": max(seconds),
        "shown": [one[1] for one in found],
    }  # fmt: skip


def main() -> None:
    """Measure, and write results/studio.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--codecs", default=CODECS)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "studio.json")
    given = parser.parse_args()
    pixels = mosaic(given.folder)
    with tempfile.TemporaryDirectory() as folder, running() as (port, token):
        path = Path(folder, "mosaic.png")
        Image.fromarray(pixels).save(path, compress_level=1)
        page = Page(port, token)
        page.ask("GET", "start")
        found: dict[str, Any] = {
            "what": __doc__.strip().splitlines()[0],
            **describe(),
            "size": SIZE,
            "views": VIEWS,
            "codecs": {},
        }
        start = time.perf_counter()
        picture = json.loads(page.ask("POST", "pictures", path.read_bytes()))["id"]
        found["upload_seconds"] = time.perf_counter() - start
        for word in given.codecs.split(","):
            try:
                found["codecs"][word] = over_http(page, picture, word, given.rounds)
            except (RuntimeError, ImportError) as error:
                found["codecs"][word] = {"error": str(error)}
            print(word, json.dumps(found["codecs"][word]), flush=True)
        if given.browser:
            found["chromium"] = in_browser(port, token, path, given.rounds)
            print("chromium", json.dumps(found["chromium"]), flush=True)
    given.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
