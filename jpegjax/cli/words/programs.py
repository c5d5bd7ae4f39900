"""The switches of libjpeg-turbo's cjpeg, djpeg and jpegtran 2.1 to 3.1, in the order in which those programs look.

How short each may be is that of the programs; of two that begin alike the first one wins.
"""

from __future__ import annotations

from .word import Word

__all__ = ["CJPEG", "DJPEG", "JPEGTRAN"]

_ONE_DCT = "there is one transform here, the accurate integer one of -dct int, at the speed of -dct fast"
_DCT = Word("dct", 2, takes=True, choices={"int": 1}, unless={"fast": _ONE_DCT, "float": _ONE_DCT})
_NUMBER = r"\d+[a-zA-Z]*", "a number of kbytes"
_TOLD = (Word("debug", 2), Word("verbose", 1), Word("version", 4, ("--version",)))
_MEMORY = Word("maxmemory", 3, takes=True, pattern=_NUMBER)
_OUT = Word("outfile", 4, ("--output",), takes=True)
_GREY = (Word("grayscale", 2, ("--grayscale",)), Word("greyscale", 2, ("--grayscale",)))

CJPEG = (
    Word("arithmetic", 1, ("--arithmetic",)),
    Word("baseline", 1),  # tables are never finer or coarser than baseline's 8 bits
    _DCT,
    *_TOLD,
    *_GREY,
    Word("rgb", 3, ("--rgb",)),
    Word("icc", 1, ("--icc",), takes=True),
    Word("lossless", 1, ("--lossless",)),
    _MEMORY,
    Word("optimize", 1, ("--optimize",)),
    Word("optimise", 1, ("--optimize",)),
    _OUT,
    Word("precision", 3, ("--precision",), takes=True),
    Word("progressive", 1, ("--progressive",)),
    Word("memdst", 2, refused="what was made would be thrown away: leave it out"),
    Word("quality", 1, ("--quality",), takes=True),
    Word("qslots", 2, ("--qslots",), takes=True),
    Word("qtables", 2, ("--qtables",), takes=True),
    Word("report", 3),
    Word("restart", 1, ("--restart",), takes=True),
    Word("sample", 2, ("--subsampling",), takes=True),
    Word("scans", 2, ("--scans",), takes=True),
    Word("smooth", 2, ("--smooth",), takes=True),
    Word("strict", 2),  # readers of pictures do not warn, they fail
    Word("targa", 1, refused="Targa files are known by themselves: leave it out"),
)

_PALETTE = "pictures keep all their colours; Pillow's Image.quantize reduces them afterwards"
_FORMATS = "formats are png, ppm, bmp, tiff and npy: say -f, or turn a PNG into others"
DJPEG = (
    Word("bmp", 1, ("--format=bmp",)),
    *(Word(name, 1, takes=True, refused=_PALETTE) for name in ("colors", "colours", "quantize", "quantise")),
    _DCT,
    Word("dither", 2, takes=True, choices={"fs": 2, "none": 2, "ordered": 2}),  # of colours that are not reduced
    *_TOLD,
    Word("fast", 1, refused=f"{_ONE_DCT}; -nosmooth takes its upsampling, --scale 1/2 makes less of it"),
    Word("gif", 1, refused=_FORMATS),
    Word("gif0", 4, refused=_FORMATS),
    *_GREY,
    Word("rgb", 2, ("--mode=RGB",)),
    Word("rgb565", 2, refused="samples have 8 bits or more; other programs pack them to 565"),
    Word("565", 3, refused="samples have 8 bits or more; other programs pack them to 565"),
    Word("icc", 1, ("--icc",), takes=True),
    Word("map", 3, takes=True, refused=_PALETTE),
    _MEMORY,
    Word("maxscans", 4, ("--maxscans",), takes=True),
    Word("nosmooth", 3, ("--upsample=nearest",)),
    Word("onepass", 3),
    Word("os2", 3, refused="-bmp writes Windows BMP, which all read"),
    _OUT,
    Word("memsrc", 2),
    Word("pnm", 1, ("--format=ppm",)),
    Word("ppm", 1, ("--format=ppm",)),
    Word("report", 2),
    Word("scale", 1, ("--scale",), takes=True),
    Word("skip", 2, takes=True, refused="decode the parts with --crop WxH+X+Y"),
    Word("crop", 2, ("--crop",), takes=True),
    Word("strict", 2, ("--strict",)),
    Word("targa", 1, refused=_FORMATS),
)

JPEGTRAN = (
    Word("arithmetic", 1, ("--arithmetic",)),
    Word("copy", 2, ("--copy",), takes=True, shorter=("none", "comments", "all", "icc")),
    Word("crop", 2, ("--crop",), takes=True),
    Word("drop", 2, ("--drop",), takes=True),  # and the file behind it
    *_TOLD,
    Word("flip", 1, ("--flip",), takes=True, choices={"horizontal": 1, "vertical": 1}),
    Word("grayscale", 1, ("--grayscale",)),
    Word("greyscale", 1, ("--grayscale",)),
    Word("icc", 1, ("--icc",), takes=True),
    Word("maxmemory", 3, ("--maxmemory",), takes=True, pattern=_NUMBER),
    Word("maxscans", 4, ("--maxscans",), takes=True),
    Word("optimize", 1, ("--optimize",)),
    Word("optimise", 1, ("--optimize",)),
    _OUT,
    Word("perfect", 2, ("--perfect",)),
    Word("progressive", 2, ("--progressive",)),
    Word("quiet", 1, ("--quiet",)),  # jpegoptim's
    Word("report", 3),
    Word("restart", 1, ("--restart",), takes=True),
    Word("rotate", 2, ("--rotate",), takes=True, choices={"90": 2, "180": 3, "270": 3}),
    Word("scans", 1, ("--scans",), takes=True),
    Word("strict", 2, ("--strict",)),
    Word("transpose", 1, ("--transpose",)),
    Word("transverse", 6, ("--transverse",)),
    Word("trim", 3, ("--trim",)),
    Word("wipe", 1, ("--wipe",), takes=True),
)
