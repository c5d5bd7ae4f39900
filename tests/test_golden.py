"""Recorded answers: what Pillow 13 (libjpeg-turbo 3.2.0) makes of the corpora, and libjpeg-turbo's own MD5s."""

from __future__ import annotations

import hashlib
import io
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jpegjax
from jpegjax import Coefficients, ColorSpace, Component, Frame, JpegWarning, Limits

ENGINES = ("host", "xla")

STUB = "image-rs__jpeg-decoder/tests/crashtest/images/imagetestsuite/8e5e74dbf9b68a322fbb9512db837329.jpg"
BEYOND_LIMITS = {STUB: "613 bytes that claim 193×31237 pixels, more than the default Limits.pixels_per_byte allows"}


def golden(shared: Path) -> list[tuple[str, bytes, str, str]]:
    """(path, file, mode, SHA-256) of every file that Pillow decodes strictly, as L or RGB."""
    folder, found = shared / "conformance", []
    for line in (folder / "golden_pillow.tsv").read_text().splitlines()[2:]:
        # what Pillow does not know at all has two columns, what it cannot decode has blank ones
        path, strict, *rest = line.split("\t")
        if strict == "ok" and rest[1] in ("L", "RGB"):
            found.append((path, (folder / path).read_bytes(), rest[1], rest[3]))
    return found


def fingerprint(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:32]


@pytest.mark.parametrize(("engine", "every"), [("host", 1), ("xla", 6), pytest.param("xla", 1, marks=pytest.mark.slow)])
def test_pixels_of_the_corpora_are_pillows(engine, every, shared):
    """Every process; of the slower engine one file in six by default."""
    files = golden(shared)
    assert len(files) >= 392
    for path in BEYOND_LIMITS:
        with pytest.raises(jpegjax.LimitExceeded, match="pixels_per_byte"):
            jpegjax.decode((shared / "conformance" / path).read_bytes(), engine=engine)
    different = []
    for mode in ("L", "RGB"):
        these = [f for f in files if f[2] == mode][::every]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JpegWarning)  # Pillow's strict mode lets libjpeg's own recoveries pass
            limits = Limits(pixels_per_byte=None)
            decoded = jpegjax.decode([data for _, data, _, _ in these], mode=mode, engine=engine, limits=limits)
        different += [f[0] for f, pixels in zip(these, decoded, strict=True) if fingerprint(pixels) != f[3]]
    assert not different


LEFT_OUT = {
    "jpegtran": "transcoding",
    "-lossless": "lossless process",
    "lossless": "lossless input",
    "-dct fast": "fast DCT",
    "ifast": "input made with the fast DCT",
    "-smooth": "input smoothing",
    "-scale": "scaling: in test_scaled",
    "-colors": "colour quantisation",
    "-rgb565": "565 pixels and dithering",
    "-skip": "partial decoding: in test_crop",
    "-crop": "partial decoding: in test_crop",
}
"""Words of a line of libjpeg_turbo_md5.tsv (tool, option or part of the input's name), and why it is not compared."""


def reason_left_out(tool: str, options: str, source: str) -> str | None:
    padded = f" {tool} {options} "
    stem = source.rsplit(".", 1)[0].replace("testimg", "").split("_")
    return next((why for word, why in LEFT_OUT.items() if f" {word} " in padded or word in stem), None)


class Programs:
    """cjpeg and djpeg by way of the library; their outputs serve as later inputs."""

    def __init__(self, folder: Path, engine: str):
        self.folder, self.engine = folder, engine
        self.made: dict[str, bytes] = {}

    def source(self, name: str) -> bytes:
        return self.made[name] if name in self.made else (self.folder / name).read_bytes()

    def cjpeg(self, words: list[str], source: str) -> bytes:
        with Image.open(io.BytesIO(self.source(source))) as image:
            rgb = np.asarray(image)
        sampling, color, settings = "4:2:0", ColorSpace.YCBCR, {}
        while words:
            match words.pop(0):
                case "-dct":
                    assert words.pop(0) == "int"
                case "-sample":
                    sampling = words.pop(0)
                case "-icc":
                    settings["icc_profile"] = self.source(words.pop(0))
                case "-arithmetic":
                    settings["arithmetic"] = True
                case "-prog":
                    settings["progressive"] = True
                case "-rgb":
                    color = ColorSpace.RGB
                case "-gray":
                    color = ColorSpace.GRAY
                case "-noicc":
                    settings.pop("icc_profile", None)
                case unknown:
                    raise AssertionError(unknown)
        if color is ColorSpace.YCBCR:
            return jpegjax.encode(rgb, subsampling=sampling, engine=self.engine, **settings)
        if color is ColorSpace.GRAY:
            luma = [jpegjax.encode(rgb, subsampling="4:4:4", engine=self.engine)]
        else:
            luma = jpegjax.encode([rgb[..., c] for c in range(3)], engine=self.engine)
        parts = [jpegjax.read_coefficients(file) for file in luma]
        ids = b"RGB" if len(parts) == 3 else b"\1"
        frame = Frame(*rgb.shape[:2], tuple(Component(i, 1, 1) for i in ids), color=color)
        planes, tables = tuple(p.planes[0] for p in parts), tuple(p.qtables[0] for p in parts)
        return jpegjax.write_coefficients(Coefficients(planes, tables, frame), **settings)

    def djpeg(self, words: list[str], source: str) -> bytes:
        data, settings = self.source(source), {}
        while words:
            match words.pop(0):
                case "-dct":
                    assert words.pop(0) == "int"
                case "-nosmooth":
                    settings["upsample"] = "nearest"
                case "-rgb":
                    settings["mode"] = "RGB"
                case "-icc":
                    self.made[words.pop(0)] = jpegjax.info(data).metadata.icc_profile
                case "-ppm":
                    pass
                case unknown:
                    raise AssertionError(unknown)
        pixels = jpegjax.decode(data, engine=self.engine, **settings)
        kind = 6 if pixels.ndim == 3 else 5
        return b"P%d\n%d %d\n255\n" % (kind, pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_libjpeg_turbos_own_md5(engine, shared):
    programs = Programs(shared / "conformance" / "libjpeg-turbo__libjpeg-turbo" / "testimages", engine)
    compared = []
    for line in (shared / "conformance" / "libjpeg_turbo_md5.tsv").read_text().splitlines()[2:]:
        tool, test, options, source, md5 = line.split("\t")
        if reason_left_out(tool, options, source):
            continue
        output = getattr(programs, tool)(shlex.split(options), source)
        assert hashlib.md5(output).hexdigest() == md5, line
        if tool == "cjpeg":
            programs.made[test.replace("-", "_") + ".jpg"] = output
        compared.append(f"{tool} {test}")
    assert compared == [
        "cjpeg rgb-islow", "djpeg rgb-islow", "cjpeg 440-islow", "djpeg 440-islow", "cjpeg gray-islow",
        "djpeg gray-islow", "djpeg gray-islow-rgb", "cjpeg 420-islow-ari", "cjpeg 444-islow-progari",
    ]  # fmt: skip
    assert programs.made["rgb_islow.icc"] == programs.source("test1.icc")


@pytest.mark.parametrize("engine", ENGINES)
def test_files_of_the_turbo_test_suite(engine, shared):
    """Two more of its files whose MD5 stands in lines of jpegtran: 4:2:0 from pixels, and an ICC profile exchanged."""
    programs = Programs(shared / "conformance" / "libjpeg-turbo__libjpeg-turbo" / "testimages", engine)
    plain = programs.cjpeg([], "testorig.ppm")
    assert plain == programs.source("testimgint.jpg")
    assert hashlib.md5(plain).hexdigest() == "9a68f56bc76e466aa7e52f415d0f4a5f"
    rgb = jpegjax.read_coefficients(programs.cjpeg(["-rgb"], "testorig.ppm"))
    again = jpegjax.write_coefficients(rgb, icc_profile=programs.source("test3.icc"))
    assert hashlib.md5(again).hexdigest() == "b811e5ad807beb9384e51ef6a47f715d"
