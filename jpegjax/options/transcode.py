"""The options of `transcode`."""

from dataclasses import dataclass
from typing import Annotated, Any

from .checks import Option, check_flag, check_options, choice
from .choices import FLIPS, ROTATIONS, THUMBNAILS, TRAILERS
from .decode import CLAIMED, STRICT, UPRIGHT, Within
from .encode import EncodeOptions, Optimize, Scans
from .groups import DEFAULT_LIMITS, NO_RESTART, Metadata, Restart
from .parse import parse_color, parse_keep
from .regions import parse_crop, parse_drop, parse_roll, parse_wipe

__all__ = ["TranscodeOptions"]


@dataclass(frozen=True, slots=True)
class TranscodeOptions:
    """How files become other files without loss. `api.transcode` tells it at length.

    keep: kinds of segments, without those of strip, and without "icc" where icc_profile takes its place. scans:
    `types.Scan`s. crop, wipe: a `regions.Geometry`; drop: a `regions.Drop`.
    """

    rotate: Annotated[int, Option("Degrees clockwise: 0, 90, 180 or 270.", choice(ROTATIONS))] = 0
    flip: Annotated[
        str | None, Option("Mirror after turning: horizontal, vertical, transpose or transverse.", choice(FLIPS))
    ] = None
    crop: Annotated[
        Any,
        Option("Region of the turned picture; x and y go down to the next MCU.", lambda _, r: parse_crop(r)),
    ] = None
    roll: Annotated[
        Any,
        Option(
            "Move the picture (right, down) in pixels, whole MCUs; what leaves comes in opposite.",
            lambda _, r: parse_roll(r),
        ),
    ] = None
    wipe: Annotated[Any, Option("Region to make grey, out to whole MCUs.", lambda _, r: parse_wipe(r))] = None
    drop: Annotated[Any, Option("Another file's picture, put into this one at (x, y).", lambda _, d: parse_drop(d))] = (
        None
    )
    trim: Annotated[bool | None, Option("Cut off edges that cannot be mirrored.")] = None
    perfect: Annotated[bool, Option("Fail where edges cannot be mirrored.", check_flag)] = False
    grayscale: Annotated[bool, Option("Luma alone.", check_flag)] = False
    color: Annotated[Any, Option(CLAIMED, lambda _, c: parse_color(c))] = None
    optimize: Optimize = True
    progressive: Annotated[bool | None, Option("Progressive scans, by default as each file is.")] = None
    arithmetic: Annotated[
        bool | None, Option("Arithmetic coding in place of Huffman's; None for what each file has.")
    ] = False
    scans: Scans = None
    restart: Restart = NO_RESTART
    trailer: Annotated[
        str, Option("What stands behind the first picture: keep it, or drop it as jpegtran does.", choice(TRAILERS))
    ] = "keep"
    keep: Annotated[Any, Option("Metadata to keep: all, none, or some of comments, exif, icc, xmp and other.")] = "all"
    strip: Annotated[Any, Option("Metadata to leave out of what is kept, also iptc, jfxx and adobe alone.")] = ()
    icc_profile: Annotated[bytes | None, Option("ICC profile to embed in place of the file's.")] = None
    apply_exif_orientation: Annotated[bool, Option(UPRIGHT, check_flag)] = False
    thumbnail: Annotated[
        str | None,
        Option("EXIF's thumbnail and sizes: keep them, or update them with the picture.", choice(THUMBNAILS)),
    ] = None
    strict: Annotated[bool, Option(STRICT, check_flag)] = False
    limits: Within = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        check_options(self)
        if self.trim is not None:
            check_flag("trim", self.trim)
        if self.trim and self.perfect:
            raise ValueError("trim and perfect: give one of them, not both")
        kept = parse_keep(self.keep, self.strip)
        object.__setattr__(self, "keep", tuple(k for k in kept if k != "icc") if self.icc_profile else kept)
        self.coding(False)  # checks what goes to the encoder

    def coding(self, progressive: bool, arithmetic: bool = False) -> EncodeOptions:
        """The entropy coding that was asked for; progressive, arithmetic: of the file, where nothing was asked."""
        return EncodeOptions(
            optimize=self.optimize,
            progressive=progressive if self.progressive is None else self.progressive,
            arithmetic=arithmetic if self.arithmetic is None else self.arithmetic,
            scans=self.scans,
            restart=self.restart,
            metadata=Metadata(icc_profile=self.icc_profile),
        )
