"""Grey pictures through the colour path, and a post filter, against grey files of the same bytes.

    direct    grey ─▶ grey JPEG ─▶ grey
    through   grey ─▶ R = G = B ─▶ colour file (JPEG 4:2:0, or the learned codec) ─▶ RGB ─▶ luma ─▶ post filter ─▶ grey

What a colour JPEG of a grey picture shows in luma is the grey JPEG's, sample for sample, and its empty chroma costs bytes:
whatever is gained there is the filter's, and the same filter behind the grey file gains more. The learned codec has no grey path
at all; through its colour path it gains because it is a better codec than JPEG, and luma averages what it does wrong in each of
R, G and B.

Filters: `fitted`, 5×5 taps for each place of an 8×8 block (mirrored places share theirs), least squares on training pictures;
and the restoration network's luma. Bytes are those of whole files with optimised Huffman tables; PSNR at the direct file's bytes
is read off each picture's own curve (PCHIP over the logarithm of bytes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jpegjax import api
from jpegjax.learned.codec import decode_all, encode_all
from jpegjax.learned.weights import named
from jpegjax.ops.color import FORWARD
from jpegjax.train.restoration import planes_of

__all__ = [
    "ANCHORS",
    "JPEG",
    "LEARNED",
    "compare",
    "filtered",
    "fitted",
    "grey",
    "learned",
    "luma",
    "replicated",
    "through",
]

ANCHORS = (10, 20, 40)
"""Qualities of direct files."""
JPEG = (5, 8, 10, 14, 20, 28, 40, 55)
LEARNED = (1, 10, 20, 30, 40, 50, 60)
"""Qualities of colour files of JPEG and of the learned codec."""
TAPS = 5

Coded = tuple[int, np.ndarray]
"""Bytes of a file, and the luma that it shows, [H, W], 0..255."""
Restored = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(planes, steps, sampling) of one picture, as `planes_of` gives them -> restored planes [H, W, 3]."""


def grey(pixels: np.ndarray) -> np.ndarray:
    """Luma of RGB [H, W, 3] uint8, rounded: uint8 [H, W]."""
    return np.rint(pixels @ FORWARD[0]).astype(np.uint8)


def replicated(picture: np.ndarray) -> np.ndarray:
    """R = G = B: [H, W] → [H, W, 3]."""
    return np.ascontiguousarray(np.broadcast_to(picture[..., None], (*picture.shape, 3)))


def luma(pixels: np.ndarray) -> np.ndarray:
    """Luma of decoded RGB [H, W, 3], not rounded: float64 [H, W]."""
    return pixels.astype(np.float64) @ FORWARD[0]


def direct(picture: np.ndarray, quality: int) -> bytes:
    """A grey file of a grey picture."""
    return api.encode(picture, quality=quality, optimize=True)


def through(picture: np.ndarray, quality: int) -> bytes:
    """A colour file of a grey picture, 4:2:0."""
    return api.encode(replicated(picture), quality=quality, subsampling="4:2:0", optimize=True)


def learned(pictures: Sequence[np.ndarray], quality: int) -> list[Coded]:
    """Grey pictures through the learned codec, which knows colour alone."""
    model = named("light")
    files = encode_all([replicated(p) for p in pictures], quality, model)
    return [(len(f), luma(p)) for f, p in zip(files, decode_all(files, [model]), strict=True)]


def _folded(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Of each sample the place in a quarter of its block 0..15, [H, W], and which way its taps run, [H, W, 2], ±1."""
    at = [np.arange(length) % 8 for length in shape]
    inward = [np.where(a < 4, a, 7 - a) for a in at]
    ways = np.stack(np.meshgrid(*(np.where(a < 4, 1, -1) for a in at), indexing="ij"), -1)
    return 4 * inward[0][:, None] + inward[1], ways


def _windows(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places 0..15, [H, W], and the samples around each, mirrored into its block's upper left quarter: [H, W, taps]."""
    place, ways = _folded(plane.shape)
    around = sliding_window_view(np.pad(plane, TAPS // 2, mode="edge"), (TAPS, TAPS)).copy()
    down, across = ways[..., 0] < 0, ways[..., 1] < 0
    around[down] = around[down][:, ::-1]
    around[across] = around[across][:, :, ::-1]
    return place, around.reshape(*plane.shape, TAPS * TAPS)


def fitted(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The linear filter of least squares from decoded to original planes: float64 [16 places, 25 taps].

    pairs: (decoded, original), [H, W], 0..255, grids of blocks at the upper left corner.
    """
    size = TAPS * TAPS
    left, right = np.zeros((16, size, size)), np.zeros((16, size))
    for decoded, original in pairs:
        place, around = _windows(np.asarray(decoded, np.float64) - 128)
        wanted = np.asarray(original, np.float64) - 128
        for k in range(16):
            here = place == k
            left[k] += around[here].T @ around[here]
            right[k] += around[here].T @ wanted[here]
    slight = 1e-6 * np.trace(left, axis1=1, axis2=2)[:, None, None] / size
    return np.linalg.solve(left + slight * np.eye(size), right[..., None])[..., 0]


def filtered(taps: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """A decoded plane [H, W] through a filter of `fitted`, not rounded."""
    place, around = _windows(np.asarray(plane, np.float64) - 128)
    return np.einsum("hwt,hwt->hw", around, taps[place]) + 128


def _psnr(picture: np.ndarray, found: np.ndarray) -> float:
    error = picture.astype(np.float64) - np.clip(np.rint(found), 0, 255)
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-12)))


def _at(curve: Sequence[tuple[int, float]], nbytes: int) -> float:
    """PSNR of a curve of (bytes, dB) at so many bytes; NaN outside of it."""
    from scipy.interpolate import PchipInterpolator

    points = sorted(dict(curve).items())
    logs = np.log([count for count, _ in points])
    return float(PchipInterpolator(logs, [quality for _, quality in points], extrapolate=False)(np.log(nbytes)))


def _restored(data: bytes, restore: Restored) -> np.ndarray:
    return restore(*planes_of(api.read_coefficients(data)))[..., 0] + 128


def filters(training: Sequence[np.ndarray]) -> dict[str, dict[int, np.ndarray]]:
    """Linear filters by path and quality, from grey training pictures whose sides are multiples of 16."""
    found: dict[str, dict[int, np.ndarray]] = {"jpeg": {}, "learned": {}}
    for quality in JPEG:
        decoded = [np.asarray(api.decode(direct(p, quality))) for p in training]
        found["jpeg"][quality] = fitted(list(zip(decoded, training, strict=True)))
    for quality in LEARNED:
        decoded = [plane for _, plane in learned(training, quality)]
        found["learned"][quality] = fitted(list(zip(decoded, training, strict=True)))
    return found


def compare(pictures: Sequence[np.ndarray], training: Sequence[np.ndarray], restore: Restored) -> dict[str, Any]:
    """PSNR in dB at the bytes of the direct grey files of `ANCHORS`, means over pictures.

    Args:
        pictures: uint8 [H, W], sides multiples of 16.
        training: Likewise, for the linear filters; none of `pictures`.
        restore: The restoration network.

    Returns:
        "bytes_through": by quality, bytes of the colour file over the grey one's, mean; "psnr": {path: {quality: dB}}; "gain":
        likewise, above "direct". None where the curve of a picture does not reach those bytes.
    """
    taps = filters(training)
    curves: dict[str, list[list[tuple[int, float]]]] = {}
    extra: dict[int, list[float]] = {quality: [] for quality in ANCHORS}
    coded = {quality: learned(pictures, quality) for quality in LEARNED}
    for number, picture in enumerate(pictures):
        mine: dict[str, list[tuple[int, float]]] = {}

        def add(path: str, nbytes: int, shown: np.ndarray, mine: Any = mine, picture: np.ndarray = picture) -> None:
            mine.setdefault(path, []).append((nbytes, _psnr(picture, shown)))

        for quality in JPEG:
            grey_file, file = direct(picture, quality), through(picture, quality)
            plain, seen = np.asarray(api.decode(grey_file)), luma(np.asarray(api.decode(file)))
            kernel = taps["jpeg"][quality]
            add("direct", len(grey_file), plain)
            add("direct + linear filter", len(grey_file), filtered(kernel, plain))
            add("direct + restorer", len(grey_file), _restored(grey_file, restore))
            add("through JPEG", len(file), seen)
            add("through JPEG + linear filter", len(file), filtered(kernel, seen))
            add("through JPEG + restorer", len(file), _restored(file, restore))
            if quality in extra:
                extra[quality].append(len(file) / len(grey_file))
        for quality in LEARNED:
            nbytes, seen = coded[quality][number]
            add("through learned", nbytes, seen)
            add("through learned + linear filter", nbytes, filtered(taps["learned"][quality], seen))
        for path, curve in mine.items():
            curves.setdefault(path, []).append(curve)
    found: dict[str, dict[str, float | None]] = {}
    for path, many in curves.items():
        for quality in ANCHORS:
            at = [curve[JPEG.index(quality)][0] for curve in curves["direct"]]
            values = [_at(curve, nbytes) for curve, nbytes in zip(many, at, strict=True)]
            found.setdefault(path, {})[str(quality)] = (
                None if np.isnan(values).any() else round(float(np.mean(values)), 3)
            )
    anchor: Any = found["direct"]
    gain = {p: {q: x and round(x - anchor[q], 3) for q, x in row.items()} for p, row in found.items()}
    return {
        "pictures": len(pictures),
        "bytes_through": {str(q): round(float(np.mean(x)), 4) for q, x in extra.items()},
        "psnr": found,
        "gain": gain,
    }
