"""The page in a browser, where one is installed: it fits a phone, and the slider says what it does not have."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from jpegjax.report.matched import data_uri
from jpegjax.report.page import fill

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

PROBE = """<html><body style="margin:0"><iframe id="f" src="page.html#left=first&right=second&rate=0.5"
style="width:375px;height:800px;border:0"></iframe><pre id="o"></pre><script>
f.onload = () => setTimeout(() => {
  const page = f.contentDocument;
  const wide = [...page.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > 376
    && !e.closest(".scroll") && !e.closest(".stage")).map((e) => e.tagName);
  o.textContent = JSON.stringify({ width: page.documentElement.scrollWidth, wide,
    left: page.getElementById("left").value, right: page.getElementById("right").value,
    facts: page.getElementById("right-facts").textContent, tag: page.getElementById("tag-right").textContent });
}, 500);
</script></body></html>"""


def page() -> str:
    """The page over data made by hand: the second curve has a result near 1 bpp alone."""
    uri = data_uri(np.zeros((64, 96, 3), np.uint8))
    points = [[50, 0.5, 30.0, 1.0, 1.0], [75, 1.0, 33.0, 1.0, 1.0]]
    names = ("first", "second")
    about = {"about": "a codec", "version": "1", "sweep": "quality", "dashed": False, "points": points}
    row = {"psnr": {"percent": -3.0, "low": 30, "high": 33, "images_mean": None, "images": 1, "why": ""}}
    results = [
        {"curve": name, "value": 50, "rate": rate, "nbytes": 9, "bpp": rate, "metrics": [30.0], "uri": uri}
        for name, rate in (("first", 0.5), ("first", 1.0), ("second", 1.0))
    ]
    data = {
        "metrics": [{"name": "psnr", "label": "PSNR", "axis": "PSNR (dB)"}],
        "curves": [{"label": name, "color": "#c40", "marker": "circle", **about} for name in names],
        "images": {"a-long-name-of-a-picture-" * 4: dict.fromkeys(names, points)},
        "bd": {"anchor": "first", "rows": dict.fromkeys(names, row)},
        "runs": [],
        "failed": [],
        "slider": [{"image": "one", "width": 96, "height": 64, "uri": uri, "results": results}],
    }
    return fill("title-" * 20, json.dumps(data))


def test_phone(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    (tmp_path / "probe.html").write_text(PROBE, encoding="utf-8")
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000", "--dump-dom",
         (tmp_path / "probe.html").as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.partition('<pre id="o">')[2].partition("</pre>")[0])
    assert found["width"] <= 375 and not found["wide"], found
    assert (found["left"], found["right"], found["tag"]) == ("first", "second", "original")
    assert found["facts"] == "second has none near 0.5 bpp here; this is the original"
