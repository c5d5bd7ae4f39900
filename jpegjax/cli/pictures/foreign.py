"""Files that Pillow alone does not read, or of which it would show no more than a preview: what they are, and what helps."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

__all__ = ["FOREIGN_SUFFIXES", "kind_of", "named_kind", "readable", "remedy"]

_PLUGINS = {
    "HEIC": ("pillow_heif", "pillow-heif"),
    "AVIF": ("pillow_avif", "pillow-avif-plugin"),
    "JPEG XL": ("pillow_jxl", "pillow-jxl-plugin"),
}
"""(module, package) that teach Pillow a format."""
_HELP = {
    "raw": "a camera's raw file: develop it first (darktable, RawTherapee, dcraw, rawpy), to a TIFF or PNG of 16 bits",
    "PDF": "a PDF: draw its pages first (pdftoppm -png)",
    "SVG": "an SVG drawing: draw it first (rsvg-convert, inkscape)",
}
_SUFFIXES = {
    "HEIC": (".heic", ".heif", ".hif", ".heics", ".heifs"),
    "AVIF": (".avif", ".avifs"),
    "JPEG XL": (".jxl",),
    "raw": (".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".dng", ".orf", ".raf", ".rw2", ".pef", ".srw",
            ".3fr", ".iiq", ".x3f", ".kdc", ".erf", ".mrw", ".raw"),
    "PDF": (".pdf",),
    "SVG": (".svg", ".svgz"),
}  # fmt: skip
_OF_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
FOREIGN_SUFFIXES = frozenset(_OF_SUFFIX)
"""Lower-case suffixes of pictures that are not passed over in folders, though it may be that nobody here reads them."""
_STARTS = {
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL", b"%PDF": "PDF", b"FUJIFILMCCD-RAW": "raw", b"IIRO": "raw",
    b"IIRS": "raw", b"MMOR": "raw", b"IIU\0": "raw", b"FOVb": "raw", b"\0MRM": "raw",
}  # fmt: skip
_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"hevc": "HEIC", b"hevx": "HEIC", b"mif1": "HEIC",
    b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF", b"crx ": "raw",
}  # fmt: skip


def kind_of(source: Path | bytes) -> str | None:
    """What a file is by its first bytes, or else by its name; None for what Pillow may well read."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(1024)
    else:
        head = source[:1024]
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[i : i + 4] for i in range(16, min(int.from_bytes(head[:4], "big"), 128), 4))]
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return "raw"
    if b"<svg" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "SVG"
    named = named_kind(source)
    return named if named in _HELP else None  # of these alone Pillow may show something else


def named_kind(source: Path | bytes) -> str | None:
    """What a file is by its name."""
    return _OF_SUFFIX.get(source.suffix.lower()) if isinstance(source, Path) else None


def readable(kind: str) -> bool:
    """Whether Pillow reads a kind once what is installed is loaded, which is done."""
    if kind in _HELP:
        return False
    if kind == "AVIF" and "AVIF" in Image.OPEN:
        return True
    module, _ = _PLUGINS[kind]
    if find_spec(module) is None:
        return False
    plugin = importlib.import_module(module)
    if kind == "HEIC":
        plugin.register_heif_opener()
    return True


def remedy(kind: str) -> str:
    """What a file is and what helps, for one that is not readable."""
    if kind in _HELP:
        return _HELP[kind]
    return f"{kind}, which Pillow reads with a plug-in: pip install {_PLUGINS[kind][1]}"
