"""How many bytes of memory does encoding on a device access, by XLA's own count (`cost_analysis`)?

    python benchmarks/bytes_accessed.py [FOLDER] [--device cpu] [--quick] [--output benchmarks/results/bytes_accessed.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Those of the commonest size lie on the device as one batch
and are coded there, entropy coding included, whatever the platform; files are compared with the host's. Bytes a pixel of
each program: the transform up to blocks in coding order, beside what it must move at least, pixels in and levels out; then
what entropy coding adds. `--device` is a platform that JAX has; its compiler decides what is fused and so what is accessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import jax
import numpy as np
from machine import describe
from photographs import pictures, pixels_of
from reports import RESULTS, flags, save

from jpegjax.jpeg import codec
from jpegjax.jpeg.device import entropy
from jpegjax.options import EncodeOptions
from jpegjax.run.mesh import Mapped, mapped

NAMES = {"_blocks": "transform", "_counts": "counts", "_lengths": "lengths", "_data": "data", "_beginning": "cut"}
CASES = (("4:2:0", 50, False), ("4:2:0", 75, False), ("4:2:0", 75, True), ("4:2:0", 90, False), ("4:4:4", 75, False))

Call = tuple[str, Any, Any]
"""A program's name, the program, and the shapes of its arguments."""


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """The programs of entropy coding on devices that run inside, each as often as it does."""
    calls: list[Call] = []

    def watching(function: Any, *key: Any, **more: Any) -> Mapped:
        found = mapped(function, *key, **more)

        def run(*args: Any) -> Any:
            shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), args)
            calls.append((NAMES[function.__name__], found.run, shapes))
            return found.run(*args)

        return Mapped(run, found.sharding)

    with mock.patch.object(entropy, "mapped", watching):
        yield calls


def accessed(images: Sequence[np.ndarray], options: EncodeOptions, device: Any) -> tuple[int, dict[str, float]]:
    """(bytes of the files, bytes that each program accesses a pixel) of images of one size. Files are checked."""
    plans = [codec.plan(images[0].shape, options)] * len(images)
    with recorded() as calls:
        files = codec.encode_planned(
            jax.device_put(np.stack(images), device), plans, options, "xla", device, on_device=True
        )
    assert files == codec.encode_planned(images, plans, options, "host", None)
    times = Counter((name, run, str(shapes)) for name, run, shapes in calls)
    total = dict.fromkeys((name for name, *_ in calls), 0.0)
    for name, run, shapes in {(n, r, str(s)): (n, r, s) for n, r, s in calls}.values():
        cost = run.lower(*shapes).compile().cost_analysis()["bytes accessed"]
        total[name] += times[name, run, str(shapes)] * cost / pixels_of(images)
    return sum(map(len, files)), total


def main() -> None:
    parser = flags(__doc__, 1, quick=True)
    parser.add_argument("--device", help="platform name; JAX's default otherwise")
    given = parser.parse_args()
    device = jax.local_devices(backend=given.device)[0]
    source, images = pictures(given.folder, given.quick)
    size = max((image.shape for image in images), key=[image.shape for image in images].count)
    same = [image for image in images if image.shape == size]
    rows = []
    for sampling, quality, optimize in CASES[1:2] if given.quick else CASES:
        options = EncodeOptions(quality=quality, subsampling=sampling, optimize=optimize)
        nbytes, found = accessed(same, options, device)
        samples = {"4:2:0": 1.5, "4:4:4": 3.0}[sampling]
        row = {
            "case": f"{sampling} q{quality}" + (" optimised" if optimize else ""),
            "bits_per_pixel": round(8 * nbytes / pixels_of(same), 3),
            "transform_must_move": 3 + 2 * samples,
            **{name: round(value, 2) for name, value in found.items()},
            "entropy": round(sum(value for name, value in found.items() if name != "transform"), 2),
        }
        rows.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    report = {
        **describe(),
        "device": f"{device.platform} {device.device_kind}",
        "images": {"source": source, "count": len(same), "size": list(size)},
        "bytes_a_pixel": rows,
    }
    if given.output or not given.quick:
        save(report, given.output or RESULTS / "bytes_accessed.json")


if __name__ == "__main__":
    main()
