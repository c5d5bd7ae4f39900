"""The door of the engine room: images to files and back, by whichever engine was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ..container import header_of
from ..errors import JpegError, attempted, caught
from ..options import DecodeOptions, EncodeOptions
from ..run.engines import pick
from ..run.memory import kept
from ..run.threads import run_parallel, submit
from ..types import Coefficients, Frame
from . import files as entropy
from .behind import of_pictures
from .lossless import encode_lossless
from .one_scan import code_scans, coded_files
from .shown.restored import Restorer, decode_restored

if TYPE_CHECKING:
    from .host import PlainCoder, SmallDecoder
    from .tuned.recipe import Recipe
    from .tuned.synthesis import Network

__all__ = ["decode", "decode_on_host", "encode", "encode_planned", "encode_recipes", "plan", "read", "write"]

Notes = list[tuple[str, int]]
Plan = tuple[Frame, tuple[np.ndarray, ...]]

_SMALL_BYTES = 1 << 16  # of a file whose picture may be small


@lru_cache(maxsize=128)
def _standard_tables(quality: int | tuple[int, int], baseline: bool) -> tuple[np.ndarray, np.ndarray]:
    """(luma, chroma) of one quality, or of one each. baseline: steps up to 255 only."""
    luma, chroma = quality if isinstance(quality, tuple) else (quality, quality)
    tables = quality_table(LUMA_QUANTIZATION, luma, baseline), quality_table(CHROMA_QUANTIZATION, chroma, baseline)
    for table in tables:
        table.flags.writeable = False
    return tables


def plan(shape: Sequence[int], options: EncodeOptions) -> Plan:
    """Frame and per-component quantisation tables (uint16 [64], natural order) of an image of this shape."""
    frame = options.frame(shape[0], shape[1], shape[2] if len(shape) == 3 else 1)
    tables = _tables(options)
    return frame, tuple([tables[k.tq] for k in frame.components])


def _tables(options: EncodeOptions) -> Sequence[np.ndarray]:
    """Quantisation tables by their numbers, uint16 [64]."""
    return _standard_tables(options.quality, options.precision == 8) if options.qtables is None else options.qtables


def encode(
    images: Any,
    options: EncodeOptions,
    engine: str,
    device: Any,
    stop: bool = False,
    network: Network | None = None,
    importance: Sequence[np.ndarray | None] | None = None,
) -> list[Any]:
    """Files of images, uint8 [H, W] or [H, W, 3], NumPy or JAX, or what each met in place of its file.

    images: a sequence, or one JAX array of them. stop: once one has failed, others may be left out, as None. Lossless files
    are the host's on every engine. network: what `options.refine` needs for files that are to be restored. importance: of
    each image of tuned files a map as `Recipe.importance`, or None.
    """
    if not isinstance(images, Sequence):
        if pick(engine, device) == "host":
            images = list(np.asarray(images))
        elif options.picks_sampling or options.tune or options.lossless:
            images = list(images)
    if options.picks_sampling:
        from .tuned.sampling import each_sampled

        return each_sampled(
            images,
            options,
            lambda some, fixed, own: _encode(some, fixed, engine, device, stop, network, own),
            importance,
        )
    return _encode(images, options, engine, device, stop, network, importance)


def _encode(
    images: Any, options: EncodeOptions, engine: str, device: Any, stop: bool, network: Network | None,
    importance: Sequence[np.ndarray | None] | None,
) -> list[Any]:  # fmt: skip
    """`encode` in the sampling that the options have."""
    if len(images) == 1:
        coder = _plain_coder(images[0].shape, options)
        if coder is not None and pick(engine, device) == "host":
            return attempted(coder.encode)([np.ascontiguousarray(images[0])])
    if options.lossless:
        pick(engine, device)
        return run_parallel(attempted(lambda image: _encode_lossless(np.asarray(image), options), stop), images)
    if options.tune:
        from .tuned.plan import chosen_recipe

        recipes = [chosen_recipe(options, 1 if image.ndim == 2 else image.shape[2]) for image in images]
        return encode_recipes(images, recipes, options, engine, device, stop, network, importance)
    if options.streamtype == 1:
        pick(engine, device)
        return [entropy.tables_alone(_tables(options), options.arithmetic)] * len(images)
    planned = attempted(lambda shape: plan(shape, options))
    known: dict[tuple[int, ...], Plan] = {}
    plans = []
    for shape in [x.shape for x in images] if isinstance(images, Sequence) else [images.shape[1:]] * len(images):
        found = known.get(shape)
        if found is None:
            found = planned(shape)
            if not isinstance(found, Exception):  # each has an error of its own
                known[shape] = found
        plans.append(found)
    if stop and any(isinstance(p, Exception) for p in plans):
        return plans
    good = [i for i, p in enumerate(plans) if not isinstance(p, Exception)]
    some = images if len(good) == len(images) else [images[i] for i in good]
    files = iter(encode_planned(some, [plans[i] for i in good], options, engine, device, stop))
    return [p if isinstance(p, Exception) else next(files) for p in plans]


def encode_planned(
    images: Sequence[Any], plans: Sequence[Plan], options: EncodeOptions, engine: str, device: Any, stop: bool = False,
    on_device: bool = False,
) -> list[Any]:  # fmt: skip
    """Plain files of images as for `encode`, each by its `plan`. on_device: CPUs code JAX images' bits as accelerators do."""
    if pick(engine, device) == "host":
        return _encode_on_host(images, plans, options, stop)
    from .device import transform_batch

    scans = code_scans(images, plans, options, device, on_device)
    if scans is not None:
        return coded_files(plans, options, scans)
    frames, tables = [p[0] for p in plans], [p[1] for p in plans]
    pending: list[Any] = [None] * len(images)
    coded = attempted(lambda p: entropy.encode_image(p[0], p[1], p[2], options))
    for i, planes in transform_batch(images, frames, tables, device, options.smoothing, bool(options.dering)):
        pending[i] = submit(coded, (planes, frames[i], tables[i]))
    return [p.result() for p in pending]


def _plain_coder(shape: tuple[int, ...], options: EncodeOptions) -> PlainCoder | None:
    """This thread's coder of images of this shape; None where they are not small, or not plain."""

    def make() -> tuple[EncodeOptions, PlainCoder | None]:
        from .host import SMALL_PIXELS, PlainCoder, are_plain

        if shape[0] * shape[1] <= SMALL_PIXELS and not (options.lossless or options.tune):
            with suppress(TypeError, ValueError):  # told where the plan is made for good
                frame, tables = plan(shape, options)
                if are_plain(frame, options):
                    return options, PlainCoder(frame, tables, options)
        return options, None

    # by identity: the options are in what is kept, so that no others take their place in memory
    return kept((id(options), shape), make, "coders")[1]


def _encode_on_host(images: Sequence[Any], plans: Sequence[Plan], options: EncodeOptions, stop: bool) -> list[Any]:
    from .host import SMALL_PIXELS, PlainCoder, are_plain, encode_image, in_groups

    one = attempted(lambda i: encode_image(np.ascontiguousarray(images[i]), plans[i][0], plans[i][1], options), stop)
    if len(images) == 1:
        return [one(0)]

    def some(numbers: list[int]) -> Sequence[bytes | None]:
        try:
            coder = PlainCoder(*plans[numbers[0]], options)
            return coder.encode([np.ascontiguousarray(images[i]) for i in numbers])
        except ValueError:  # of one of them
            return [None] * len(numbers)

    kinds: dict[int, int | None] = {}
    for plan in plans:
        frame = plan[0]
        if id(plan) not in kinds:
            small = frame.height * frame.width <= SMALL_PIXELS and are_plain(frame, options)
            kinds[id(plan)] = id(plan) if small else None
    return in_groups([kinds[id(plan)] for plan in plans], one, some)


def encode_recipes(
    images: Sequence[Any],
    recipes: Sequence[Recipe],
    options: EncodeOptions,
    engine: str,
    device: Any,
    stop: bool = False,
    network: Network | None = None,
    importance: Sequence[np.ndarray | None] | None = None,
) -> list[Any]:
    """Tuned files of images, uint8 [H, W] or [H, W, 3], NumPy or JAX, each by its recipe.

    network, importance: as for `encode`.
    """
    from .tuned.encode import encode_tuned, write_tuned
    from .tuned.plan import sized, tuned_frame

    recipes = [sized(recipe, *image.shape[:2]) for image, recipe in zip(images, recipes, strict=True)]
    if not options.dering:
        recipes = [replace(recipe, dering=False) for recipe in recipes]
    if importance is not None:
        recipes = [replace(recipe, importance=own) for recipe, own in zip(recipes, importance, strict=True)]
    chosen = pick(engine, device)
    if chosen == "host" and not options.refine:
        pairs = list(zip(images, recipes, strict=True))
        return run_parallel(attempted(lambda pair: encode_tuned(np.asarray(pair[0]), pair[1], options), stop), pairs)
    shapes = [(*image.shape[:2], image.shape[2] if image.ndim == 3 else 1) for image in images]
    frames = [tuned_frame(h, w, c, recipe, options) for (h, w, c), recipe in zip(shapes, recipes, strict=True)]
    if options.refine:
        from ..run.devices import local_devices
        from .tuned.refine import encode_refined

        devices = local_devices("cpu" if chosen == "host" else device)
        return encode_refined(images, frames, recipes, options, network, devices, stop)
    from .tuned.device import quantise_batch

    pending: list[Any] = [None] * len(images)
    coded = attempted(lambda p: write_tuned(p[0], p[1], p[2], options))
    for i, planes in quantise_batch(images, frames, recipes, device):
        pending[i] = submit(coded, (planes, frames[i], recipes[i]))
    return [p.result() for p in pending]


def _encode_lossless(image: np.ndarray, options: EncodeOptions) -> bytes:
    return encode_lossless(
        image, precision=options.precision, predictor=options.predictor, point_transform=options.point_transform,
        restart_rows=options.restart.rows, metadata=options.metadata,
    )  # fmt: skip


def decode(
    files: Sequence[bytes | memoryview],
    options: DecodeOptions,
    engine: str,
    device: Any,
    restorer: Restorer | None = None,
) -> list[tuple[Any, Notes]]:
    """(pixels or the error, warnings) of each file: JpegError, or ValueError for a region that does not fit.

    Scaled pictures and regions are the host's work on either engine. restorer: what `options.restore` needs.
    """
    if options.picture:
        return of_pictures(lambda chosen, these: decode(chosen, these, engine, device, restorer), files, options)
    if options.restore:
        assert restorer is not None
        return decode_restored(files, options, lambda some, these: decode(some, these, engine, device), restorer)
    if pick(engine, device) == "host":
        return decode_on_host(files, options)
    from .decoding.on_devices import decode_on_devices

    return decode_on_devices(files, options, device)


def decode_on_host(
    files: Sequence[bytes | memoryview], options: DecodeOptions, rows: Sequence[np.ndarray] | None = None
) -> list[tuple[Any, Notes]]:
    """`decode` of whole files, first pictures and nothing restored, on all cores.

    rows: of each file an array, C-contiguous, that its pixels may take where shape and dtype are theirs; what is in it
    otherwise is not said.
    """
    from .host import GROUPED_PIXELS, SMALL_PIXELS, decode_image, in_groups

    heads = [header_of(data) if len(data) <= _SMALL_BYTES else b"" for data in files]
    if len(files) == 1:
        decoder = _small_decoder(files[0], heads[0], options, SMALL_PIXELS)
        found = decoder.decode(files)[0] if decoder else None
        if found is not None:
            return [found]

    def some(numbers: list[int]) -> Sequence[tuple[Any, Notes] | None]:
        decoder = _small_decoder(files[numbers[0]], heads[numbers[0]], options, GROUPED_PIXELS)
        if decoder is None:
            return [None] * len(numbers)
        return decoder.decode([files[i] for i in numbers], None if rows is None else [rows[i] for i in numbers])

    one = caught(lambda i: decode_image(files[i], options), JpegError, ValueError)
    return in_groups([head or None for head in heads], one, some)


def _small_decoder(data: bytes | memoryview, head: bytes, options: DecodeOptions, largest: int) -> SmallDecoder | None:
    """This thread's decoder of files that begin with `head`, as this one, up to so many pixels; None where there is none."""

    def make() -> tuple[SmallDecoder | None]:
        from .host import small_decoder

        return (small_decoder(data, head, options, largest),)

    return kept((head, options, largest), make, "decoders")[0] if head else None


def read(files: Sequence[bytes | memoryview], options: DecodeOptions) -> list[tuple[Any, Notes]]:
    """(Coefficients or the JpegError, warnings) of each file."""
    if options.picture:
        return of_pictures(read, files, options)
    from .host import read_coefficients

    return read_coefficients(files, options)


def read_rows(
    files: Sequence[Any], options: DecodeOptions, planes: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, Coefficients]]:
    """What `host.read_rows` reads of files into the rows of planes; `read` is for the others."""
    from .host import read_rows

    return [] if options.picture else read_rows(files, options, planes)


def write(items: Sequence[Coefficients], options: EncodeOptions, stop: bool = False) -> list[Any]:
    """Files of coefficients, each a batch of one, or what they met; stop as for `encode`."""
    from .host import write_coefficients

    return run_parallel(attempted(lambda one: write_coefficients(one, options), stop), items)
