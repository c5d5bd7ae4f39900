"""What crosses a door: frames, scans, tables and quantised coefficients."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import jax
    import numpy.typing as npt

__all__ = [
    "MAX_MCU_BLOCKS", "ZIGZAG", "Array", "Coefficients", "ColorSpace", "Component", "Conditioning", "Device", "Frame",
    "HuffmanSpec", "JaxDevice", "Process", "Scan", "array_of", "is_traced", "register_pytree",
]  # fmt: skip

Array: TypeAlias = "npt.NDArray[Any] | jax.Array"
"""NumPy's or JAX's."""


_REMEDIES = {
    "torch": "pass {0}.cpu().numpy(), of shape [H, W, C]: .permute(1, 2, 0) where channels come first",
    "tensorflow": "pass {0}.numpy(), outside tf.function",
    "PIL": "pass np.asarray({0})",
    "pandas": "pass {0}.to_numpy(np.uint8)",
    "cupy": "pass {0}.get()",
}
"""What to do with what other libraries hold, by the name of their module."""


def array_of(name: str, value: Any) -> Any:
    """An argument as JAX's array, or as NumPy's in the machine's byte order. TypeError, with the remedy, for what is neither.

    name: of the argument, for the message. Nothing is copied but what has the other byte order.
    """
    if type(value) is np.ndarray and value.dtype.isnative:
        return value
    library = type(value).__module__.partition(".")[0]
    if library in ("jax", "jaxlib"):
        return value
    kind = type(value).__name__
    if library in _REMEDIES:
        raise TypeError(f"{name}: a {library} {kind}, must be a NumPy or JAX array; {_REMEDIES[library].format(name)}")
    if isinstance(value, (list, tuple)):
        raise TypeError(f"{name}: must be a NumPy or JAX array, not {kind}; pass np.asarray({name}, np.uint8)")
    if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__array__"):
        raise TypeError(f"{name}: must be a NumPy or JAX array, not {kind}")
    array = np.asarray(value)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_traced(value: Any) -> bool:
    """Whether a JAX array has no values yet, as inside jit, grad or vmap."""
    return type(value) is not np.ndarray and any(kind.__name__ == "Tracer" for kind in type(value).__mro__)


class JaxDevice(Protocol):
    """What `jax.devices()` lists; JAX itself has no type of it for checkers."""

    @property
    def platform(self) -> str: ...
    @property
    def id(self) -> int: ...


Device: TypeAlias = "JaxDevice | str | jax.sharding.Mesh | jax.sharding.Sharding"
"""Where the xla engine works: one device, all of a platform ("gpu"), those of a mesh or of a sharding."""

MAX_MCU_BLOCKS = 10
"""Blocks of an interleaved MCU (T.81 B.2.3)."""

ZIGZAG = np.array(
    [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
     28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
     47, 55, 62, 63],
    dtype=np.uint8,
)  # fmt: skip
"""Natural index (8*v + u) of each zigzag position (T.81 figure 5)."""
ZIGZAG.flags.writeable = False


class Process(enum.Enum):
    """Coding process by its frame marker (T.81 table B.1)."""

    BASELINE = 0xC0
    EXTENDED = 0xC1
    PROGRESSIVE = 0xC2
    LOSSLESS = 0xC3
    EXTENDED_ARITHMETIC = 0xC9
    PROGRESSIVE_ARITHMETIC = 0xCA
    LOSSLESS_ARITHMETIC = 0xCB

    @property
    def progressive(self) -> bool:
        return self in (Process.PROGRESSIVE, Process.PROGRESSIVE_ARITHMETIC)

    @property
    def lossless(self) -> bool:
        return self in (Process.LOSSLESS, Process.LOSSLESS_ARITHMETIC)

    @property
    def arithmetic(self) -> bool:
        return self.value >= 0xC9


class ColorSpace(enum.Enum):
    """Meaning of a file's components."""

    GRAY = "gray"
    YCBCR = "ycbcr"
    RGB = "rgb"
    CMYK = "cmyk"
    YCCK = "ycck"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Component:
    """One component of a frame, such as luma.

    Attributes:
        id: Identifier byte 0..255.
        h: Horizontal sampling factor 1..4.
        v: Vertical sampling factor 1..4.
        tq: Which quantisation table it takes, 0..3.
    """

    id: int
    h: int
    v: int
    tq: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """Geometry of a JPEG frame (T.81 A.1, A.2). Hashable and static under jit.

    Attributes:
        height: Rows of pixels, 1..65,535.
        width: Columns of pixels, 1..65,535.
        components: In the order of the frame header.
        process: How the file is coded.
        precision: Bits a sample.
        color: What the components mean.
        hmax: Largest horizontal sampling factor; 1 for a frame without components.
        vmax: Largest vertical sampling factor.
    """

    height: int
    width: int
    components: tuple[Component, ...]
    process: Process = Process.BASELINE
    precision: int = 8
    color: ColorSpace = ColorSpace.YCBCR
    hmax: int = field(init=False, repr=False, compare=False)
    vmax: int = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hmax", max((c.h for c in self.components), default=1))
        object.__setattr__(self, "vmax", max((c.v for c in self.components), default=1))
        object.__setattr__(self, "_hash", hash((self.height, self.width, self.components)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def mcus(self) -> tuple[int, int]:
        """(rows, columns) of MCUs in a scan that interleaves all components."""
        return -(-self.height // (8 * self.vmax)), -(-self.width // (8 * self.hmax))

    def samples(self, c: int) -> tuple[int, int]:
        """(height, width) of component c's true samples: ⌈H·v/vmax⌉, ⌈W·h/hmax⌉."""
        k = self.components[c]
        return -(-self.height * k.v // self.vmax), -(-self.width * k.h // self.hmax)

    def blocks(self, c: int) -> tuple[int, int]:
        """(rows, columns) of component c's real 8×8 blocks, those that a non-interleaved scan codes."""
        h, w = self.samples(c)
        return -(-h // 8), -(-w // 8)


@dataclass(frozen=True, slots=True)
class HuffmanSpec:
    """A Huffman table as DHT carries it: `counts`, 16 bytes, codes of each length 1..16; `symbols`, in code order."""

    counts: bytes
    symbols: bytes


@dataclass(frozen=True, slots=True)
class Conditioning:
    """A table of arithmetic coding, as DAC sets it: slot 0..15; value U·16 + L for DC, L <= U <= 15, Kx for AC."""

    slot: int
    value: int


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan header and the state it is read or written with (T.81 B.2.3)."""

    components: tuple[int, ...]  # indices into Frame.components, in scan order
    dc_tables: tuple[HuffmanSpec | Conditioning | None, ...] = ()  # per scan component; None where the scan needs none
    ac_tables: tuple[HuffmanSpec | Conditioning | None, ...] = ()
    spectral: tuple[int, int] = (0, 63)  # Ss, Se
    approximation: tuple[int, int] = (0, 0)  # Ah, Al
    restart_interval: int = 0  # MCUs; 0 = none


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Quantised DCT coefficients of N images of one frame, a JAX pytree. `coefficients[i]` is image i, as a batch of one.

    Attributes:
        planes: Per component int16 [N, rows, columns, 8, 8] in natural order ([v, u]), NumPy or JAX; real blocks only
            (`Frame.blocks`), not those that only fill an MCU.
        qtables: Per component uint16 [8, 8] in natural order, or [N, 8, 8].
        frame: What the images share; static under jit.
    """

    planes: tuple[Any, ...]
    qtables: tuple[Any, ...]
    frame: Frame

    @property
    def batch(self) -> int:
        """N, the number of images."""
        return self.planes[0].shape[0]

    def __getitem__(self, i: int) -> Coefficients:
        """Image i, as a batch of one."""
        n = range(self.batch)[i]
        tables = tuple(q if q.ndim == 2 else q[n : n + 1] for q in self.qtables)
        return Coefficients(tuple(p[n : n + 1] for p in self.planes), tables, self.frame)


@cache
def register_pytree() -> None:
    """Make `Coefficients` a JAX pytree: planes and qtables are children, the frame is static. Needs JAX; repeatable."""
    from jax.tree_util import register_dataclass

    register_dataclass(Coefficients, data_fields=["planes", "qtables"], meta_fields=["frame"])
