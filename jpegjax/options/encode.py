"""The options of `encode`."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from ..types import MAX_MCU_BLOCKS, ColorSpace, Component, Frame, Process
from .checks import Option, check_flag, check_int, check_options, choice, integer
from .choices import AUTO, MODES, REFINED, SUBSAMPLING
from .groups import NO_METADATA, NO_RESTART, Metadata, Restart
from .parse import (
    parse_color,
    parse_qslots,
    parse_qtables,
    parse_quality,
    parse_subsampling,
    parse_target_metric,
    parse_tune,
)
from .scans import is_progressive, parse_script

__all__ = ["Arithmetic", "EncodeOptions", "Optimize", "Scans"]

# Options of entropy coding, which `transcode` has too.
Optimize = Annotated[bool, Option("Huffman tables fitted to each file.", check_flag)]
Arithmetic = Annotated[bool, Option("Arithmetic coding in place of Huffman's.", check_flag)]
Scans = Annotated[
    Any, Option("Scan script as cjpeg -scans reads it, in place of the default one.", lambda _, s: parse_script(s))
]


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How files are made. `api.encode` tells it at length; here each value is in the one form that the engines read.

    quality: int, or (luma, chroma) where they differ. subsampling: three pairs (h, v), AUTO, or None for the default.
    qtables: uint16 [64] each. color: a ColorSpace, or None for the picture's usual. progressive: None only with tune.
    dering: a bool once it is made.
    scans: `types.Scan`s. precision: None only for lossless files whose images tell.
    """

    quality: Annotated[
        Any, Option("IJG quality 1..100, or two of them for luma and chroma.", lambda _, q: parse_quality(q))
    ] = 75
    subsampling: Annotated[
        Any,
        Option(
            "Chroma sampling: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:1:0, cjpeg's 2x2, or auto.",
            lambda _, s: s if isinstance(s, str) and s == AUTO else parse_subsampling(s, _ANY_BLOCKS),
        ),
    ] = None
    qtables: Annotated[
        Any,
        Option(
            "One to four quantisation tables in place of quality's, used as they are.", lambda _, t: parse_qtables(t)
        ),
    ] = None
    qslots: Annotated[Any, Option("Which table each component takes, such as 0,1,1.", lambda _, s: parse_qslots(s))] = (
        None
    )
    color: Annotated[
        Any, Option("What the file holds: grey, YCbCr or RGB of colour pictures.", lambda _, c: parse_color(c))
    ] = None
    smoothing: Annotated[int, Option("Smooth pictures of dithered colours first, 0..100.", integer(0, 100))] = 0
    optimize: Optimize = False
    progressive: Annotated[bool | None, Option("Progressive scans.", check_flag)] = None
    arithmetic: Arithmetic = False
    scans: Scans = None
    restart: Restart = NO_RESTART
    tune: Annotated[
        Any,
        Option("Smaller files; no longer libjpeg's bytes, but every decoder reads them.", lambda _, t: parse_tune(t)),
    ] = None
    dering: Annotated[
        bool | None,
        Option("Let black and white overshoot, which decoders clamp, so that edges on them ring less.", check_flag),
    ] = None
    refine: Annotated[
        int, Option("Rounds in which a tuned file's picture is looked at and the file aimed anew.", integer(0, 64))
    ] = 0
    target_bytes: Annotated[int | None, Option("The largest file of at most so many bytes.", integer(1, 1 << 62))] = (
        None
    )
    target_metric: Annotated[
        Any, Option("The smallest file that reaches a value of a metric.", lambda _, m: parse_target_metric(m))
    ] = None
    metadata: Metadata = NO_METADATA
    precision: Annotated[
        int | None, Option("Bits a sample: 8 or 12, lossless 2..16.", lambda name, bits: check_int(name, bits, 2, 16))
    ] = None
    mode: Annotated[
        str | None, Option("What images hold: L, RGB or CMYK; by default L or RGB by their channels.", choice(MODES))
    ] = None
    lossless: Annotated[bool, Option("Keep every sample (T.81 SOF3).", check_flag)] = False
    predictor: Annotated[int | None, Option("Predictor 1..7 of lossless files, by default the best for each.")] = None
    point_transform: Annotated[int, Option("Low bits 0..15 that lossless files drop.")] = 0
    streamtype: Annotated[
        int, Option("0 whole files, 1 a stream of their tables, 2 files without tables.", choice((0, 1, 2)))
    ] = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.precision is None and not self.lossless:
            self._put("precision", 8)
        if self.progressive is None and not self.tune:
            self._put("progressive", False)
        if self.dering is None:
            self._put("dering", bool(self.tune))
        if self.color is ColorSpace.YCCK:
            raise ValueError("color='YCCK': files are written as grey, YCbCr, RGB or CMYK")
        if self.qslots is not None and max(self.qslots) >= (tables := 2 if self.qtables is None else len(self.qtables)):
            raise ValueError(f"qslots={self.qslots!r}: tables are 0..{tables - 1}; give more of them as qtables")
        if self.refine and self.tune not in REFINED:
            kinds = " and ".join(map(repr, REFINED))
            raise ValueError(
                f"refine={self.refine!r}: for tune={kinds}, which aim at squared error; tune={self.tune!r}"
            )
        if self.tune:
            self._check_tune()
        if self.lossless:
            self._check_lossless()
        else:
            self._check_lossy()
        if self.subsampling == AUTO:
            self._check_auto()
        if self.scans is not None:
            self._put("progressive", is_progressive(self.scans))
        if self.target_bytes is not None or self.target_metric is not None:
            self._check_targets()

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_tune(self) -> None:
        if self.lossless:
            raise ValueError(f"tune={self.tune!r}: lossless files have nothing to tune")
        if self.precision not in (None, 8):
            raise ValueError(f"tune={self.tune!r}: only files of 8 bits can be tuned, not precision={self.precision}")
        if self.qtables is not None:
            raise ValueError(f"tune={self.tune!r}: it has its own tables; give tune or qtables, not both")
        for name in ("qslots", "smoothing", "streamtype"):
            if getattr(self, name):
                raise ValueError(f"{name}: tuned files have none; leave it or tune out")
        if self.color in (ColorSpace.RGB, ColorSpace.CMYK):
            raise ValueError(f"color: tuned files are grey or YCbCr, not {self.color.value}")
        if self.subsampling != AUTO:
            self._put("subsampling", self.subsampling and parse_subsampling(self.subsampling))

    def _check_auto(self) -> None:
        refused = {"lossless": self.lossless, "streamtype": self.streamtype == 1, "precision": self.precision == 12}
        for name, given in {**refused, "color": self.color in (ColorSpace.RGB, ColorSpace.CMYK)}.items():
            if given:
                value = getattr(self, name)
                raise ValueError(f"subsampling='auto': for YCbCr of 8 bits, of a picture; not with {name}={value!r}")

    @property
    def picks_sampling(self) -> bool:
        """Whether each picture is to have the sampling that fits it."""
        return self.subsampling == AUTO or (bool(self.tune) and self.subsampling is None)

    def _check_lossy(self) -> None:
        if self.dering and self.precision != 8:
            raise ValueError(f"dering=True: only files of 8 bits can overshoot, not precision={self.precision}")
        if self.dering and self.color in (ColorSpace.RGB, ColorSpace.CMYK):
            raise ValueError(f"dering=True: only grey and YCbCr files can overshoot, not color={self.color.value!r}")
        for name, value in (("predictor", self.predictor), ("point_transform", self.point_transform)):
            if value:
                raise ValueError(f"{name}={value!r}: only lossless files have one; pass lossless=True")
        if self.precision not in (8, 12):
            raise ValueError(f"precision={self.precision}: must be 8 or 12, or 2..16 with lossless=True")

    def _check_lossless(self) -> None:
        if self.dering:
            raise ValueError("dering=True: lossless files keep every sample")
        if self.predictor is not None:
            self._put("predictor", check_int("predictor", self.predictor, 1, 7))
        largest = 15 if self.precision is None else self.precision - 1
        self._put("point_transform", check_int("point_transform", self.point_transform, 0, largest))
        names = "progressive", "arithmetic", "scans", "qtables", "qslots", "smoothing", "streamtype"
        others = {name: getattr(self, name) for name in names}
        for name, value in {**others, "restart_blocks": self.restart.blocks}.items():
            if value is not None and value is not False and value != 0:
                raise ValueError(f"{name}: lossless files have none; restarts go by restart_rows")
        if self.subsampling not in (None, AUTO) and set(self.subsampling) != {(1, 1)}:
            raise ValueError(f"subsampling={self.subsampling!r}: lossless files are written as 4:4:4")
        if self.color is ColorSpace.YCBCR:
            raise ValueError("color: lossless files are written as grey, RGB or CMYK, not YCbCr")

    def _check_targets(self) -> None:
        if self.target_bytes is not None and self.target_metric is not None:
            raise ValueError("target_bytes and target_metric: give one of them, not both")
        given = "target_metric" if self.target_bytes is None else "target_bytes"
        if self.streamtype:
            raise ValueError(f"{given}: only whole files have one; leave it or streamtype out")
        for name, value in (("lossless", self.lossless), ("qtables", self.qtables)):
            if value is not None and value is not False:
                raise ValueError(f"{given}: it chooses the tables; {name} leaves it nothing to choose")

    def frame(self, height: int, width: int, channels: int) -> Frame:
        """The frame of one image: grey for 1 channel, YCbCr or RGB for 3, CMYK for 4.

        ValueError where color is another's, or where an MCU holds more than ten blocks.
        """
        process = (
            Process.PROGRESSIVE if self.progressive else Process.BASELINE if self.precision == 8 else Process.EXTENDED
        )
        color = self.color or _USUAL[channels]
        if color not in _COLORS or len(_COLORS[color]) != channels:
            kind = f"{channels} channels" if channels > 1 else "1 channel"
            raise ValueError(f"color={color.value!r}: files of pictures of {kind} hold none such")
        if self.dering and color not in (ColorSpace.GRAY, ColorSpace.YCBCR):
            raise ValueError(f"dering=True: only grey and YCbCr files can overshoot, not those of {channels} channels")
        sampling = self._sampling(color)
        if channels > 1 and sum(h * v for h, v in sampling[:3]) > MAX_MCU_BLOCKS:
            raise ValueError(f"subsampling={sampling!r}: an MCU may hold at most {MAX_MCU_BLOCKS} blocks (T.81 B.2.3)")
        tables = len(self.qtables) if self.qtables is not None else 2 if color is ColorSpace.YCBCR else 1
        slots = self.qslots or tuple(range(tables))
        return _frame(height, width, sampling, slots, process, self.precision, color)

    def _sampling(self, color: ColorSpace) -> tuple[tuple[int, int], ...]:
        if color is ColorSpace.YCBCR:
            return self.subsampling or (SUBSAMPLING["4:2:0"], (1, 1), (1, 1))
        factors = (*(self.subsampling or ((1, 1),) * 3), (1, 1))
        return factors[: len(_COLORS[color])]


_ANY_BLOCKS = 48  # grey pictures take the first factors alone, whatever the others are
_USUAL = {1: ColorSpace.GRAY, 3: ColorSpace.YCBCR, 4: ColorSpace.CMYK}
_COLORS = {
    ColorSpace.GRAY: (1,),
    ColorSpace.YCBCR: (1, 2, 3),
    ColorSpace.RGB: tuple(b"RGB"),
    ColorSpace.CMYK: tuple(b"CMYK"),
}
"""Identifiers of components."""


@lru_cache(maxsize=256)
def _frame(
    height: int,
    width: int,
    sampling: tuple[tuple[int, int], ...],
    slots: tuple[int, ...],
    process: Process,
    precision: int,
    color: ColorSpace,
) -> Frame:
    """slots: quantisation tables of the first components; the others take the last one's."""
    ids, last = _COLORS[color], len(slots) - 1
    components = tuple(
        Component(id_, h, v, slots[min(i, last)]) for i, (id_, (h, v)) in enumerate(zip(ids, sampling, strict=True))
    )
    return Frame(height, width, components, process, precision, color)
