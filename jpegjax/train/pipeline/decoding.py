"""Batches of some files: pixels, or coefficients."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Literal, get_args

import jax
import numpy as np

from ...api import rows
from ...api.inputs import as_files
from ...options import SUBSAMPLING, DecodeOptions, Limits, check_choice, check_int, parse_subsampling
from ...types import register_pytree

__all__ = ["CoefficientBatch", "Errors", "PixelBatch", "Place"]

Place = Literal["middle", "random"]
Errors = Literal["raise", "drop", "blank"]
_MIDDLE = 0.5


@dataclass(frozen=True, kw_only=True)
class _Batch(ABC):
    """What both kinds of batch have in common: files and other fields in, a pytree with a row for each out.

    Attributes:
        failures: Name and trouble of each file that was left out, in this process.
    """

    size: int | tuple[int, int] | None = None
    place: Place = "middle"
    errors: Errors = "raise"
    strict: bool = False
    limits: Limits = Limits()
    key: str = "data"
    failures: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    made: ClassVar[str]

    def __post_init__(self) -> None:
        check_choice("place", self.place, get_args(Place))
        check_choice("errors", self.errors, get_args(Errors))
        if self.size is not None:
            sides = self.size if isinstance(self.size, tuple) else (self.size, self.size)
            if len(sides) != 2:
                raise ValueError(f"size={self.size!r}: must be a side in pixels, or (height, width)")
            object.__setattr__(self, "size", tuple(check_int("size", side, 1, 65_535) for side in sides))
        elif self.place == "random":
            raise ValueError("place='random': needs a size, of the window that lies there")
        self._options()

    def __call__(self, elements: Sequence[Any], random: np.random.Generator | None = None) -> dict[str, Any]:
        """The batch of some elements: files, or mappings that have one under `key`, which may have a "name" too.

        A file is its bytes, a buffer, a path or an open file. Other fields of mappings are stacked as they are.

        Args:
            elements: One for each row.
            random: Where windows lie at random; two numbers a row are drawn.

        Returns:
            {"pixels" or "coefficients": …, other fields: NumPy arrays [N, …]}; with errors="blank" also "valid", bool [N].
        """
        files, others = self._opened(elements)
        made, failed = self._rows(files, self._window(len(elements), random))
        batch = {self.made: made, **others}
        if failed and self.errors == "raise":
            raise failed[min(failed)]
        for i, error in failed.items():
            self._left_out(i, files.names[i], error)
        good = np.array([i not in failed for i in range(len(elements))], bool)
        if self.errors == "blank":
            return {**batch, "valid": good}
        return jax.tree.map(lambda x: x[good], batch) if failed else batch

    def _opened(self, elements: Sequence[Any]) -> tuple[rows.Files, dict[str, np.ndarray]]:
        """Files, and fields beside them."""
        if not isinstance(elements, Sequence) or isinstance(elements, (str, bytes)):
            raise TypeError(f"elements: must be a list of files or mappings, not {type(elements).__name__}")
        whole: list[Mapping[str, Any]] = [e if isinstance(e, Mapping) else {self.key: e} for e in elements]
        if any(self.key not in e for e in whole):
            raise ValueError(f"key={self.key!r}: an element has the fields {', '.join(map(repr, whole[0]))}")
        found = [e[self.key] for e in whole]
        names = [str(e.get("name", _name(data, i))) for i, (e, data) in enumerate(zip(whole, found, strict=True))]
        known = {i: data for i, data in enumerate(found) if isinstance(data, Exception)}
        contents, _ = as_files([b"" if i in known else data for i, data in enumerate(found)], "return", names)
        for i, data in enumerate(contents):
            if isinstance(data, TypeError):
                raise data
            contents[i] = known.get(i, data)
        fields = [name for name in whole[0] if name not in (self.key, "name")] if whole else []
        return rows.Files(contents, names), {name: np.stack([np.asarray(e[name]) for e in whole]) for name in fields}

    def _window(self, count: int, random: np.random.Generator | None) -> rows.Window | None:
        if self.size is None:
            return None
        places = np.full((count, 2), _MIDDLE)
        if self.place == "random":
            if random is None:
                raise ValueError(
                    "place='random': needs random numbers, which grain's random_map gives: "
                    ".batch(n, batch_fn=list).random_map(…)"
                )
            places = random.random((count, 2))
        assert isinstance(self.size, tuple)
        return rows.Window(self.size, places, self._fits())

    def _left_out(self, row: int, name: str, error: Exception) -> None:
        """Keep and say what a file met, once where it has a name of its own."""
        text = str(error)
        if self.failures.setdefault(name, text) is text or name == _item(row):
            warnings.warn(f"{text if text.startswith(name) else f'{name}: {text}'}; it is left out", stacklevel=3)

    def _fits(self) -> bool:
        return False

    def _options(self) -> DecodeOptions:
        return DecodeOptions(strict=self.strict, limits=self.limits)

    @abstractmethod
    def _rows(self, files: rows.Files, window: rows.Window | None) -> tuple[Any, dict[int, Exception]]:
        """What `api.rows` makes of files."""


def _name(data: Any, index: int) -> str:
    return str(data) if isinstance(data, (str, os.PathLike)) else _item(index)


def _item(index: int) -> str:
    return f"item {index}"


@dataclass(frozen=True, kw_only=True)
class PixelBatch(_Batch):
    """Files to {"pixels": uint8 [N, H, W, 3]}, or [N, H, W] of mode "L", as `jpegjax.decode` has them: libjpeg-turbo's.

        PixelBatch(size=224, scale="fit")([first_file, second_file])["pixels"]      # uint8 [2, 224, 224, 3]

    EXIF orientation is not applied. Files of more than 8 bits are scaled to 0..255.

    Args:
        size: Side, or (height, width), of the window in pixels that is cut out of each picture; only it is transformed. None for
            whole pictures, all of one size.
        scale: k/8 of the full size, k = 1..16, for all, by smaller inverse DCTs; or "fit": the smallest that fills the window.
        place: Where the window lies: in the middle, or at random, for which a generator of random numbers is needed.
        mode: "RGB", or "L" for luma.
        errors: What becomes of files that cannot be read or decoded, or are smaller than the window. "raise": the error, which
            names the file. Otherwise they are named in a warning and in `failures`. "drop": they are left out, and the batch is
            smaller. "blank": their rows are zeros, and "valid" says so, so that shapes stay. In any case the first error is
            raised where nothing of a batch is left.
        strict: Damaged files are such files too, rather than named in a warning beside what can be saved.
        limits: What a file may cost at most.
        key: Field of the file, where elements are mappings.

    Raises:
        ValueError: An argument is out of range; or, when called, whole pictures differ in size.
    """

    scale: float | str | Fraction = 1
    mode: Literal["RGB", "L"] = "RGB"
    made: ClassVar[str] = "pixels"

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, ("RGB", "L"))
        if self._fits() and self.size is None:
            raise ValueError("scale='fit': needs a size, of the window to fill")
        super().__post_init__()

    def _fits(self) -> bool:
        return self.scale == "fit"

    def _options(self) -> DecodeOptions:
        scale = 1 if self._fits() else self.scale
        return DecodeOptions(mode=self.mode, scale=scale, dtype="uint8", strict=self.strict, limits=self.limits)

    def _rows(self, files: rows.Files, window: rows.Window | None) -> tuple[Any, dict[int, Exception]]:
        return rows.pixel_rows(files, self._options(), window)


@dataclass(frozen=True, kw_only=True)
class CoefficientBatch(_Batch):
    """Files to {"coefficients": `Coefficients`}, quantised as the files have them, without a transform to pixels.

        found = CoefficientBatch(size=224, subsampling="4:2:0")([first_file, second_file])["coefficients"]
        found.planes[0]      # int16 [2, 28, 28, 8, 8], luma; times found.qtables[0], uint16 [2, 8, 8], the DCT's values

    The frame is one for all files of a kind: identifiers 1, 2 …, a table for each component, no trace of how a file was coded.

    Args:
        size: Side, or (height, width), of the window in pixels, whole MCUs: multiples of 16 for 4:2:0, 8 for 4:4:4 and grey. It
            lies on the grid of MCUs. None for whole pictures, all of one size.
        subsampling: What files have: "4:2:0" and its kin for YCbCr, "grey". Others count as those that cannot be decoded. None
            for any that all files have.
        place, errors, strict, limits, key: As for `PixelBatch`; blank rows have steps of 1.

    Raises:
        ValueError: An argument is out of range; or, when called, files differ in size, sampling, colour or precision.
    """

    subsampling: str | None = None
    made: ClassVar[str] = "coefficients"

    def __post_init__(self) -> None:
        if self.subsampling is not None:
            check_choice("subsampling", self.subsampling, ("grey", *SUBSAMPLING))
        register_pytree()  # here too: where batches come from other processes, this one takes them apart
        super().__post_init__()

    def _rows(self, files: rows.Files, window: rows.Window | None) -> tuple[Any, dict[int, Exception]]:
        kind = self.subsampling
        sampling = None if kind is None else ((1, 1),) if kind == "grey" else parse_subsampling(kind)
        return rows.coefficient_rows(files, self._options(), window, sampling)
