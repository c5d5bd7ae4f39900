"""The options of `decode`."""

from dataclasses import dataclass
from typing import Annotated, Any

from .checks import Option, check_options, choice, integer
from .choices import MODES, UPSAMPLES
from .groups import DEFAULT_LIMITS, Limits
from .parse import parse_color, parse_region, parse_scale

__all__ = ["CLAIMED", "PICTURE", "STRICT", "UPRIGHT", "DecodeOptions", "Within"]

# Sentences of what `transcode` has too.
CLAIMED = "What the file's components are, whatever it says: grey, YCbCr, RGB, CMYK or YCCK."
STRICT = "Damage is an error, rather than a warning beside what can be saved."
PICTURE = "Which picture of a file: 0 the first, from 1 on those behind it."
UPRIGHT = "Turn the picture upright as its EXIF orientation says, or else its XMP."


def _check_limits(name: str, value: Any) -> Limits:
    """The value. TypeError for anything but `Limits`."""
    if not isinstance(value, Limits):
        raise TypeError(f"{name}={value!r}: must be a jpegjax.Limits")
    return value


Within = Annotated[Limits, Option("What a file may cost at most.", _check_limits)]


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How files are read. `api.decode` tells it at length; here each value is in the one form that the engines read.

    scale: a Fraction k/8, or 1. color: a ColorSpace, or None for what the file says.
    """

    mode: Annotated[
        str | None, Option("L for grey, RGB for colour, CMYK; by default as the file is.", choice(MODES))
    ] = None
    scale: Annotated[
        Any, Option("Size k/8 of the picture, k = 1..16, such as 1/2 or 3/8.", lambda _, s: parse_scale(s))
    ] = 1
    crop: Annotated[
        tuple[int, int, int, int] | None,
        Option("Only a region (x, y, width, height) of the scaled, upright picture.", lambda _, r: parse_region(r)),
    ] = None
    upsample: Annotated[str, Option("How chroma grows: fancy, or nearest as djpeg -nosmooth.", choice(UPSAMPLES))] = (
        "fancy"
    )
    apply_exif_orientation: Annotated[bool, Option(UPRIGHT)] = False
    strict: Annotated[bool, Option(STRICT)] = False
    limits: Within = DEFAULT_LIMITS
    tables: Annotated[bytes | None, Option("Abbreviated stream of tables for files without them.")] = None
    color: Annotated[Any, Option(CLAIMED, lambda _, c: parse_color(c))] = None
    picture: Annotated[int, Option(PICTURE, integer(0, 1 << 16))] = 0

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def eighths(self) -> int:
        """The scale times 8, 1..16."""
        return int(8 * self.scale)

    @property
    def partial(self) -> bool:
        """Whether the result is not the whole picture as the file has it."""
        return self.crop is not None or self.scale != 1

    def region(self, height: int, width: int, orientation: int = 1) -> tuple[int, int, int, int]:
        """What `crop` shows of a picture, (x, y, width, height) as the file has it; ValueError where it does not fit.

        height, width: of the scaled picture. orientation: EXIF's 1..8 where it is applied and `crop` means the upright
        picture.
        """
        if self.crop is None:
            return 0, 0, width, height
        x, y, w, h = self.crop
        tall, wide = (width, height) if orientation >= 5 else (height, width)
        if x + w > wide or y + h > tall:
            scaled = "" if self.scale == 1 else f" (scale={self.scale})"
            raise ValueError(f"crop={self.crop}: does not fit in the picture of {wide}×{tall} pixels{scaled}")
        if orientation in (2, 3, 6, 7):
            x = wide - x - w
        if orientation in (3, 4, 7, 8):
            y = tall - y - h
        return (y, x, h, w) if orientation >= 5 else (x, y, w, h)
