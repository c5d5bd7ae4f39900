"""The conformance set in tests/data: small files of every kind, each with its recipe and the hash of its pixels.

    python tests/conformance.py           makes the files and INDEX.tsv anew

It needs cjpeg, djpeg and jpegtran of libjpeg-turbo, Pillow with libjpeg-turbo 3, and imagecodecs. The pictures are made by
formula (pictures.py). A line of INDEX.tsv: the file; what made it (a command, or an expression in the names of `names`); the
call of jpegjax that gives the same bytes, "-" where there is none; shape, type and SHA-256 (32 digits) of its pixels, "-"
where the file is refused. The pixels are Pillow's, and imagecodecs' beyond 8 bits, never ours; djpeg must agree on sound files.
"""

from __future__ import annotations

import hashlib
import random
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from oracles import djpeg, pillow, pillow_pixels, pnm, program
from pictures import deep_picture, noise, picture, slopes
from PIL import ImageFile
from scripts import low_frequencies

from jpegjax import ColorSpace, encode, transcode, write_coefficients

__all__ = ["DATA", "Line", "fingerprint", "index", "made", "names"]

DATA = Path(__file__).resolve().parent / "data"

COLOUR, GREY, ODD = "slopes(37, 53)", "slopes(37, 53)[..., 1]", "picture(19, 43)"
CJPEG = [  # name, picture, switches, keywords of jpegjax.encode, None where it has no such option
    ("444", COLOUR, "-sample 1x1", 'subsampling="4:4:4"'),
    ("422", COLOUR, "-sample 2x1", 'subsampling="4:2:2"'),
    ("420", COLOUR, "", 'subsampling="4:2:0"'),
    ("440", COLOUR, "-sample 1x2", 'subsampling="4:4:0"'),
    ("411", COLOUR, "-sample 4x1", 'subsampling="4:1:1"'),
    ("410", COLOUR, "-sample 4x2", 'subsampling="4:1:0"'),
    ("3x1", COLOUR, "-sample 3x1", 'subsampling="3x1"'),
    ("chroma_finer", COLOUR, "-sample 1x1,2x2,1x1", 'subsampling="1x1,2x2,1x1"'),
    ("all_different", COLOUR, "-sample 2x2,1x2,2x1", 'subsampling="2x2,1x2,2x1"'),
    ("grey", GREY, "", ""),
    ("grey_of_colour", COLOUR, "-grayscale", None),
    ("rgb", COLOUR, "-rgb", None),
    ("quality_1", COLOUR, "-quality 1", "quality=1"),
    ("quality_30", ODD, "-quality 30", "quality=30"),
    ("quality_100", "noise(21, 30)", "-quality 100 -sample 1x1", 'quality=100, subsampling="4:4:4"'),
    ("own_tables", COLOUR, "-qtables own.qtables -qslots 0,1,1", 'qtables=tables("own.qtables")'),
    ("optimised", ODD, "-optimize", "optimize=True"),
    ("optimised_grey", GREY, "-optimize -quality 92", "optimize=True, quality=92"),
    ("restart_rows", COLOUR, "-restart 1", "restart_rows=1"),
    ("restart_blocks", COLOUR, "-restart 3B -sample 2x1", 'restart_blocks=3, subsampling="4:2:2"'),
    ("restart_every_block", GREY, "-restart 1B", "restart_blocks=1"),
    ("icc", ODD, "-icc profile.icc", 'icc_profile=content("profile.icc")'),
    ("apart", COLOUR, "-scans apart.scans", 'scans=text("apart.scans")'),
    ("apart_restarts", ODD, "-scans apart.scans -restart 2B", 'scans=text("apart.scans"), restart_blocks=2'),
    ("chroma_together", COLOUR, "-scans chroma.scans -optimize", 'scans=text("chroma.scans"), optimize=True'),
    ("progressive", COLOUR, "-progressive", "progressive=True"),
    ("progressive_444", ODD, "-progressive -sample 1x1", 'progressive=True, subsampling="4:4:4"'),
    ("progressive_grey", GREY, "-progressive", "progressive=True"),
    ("progressive_restarts", COLOUR, "-progressive -restart 1", "progressive=True, restart_rows=1"),
    ("progressive_100", "noise(21, 30)", "-progressive -quality 100", "progressive=True, quality=100"),
    ("wizard", COLOUR, "-scans wizard.scans", 'scans=text("wizard.scans")'),
    ("bands", ODD, "-scans bands.scans -sample 2x1", 'scans=text("bands.scans"), subsampling="4:2:2"'),
    ("arithmetic", COLOUR, "-arithmetic", "arithmetic=True"),
    ("arithmetic_grey", GREY, "-arithmetic -quality 95", "arithmetic=True, quality=95"),
    ("arithmetic_restarts", ODD, "-arithmetic -restart 2B", "arithmetic=True, restart_blocks=2"),
    ("arithmetic_progressive", COLOUR, "-arithmetic -progressive", "arithmetic=True, progressive=True"),
    ("arithmetic_wizard", ODD, "-arithmetic -scans wizard.scans", 'arithmetic=True, scans=text("wizard.scans")'),
    ("arithmetic_rows", COLOUR, "-arithmetic -progressive -restart 1", "arithmetic=True, progressive=True, restart_rows=1"),
    *[
        (f"{height}x{width}{name}", f"picture({height}, {width})", switches, options)
        for height, width in ((1, 1), (1, 9), (8, 8), (16, 16), (17, 33), (130, 3), (3, 130))
        for name, switches, options in (("", "", ""), ("_progressive", "-progressive", "progressive=True"))
    ],
]  # fmt: skip
JPEGTRAN = [  # name, source, switches, keywords of jpegjax.transcode
    ("rotated_90", "420", "-rotate 90", "rotate=90"),
    ("rotated_180", "422", "-rotate 180", "rotate=180"),
    ("rotated_270", "440", "-rotate 270", "rotate=270"),
    ("flipped", "411", "-flip horizontal", 'flip="horizontal"'),
    ("upside_down", "progressive", "-flip vertical", 'flip="vertical", progressive=False'),
    ("transposed", "grey", "-transpose", 'flip="transpose"'),
    ("transversed", "icc", "-transverse", 'flip="transverse"'),
    ("trimmed", "420", "-rotate 90 -trim", "rotate=90, trim=True"),
    ("cropped", "420", "-crop 20x13+17+9", "crop=(17, 9, 20, 13)"),
    ("cropped_444", "444", "-crop 31x20+8+8", "crop=(8, 8, 31, 20)"),
    ("greyed", "420", "-grayscale", "grayscale=True"),
    ("to_progressive", "restart_rows", "-progressive", "progressive=True"),
    ("to_optimised", "420", "-optimize", "optimize=True"),
    ("to_arithmetic", "progressive", "-arithmetic", "arithmetic=True, progressive=False"),
    ("to_restarts", "422", "-restart 2B", "restart_blocks=2"),
]
EXPRESSIONS = [  # name, what makes it, whether the call is one of jpegjax that is to give the same bytes
    ("exif_comment", 'pillow(slopes(37, 53), exif=content("turned.exif"), comment=b"a comment")',
     'encode(slopes(37, 53), exif=content("turned.exif"), comment=b"a comment")'),
    ("dpi", "pillow(slopes(37, 53), dpi=(300, 150))", "encode(slopes(37, 53), dpi=(300, 150))"),
    ("keep_rgb", "pillow(slopes(37, 53), keep_rgb=True, subsampling=0)", "-"),
    ("cmyk", "pillow(picture(21, 35, 4))", 'encode(picture(21, 35, 4), mode="CMYK")'),
    ("cmyk_progressive", "pillow(picture(21, 35, 4), progressive=True)",
     'encode(picture(21, 35, 4), mode="CMYK", progressive=True)'),
    ("ycck", "write_coefficients(low_frequencies(ColorSpace.YCCK, [(1, 1), (1, 1), (1, 1), (1, 1)]))", ""),
    ("ycck_2x2", "write_coefficients(low_frequencies(ColorSpace.YCCK, [(2, 2), (1, 1), (1, 1), (2, 2)]))", ""),
    ("12bit", "encode(deep_picture(37, 53), precision=12)", ""),
    ("12bit_grey", "encode(deep_picture(21, 30, 1), precision=12, quality=95, restart_blocks=2)", ""),
    ("12bit_progressive", "encode(deep_picture(21, 30), precision=12, progressive=True)", ""),
    ("lossless", "encode(slopes(21, 30), lossless=True)", ""),
    ("lossless_grey", "encode(slopes(21, 30)[..., 0], lossless=True, predictor=7, restart_rows=3)", ""),
    ("lossless_4", "encode(picture(19, 23), lossless=True, predictor=4)", ""),
    ("lossless_12bit", "encode(deep_picture(21, 30, 1), lossless=True, precision=12, predictor=5)", ""),
    ("lossless_16bit", "encode(deep_picture(19, 23, 1) * np.uint16(16), lossless=True, predictor=6)", ""),
    ("tuned", "encode(slopes(37, 53), tune=True)", ""),
    ("tuned_psnr", 'encode(slopes(37, 53), tune="psnr", quality=50)', ""),
    *[(f"cut_{name}", f'content("{name}.jpg")[:{at}]', "-")
      for name, at in (("420", 900), ("444", 1300), ("restart_rows", 1000), ("progressive", 1250), ("grey", 700),
                       ("arithmetic", 700), ("optimised", 800), ("wizard", 1300), ("lossless", 900), ("422", 300))],
    *[(f"damaged_{name}", f'damaged("{name}.jpg", {seed})', "-")
      for name, seed in (("420", 1), ("444", 2), ("422", 3), ("grey", 4), ("restart_rows", 5), ("restart_blocks", 6),
                         ("progressive", 7), ("wizard", 8), ("apart", 9), ("arithmetic", 10),
                         ("progressive_restarts", 11), ("lossless_grey", 12))],
    ("no_scan", 'content("420.jpg")[:content("420.jpg").index(b"\\xff\\xda")]', "-"),
    ("head_only", 'content("420.jpg")[:30]', "-"),
]  # fmt: skip
REFUSED = {"no_scan", "head_only", "cut_422"}


class Line(NamedTuple):
    """A line of INDEX.tsv, all of it text."""

    file: str
    made: str
    same: str
    shape: str
    dtype: str
    sha256: str


def fingerprint(pixels: np.ndarray) -> tuple[str, str, str]:
    """(shape, dtype, hash) as INDEX.tsv has them."""
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:32]
    return "x".join(map(str, pixels.shape)), str(pixels.dtype), digest


def index() -> list[Line]:
    """The lines of INDEX.tsv."""
    return [Line(*row.split("\t")) for row in (DATA / "INDEX.tsv").read_text().splitlines()[1:]]


def content(name: str) -> bytes:
    return (DATA / name).read_bytes()


def text(name: str) -> str:
    return content(name).decode()


def tables(name: str) -> list[list[int]]:
    """The two tables of a file for cjpeg's -qtables."""
    numbers = [int(n) for row in text(name).splitlines() if not row.startswith("#") for n in row.split()]
    return [numbers[:64], numbers[64:]]


def damaged(name: str, seed: int) -> bytes:
    """A file with three bytes of its last scan changed."""
    draw, data = random.Random(seed), bytearray(content(name))
    start = data.rindex(b"\xff\xda") + 14
    for _ in range(3):
        data[draw.randrange(start, len(data) - 2)] ^= 1 << draw.randrange(8)
    return bytes(data)


def names() -> dict[str, object]:
    """What expressions of INDEX.tsv are made of."""
    made_of: list[Callable] = [
        content, damaged, deep_picture, encode, low_frequencies, noise, picture, pillow, slopes, tables, text, transcode,
        write_coefficients,
    ]  # fmt: skip
    return {function.__name__: function for function in made_of} | {"ColorSpace": ColorSpace, "np": np}


def made(recipe: str) -> bytes:
    """The file that a recipe makes: `cjpeg SWITCHES < PICTURE`, `jpegtran SWITCHES < FILE` or an expression."""
    tool, *switches = shlex.split(recipe.partition(" < ")[0]) if " < " in recipe else [""]
    if not tool:
        return eval(recipe, names())
    source = recipe.partition(" < ")[2]
    given = content(source) if tool == "jpegtran" else pnm(eval(source, names()))
    path = program(tool)
    assert path, f"{tool} of libjpeg-turbo is not installed"
    return subprocess.run([path, *switches], input=given, capture_output=True, check=True, cwd=DATA).stdout


def _recipes() -> list[tuple[str, str, str]]:
    """(file, recipe, call of jpegjax or "-") of every file, sources first."""
    found = []
    for name, image, switches, options in CJPEG:
        call = "-" if options is None else f"encode({', '.join(filter(None, (image, options)))})"
        found.append((name, " ".join(f"cjpeg -dct int -baseline {switches}".split()) + f" < {image}", call))
    for name, source, switches, options in JPEGTRAN:
        keywords = options if "optimize" in options else f"{options}, optimize=False"
        call = f'transcode(content("{source}.jpg"), {keywords})'
        found.append((name, f"jpegtran -copy all {switches} < {source}.jpg", call))
    found += [(name, recipe, call or recipe) for name, recipe, call in EXPRESSIONS]
    return [(f"{name}.jpg", recipe, call) for name, recipe, call in found]


def _pixels(name: str, data: bytes, recipe: str) -> np.ndarray:
    """The pixels of a file by others than us."""
    if "deep_picture" in recipe:
        from imagecodecs import jpeg8_decode

        return jpeg8_decode(data)
    with mock.patch.object(ImageFile, "LOAD_TRUNCATED_IMAGES", True):
        pixels = pillow_pixels(data + b"\xff\xd9" if name.startswith("cut_") else data)  # as djpeg ends a cut file
    sound = not name.startswith(("cut_", "damaged_")) and "lossless" not in name and pixels.shape[2:] != (4,)
    if sound:
        assert np.array_equal(djpeg(data, "-dct", "int"), pixels), name
    return pixels


def main() -> None:
    for old in DATA.glob("*.jpg"):
        old.unlink()
    lines = ["\t".join(Line._fields)]
    for file, recipe, call in _recipes():
        data = made(recipe)
        (DATA / file).write_bytes(data)
        shown = ("-",) * 3 if file.removesuffix(".jpg") in REFUSED else fingerprint(_pixels(file, data, recipe))
        lines.append("\t".join(Line(file, recipe, call, *shown)))
    (DATA / "INDEX.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
