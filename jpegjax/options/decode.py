"""The options of `decode`."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from .checks import Option, check_options, choice, integer
from .choices import DTYPES, MODES, RECONSTRUCTIONS, RESTORES, UPSAMPLES
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


def _check_dtype(name: str, value: Any) -> str | None:
    """A dtype's name among DTYPES, or None. ValueError for others, TypeError for what names no dtype."""
    if value is None:
        return None
    try:
        found = np.dtype(value).name
    except TypeError:
        found = None
    if found is None and not isinstance(value, str):
        raise TypeError(f"{name}={value!r}: must be None, {', '.join(DTYPES)}, or NumPy's dtype of that name")
    if found not in DTYPES:
        raise ValueError(f"{name}={value!r}: must be None, {', '.join(DTYPES)}, or NumPy's dtype of that name")
    return found


def _check_restore(name: str, value: Any) -> Any:
    """One of RESTORES; integers are not among them."""
    if value is not None and not isinstance(value, (bool, str)):
        raise TypeError(f"{name}={value!r}: must be {', '.join(map(repr, RESTORES))}")
    return choice(RESTORES)(name, value)


Within = Annotated[Limits, Option("What a file may cost at most.", _check_limits)]


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How files are read. `api.decode` tells it at length; here each value is in the one form that the engines read.

    scale: a Fraction k/8, or 1. dtype: its name. color: a ColorSpace, or None for what the file says.
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
    reconstruction: Annotated[
        str, Option("Where in its bin a coefficient is taken to be: midpoint, or laplacian.", choice(RECONSTRUCTIONS))
    ] = "midpoint"
    dtype: Annotated[
        str | None, Option("uint8, uint16 or float32; by default the file's own integers.", _check_dtype)
    ] = None
    restore: Annotated[
        bool | str,
        Option(
            "Let a network put back what quantisation took: true, auto (marked files) or consistent.", _check_restore
        ),
    ] = False
    apply_exif_orientation: Annotated[bool, Option(UPRIGHT)] = False
    strict: Annotated[bool, Option(STRICT)] = False
    limits: Within = DEFAULT_LIMITS
    tables: Annotated[bytes | None, Option("Abbreviated stream of tables for files without them.")] = None
    color: Annotated[Any, Option(CLAIMED, lambda _, c: parse_color(c))] = None
    picture: Annotated[int, Option(PICTURE, integer(0, 1 << 16))] = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.restore and self.scale != 1:
            raise ValueError(f"restore={self.restore!r}: is for the full size, scale=1, not {self.scale}")
        if self.restore and self.upsample != "fancy":
            raise ValueError(
                f"restore={self.restore!r}: the network grows chroma, leave upsample={self.upsample!r} out"
            )
        if self.restore and self.reconstruction != "midpoint":
            raise ValueError(f"restore={self.restore!r}: the network finds the points, leave reconstruction out")

    @property
    def eighths(self) -> int:
        """The scale times 8, 1..16."""
        return int(8 * self.scale)

    @property
    def partial(self) -> bool:
        """Whether the result is not the whole picture as the file has it."""
        return self.crop is not None or self.scale != 1

    def precise(self, precision: int) -> bool:
        """Whether pixels of a file of so many bits are made in floats, rather than as libjpeg makes them."""
        own = self.dtype is None or (precision <= 8 and self.dtype == "uint8")
        return not own or self.reconstruction != "midpoint"

    def layout(self, precision: int) -> tuple[np.dtype[Any], float]:
        """(dtype of the pixels of such a file, what values 0..2^precision - 1 are multiplied by and rounded: 0 for floats)."""
        if self.dtype == "float32":
            return np.dtype(np.float32), 0
        if self.dtype is None:
            return np.dtype(np.uint8 if precision <= 8 else np.uint16), 1
        dtype = np.dtype(self.dtype)
        return dtype, np.iinfo(dtype).max / ((1 << precision) - 1)

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
