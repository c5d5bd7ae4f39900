"""The studio over a real socket: what it gives equals what the codecs give, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from pictures import picture
from PIL import Image

pytest.importorskip("starlette", reason="the studio needs starlette and uvicorn")
pytest.importorskip("uvicorn", reason="the studio needs starlette and uvicorn")

from studio_served import Client, served

import jpegjax
from jpegjax import codecs
from jpegjax.studio.batch import Folder
from jpegjax.studio.bounds import Bounds, Gone, Refused
from jpegjax.studio.codecs import _word, described, settings_of
from jpegjax.studio.measure import inside, part_of
from jpegjax.studio.pictures import plain_name, read_picture
from jpegjax.studio.results import Asked, encoded
from jpegjax.studio.store import Picture, Result, Store
from jpegjax.studio.web.turns import Turns

SMALL = Bounds(upload_nbytes=400_000, pixels=2_000_000, pictures=3, memory_nbytes=60 << 20, stall_seconds=2)
HOSTILE = "<img src=x onerror=alert(1)>'\".png"


def png(pixels: np.ndarray, **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **how)
    return file.getvalue()


def smooth(height: int, width: int) -> np.ndarray:
    """A picture whose PNG is small: gradients and a rectangle."""
    y, x = np.mgrid[:height, :width]
    made = np.stack([x * 255 // width, y * 255 // height, (x // 16 + y // 16) % 2 * 90], -1).astype(np.uint8)
    made[height // 4 : height // 2, width // 4 : width // 2] = (200, 30, 60)
    return made


LARGE = png(smooth(900, 1300), compress_level=1)
"""More pixels than are encoded exactly at once."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, one with a hostile name, a damaged file, and what must not be listed."""
    root = tmp_path_factory.mktemp("shown")
    inner, secret = root / "in", root / "secret.png"
    inner.mkdir()
    secret.write_bytes(png(picture(8, 8)))
    (inner / "a.png").write_bytes(png(picture(40, 56)))
    (inner / HOSTILE).write_bytes(png(picture(32, 24)))
    (inner / "broken.png").write_bytes(png(picture(32, 24))[:200])
    (inner / "link.png").symlink_to(secret)
    (inner / ".hidden.png").write_bytes(png(picture(8, 8)))
    (inner / "notes.txt").write_text("no picture")
    return inner


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with served(folder, bounds=SMALL, metrics=("psnr",)) as running:
        yield running


def test_page_loads_from_here_alone(client):
    page = client("GET", "")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.body.decode())
    texts = {name: client("GET", name) for name in parts}
    imported = {name for one in texts.values() for name in re.findall(r'from "\./([\w.]+)"', one.body.decode())}
    texts |= {name: client("GET", name) for name in imported}
    assert {"slider.js", "slider.css", "studio.js", "stage.js", "talk.js"} <= set(texts)
    assert all(one.status == 200 for one in texts.values())
    for name, one in {**texts, "page": page}.items():
        outside = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", one.body.decode())) - {
            "http://www.w3.org/2000/svg"
        }
        assert not outside, (name, outside)
        assert "innerHTML" not in one.body.decode() and " style=" not in one.body.decode(), name
    assert texts["slider.js"].body == (files("jpegjax.report") / "slider.js").read_bytes()


def test_headers_of_every_answer(client):
    for path in ("", "studio.js", "api/start", "no", "api/results/none", "/", "/x/y"):
        headers = client("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store" and "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404), ("/wrong/", {}, 404), ("/wrong/api/start", {}, 404), ("/%00/", {}, 404),
        ("", {"Host": "evil.example"}, 421), ("", {"Host": "evil.example:80"}, 421),
        ("", {"Host": "127.0.0.1.evil.example"}, 421),
        ("", {"Host": "localhost:1"}, 200), ("", {"Host": "[::1]:1"}, 200), ("", {"Host": "127.0.0.1"}, 200),
        ("api/start", {"Origin": "http://evil.example"}, 403), ("api/start", {"Origin": "null"}, 403),
        ("api/start", {"Sec-Fetch-Site": "cross-site"}, 403), ("api/start", {"Sec-Fetch-Site": "same-site"}, 403),
        ("api/start", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("..%2f..%2fbounds.py", {}, 404), ("bounds.py", {}, 404), ("%2e%2e/app.py", {}, 404),
    ],
)  # fmt: skip
def test_who_may_speak(client, path, headers, status):
    assert client("GET", path, headers=headers).status == status


def test_state_changes_only_for_its_own_page(client):
    data = png(picture(8, 8))
    refused = client("POST", "api/pictures", data, {"Origin": "http://127.0.0.1:1"})
    assert refused.status == 403
    own = client(
        "POST", "api/pictures", data, {"Origin": f"http://127.0.0.1:{client.port}", "Sec-Fetch-Site": "same-origin"}
    )
    assert own.status == 200
    assert client("GET", "api/pictures").status == 405 or client("GET", "api/pictures").status == 404


def test_the_file_is_the_codecs_and_views_show_it(client):
    pixels = picture(90, 120)
    opened = client.open(png(pixels), "folder/name of it.png")
    assert (opened["name"], opened["width"], opened["height"]) == ("name of it.png", 120, 90)
    made = client.make(opened, "jpeg", settings={"quality": "60", "subsampling": "4:4:4", "optimize": "true"})
    file = codecs.get("jpeg").encode(pixels, quality=60, subsampling="4:4:4", optimize=True)
    assert made["exact"] and made["nbytes"] == len(file) and made["bpp"] == 8 * len(file) / pixels[..., 0].size
    download = client("GET", f"api/results/{made['id']}/file")
    assert download.body == file and 'filename="name of it.jpg"' in download.headers["content-disposition"]
    decoded = codecs.get("jpeg").decode(file)

    def view(kind, rect, out, **more):
        query = "&".join(f"{k}={v}" for k, v in {"kind": kind, "rect": rect, "out": out, **more}.items())
        answer = client("GET", f"api/pictures/{opened['id']}/view?{query}")
        assert answer.status == 200, answer.body
        width, height = map(int, answer.headers["x-size"].split(","))
        return np.frombuffer(answer.body, np.uint8).reshape(height, width, 4), answer.headers["x-rect"]

    whole, rect = view("after", "0,0,120,90", "120,90", result=made["id"])
    assert rect == "0,0,120,90" and np.array_equal(whole[..., :3], decoded) and (whole[..., 3] == 255).all()
    part, rect = view("before", "10.2,20.7,30,40", "900,900")
    assert rect == "10,20,31,41" and np.array_equal(part[..., :3], pixels[20:61, 10:41])
    far, _ = view("difference", "0,0,120,90", "120,90", result=made["id"], gain=4)
    assert np.array_equal(far[..., :3], np.minimum(255, 4 * abs(pixels.astype(int) - decoded)))
    half, _ = view("before", "0,0,120,90", "60,45")
    means = pixels.reshape(45, 2, 60, 2, 3).mean((1, 3))
    assert half.shape == (45, 60, 4) and abs(half[..., :3] - means).max() <= 1
    told = client.until(f"api/results/{made['id']}", lambda one: not one["left"])
    mse = ((pixels.astype(np.float64) - decoded) ** 2).mean()
    assert told["metrics"]["psnr"] == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)
    again = client.make(opened, "jpeg", settings={"quality": "60", "subsampling": "4:4:4", "optimize": "true"})
    assert again["id"] == made["id"]


def test_preview_first_then_the_exact_file(client):
    pixels = smooth(900, 1300)
    opened = client.open(png(pixels))
    asked = {"settings": {"quality": "35"}, "exact": False}
    small = client.make(opened, "libjpeg-turbo", out=[650, 450], **asked)
    assert not small["exact"] and small["reduced"] and small["size"] == [650, 450] and not small["left"]
    assert client("GET", f"api/results/{small['id']}/file").status == 409
    seen = client.make(opened, "libjpeg-turbo", rect=[101, 203, 300, 200], out=[300, 200], **asked)
    assert not seen["exact"] and not seen["reduced"] and seen["rect"] == [96, 192, 305, 211]
    crop = pixels[192:403, 96:401]
    assert seen["nbytes"] == len(codecs.get("libjpeg-turbo").encode(crop, quality=35))
    exact = client.make(opened, "libjpeg-turbo", **(asked | {"exact": True}))
    assert exact["exact"] and exact["nbytes"] == len(codecs.get("libjpeg-turbo").encode(pixels, quality=35))
    next_one = client.make(opened, "libjpeg-turbo", settings={"quality": "36"}, exact=False)
    assert next_one["exact"]  # known to be quick by now
    client.studio.turns._open["exact"] += 1  # a long one is at work: nobody waits for it
    try:
        meanwhile = client.make(opened, "libjpeg-turbo", settings={"quality": "37"}, exact=False)
    finally:
        client.studio.turns._open["exact"] -= 1
    assert not meanwhile["exact"]


@pytest.mark.parametrize("name", ["jpeg", "libjpeg-turbo", "jpeg2000", "dft"])
def test_targets(name):
    if name not in codecs.available():
        pytest.skip(f"no {name} here")
    codec, pixels, target = codecs.get(name), picture(96, 128), 4000
    data, used = encoded(codec, pixels, {}, target)
    assert 0.5 * target < len(data) <= target
    assert data == codec.encode(pixels, **used)
    if name == "libjpeg-turbo":
        assert len(codec.encode(pixels, quality=used["quality"] + 1)) > target
    with pytest.raises(ValueError, match=r"bytes|100"):
        encoded(codec, pixels, {}, 20)


@pytest.mark.parametrize("name", codecs.names())
def test_every_codec_appears_by_itself(name):
    shown = next(one for one in described() if one["name"] == name)
    if "missing" in shown:
        assert "pip" in shown["missing"]
        return
    codec = codecs.get(name)
    assert [one["name"] for one in shown["settings"]] == list(codec.settings)
    if codec.sweep:
        setting = next(one for one in shown["settings"] if one["name"] == codec.sweep)
        low, high = setting["span"]
        assert all(low <= value <= high for value in codec.grid)
    for name, setting in codec.settings.items():
        assert settings_of(codec, {name: _word(setting.default)})[name] == setting.default
        for choice in setting.choices or ():
            assert setting.parse(name, _word(choice)) == choice


def test_words_as_settings():
    jpeg = codecs.get("jpeg")
    words = {"quality": "80,60", "tune": "", "scans": "0,1,2;"}
    assert settings_of(jpeg, words) == {"quality": (80, 60), "scans": "0,1,2;"}
    assert settings_of(jpeg, {"target_metric": "psnr, 35.5"}) == {"target_metric": ("psnr", 35.5)}
    for words, message in [
        ({"quality": "0"}, "quality=0"), ({"quality": "x"}, "quality"), ({"nothing": "1"}, "no setting 'nothing'"),
        ({"tune": "louder"}, "tune"), ({"quality": 5}, "text"), ({"scans": "9" * 3000}, "text"),
    ]:  # fmt: skip
        with pytest.raises((ValueError, TypeError), match=message):
            settings_of(jpeg, words)


@pytest.mark.parametrize("path", ["/etc/passwd", "weights.npz", "..\\x.jxw", "~/w", "a\0b", "light/../x", "x. npz"])
def test_no_path_from_the_page_opens_a_file(path, monkeypatch):
    monkeypatch.setattr("jpegjax.learned.weights.load", lambda *_: pytest.fail("opened"))
    for name in ("learned", "jpeg"):
        codec = codecs.get(name)
        for setting, one in codec.settings.items():
            if one.span is None and one.choices is None:
                with pytest.raises(Refused, match="opens no files"):
                    settings_of(codec, {setting: path})


def test_uploads_are_bounded(client):
    assert client("POST", "api/pictures", b"x" * 400_001).status == 413
    told = client("POST", "api/pictures", iter([b"x" * 100_000] * 9))
    assert told.status == 413 and "more than" in told.json["error"]
    wide = client("POST", "api/pictures", png(np.zeros((1500, 1500), np.uint8)))
    assert wide.status == 413 and "2 million" in wide.json["error"]
    claims = bytearray(jpegjax.encode(picture(8, 8)))
    at = claims.index(b"\xff\xc0")
    claims[at + 5 : at + 9] = b"\xff\x00\xff\x00"
    assert client("POST", "api/pictures", bytes(claims)).status == 422
    for data, what in ((b"", "empty"), (b"GIF89a", "read"), (b"<svg onload=alert(1)>", "not a picture")):
        refused = client("POST", "api/pictures", data)
        assert refused.status == 422 and what in refused.json["error"]


def test_a_standing_upload_is_ended(client):
    def slow():
        yield b"x"
        time.sleep(4)
        yield b"y"

    with contextlib.suppress(OSError):  # the connection may be closed while the rest is being sent
        assert client("POST", "api/pictures", slow()).status == 408
    assert client("GET", "").status == 200


def test_damaged_files_are_pictures_or_reasons(client):
    draw = np.random.default_rng(5)
    made = {
        kind: (lambda f, k=kind: (Image.fromarray(picture(40, 48)).save(f, k), f.getvalue())[1])(io.BytesIO())
        for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM")
    }
    seen = set()
    for kind, data in made.items():
        for round in range(12):
            mutant = bytearray(data)
            for at in draw.integers(0, len(data), 1 + round):
                mutant[at] = draw.integers(256)
            content = bytes(mutant[: draw.integers(1, len(data))] if round % 3 == 0 else mutant)
            answer = client("POST", "api/pictures", content, {"X-Name": kind})
            assert answer.status in (200, 413, 422), (kind, round, answer.body)
            assert answer.status == 200 or answer.json["error"]
            seen.add(answer.status)
    assert {200, 422} <= seen


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"codec":1}', b'{"codec":"no"}', b'{"codec":"jpeg","settings":[]}', b"[" * 60_000,
     b'{"codec":"jpeg","target":-1}', b'{"codec":"jpeg","target":"9"}', b'{"codec":"jpeg","settings":{"quality":"101"}}',
     b'{"codec":"jpeg","rect":[0,0,1],"out":[1,1]}', b'{"codec":"jpeg","rect":[0,0,1e400,1],"out":[1,1]}',
     b'{"codec":"jpeg","rect":"x","out":[1,1]}', b'{"codec":"jpeg","rect":[0,0,9,9],"out":[99999,99999]}',
     b'{"codec":"' + b"x" * 70_000],
)  # fmt: skip
def test_bad_requests_say_why(client, body):
    opened = client.open(LARGE)
    answer = client("POST", f"api/pictures/{opened['id']}/results", body)
    assert answer.status in (400, 413, 422) and answer.json["error"]
    for query in ("", "rect=0,0,1,1&out=0,nan", "kind=x&rect=0,0,1,1&out=1,1", "rect=0,0,1,1&out=1,1&result=none"):
        assert client("GET", f"api/pictures/{opened['id']}/view?{query}").status in (400, 410)


def test_what_pictures_become():
    bounds = Bounds()
    clear = np.dstack([picture(6, 7), np.full((6, 7), 128, np.uint8)])
    pixels, notes = read_picture(png(clear), bounds)
    white = clear[..., :3].astype(float) * 128 / 255 + 255 * 127 / 255
    assert abs(pixels - white).max() <= 1 and notes == ["transparency became white"]
    solid = np.dstack([picture(6, 7), np.full((6, 7), 255, np.uint8)])
    assert np.array_equal(read_picture(png(solid), bounds)[0], picture(6, 7))
    deep = np.arange(42, dtype=np.uint16).reshape(6, 7) * 1500
    pixels, notes = read_picture(png(deep), bounds)
    assert pixels.dtype == np.uint8 and abs(pixels - deep / 257).max() <= 1 and "more than 8 bits" in notes[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = jpegjax.encode(picture(16, 24), quality=100, exif=exif.tobytes())
    assert read_picture(turned, bounds)[0].shape == (24, 16, 3)
    assert read_picture(png(picture(16, 24), exif=exif), bounds)[0].shape == (24, 16, 3)
    assert read_picture(png(picture(5, 5, 1)), bounds)[0].ndim == 2
    ink = np.full((8, 8, 4), 40, np.uint8)
    pixels, notes = read_picture(jpegjax.encode(ink, mode="CMYK"), bounds)
    assert pixels.shape == (8, 8, 3) and "CMYK" in notes[0]
    cut = jpegjax.encode(picture(64, 64))[:-300]
    assert read_picture(cut, bounds)[1]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\y.png", "y.png"), ("a\0b\u202e.png", "a\ufffdb\ufffd.png"), ("", "picture"),
     ("...", "picture"),
     ("<b>.png", "\ufffdb\ufffd.png"), ("ä 日本.jpg", "ä 日本.jpg"), ("x" * 300 + ".png", "x" * 108 + "….png"),
     ("/", "picture")],
)  # fmt: skip
def test_plain_names(name, shown):
    assert plain_name(name) == shown and plain_name(shown) == shown


def _result(of: Picture, nbytes: int) -> Result:
    return Result(of.id, nbytes, "jpeg", {}, b"x" * nbytes, ".jpg", of.pixels, of.pixels[:0], (0, 0, 1, 1), True, 0, 0)


def test_what_is_kept_is_bounded():
    store = Store(Bounds(pictures=2, memory_nbytes=50_000))
    kept = [store.add(Picture(str(i), np.zeros((100, 100), np.uint8), 1, [])) for i in range(3)]
    with pytest.raises(Gone):
        store.picture(kept[0].id)
    first, second = (store.keep(_result(kept[2], 14_000)) for _ in range(2))
    assert store.nbytes == 48_000 and store.known(kept[2].id, 14_000) is second
    store.result(first.id)
    store.keep(_result(kept[2], 13_000))
    with pytest.raises(Gone):
        store.result(second.id)
    assert store.result(first.id) is first and store.nbytes <= 50_000
    store.drop(kept[2].id)
    assert store.nbytes == 10_000
    with pytest.raises(Gone):
        store.keep(_result(kept[2], 1))


def test_pictures_that_went_are_said_to_be_gone(client):
    opened = [client.open(png(picture(16, 16))) for _ in range(4)]
    gone = client("POST", f"api/pictures/{opened[0]['id']}/results", {"codec": "jpeg"})
    assert gone.status == 410 and "open it again" in gone.json["error"]
    assert client("DELETE", f"api/pictures/{opened[3]['id']}").status == 200
    assert client("GET", f"api/pictures/{opened[3]['id']}/view?rect=0,0,1,1&out=1,1").status == 410


def test_folder_by_numbers_alone(client, folder):
    listed = client("GET", "api/start").json["folder"]
    assert [one["name"] for one in listed["files"]] == [plain_name(HOSTILE), "a.png", "broken.png"]
    assert client("POST", "api/folder/1").json["width"] == 56
    for index, status in (("2", 422), ("3", 404), ("-1", 404), ("..%2fsecret.png", 404), ("a.png", 404)):
        assert client("POST", f"api/folder/{index}").status == status
    small = client("GET", "api/folder/1/thumbnail")
    assert max(jpegjax.decode(small.body).shape[:2]) == 96 or jpegjax.decode(small.body).shape[:2] == (40, 56)
    swapped = Folder(folder, SMALL)
    kept = (folder / "a.png").read_bytes()
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(folder.parent / "secret.png")
    try:
        with pytest.raises(Refused, match="cannot be read"):
            swapped.read(1)
    finally:
        (folder / "a.png").unlink()
        (folder / "a.png").write_bytes(kept)


def test_batch(client, folder):
    body = {"codec": "libjpeg-turbo", "settings": {"quality": "40"}}
    assert client("POST", "api/batch", {"codec": "libjpeg-turbo", "settings": {"quality": "x"}}).status == 422
    assert client("POST", "api/batch", body).status == 200
    done = client.until("api/batch", lambda told: told["state"] != "running")
    assert done["state"] == "done" and [row["index"] for row in done["rows"]] == [0, 1, 2] and done["done"] == 3
    assert "cannot be read" in done["rows"][2]["error"] and client("GET", "api/batch/2/file").status == 404
    wanted = codecs.get("libjpeg-turbo").encode(picture(40, 56), quality=40)
    assert client("GET", "api/batch/1/file").body == wanted
    archive = zipfile.ZipFile(io.BytesIO(client("GET", "api/batch/zip").body))
    assert (
        sorted(archive.namelist()) == sorted([f"{plain_name(HOSTILE)[:-4]}.jpg", "a.jpg"])
        and archive.read("a.jpg") == wanted
    )
    assert client("GET", "api/batch?since=2").json["rows"][0]["index"] == 2
    where = client.studio.batch._here
    assert where.exists() and client("POST", "api/batch/stop").status == 200
    assert client("POST", "api/batch", body).status == 200 and not where.exists()
    client.until("api/batch", lambda told: told["state"] != "running")


def test_the_newest_of_a_kind_counts():
    turns, begun, done = Turns(("a", "b")), threading.Event(), []

    def first():
        begun.wait(30)
        done.append("first")
        return 1

    async def ask():
        tasks = [asyncio.create_task(turns("a", first))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(turns("a", lambda i=i: done.append(i) or i)) for i in range(3)]
        await asyncio.sleep(0.05)
        assert await turns("b", lambda: "other") == "other"  # another kind does not wait
        begun.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(ask())
    turns.close()
    assert results[0] == 1 and results[3] == 2 and done == ["first", 2]
    assert all(isinstance(one, Refused) and one.status == 409 for one in results[1:3])


def test_inside_of_files():
    data = jpegjax.encode(picture(64, 80), quality=50, progressive=True)
    told, found = inside(data), jpegjax.read_coefficients(data)
    assert told["process"] == "progressive" and [one["name"] for one in told["components"]] == ["Y", "Cb", "Cr"]
    luma = found.planes[0].reshape(-1, 64)[:, 1:].ravel()
    one = told["components"][0]
    assert one["table"] == found.qtables[0].tolist() and sum(one["ac"]) == luma.size
    assert (
        one["ac"][24] == (luma == 0).sum()
        and one["ac"][27] == (luma == 3).sum()
        and one["ac"][48] == (luma >= 24).sum()
    )
    assert one["zeros"] == pytest.approx((luma == 0).mean())
    assert one["nonzero"][0][1] == pytest.approx((found.planes[0][..., 0, 1] != 0).mean(), abs=1e-5)
    assert "why" in inside(jpegjax.encode(picture(8, 8), lossless=True)) and "why" in inside(b"RIFF")
    assert part_of(np.zeros((100, 200, 3), np.uint8)) == (0, 0, 200, 100)
    x, y, width, height = part_of(np.zeros((4000, 6000), np.uint8))
    assert width * height <= 2048 * 1536 and x + width <= 6000 and y + height <= 4000 and not x % 16


def test_asked_is_checked():
    assert Asked.of({"codec": "jpeg", "settings": {"b": "2", "a": "1"}}) == Asked("jpeg", (("a", "1"), ("b", "2")))
    for body in ([], {}, {"codec": 1}, {"codec": "jpeg", "settings": {"a": 1}}, {"codec": "jpeg", "target": True}):
        with pytest.raises(Refused):
            Asked.of(body)


def test_command_line(run: Run, monkeypatch: pytest.MonkeyPatch):
    gone = run("studio", "nowhere", "--port", "0")
    assert gone.code == 1 and "nowhere: No such file or directory" in gone.err
    told = []
    monkeypatch.setattr(
        "jpegjax.studio.web.server.uvicorn.Server.run", lambda self, sockets: told.append(sockets[0].getsockname())
    )
    begun = run("studio", "--port", "0")
    assert begun.code == 0 and told[0][0] == "127.0.0.1"
    assert re.search(rf"http://127\.0\.0\.1:{told[0][1]}/[\w-]{{20,}}/", begun.out.decode())
    monkeypatch.setitem(__import__("sys").modules, "jpegjax.studio.web.server", None)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    missing = run("studio")
    assert missing.code == 2 and 'pip install "jpegjax[studio]"' in missing.err
