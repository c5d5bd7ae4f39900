"""Pictures without what JPEG did to them: restoration of files, coefficients, and pixels of any decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ..options import DecodeOptions, check_int, parse_subsampling
from ..options.checks import check_flag
from ..types import Array, Coefficients, Device, Frame, array_of

if TYPE_CHECKING:
    import jax
    import numpy.typing as npt

    from ..jpeg.tuned.synthesis import Network
    from ..learned.restoring.run import Decoded
    from .keywords import RestoreKeywords

__all__ = ["decoded_of", "network_of", "restore", "restorer_of"]


def _sampling(frame: Frame) -> tuple[int, int]:
    """Luma samples that a chroma sample stands for, down and across."""
    last = frame.components[-1]
    return frame.vmax // last.v, frame.hmax // last.h


def decoded_of(coefficients: Coefficients) -> list[Decoded]:
    """Pictures of coefficients as the network sees them."""
    from ..jpeg.host import component_planes
    from ..learned.restoring.run import Decoded

    frame, found = coefficients.frame, []
    for i in range(coefficients.batch):
        one = coefficients[i]
        tables = tuple(np.asarray(q).reshape(8, 8) for q in one.qtables)
        found.append(Decoded(component_planes(one)[0], tables, _sampling(frame)))
    return found


def restorer_of(engine: str, device: Any) -> Callable[[Sequence[Coefficients], DecodeOptions], list[Any]]:
    """What `codec.decode` hands coefficients to where `options.restore` is set; each a batch of one."""

    def run(found: Sequence[Coefficients], options: DecodeOptions) -> list[Any]:
        from ..learned.restoring import weights  # loaded when a picture is to be restored, not before
        from ..learned.restoring.run import devices_of, placed, restored

        devices = devices_of(engine, device)
        pictures = restored(
            [picture for one in found for picture in decoded_of(one)],
            weights.named(),
            devices,
            dtype=options.dtype or "uint8",
            luma=options.mode == "L",
            consistent=options.restore == "consistent",
        )
        shown = [np.repeat(p[..., None], 3, 2) if options.mode == "RGB" and p.ndim == 2 else p for p in pictures]
        return shown if device is None else placed(shown, devices)

    return run


def network_of(tune: Any) -> Network | None:
    """What `codec.encode` is to look through at files of this tune when it refines them: None where decoders show them."""
    if tune != "restored":
        return None
    from ..jpeg.tuned.synthesis import Network
    from ..learned.restoring import weights
    from ..learned.restoring.run import SLOPE_MARGIN, planes_by, steps_by

    model = weights.named()
    return Network(planes_by, (model.graph,), model.state, steps_by, SLOPE_MARGIN)


@overload
def restore(
    images: Array | Coefficients, *, device: None = None, **options: Unpack[RestoreKeywords]
) -> npt.NDArray[Any]: ...
@overload
def restore(
    images: Sequence[Array | Coefficients], *, device: None = None, **options: Unpack[RestoreKeywords]
) -> list[npt.NDArray[Any]]: ...
@overload
def restore(images: Array | Coefficients, *, device: Device, **options: Unpack[RestoreKeywords]) -> jax.Array: ...
@overload
def restore(
    images: Sequence[Array | Coefficients], *, device: Device, **options: Unpack[RestoreKeywords]
) -> list[jax.Array]: ...
def restore(
    images: Array | Coefficients | Sequence[Array | Coefficients],
    *,
    qtables: npt.ArrayLike | None = None,
    quality: int | None = None,
    subsampling: str | Sequence[tuple[int, int]] = "4:2:0",
    consistent: bool = False,
    dtype: npt.DTypeLike | None = None,
    model: str | None = None,
    device: Device | None = None,
) -> Any:
    """Pictures with what JPEG's quantisation took put back, by a network that is steered by the quantisation tables.

    One model for all qualities, tables and samplings, for grey and colour, for plain files and tuned ones. It changes
    coefficients by about half a step of their tables at most: fine files hardly change. `decode(..., restore=True)` does it
    for files.

    Args:
        images: Coefficients, or pixels that any decoder gave: [H, W], [H, W, 1], [H, W, 3] or [N, H, W, C], uint8 or floating
            point, values 0..255, NumPy or JAX; one of these, or a list. Pixels lie on the file's grid: whole pictures, or parts
            that begin at a whole MCU. Coefficients are 8-bit grey or YCbCr.
        qtables: Of pixels: the file's tables, steps 1..65,535 in natural order: [T, 8, 8], [T, 64], [8, 8] or [64]; component i
            takes table min(i, T − 1). `info(data).qtables` are these.
        quality: Of pixels: an IJG quality 1..100 in place of tables.
        subsampling: Of pixels in colour: the file's sampling, 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1 or 4:1:0.
        consistent: Keep every coefficient within its quantisation cell, so that the picture is one that the file may have been
            made of by rounding; of subsampled chroma, its means over what a sample stands for. Files made by search (tune) round
            otherwise: their originals lie outside now and then.
        dtype: uint8, uint16 (white is 65535) or float32 (0..255, clipped, not rounded); by default uint8.
        model: Weights (.jxw, .npz) of one's own; by default the model of the package.
        device: A jax.Device, a platform's name, a Mesh or a Sharding; pictures are spread over its devices, and results lie
            on the first. Default: all local devices, and results in NumPy.

    Returns:
        For one picture an array, for several a list of them: [H, W] or [H, W, 3]. Backends differ by at most 1/255.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A shape does not fit, a value is out of range, or pixels come without tables.
    """
    from ..learned.restoring import weights
    from ..learned.restoring.run import devices_of, placed, restored

    several = isinstance(images, (list, tuple))
    items = list(images) if several else [images]  # type: ignore[arg-type]
    kind: Any = dtype
    shown = DecodeOptions(dtype=kind).dtype or "uint8"
    check_flag("consistent", consistent)
    found: list[Decoded] = []
    for i, item in enumerate(items):
        name = f"images[{i}]" if several else "images"
        if isinstance(item, Coefficients):
            _check_coefficients(name, item)
            several = several or item.batch > 1
            found += decoded_of(item)
        else:
            pixels = array_of(name, item)
            several = several or pixels.ndim == 4
            found += _of_pixels(name, pixels, qtables, quality, subsampling)
    devices = devices_of("xla", device)
    loaded = weights.named(weights.DEFAULT if model is None else model)
    results: list[Any] = restored(found, loaded, devices, dtype=shown, consistent=consistent)
    if device is not None:
        results = placed(results, devices)
    return results if several else results[0]


def _check_coefficients(name: str, found: Coefficients) -> None:
    """ValueError for what restorers do not know."""
    from ..jpeg.shown.restored import RESTORABLE, is_restorable

    if not is_restorable(found.frame):
        raise ValueError(f"{name}: {RESTORABLE} can be restored")


def _tables(qtables: Any, quality: Any, count: int) -> tuple[np.ndarray, ...]:
    """A table of each component, [8, 8]."""
    if (qtables is None) == (quality is None):
        raise ValueError("qtables, quality: pixels need the tables of their file: give one of the two")
    if quality is not None:
        number = check_int("quality", quality, 1, 100)
        found = [quality_table(t, number).reshape(8, 8) for t in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)]
    else:
        tables = [np.asarray(t) for t in qtables] if isinstance(qtables, (list, tuple)) else np.asarray(qtables)
        array = np.asarray(tables)
        if array.dtype.kind not in "iu" or array.size % 64 or not array.size or array.shape[-1] not in (8, 64):
            raise ValueError(
                f"qtables: {array.dtype} {array.shape}; must be integers [T, 8, 8], [T, 64], [8, 8] or [64]"
            )
        if array.min() < 1 or array.max() > 65_535:
            raise ValueError(f"qtables: steps {array.min()}..{array.max()}; must be 1..65535")
        found = list(array.reshape(-1, 8, 8))
    return tuple(found[min(i, len(found) - 1)] for i in range(count))


def _of_pixels(name: str, pixels: Any, qtables: Any, quality: Any, subsampling: Any) -> list[Decoded]:
    """Pixels as the network sees them."""
    from ..learned.restoring.run import Decoded, planes_of

    array = np.asarray(pixels)
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise TypeError(f"{name}: dtype {array.dtype}; must be uint8 or floating, values 0..255")
    batch = array if array.ndim == 4 else array[None]
    if batch.ndim == 3:
        batch = batch[..., None]
    if batch.ndim != 4 or batch.shape[-1] not in (1, 3) or not batch.size:
        raise ValueError(f"{name}: shape {array.shape}; must be [H, W], [H, W, C] or [N, H, W, C] with C 1 or 3")
    count = batch.shape[-1]
    tables, sampling = _tables(qtables, quality, count), (1, 1)
    if count == 3:
        factors = parse_subsampling(subsampling)
        sampling = factors[0][1] // factors[-1][1], factors[0][0] // factors[-1][0]
    return [Decoded(planes_of(one), tables, sampling) for one in batch]
