"""What a screen shows of a picture: a rectangle at so many pixels, as RGBA; before, after, or how they differ."""

from __future__ import annotations

import numpy as np

from .store import Picture, Rect, Result

__all__ = ["fit_rect", "reduced", "reduced_picture", "rgba", "view"]


def fit_rect(rect: tuple[float, float, float, float], size: tuple[int, int], grid: int = 1) -> Rect:
    """A rectangle of whole pixels inside a picture of size (width, height), its corner on a grid, never empty."""
    x, y = (
        min(max(0, int(v // grid) * grid), (side - 1) // grid * grid) for v, side in zip(rect[:2], size, strict=True)
    )
    right, low = (int(np.ceil(a + b)) for a, b in ((rect[0], rect[2]), (rect[1], rect[3])))
    return x, y, min(max(right, x + 1), size[0]) - x, min(max(low, y + 1), size[1]) - y


def reduced(pixels: np.ndarray, rect: Rect, out: tuple[int, int]) -> np.ndarray:
    """The rectangle of uint8 [H, W] or [H, W, 3] as means over areas, out = (width, height); never enlarged."""
    x, y, width, height = rect
    out = max(1, min(out[0], width)), max(1, min(out[1], height))
    part = pixels[y : y + height, x : x + width]
    if out == (width, height):
        return np.ascontiguousarray(part)
    from PIL import Image

    whole = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(whole.resize(out, Image.Resampling.BOX))


def reduced_picture(picture: Picture, rect: Rect, out: tuple[int, int]) -> np.ndarray:
    """`reduced` of a picture; the last one is kept, since a person changes settings more often than the view."""
    key, last = (rect, out), picture.last
    if last is not None and last[0] == key:
        return last[1]
    made = reduced(picture.pixels, rect, out)
    picture.last = key, made
    return made


def rgba(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4], opaque."""
    made = np.empty((*pixels.shape[:2], 4), np.uint8)
    made[..., :3] = pixels if pixels.ndim == 3 else pixels[..., None]
    made[..., 3] = 255
    return made


def _difference(reference: np.ndarray, decoded: np.ndarray, rect: Rect, gain: float) -> np.ndarray:
    """|decoded − reference|·gain of the rectangle, clipped to uint8."""
    x, y, width, height = rect
    a, b = (one[y : y + height, x : x + width] for one in (reference, decoded))
    louder = np.clip(np.arange(256) * gain + 0.5, 0, 255).astype(np.uint8)
    return louder[np.maximum(a, b) - np.minimum(a, b)]


def view(
    picture: Picture, result: Result | None, kind: str, rect: Rect, out: tuple[int, int], gain: float
) -> tuple[np.ndarray, Rect]:
    """(RGBA [h, w, 4], the rectangle of the picture that it shows).

    kind: "before", "after" or "difference". A preview has its own rectangle and size, whatever was asked.
    """
    if result is None:
        return rgba(reduced_picture(picture, rect, out)), rect
    if result.exact:
        part = rect
    else:
        rect, part = result.rect, (0, 0, result.decoded.shape[1], result.decoded.shape[0])
        out = part[2:]
    if kind == "difference":
        far = _difference(result.reference, result.decoded, part, gain)
        return rgba(reduced(far, (0, 0, *part[2:]), out)), rect
    return rgba(reduced(result.decoded if kind == "after" else result.reference, part, out)), rect
