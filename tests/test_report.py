"""What a comparison writes: JSON, plots, and a page that holds everything itself."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pictures import waves
from PIL import Image

from jpegjax import codecs
from jpegjax.report import Comparison, compare, write
from jpegjax.report.matched import data_uri, middle, spread
from jpegjax.report.measured import Picture

EVIL = "</script><b>&\"'"
RATES = (0.5, 1.0)
SPEC = "jpeg:quality=5,20,50,80,95,webp:quality=0,50,95"


IMAGES = {EVIL: waves(96, 160, 1), "second": waves(96, 160, 2)}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Comparison, list[Path]]:
    out = tmp_path_factory.mktemp("report")
    pytest.importorskip("matplotlib", reason="plots need Matplotlib")
    try:
        found = compare(IMAGES, SPEC, "psnr,psnr_y", out)
    except codecs.MissingCodec as error:
        pytest.skip(str(error))
    return out, found, write(found, out, rates=RATES, crop=96)


class Reader(HTMLParser):
    """Open elements, what they refer to, and the text of scripts by type."""

    VOID = ("meta", "link", "input", "img", "br", "hr")

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.scripts: dict[str, str] = {}
        self.ids: list[str] = []
        self.kind = ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.references += [
            value for name, value in attrs if name in ("src", "href", "action", "srcset", "data") and value
        ]
        self.ids += [given["id"]] if "id" in given else []
        if tag == "script":
            self.kind = given.get("type", "text/javascript")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[self.kind] = self.scripts.get(self.kind, "") + data


@pytest.fixture(scope="module")
def page(made) -> tuple[str, Reader]:
    text = (made[0] / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    reader.close()
    return text, reader


def test_files_are_there_and_open(made):
    out, found, written = made
    names = {str(path.relative_to(out)) for path in written}
    single = re.sub(r"[^\w.-]+", "_", EVIL)
    assert names == {
        "results.json", "report.html", "plots/mean.png", "plots/mean.svg", "plots/second.png", "plots/second.svg",
        f"plots/{single}.png", f"plots/{single}.svg",
    }  # fmt: skip
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert image.width > 800
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert not list(out.rglob("*.part"))
    assert len(found.rows) == 16


def test_results_hold_means_and_bd_rates(made):
    out, found, _ = made
    results = json.loads((out / "results.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert results["images"] == list(IMAGES) and results["bd_rate"]["anchor"] == "jpeg"
    means = found.means()
    for curve in results["curves"]:
        assert [point["psnr"] for point in curve["points"]] == [point["psnr"] for point in means[curve["curve"]]]
        assert curve["version"] == codecs.get(curve["codec"]).version
    delta = results["bd_rate"]["rows"]["webp"]["psnr"]
    assert delta["percent"] == pytest.approx(float(found.bd_rates()["webp"]["psnr"].percent))
    run = results["runs"][0]
    assert run["command"] and run["versions"]["codecs"] and run["machine"]["cpu"]


def test_the_page_is_whole_and_holds_everything_itself(page):
    text, reader = page
    assert not reader.open and text.startswith("<!doctype html>")
    assert reader.references and all(one.startswith("data:") for one in reader.references)
    outside = re.sub(r'"data:image/[a-z]+;base64,[^"]*"', '""', text)
    assert not re.search(r"https?://|url\(|@import|\bfetch\(|XMLHttpRequest|\bimport\b", outside)
    assert len(reader.ids) == len(set(reader.ids))
    wanted = set(re.findall(r'\bel\("([\w-]+)"\)', reader.scripts["text/javascript"]))
    assert wanted - {"focus"} <= set(reader.ids)


def test_its_data_equal_the_comparison(made, page):
    out, found, _ = made
    data = json.loads(page[1].scripts["application/json"])
    assert list(data["images"]) == list(IMAGES)
    for curve in data["curves"]:
        points = found.means()[curve["label"]]
        for shown, point in zip(curve["points"], points, strict=True):
            assert shown[0] == point["value"]
            np.testing.assert_allclose(shown[1:4], [point["bpp"], point["psnr"], point["psnr_y"]], rtol=1e-4)
    assert data["bd"] == json.loads((out / "results.json").read_text())["bd_rate"]


def pixels_of(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head in ("data:image/webp;base64", "data:image/png;base64")
    with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as image:
        return np.array(image)


def test_the_slider_shows_exact_pixels_at_matched_rates(page):
    data = json.loads(page[1].scripts["application/json"])
    assert [one["image"] for one in data["slider"]] == list(IMAGES)
    for one in data["slider"]:
        image = IMAGES[one["image"]]
        rows, columns = middle(96, 160, 96)
        np.testing.assert_array_equal(pixels_of(one["uri"]), image[rows, columns])
        assert {(r["curve"], r["rate"]) for r in one["results"]} >= {("jpeg", 1.0), ("webp", 1.0)}
        for result in one["results"]:
            codec = codecs.get(result["curve"])
            file = codec.encode(image, quality=result["value"])
            assert result["nbytes"] == len(file) and result["bpp"] == 8 * len(file) / (96 * 160)
            assert abs(result["bpp"] / result["rate"] - 1) <= 0.15
            np.testing.assert_array_equal(pixels_of(result["uri"]), codec.decode(file)[rows, columns])


def test_what_was_searched_for_is_kept(made, monkeypatch):
    out, found, _ = made
    kept = json.loads((out / "matched.json").read_text())
    assert len(kept) == 2 * 2 * 2
    monkeypatch.setattr("jpegjax.report.matched._search", lambda *_: pytest.fail("searched again"))
    page = (out / "report.html").read_text()
    write(found, out, formats=(), rates=RATES, crop=96)
    assert (out / "report.html").read_text() == page


def test_the_script_is_valid(page, tmp_path):
    node = shutil.which("node")
    if not node:
        pytest.skip("no node to check the page's script with")
    script = tmp_path / "page.js"
    script.write_text(page[1].scripts["text/javascript"])
    done = subprocess.run([node, "--check", str(script)], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


def test_without_matplotlib_the_pip_line_is_said(made, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install matplotlib, or \"jpegjax\[report\]\""):
        write(made[1], tmp_path, images=0)
    written = write(made[1], tmp_path, images=0, formats=())
    assert [path.name for path in written] == ["results.json", "report.html"]


def test_middle_and_spread():
    assert middle(512, 768, 512) == (slice(80, 421), slice(128, 640))
    assert middle(768, 512, 512) == (slice(128, 640), slice(80, 421))
    assert middle(5, 7, 512) == (slice(0, 5), slice(0, 7))
    pictures = [Picture(str(i), "", Path()) for i in range(24)]
    assert [one.name for one in spread(pictures, 2)] == ["6", "18"]
    assert [one.name for one in spread(pictures[:1], 3)] == ["0"]
    assert [one.name for one in spread(pictures, 24)] == [one.name for one in pictures]
    np.testing.assert_array_equal(pixels_of(data_uri(IMAGES["second"])), IMAGES["second"])
