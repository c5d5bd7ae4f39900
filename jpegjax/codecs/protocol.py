"""What every codec is: `encode(image, **settings) -> bytes`, `decode(bytes) -> image`, and which settings there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from ..types import Array

__all__ = ["Codec", "MissingCodec", "Setting", "as_uint8", "reading"]


class MissingCodec(ImportError):
    """A codec whose library is not installed, or was built without it; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One keyword of a codec's `encode`.

    span: (low, high), both included, of a number: integers where both ends are, floats otherwise. choices: all values
    that there are. With neither, `allowed` says in words what the codec takes and the codec itself checks it.
    """

    default: Any
    about: str
    span: tuple[float, float] | None = None
    choices: tuple[Any, ...] | None = None
    allowed: str = ""

    @property
    def range(self) -> str:
        """The values that there are, as text."""
        if self.span:
            return f"{self.span[0]}..{self.span[1]}"
        if self.choices == (False, True):
            return "true, false"
        return ", ".join("none" if one is None else str(one) for one in self.choices) if self.choices else self.allowed

    @property
    def _integer(self) -> bool:
        return self.span is not None and all(type(end) is int for end in self.span)

    def check(self, name: str, value: Any) -> Any:
        """The value as `encode` takes it. TypeError or ValueError naming the setting, the value and what is allowed."""
        if self.span:
            kind = "an integer" if self._integer else "a number"
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            if not number or (self._integer and value != int(value)):
                raise TypeError(f"{name}={value!r}: must be {kind} {self.range}")
            if not self.span[0] <= value <= self.span[1] or math.isnan(value):
                raise ValueError(f"{name}={value}: must be {kind} {self.range}")
            return int(value) if self._integer else float(value)
        if self.choices and not any(value == choice and type(value) is type(choice) for choice in self.choices):
            raise ValueError(f"{name}={value!r}: must be one of {self.range}")
        return value

    def parse(self, name: str, text: str) -> Any:
        """The value that a command line means by a word; errors as for `check`."""
        if self.choices:
            known = {str(choice).lower(): choice for choice in self.choices}
            return self.check(name, known.get(text.lower(), text))
        for number in (int, float):
            try:
                value = number(text)
            except ValueError:
                continue
            return self.check(name, value)
        if self.span:
            raise ValueError(f"{name}={text}: must be a number {self.range}")
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


@dataclass(frozen=True)
class Codec:
    """A named recipe from pixels to bytes and back.

    name, about, version: what it is, and of which library and release. settings: the keywords of `encode`.
    sweep: the setting that trades rate for quality, and grid: its values that draw a curve over about 0.1 to 3 bits a
    pixel of a photograph, from low to high rate; codecs for lossless files have no grid. write_many, read_many: the same for
    lists, where a codec works on many at once. suffix: of its files, where the command line writes them.
    shapes: of the pictures that it takes, where it does not take any.
    """

    name: str
    about: str
    version: str
    settings: Mapping[str, Setting]
    write: Callable[..., bytes] = field(repr=False)
    read: Callable[[bytes], np.ndarray] = field(repr=False)
    sweep: str | None = None
    grid: Sequence[Any] = ()
    check_all: Callable[[Mapping[str, Any]], None] | None = field(default=None, repr=False)
    write_many: Callable[..., list[bytes]] | None = field(default=None, repr=False)
    read_many: Callable[[Sequence[bytes]], list[np.ndarray]] | None = field(default=None, repr=False)
    suffix: str | None = None
    shapes: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def check(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as `encode` takes them; TypeError or ValueError where one is unknown or out of range."""
        checked = {}
        for name, value in settings.items():
            if name not in self.settings:
                known = ", ".join(self.settings) or "none"
                raise TypeError(f"{self.name}: no setting {name!r}; there are: {known}")
            checked[name] = self.settings[name].check(f"{self.name}: {name}", value)
        if self.check_all:
            self.check_all(checked)
        return checked

    def encode(self, image: Array, **settings: Any) -> bytes:
        """A file of one image.

        Args:
            image: uint8 [H, W] (grey) or [H, W, 3] (RGB), values 0..255, NumPy or JAX; what else a codec takes its settings say.
            settings: Of `self.settings`, the others at their defaults.

        Returns:
            The bytes of the file.

        Raises:
            TypeError: A setting that there is not, or one or an image of the wrong type.
            ValueError: A setting or a shape that is out of range.
        """
        defaults = {name: setting.default for name, setting in self.settings.items()}
        return self.write(image, **(defaults | self.check(settings)))

    def encode_batch(self, images: Sequence[Array], **settings: Any) -> list[bytes]:
        """Files of several images, sizes as they come; arguments and errors as for `encode`."""
        if self.write_many is None:
            return [self.encode(image, **settings) for image in images]
        defaults = {name: setting.default for name, setting in self.settings.items()}
        return self.write_many(images, **(defaults | self.check(settings)))

    def decode_batch(self, files: Sequence[bytes]) -> list[np.ndarray]:
        """Pixels of several files; arguments and errors as for `decode`."""
        return [self.decode(data) for data in files] if self.read_many is None else self.read_many(files)

    def decode(self, data: bytes) -> np.ndarray:
        """Pixels of a file.

        Args:
            data: The bytes of the file.

        Returns:
            uint8 [H, W] or [H, W, 3].

        Raises:
            ValueError: It is no such file (JpegError for our own JPEG).
        """
        return self.read(data)


def as_uint8(image: Any, name: str) -> np.ndarray:
    """The image as C-contiguous uint8 [H, W] or [H, W, 3]. TypeError or ValueError otherwise."""
    if not hasattr(image, "__array__"):
        raise TypeError(f"image: must be a NumPy or JAX array of uint8, not {type(image).__name__}")
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise TypeError(f"image: dtype {pixels.dtype}; {name} takes uint8 (values 0..255)")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or not pixels.size:
        raise ValueError(f"image: shape {pixels.shape}; {name} takes [H, W] or [H, W, 3] with sides of at least 1")
    return np.ascontiguousarray(pixels)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """What outside libraries raise for damaged data, as one ValueError that names the codec."""
    try:
        yield
    except (OSError, RuntimeError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(f"data: not a file that {name} reads: {error}") from None
