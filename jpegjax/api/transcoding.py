"""Files to files, without loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from ..options import (
    ERRORS,
    Color,
    Errors,
    Flip,
    Kind,
    Limits,
    Restart,
    Rotation,
    Thumbnail,
    Trailers,
    TranscodeOptions,
    check_choice,
)
from ..types import ColorSpace, Scan
from .inputs import Many, S, Source, as_bytes, as_files, on_good, settled

if TYPE_CHECKING:
    from .keywords import Region, TranscodeKeywords

__all__ = ["transcode"]


@overload
def transcode(data: Source, *, errors: Literal["raise"] = "raise", **options: Unpack[TranscodeKeywords]) -> bytes: ...
@overload
def transcode(
    data: Many[S], *, errors: Literal["raise"] = "raise", **options: Unpack[TranscodeKeywords]
) -> list[bytes]: ...
@overload
def transcode(
    data: Source, *, errors: Literal["return"], **options: Unpack[TranscodeKeywords]
) -> bytes | Exception: ...
@overload
def transcode(
    data: Many[S], *, errors: Literal["return"], **options: Unpack[TranscodeKeywords]
) -> list[bytes | Exception]: ...
def transcode(
    data: Source | Many[S],
    *,
    rotate: Rotation = 0,
    flip: Flip | None = None,
    crop: Region | str | None = None,
    roll: tuple[int, int] | None = None,
    wipe: Region | str | None = None,
    drop: tuple[int, int, Source] | tuple[str, Source] | None = None,
    trim: bool | None = None,
    perfect: bool = False,
    grayscale: bool = False,
    color: Color | ColorSpace | None = None,
    optimize: bool = True,
    progressive: bool | None = None,
    arithmetic: bool | None = False,
    scans: str | Sequence[Scan] | None = None,
    restart_rows: int = 0,
    restart_blocks: int = 0,
    trailer: Trailers = "keep",
    keep: Literal["all", "none"] | Kind | Sequence[Kind] = "all",
    strip: Kind | Sequence[Kind] = (),
    icc_profile: bytes | None = None,
    apply_exif_orientation: bool = False,
    thumbnail: Thumbnail | None = None,
    strict: bool = False,
    limits: Limits = Limits(),
    errors: Errors = "raise",
) -> Any:
    """JPEG files made of JPEG files without loss, byte-identical to jpegtran's: the quantised coefficients stay.

    What is applied of the EXIF orientation, rotate, flip, crop, roll, wipe and drop is carried out in this order, the turns
    as one.

    Args:
        data: One file or several: its bytes, a buffer, a path, or a file opened in binary mode. Several are a list, coded
            on all cores.
        rotate: Degrees clockwise: 0, 90, 180 or 270.
        flip: Mirror after turning: horizontal, vertical, transpose or transverse.
        crop: Region of the turned picture; x and y go down to the next MCU. (x, y, width, height) in pixels; width or
            height None for all that is left. An MCU is 8 pixels for grey, 8 × the largest sampling factor for colour;
            width and height grow by as much. Or jpegtran's "WxH+X+Y": -X and -Y measure from the right and the bottom, an
            "f" behind W or H keeps them as they are. There W or H may be larger than the picture, which then lies at X, Y;
            around it is grey, with "f" behind W beside it each block's mean, with "r" the picture mirrored.
        roll: Move the picture (right, down) in pixels, whole MCUs; what leaves comes in opposite. A last column or row of MCUs
            that is not whole stays in place.
        wipe: Region to make grey, out to whole MCUs. As crop has it; with "f" behind W it gets the mean of the blocks beside
            it, with "r", where it takes all rows up to an edge, the picture mirrored.
        drop: Another file's picture, put into this one at (x, y). (x, y, file), the file as data has it; or ("+X+Y", file).
            x and y go up to the next MCU, and only whole MCUs go in but for the picture's last ones. Both files need the same
            sampling, or one is grey. Where the quantisation differs, the file gets steps that divide both.
        trim: Cut off edges that cannot be mirrored. A last column or row of MCUs that is not whole cannot be, and stays
            where it is otherwise, except that apply_exif_orientation asks for a decision. With drop: round the other
            picture's coefficients to this one's steps.
        perfect: Fail where edges cannot be mirrored.
        color: What the file's components are, whatever it says: grey, YCbCr, RGB, CMYK or YCCK. The new file's markers then
            say so, in place of the old one's; its components stay.
        grayscale: Luma alone. Of YCbCr files.
        optimize: Huffman tables fitted to each file. Otherwise Annex K's.
        progressive: Progressive scans, by default as each file is.
        arithmetic: Arithmetic coding in place of Huffman's; None for what each file has.
        scans: Scan script as cjpeg -scans reads it, in place of the default one. As for `encode`; one that leaves out
            bits makes a file without them.
        restart_rows: Restart marker every so many MCU rows, 0 for none. The file's own go.
        restart_blocks: Restart marker every so many MCUs, 0 for none.
        trailer: What stands behind the first picture: keep it, or drop it as jpegtran does. Kept are further pictures, gain maps,
            videos of motion photos and all other bytes, and MPF's and GContainer's listings find them. Pictures are turned,
            cropped and made grey with the first one (gain maps not grey), those of other sizes in proportion; where that is
            not exact, which is an UnsupportedJpeg, "drop" is the remedy. They lose what keep leaves out, and stay as they are
            otherwise. A video is not turned.
        keep: Metadata to keep: all, none, or some of comments, exif, icc, xmp and other. The APPn and COM segments stay
            as they are and in order. JFIF and Adobe markers, which say the colour space, are written anew. Like jpegtran,
            an EXIF segment in the first place takes the place of JFIF, and is told the picture's new size.
        strip: Metadata to leave out of what is kept, also iptc, jfxx and adobe alone. Of "other" iptc is APP13 (Photoshop's
            resources), jfxx JFIF's thumbnails, adobe what the file's Adobe marker says beyond the colour space.
        icc_profile: ICC profile to embed in place of the file's.
        apply_exif_orientation: Turn the picture upright as its EXIF orientation says, or else its XMP. It is then set to 1 in
            both, so that no viewer turns the picture again.
        thumbnail: EXIF's thumbnail and sizes: keep them, or update them with the picture. By default they are kept as jpegtran
            keeps them, unless apply_exif_orientation is set. A turned thumbnail is turned without loss where that is
            possible; of a cropped picture, or where edges cannot be mirrored, it is made anew from the new picture, as
            large as fits in the old one's place. One that cannot be made, or has no room in EXIF's segment, is removed.
            PixelXDimension, PixelYDimension, ImageWidth and ImageLength become the new ones, in XMP too; nothing else in
            EXIF moves.
        strict: Damage is an error, rather than a warning beside what can be saved. As for `decode`.
        limits: What a file may cost at most. See `Limits`.
        errors: What becomes of errors that files meet: raise the first, or return each in place of the new file. As for
            `decode`.

    Returns:
        The bytes of a file for one file, a list of them for several.

    Raises:
        CorruptJpeg: Nothing can be saved, or strict is set and the file is damaged.
        UnsupportedJpeg: The file is lossless, or of a process or layout that this library does not decode, or a picture behind
            its first one cannot be turned or cropped with it, or progressive scans are unfinished because components share
            an identifier: decoders smooth those, and would not smooth the new file.
        LimitExceeded: The file would cost more than limits allow.
        ValueError: An argument is out of range, a region lies outside the picture, a script does not suit it, perfect is set
            and an edge cannot be mirrored, apply_exif_orientation is and trim says not what becomes of such an edge,
            or grayscale is set and the file is not YCbCr.
        TypeError: An argument is of the wrong type.
    """
    from ..jpeg.transcode import transcode as run

    options = TranscodeOptions(
        rotate=rotate, flip=flip, crop=crop, roll=roll, wipe=wipe, drop=_with_bytes(drop), trim=trim, perfect=perfect,
        grayscale=grayscale, color=color, optimize=optimize, progressive=progressive, arithmetic=arithmetic, scans=scans,
        trailer=trailer, keep=keep, strip=strip, icc_profile=icc_profile,
        restart=Restart(rows=restart_rows, blocks=restart_blocks),
        apply_exif_orientation=apply_exif_orientation, thumbnail=thumbnail, strict=strict, limits=limits,
    )  # fmt: skip
    check_choice("errors", errors, ERRORS)
    sources, single = as_files(data, errors)
    files = settled(on_good(lambda good: run(good, options), sources), single, errors)
    return files[0] if single else files


def _with_bytes(drop: Any) -> Any:
    """What is to be dropped, its file read."""
    return (*drop[:-1], as_bytes(drop[-1], "drop")) if isinstance(drop, (tuple, list)) and drop else drop
