"""The studio in a headless Chromium: real mouse, keys and dropped files; harmless whatever a picture is called."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import BROWSER, Browser
from pictures import picture
from PIL import Image
from studio_served import Client, served

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn")
pytest.importorskip("uvicorn", reason="the studio needs starlette and uvicorn")
pytest.importorskip("websocket", reason="the browser is driven by websocket-client")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

HOSTILE = "<img src=x onerror=alert(1)>'&quot;.png"
EXACT = "(document.documentElement.dataset.shown ?? '').startsWith('exact')"
ROUND = "Number((document.documentElement.dataset.shown ?? ' 0').split(' ')[1])"

FOCUSED = """(() => {
  const e = document.activeElement, bar = getComputedStyle(document.querySelector("#bar i")).outlineStyle;
  const name = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent;
  const outlined = getComputedStyle(e).outlineStyle !== "none" || (e.id === "divider" && bar !== "none");
  return [e.id || e.tagName, name.trim().length > 0, outlined];
})()"""
"""What has the focus: its id, whether it has a name, and whether a person sees it."""


def text(selector: str) -> str:
    """What an element says."""
    return f"document.querySelector({selector!r}).textContent"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page")
    (root / "folder").mkdir()
    y, x = np.mgrid[:700, :1100]
    large = np.stack([x % 256, y % 256, (x // 9 + y // 7) % 2 * 200], -1).astype(np.uint8)
    Image.fromarray(large).save(root / "large.png", compress_level=1)
    for folder in (root, root / "folder"):
        Image.fromarray(picture(120, 160)).save(folder / HOSTILE, "PNG")
    (root / "folder" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    return root


@pytest.fixture(scope="module")
def client(files: Path) -> Iterator[Client]:
    with served(files / "folder", metrics=("psnr",)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(client: Client, browser: Browser) -> Iterator[Browser]:
    """The page, freshly opened in a window of 1440×900; nothing in it may fail but requests that are to."""
    browser.resize(1440, 900)
    browser.errors.clear()
    browser.open("about:blank")
    browser.open(client.url)
    browser.wait("document.documentElement.dataset.ready === 'yes'")
    browser.wait(EXACT)  # the folder's first picture
    yield browser
    assert not [one for one in browser.errors if "status of 422" not in one], browser.errors


def seen(page: Browser, x: float, y: float) -> list[int]:
    """The colour of the window at a place."""
    shot = base64.b64decode(page.send("Page.captureScreenshot", format="png")["data"])
    with Image.open(io.BytesIO(shot)) as image:
        return list(image.convert("RGB").getpixel((int(x), int(y))))


def frame(page: Browser, selector: str) -> list[float]:
    """x, y, width and height of an element in the window."""
    found = page.js(f"JSON.stringify(document.querySelector({selector!r}).getBoundingClientRect())")
    return [json.loads(found)[side] for side in ("x", "y", "width", "height")]


def test_a_person_with_a_mouse(page, files):
    stage = frame(page, "#stage")
    before = page.js(ROUND)
    page.drop(files / HOSTILE, stage[0] + 300, stage[1] + 200)
    page.wait(f"{ROUND} > {before} && {EXACT}")
    # the name is text, in the header and in the folder's list, and nothing of it ran
    shown = page.js(text("#name"))
    assert shown.startswith("\ufffdimg src=x onerror=alert(1)\ufffd") and shown.endswith(".png")
    assert page.js("document.querySelectorAll('img[src=x]').length") == 0
    size = page.js(text("#nbytes"))
    # the divider follows the mouse
    middle = stage[1] + stage[3] / 2
    page.drag((stage[0] + stage[2] / 2, middle), (stage[0] + stage[2] * 0.25, middle))
    assert abs(page.js("parseFloat(document.querySelector('#bar').style.left)") - 25) < 0.5
    assert page.js("document.querySelector('#clip').style.clipPath") != ""
    # quality, by the mouse on its slider
    x, y = page.middle("#sweep")
    before = page.js(ROUND)
    page.drag((x + 60, y), (x - 60, y), steps=6)
    page.wait(f"{ROUND} > {before} && {EXACT} && document.querySelector('#nbytes').className === ''")
    quality = int(page.js("document.querySelector('#sweep-text').value"))
    assert 10 < quality < 50 and page.js(text("#nbytes")) != size
    # the wheel zooms to pixels, at the place of the mouse; pixels are those of the picture
    for _ in range(20):
        page.mouse("Wheel", stage[0] + stage[2] / 2, middle, deltaX=0, deltaY=-120)
    page.wait(f"document.querySelector('#stage').classList.contains('pixels') && parseInt({text('#zoomed')}) >= 1600")
    page.wait("[...document.querySelectorAll('#clip canvas')][1].width > 4")
    # dragging pans
    pan = "document.querySelectorAll('#clip canvas')[0].style.transform"
    before = page.js(pan)
    page.drag((stage[0] + stage[2] * 0.7, middle), (stage[0] + stage[2] * 0.6, middle - 40))
    assert page.js(pan) != before
    page.click('#zoom button[data-value="fit"]')
    # the difference, and the stage has not moved in all this
    page.click('#kind button[data-value="difference"]')
    page.wait("document.querySelector('#tag-right').textContent.startsWith('difference')")
    page.click('#kind button[data-value="after"]')
    assert frame(page, "#stage") == stage
    # a damaged file says why, and the picture stays
    page.drop(files / "broken.jpg", stage[0] + 300, stage[1] + 200)
    page.wait("!document.querySelector('#error').hidden")
    assert page.js(text("#error")) and page.js(text("#name")) == shown
    page.wait(f"{text('#metrics dd')}.endsWith(' dB')")
    page.wait(
        "document.querySelectorAll('.grid8 td').length === 128 && document.querySelectorAll('.bars rect').length === 49"
    )


def test_pixels_of_the_screen_are_the_files(page, files, client):
    before = page.js(ROUND)
    page.drop(files / HOSTILE, 400, 400)
    page.wait(f"{ROUND} > {before} && {EXACT}")
    page.wait(
        "document.querySelector('#after canvas').width === 160 && document.querySelector('#clip canvas').width === 160"
    )
    left, top, *_ = frame(page, "#clip canvas")
    assert left == int(left) and top == int(top)  # no pixel of the picture lies across two of the screen
    pixels = picture(120, 160)
    assert seen(page, left + 20, top + 30) == pixels[30, 20].tolist()
    told = page.js("document.querySelector('#download').getAttribute('href')").split("/")[-2]
    result = client.studio.store.result(told)
    assert seen(page, left + 150, top + 100) == result.decoded[100, 150].tolist()


def test_a_preview_is_said_to_be_one(page, files, client):
    client.studio.maker._seconds.clear()  # as if nobody had encoded anything yet
    page.js(
        "window.states = []; new MutationObserver(() => states.push(document.querySelector('#chip').textContent))"
        ".observe(document.querySelector('#chip'), { childList: true })"
    )
    before = page.js(ROUND)
    page.drop(files / "large.png", 400, 400)
    page.wait(f"{ROUND} > {before} && {EXACT}")
    states = page.js("states")
    assert any("preview: at " in one and "exact file follows" in one for one in states), states
    assert states[-1] == "exact file"
    page.wait("document.querySelector('#download').getAttribute('href')")


def test_a_person_with_keys(page, files):
    page.drop(files / HOSTILE, 400, 400)
    page.wait(EXACT)
    reached = []
    for _ in range(40):
        page.key("Tab")
        told = page.js(FOCUSED)
        reached.append(told[0])
        assert told[1] and told[2], told  # named, and its focus can be seen
        if told[0] == "stage":
            zoom = page.js(text("#zoomed"))
            page.key("+")
            assert page.js(text("#zoomed")) != zoom
            page.key("ArrowRight")
            page.key("0")
            assert page.js(text("#zoomed")) == zoom
        if told[0] == "divider":
            page.key("ArrowLeft")
            page.key("ArrowLeft")
            assert page.js("document.querySelector('#bar').style.left") == "48%"
        if told[0] == "sweep":
            before, value = page.js(ROUND), int(page.js("document.querySelector('#sweep-text').value"))
            page.key("ArrowLeft")
            assert int(page.js("document.querySelector('#sweep-text').value")) == value - 1
            page.wait(f"{ROUND} > {before}")
            break
    assert [one for one in reached if one in ("open", "theme", "stage", "divider", "codec", "sweep")] == [
        "open", "theme", "stage", "divider", "codec", "sweep",
    ]  # fmt: skip


def test_a_folder_and_a_phone(page):
    page.resize(390, 844, phone=True)
    assert page.js("document.documentElement.scrollWidth") <= 390
    wide = page.js(
        "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 391 && !e.closest('.stage'))"
        ".map((e) => e.tagName)"
    )
    assert not wide
    before = page.js(ROUND)
    page.click("#files li:nth-child(1) button")
    page.wait(f"{ROUND} > {before}")
    assert page.js("document.querySelectorAll('#files li').length") == 2
    page.click("#batch")
    page.wait("document.querySelector('#batch-note').textContent.startsWith('done: 2 of 2')")
    assert "not a picture" in page.js(text("#files li:nth-child(2) small"))
    assert page.js("document.querySelector('#files li a').getAttribute('href')") == "api/batch/0/file"
    assert page.js("!document.querySelector('#zip').hidden")
    small = page.js(
        "[...document.querySelectorAll('button, select, input[type=range], summary')]"
        ".filter((e) => e.offsetParent && e.getBoundingClientRect().height < 22).map((e) => e.outerHTML.slice(0, 60))"
    )
    assert not small  # what a finger cannot hit
