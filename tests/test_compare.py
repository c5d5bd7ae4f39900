"""Comparisons: specifications, rows that are kept and never repeated, means and BD-rates, what cannot be compared."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import waves
from PIL import Image

import jpegjax
from jpegjax import codecs
from jpegjax.cli import main
from jpegjax.codecs import MissingCodec
from jpegjax.report import Curve, compare, parse_codecs
from jpegjax.report.curves import bd_table
from jpegjax.report.score import METRICS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path):
    """Three pictures: a colour one, a grey one, and one of another shape."""
    place = tmp_path / "pictures"
    place.mkdir()
    Image.fromarray(waves(48, 64, 1)).save(place / "one.png")
    Image.fromarray(waves(48, 64, 2)[:, :, 0]).save(place / "two.png")
    Image.fromarray(waves(40, 56, 3)).save(place / "three.ppm")
    return place


def paths(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def run(*words: object) -> tuple[int, None]:
    with pytest.raises(SystemExit) as done:
        main(["compare", *map(str, words)])
    return done.value.code or 0


# ---- specifications


def described(text):
    return [(curve.label, list(curve.values)) for curve in parse_codecs(text)]


def test_specifications():
    assert described("jpeg:quality=10-30/10") == [("jpeg", [10, 20, 30])]
    assert described("jpeg:quality=50,90-92") == [("jpeg", [50, 90, 91, 92])]
    assert described("jpeg:quality=40,subsampling=4:4:4,4:2:0,optimize=true") == [
        ("jpeg subsampling=4:4:4 optimize", [40]),
        ("jpeg subsampling=4:2:0 optimize", [40]),
    ]
    assert described(["jpeg", "libjpeg-turbo:quality=5,optimize=false"]) == [
        ("jpeg", list(codecs.get("jpeg").grid)),
        ("libjpeg-turbo", [5]),
    ]
    assert described("jpeg2000:rate=10-20/2.5") == [("jpeg2000", [10.0, 12.5, 15.0, 17.5, 20.0])]
    assert described("jpeg-lossless") == [("jpeg-lossless", [None])]
    assert described("jpeg:quality=30,jpeg:quality=30,30") == [("jpeg", [30])]
    assert described("dft:quality=50,block=none,8") == [("dft block=None", [50]), ("dft block=8", [50])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jpg", "codec='jpg': must be one of jpeg"),
        ("jpeg,quality", "codec='quality': must be one of"),
        ("jpg:quality=3", "codec='jpg'"),
        ("jpeg:qualty=3", "jpeg: no setting 'qualty'; there are: quality"),
        ("jpeg:quality=101", "quality=101: must be 1..100"),
        ("jpeg:quality=high", "quality='high'"),
        ("libjpeg-turbo:quality=0", r"libjpeg-turbo: quality=0: must be an integer 1\.\.100"),
        ("libjpeg-turbo:optimize=maybe", "libjpeg-turbo: optimize='maybe': must be one of true, false"),
        ("jpeg:quality=50-10", "low ≤ high"),
        ("", "no codec given; there are: jpeg"),
    ],
)
def test_wrong_specifications_are_named(text, message):
    with pytest.raises((ValueError, TypeError), match=message):
        parse_codecs(text)


# ---- rows


def test_rows_say_what_was_measured():
    image = waves(48, 64)
    found = compare({"a": image}, "jpeg:quality=30,80,libjpeg-turbo:quality=30", ["psnr", "ssim"])
    assert [row["curve"] for row in found.rows] == ["jpeg", "jpeg", "libjpeg-turbo"]
    for row in found.rows[:2]:
        data = jpegjax.encode(image, **row["settings"])
        error = np.mean((image.astype(float) - jpegjax.decode(data)) ** 2)
        assert row["nbytes"] == len(data) and row["bpp"] == 8 * len(data) / (48 * 64)
        assert row["metrics"]["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
        assert row["metrics"]["ssim_db"] == pytest.approx(-10 * np.log10(1 - row["metrics"]["ssim"]))
        assert row["encode_seconds"] > 0 and row["decode_seconds"] > 0
        made_by = found.runs[row["run"]]
        assert made_by["command"] and made_by["versions"]["jpegjax"] and made_by["machine"]["cores"]
    assert found.rows[0]["metrics"] == found.rows[2]["metrics"]
    assert [point["value"] for point in found.means()["jpeg"]] == [30, 80]


def test_means_are_over_the_pictures(folder):
    found = compare(paths(folder), "jpeg:quality=20,60,90", "psnr")
    points = found.means()["jpeg"]
    for point in points:
        rows = [row for row in found.rows if row["value"] == point["value"]]
        assert point["images"] == len(rows) == 3
        assert point["psnr"] == pytest.approx(np.mean([row["metrics"]["psnr"] for row in rows]))
        assert point["bpp"] == pytest.approx(np.mean([row["bpp"] for row in rows]))
        for way in ("encode", "decode"):
            seconds, pixels = (sum(row[f"{way}_seconds"] for row in rows), sum(r["width"] * r["height"] for r in rows))
            assert point[f"{way}_seconds_per_mpixel"] == pytest.approx(1e6 * seconds / pixels)
    assert [point["bpp"] for point in points] == sorted(point["bpp"] for point in points)


def test_small_pictures_lack_metrics_and_lossless_ones_are_infinite():
    found = compare({"a": waves(48, 64)}, "jpeg:quality=50,jpeg-lossless", ["psnr", "ms_ssim"])
    assert "ms_ssim" not in found.rows[0]["metrics"] and "MS-SSIM" in found.rows[0]["notes"][0]
    assert found.rows[1]["metrics"]["psnr"] is None
    json.dumps(found.rows, allow_nan=False)
    assert "two or more points" in found.bd_rates()["jpeg-lossless"]["psnr"].why


def test_nothing_is_measured_twice(folder, tmp_path, monkeypatch):
    out, spec = tmp_path / "out", "jpeg:quality=30,80"
    first = compare(paths(folder), spec, "psnr", out)
    assert (first.kept, len(first.rows)) == (0, 6)
    kept = (out / "rows.jsonl").read_bytes()

    again = compare(paths(folder), spec, "psnr", out)
    assert again.kept == 6 and again.rows == first.rows and (out / "rows.jsonl").read_bytes() == kept

    more = compare(paths(folder), "jpeg:quality=30,80,95", ["psnr"], out)  # a setting more: only that
    assert more.kept == 6 and len(more.rows) == 9
    assert (out / "rows.jsonl").read_bytes().startswith(kept)

    wider = compare(paths(folder), spec, ["psnr", "psnr_y"], out)  # a metric more: the old ones stay
    assert [{**row["metrics"], "psnr_y": 0} for row in wider.rows] == [
        {**row["metrics"], "psnr_y": 0} for row in first.rows
    ]
    assert all(row["metrics"]["psnr_y"] > 0 for row in wider.rows)
    assert [row["encode_seconds"] for row in wider.rows] == [row["encode_seconds"] for row in first.rows]

    Image.fromarray(waves(48, 64, 9)).save(folder / "one.png")  # another picture under the same name
    changed = compare(paths(folder), spec, "psnr", out)
    assert changed.kept == 4


def test_a_line_cut_short_is_measured_again_and_foreign_files_are_refused(folder, tmp_path):
    compare(paths(folder), "jpeg:quality=30,80", "psnr", tmp_path)
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(rows.read_bytes()[:-20])
    assert compare(paths(folder), "jpeg:quality=30,80", "psnr", tmp_path).kept == 5
    assert all(json.loads(line) for line in rows.read_text().splitlines())
    rows.write_text("something else\n")
    with pytest.raises(ValueError, match="line 1: not a row of a comparison"):
        compare(paths(folder), "jpeg", "psnr", tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_where_it_was(tmp_path, how):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for i in range(3):
        Image.fromarray(waves(240, 320, i)).save(pictures / f"{i}.png")
    rows = out / "rows.jsonl"
    words = ["compare", str(pictures), "--out", str(out), "-c", "jpeg:quality=1-100", "-m", "psnr", "--plots", "none",
             "--slider", "0", "--quiet"]  # fmt: skip
    # it stops itself, as a busy machine may leave this process waiting till all is done; a background shell starts its
    # children with SIGINT ignored
    code = f"""
import os, signal, threading, time
from pathlib import Path
from jpegjax.cli import main

def stop():
    while not rows.exists() or rows.read_bytes().count(b"\\n") <= 20:
        time.sleep(0.001)
    os.kill(os.getpid(), {int(how)})

rows = Path({str(rows)!r})
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=stop, daemon=True).start()
main({words!r})
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600)
    before = rows.read_bytes()
    whole = before[: before.rindex(b"\n") + 1]
    done = whole.count(b"\n") - 1
    assert 20 <= done < 300, "the run was over before it could be stopped"
    if how == signal.SIGINT:
        assert process.returncode == 130 and "run this again to go on" in process.stderr and whole == before
    found = compare(paths(pictures), "jpeg:quality=1-100", "psnr", out)
    assert found.kept == done and len(found.rows) == 300
    after = rows.read_bytes()
    assert after.startswith(whole)
    entries = [json.loads(line) for line in after.splitlines()]
    keys = [json.dumps([e["digest"], e["settings"]]) for e in entries if "digest" in e]
    assert len(keys) == len(set(keys)) == 300


# ---- what cannot be compared


def test_pictures_that_cannot_be_read_are_listed_and_the_rest_goes_on(folder, tmp_path, capsys):
    (folder / "bad.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(folder / "clear.png")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(folder / "deep.png")
    found = compare([*paths(folder), folder / "none.png"], "jpeg:quality=50", "psnr")
    reasons = dict(found.failed)
    assert set(reasons) == {"bad", "clear", "deep", "none"} and len(found.rows) == 3
    assert "cannot identify" in reasons["bad"] and "transparency" in reasons["clear"]
    assert "mode I;16" in reasons["deep"] and "No such file" in reasons["none"]
    out = tmp_path / "out"
    code = run(folder, "--out", out, "-c", "jpeg:quality=50,60", "-m", "psnr", "--plots", "none", "--slider", 0)
    captured = capsys.readouterr()
    assert code == 1 and "bad: " in captured.err and "3 pictures, 1 curves, 6 results" in captured.out
    assert (out / "report.html").exists()


def test_a_codec_that_fails_names_itself_and_the_picture_drops_out(monkeypatch):
    jpeg = codecs.get("jpeg")

    def moody(image, **settings):
        if image.shape[0] == 40:
            raise RuntimeError("no such size")
        return jpeg.write(image, **settings)

    broken = codecs.Codec("moody", "", "1", jpeg.settings, moody, jpeg.read, "quality")
    images = {"good": waves(48, 64), "bad": waves(40, 40)}
    found = compare(images, [Curve(jpeg, {}, (50, 60)), Curve(broken, {}, (50, 60))], "psnr")
    assert found.failed == [("bad", "moody: no such size")]
    assert {row["image"] for row in found.rows} == {"good"} and len(found.rows) == 4


def test_empty_and_unknown_things_are_named(tmp_path, capsys):
    with pytest.raises(ValueError, match="images: none given"):
        compare([], "jpeg")
    with pytest.raises(ValueError, match="codecs: none given"):
        compare({"a": waves(48, 64)}, [])
    for metrics in ("psnrr", "psnr,nonsense"):
        with pytest.raises(ValueError, match=r"metric='.*': must be one of psnr, psnr_y"):
            compare({"a": waves(48, 64)}, "jpeg", metrics)
    with pytest.raises(ValueError, match="no metric given"):
        compare({"a": waves(48, 64)}, "jpeg", [])
    Image.fromarray(waves(48, 64)).save(tmp_path / "a.png")
    for words, said in (
        (("-c", "jpg"), "codec='jpg'"), (("-m", "x"), "metric='x'"), (("--interval", "psnr=3"), "METRIC=LOW..HIGH"),
        (("--rates", "0,1"), "--rates"), (("--plots", "gif"), "--plots gif"),
        (("-c", "jpeg", "--anchor", "webp"), "--anchor webp"),
    ):  # fmt: skip
        assert run(tmp_path / "a.png", "--out", tmp_path / "out", *words) == 2
        assert said in capsys.readouterr().err
    assert run(tmp_path / "nothing", "--out", tmp_path / "out") == 1
    assert "no such file or folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_codec_is_named_with_the_pip_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    codecs.get.cache_clear()
    try:
        with pytest.raises(MissingCodec, match=r"jpegxl: .*pip install imagecodecs"):
            parse_codecs("jpeg,jpegxl")
        Image.fromarray(waves(48, 64)).save(tmp_path / "a.png")
        assert run(tmp_path / "a.png", "--out", tmp_path / "out", "-c", "jpegxl") == 2
        assert "pip install imagecodecs" in capsys.readouterr().err
    finally:
        codecs.get.cache_clear()


# ---- BD-rate


def rows_of(curves):
    return [
        {"image": "a", "curve": label, "value": i, "bpp": bpp, "metrics": {"psnr": psnr}, "encode_seconds": 1,
         "decode_seconds": 1, "width": 1, "height": 1}
        for label, points in curves.items()
        for i, (bpp, psnr) in enumerate(points)
    ]  # fmt: skip


def test_bd_rates_and_their_range():
    jpeg = codecs.get("jpeg")
    points = [(0.25, 28.0), (0.5, 31.0), (1.0, 34.0), (2.0, 37.0)]
    curves = {
        "jpeg": points,
        "jpeg optimize": [(0.8 * bpp, psnr) for bpp, psnr in points],  # 20 % fewer bits at each quality
        "jpeg progressive": [(bpp, psnr + 30) for bpp, psnr in points],
    }
    made = [Curve(jpeg, dict.fromkeys(label.split()[1:], True), range(4)) for label in curves]
    table = bd_table(rows_of(curves), made, ["psnr"])
    better = table["jpeg optimize"]["psnr"]
    assert better.percent == pytest.approx(-20) and (better.low, better.high) == (28, 37)
    assert better.images_mean == pytest.approx(-20) and better.images == 1
    assert table["jpeg"]["psnr"].percent == pytest.approx(0)
    apart = table["jpeg progressive"]["psnr"]
    assert apart.percent is None and "no quality in common" in apart.why and apart.images == 0
    fixed = bd_table(rows_of(curves), made, ["psnr"], "jpeg optimize", {"psnr": (30, 36)})["jpeg"]["psnr"]
    assert fixed.percent == pytest.approx(25) and (fixed.low, fixed.high) == (30, 36)
    wide = bd_table(rows_of(curves), made, ["psnr"], None, {"psnr": (20, 36)})["jpeg"]["psnr"]
    assert wide.percent is None and "not covered" in wide.why
    with pytest.raises(ValueError, match="anchor='webp': must be one of jpeg,"):
        bd_table(rows_of(curves), made, ["psnr"], "webp")
    with pytest.raises(ValueError, match="interval of 'ssim'"):
        bd_table(rows_of(curves), made, ["psnr"], None, {"ssim": (1, 2)})


def test_bd_rates_where_less_is_better():
    jpeg = codecs.get("jpeg")
    points = [(0.25, 0.2), (0.5, 0.1), (1.0, 0.05), (2.0, 0.0)]
    halved = [(bpp / 2, value) for bpp, value in points]
    rows = rows_of({"jpeg": points, "jpeg optimize": halved})
    for row in rows:
        row["metrics"] = {"gmsd": row["metrics"]["psnr"]}
    made = [Curve(jpeg, {}, range(4)), Curve(jpeg, {"optimize": True}, range(4))]
    found = bd_table(rows, made, ["gmsd"])["jpeg optimize"]["gmsd"]
    assert found.percent == pytest.approx(-50) and (found.low, found.high) == (0, 0.2)
    fixed = bd_table(rows, made, ["gmsd"], None, {"gmsd": (0.05, 0.1)})["jpeg optimize"]["gmsd"]
    assert fixed.percent == pytest.approx(-50) and (fixed.low, fixed.high) == (0.05, 0.1)
    assert METRICS["gmsd"].axis == "GMSD (lower is better)"


def test_perceptual_metrics_are_measured():
    found = compare({"a": waves(48, 64)}, "jpeg:quality=30,80", "psnr_hvs_m,gmsd,haarpsi,vif")
    coarse, fine = (row["metrics"] for row in found.rows)
    assert coarse["psnr_hvs_m"] < fine["psnr_hvs_m"] and coarse["vif"] < fine["vif"] and coarse["gmsd"] > fine["gmsd"]
    assert coarse["haarpsi_db"] == pytest.approx(-10 * np.log10(1 - coarse["haarpsi"]))
    assert coarse["haarpsi_db"] < fine["haarpsi_db"]
    assert "gmsd_db" not in fine and found.bd_rates()["jpeg"]["gmsd"].percent == pytest.approx(0)


@pytest.mark.slow
def test_butteraugli_is_measured():
    found = compare({"a": waves(48, 64)}, "jpeg:quality=30,80", "butteraugli,butteraugli_max")
    coarse, fine = (row["metrics"] for row in found.rows)
    assert all(coarse[name] > fine[name] > 0 for name in ("butteraugli", "butteraugli_max"))
    assert fine["butteraugli"] < fine["butteraugli_max"]
    assert found.bd_rates()["jpeg"]["butteraugli"].percent == pytest.approx(0)


# ---- against published figures


def test_the_jpeg_curve_of_a_kodak_image_is_the_known_one(shared, kodak):
    facts = shared / "facts" / "jpeg-peers-kodak.json"
    if not facts.is_file():
        pytest.skip("no figures of peers")
    known = json.loads(facts.read_text())["codecs"]["turbo"]["images"]["kodim05"]
    found = compare([kodak[4]], "jpeg:quality=20,30,40,50,60,70,75,80,85,90,95", ["psnr", "psnr_y", "ms_ssim"])
    for row, (quality, bpp, psnr, psnr_y, ms_ssim, _) in zip(found.rows, known, strict=True):
        assert (row["value"], round(row["bpp"], 4)) == (quality, bpp)
        assert row["metrics"]["psnr"] == pytest.approx(psnr, abs=6e-4)
        assert row["metrics"]["psnr_y"] == pytest.approx(psnr_y, abs=6e-4)
        assert row["metrics"]["ms_ssim"] == pytest.approx(ms_ssim, abs=2e-6)


@pytest.mark.slow
def test_the_jpeg_2000_curve_of_kodak(kodak):
    found = compare(kodak, "jpeg2000:rate=10,20,40,80", "psnr")
    points = found.means()["jpeg2000"][::-1]
    for point, bpp, psnr in zip(points, (2.398, 1.199, 0.599, 0.299), (42.27, 37.14, 33.06, 29.94), strict=True):
        assert point["bpp"] == pytest.approx(bpp, abs=2e-3) and point["psnr"] == pytest.approx(psnr, abs=0.2)
