"""Files of this library's own container, .jxj, on the command line: pictures into them, out of them, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import typer

from .. import codecs
from ..container.box import MAGIC, read_box
from ..options import Limits
from . import oracle, pictures, settings
from .paths import BOX_SUFFIX, JPEG_SUFFIXES, Job, UsageError, check_name, find, plan, shown
from .report import Totals
from .waiting import clock

__all__ = ["NAMES", "PROGRAMS", "BoxJob", "box_work", "described", "encode_boxes", "is_box", "unpack", "weights_of"]

_TAKES = {
    "inputs", "output", "quality", "codec", "model", "grayscale", "background", "exif_transpose", "psnr", "recursive",
    "overwrite", "jobs", "limit_pixels", "quiet", "depth",
}  # fmt: skip


NAMES = ("dft", "learned", "perceptron", "u-system", "faces")
"""Codecs whose files are boxes. They come with the package: no other codec's library is loaded to know them."""
KINDS = {"dft": "dft", "learned": "learned", "perceptron": "perceptron", "u-system": "u-system", "f": "faces"}
"""Whose a box of a kind is."""
PROGRAMS = "networks for pictures of these sizes"
"""What JAX compiles for them."""


def is_box(data: bytes) -> bool:
    """Whether a file is one, as far as its first bytes say."""
    return data[: len(MAGIC)] == MAGIC


def unpack(data: Sequence[bytes], model: Any = None) -> list[np.ndarray | Exception]:
    """Pixels of boxes, or what is wrong with each; those of one kind in one batch. model: of `weights_of`, if one's own."""
    kinds = [read_box(x, Limits(None, None, None, None)).kind for x in data]
    found: list[Any] = [None] * len(data)
    for kind in dict.fromkeys(kinds):
        own = [i for i, k in enumerate(kinds) if k == kind]
        if kind not in KINDS:
            for i in own:
                found[i] = ValueError(f"a box of kind {kind!r}; here are {', '.join(KINDS)}")
            continue
        decode = _reader(KINDS[kind], model)
        try:
            pixels: Sequence[Any] = decode([data[i] for i in own])
        except ValueError:
            pixels = [_one(decode, data[i]) for i in own]
        for i, picture in zip(own, pixels, strict=True):
            found[i] = picture
    return found


def weights_of(model: str) -> Any:
    """The learned codec's model or the perceptron of a name or path. ValueError where there is none."""
    from ..learned import shipped, weights
    from ..learned.perceptron import weights as perceptrons

    if model in perceptrons.available():
        return perceptrons.named(model)
    if shipped.is_path(model):
        with suppress(ValueError):
            return perceptrons.load(Path(model))
    return weights.load(weights.file_of(model))


def _reader(kind: str, model: Any) -> Callable[[Sequence[bytes]], list[np.ndarray]]:
    """Decodes boxes of a kind, of a model too where it is of that kind."""
    if model is None or kind not in ("learned", "perceptron"):
        return codecs.get(kind).decode_batch
    from ..learned.codec import decode_all
    from ..learned.perceptron.codec import decode_all as decode_blocks
    from ..learned.perceptron.weights import LoadedPerceptron

    if isinstance(model, LoadedPerceptron) != (kind == "perceptron"):
        return codecs.get(kind).decode_batch
    if kind == "perceptron":
        return lambda files: decode_blocks(files, [model])
    return lambda files: decode_all(files, [model])


def _one(decode: Callable[[Sequence[bytes]], list[np.ndarray]], data: bytes) -> Any:
    try:
        return decode([data])[0]
    except ValueError as error:
        return error


def described(data: bytes) -> dict[str, Any]:
    """What `jpegjax info` says of a box. JpegError for a damaged one."""
    box = read_box(data)
    found = {
        "format": "jpegjax box", "codec": KINDS.get(box.kind, box.kind), "width": box.width, "height": box.height,
        "components": box.channels, "file_nbytes": len(data),
        "bits_per_pixel": round(8 * len(data) / (box.width * box.height), 4),
    }  # fmt: skip
    if box.kind == "learned":
        from ..learned.streams import read_stream

        header, payloads = read_stream(data)
        found |= {
            "model": header.model,
            "digest": header.digest.hex(),
            "quality": header.quality,
            "stream_nbytes": sum(len(payload) for payload, _ in payloads),
        }
    if box.kind == "perceptron":
        from ..learned.perceptron.streams import read_stream as read_blocks

        head = read_blocks(data)[0]
        own = {"model": head.model, "digest": head.digest.hex()} if head.size is None else {"weights": "in the file"}
        found |= own | {"units": head.units, **({"bits": head.bits} if head.bits else {"step": round(head.step, 3)})}
    if box.kind == "f":
        from ..learned.faces.stream import read_stream as read_face

        face, stream, _ = read_face(data)
        found |= {"digest": face.digest.hex(), "quality": face.quality, "stream_nbytes": len(stream)}
    return found


@dataclass(frozen=True, slots=True)
class BoxJob:
    """What `jpegjax encode --codec` does with every picture."""

    codec: str
    settings: dict[str, Any] = field(default_factory=dict)
    background: str | None = None
    transpose: bool = False
    gray: bool = False
    psnr: bool = False
    overwrite: bool = False
    limit_pixels: int | None = Limits().pixels
    depth: int | None = None

    engine: ClassVar[str] = "xla"
    device: ClassVar[None] = None
    verb: ClassVar[str] = "encoded"

    def programs(self, engine: str) -> str:
        return PROGRAMS

    @property
    def search(self) -> str:
        return ""

    def measure(self, item: Any) -> int:
        width, height = pictures.size_of(item.source)
        return width * height

    def load(self, item: Any) -> None:
        loaded = pictures.load(
            item.source,
            background=self.background,
            transpose=self.transpose,
            gray=self.gray,
            limit_pixels=self.limit_pixels,
            depth=self.depth,
        )
        item.picture = loaded.pixels
        item.row.height, item.row.width = item.picture.shape[:2]
        item.row.notes += loaded.notes
        if loaded.metadata:
            item.row.notes.append(f"{pictures.described(loaded.metadata)} left out ({BOX_SUFFIX} files hold none)")

    def code(self, items: Sequence[Any], totals: Totals) -> None:
        codec, start = codecs.get(self.codec), clock()
        for item, data in zip(items, codec.encode_batch([i.picture for i in items], **self.settings), strict=True):
            item.result, item.row.nbytes = data, len(data)
        totals.coding_seconds += clock() - start
        if self.psnr:
            start = clock()
            for item, pixels in zip(items, codec.decode_batch([item.result for item in items]), strict=True):
                item.decoded = pixels
            totals.decoding_seconds += clock() - start

    def finish(self, item: Any) -> bytes:
        if self.psnr:
            item.row.psnr_db = oracle.psnr_db(item.picture, item.decoded, 255)
        return item.result


def encode_boxes(context: typer.Context) -> tuple[BoxJob, list[Job], list[tuple[str, str]]]:
    """What `jpegjax encode --codec` is to do: work, jobs, inputs that lead nowhere. UsageError for flags of JPEG files."""
    given = context.params
    sources_of = context.get_parameter_source
    typed = [name for name in given if getattr(sources_of(name), "name", "") == "COMMANDLINE"]
    work = box_work(given, typed)
    suffixes = pictures.offered_suffixes() | JPEG_SUFFIXES
    sources, lost = find(given["inputs"], given["recursive"], lambda path: path.suffix.lower() in suffixes)
    check_name(given["output"], sources, frozenset({BOX_SUFFIX}), f"--codec writes {BOX_SUFFIX} files")
    targets = plan(sources, given["output"], BOX_SUFFIX)
    settings.no_binary_to_terminal(targets)
    return work, targets, lost


def box_work(given: Mapping[str, Any], typed: Collection[str]) -> BoxJob:
    """What flags of `encode`, of which some were typed, ask to be done with every picture. Errors for what cannot be."""
    for name in typed:
        if name not in _TAKES:
            raise UsageError(f"--{name.replace('_', '-')} is for JPEG files, not for --codec")
    name = given["codec"] or "learned"
    if name not in NAMES:
        raise UsageError(f"--codec {shown(name)}: must be one of {', '.join(NAMES)}")
    codec, chosen = codecs.get(name), {}
    for setting in ("quality", "model"):
        if given[setting] is not None:
            if setting not in codec.settings:
                raise UsageError(f"--{setting}: --codec {name} has no such setting")
            chosen[setting] = codec.settings[setting].parse(f"--{setting}", given[setting])
    codec.check(chosen)
    if given["background"] is not None:
        pictures.check_color(given["background"])
    return BoxJob(
        name,
        chosen,
        background=given["background"],
        transpose=given["exif_transpose"],
        gray=given["grayscale"],
        psnr=given["psnr"],
        overwrite=given["overwrite"],
        limit_pixels=settings.limits(given["limit_pixels"], None).pixels,
        depth=given["depth"],
    )
