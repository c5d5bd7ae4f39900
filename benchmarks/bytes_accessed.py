"""How many bytes of memory does encoding on a device access, by XLA's own count (`cost_analysis`)?

    python benchmarks/bytes_accessed.py [FOLDER] [--device cpu] [--quick] [--output benchmarks/results/bytes_accessed.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Those of the commonest size lie on the device as one batch
and are coded there, entropy coding included, whatever the platform; files are compared with the host's. Bytes a pixel of
each program: the transform up to blocks in coding order, beside what it must move at least, pixels in and levels out; then
what entropy coding adds; and the transform that stops at levels, as other coders get them. `--device` is a platform that JAX
has; its compiler decides what is fused and so what is accessed.

`--compile` is a platform whose compiler is asked instead, for the programs that it would get: no device of it is needed but
its plugin, for "gpu" jax_cuda12_pjrt and jax_cuda12_plugin, with JAX_SKIP_CUDA_CONSTRAINTS_CHECK=1, which compile for an H100,
for "tpu" libtpu, for a v5e, with TPU_SKIP_MDS_QUERY=1. The pictures are coded on a CPU for the sizes of buffers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np
from jax.experimental import topologies
from jax.extend import backend
from machine import describe
from photographs import pictures, pixels_of
from reports import RESULTS, flags, save

from jpegjax.jpeg import codec
from jpegjax.jpeg.device import entropy, resident, transform_batch
from jpegjax.jpeg.device.pages import page_sizes
from jpegjax.options import EncodeOptions
from jpegjax.run.mesh import Mapped, mapped

NAMES = {
    "_blocks": "transform",
    "_counts": "counts",
    "_lengths": "lengths",
    "_data": "data",
    "_beginning": "cut",
    "_encode": "levels",
}
CASES = (("4:2:0", 50, False), ("4:2:0", 75, False), ("4:2:0", 75, True), ("4:2:0", 90, False), ("4:4:4", 75, False))


class Program(NamedTuple):
    """A program that ran, with the shapes of its arguments. made: the same for other devices, whose platform is given."""

    name: str
    run: Any
    shapes: Any
    made: Callable[[str, tuple[Any, ...]], Mapped]


@contextmanager
def recorded() -> Iterator[list[Program]]:
    """The programs of encoding on devices that run inside, each as often as it does."""
    calls: list[Program] = []

    def watching(function: Any, devices: Any, *static: Any, **more: Any) -> Mapped:
        found = mapped(function, devices, *static, **more)

        def made(platform: str, others: tuple[Any, ...]) -> Mapped:
            own = (platform if part == devices[0].platform else part for part in static)
            return mapped.__wrapped__(function, others, *own, **more)

        def run(*args: Any) -> Any:
            shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), args)
            calls.append(Program(NAMES[function.__name__], found.run, shapes, made))
            return found.run(*args)

        return Mapped(run, found.sharding)

    with mock.patch.object(entropy, "mapped", watching), mock.patch.object(resident, "mapped", watching):
        yield calls


@contextmanager
def cut_for(platform: str) -> Iterator[None]:
    """Batches are cut as a platform has them, whatever they run on."""
    sizes, pages = page_sizes(platform), entropy._pages(platform)
    with (
        mock.patch.object(resident, "page_sizes", lambda _: sizes),
        mock.patch.object(entropy, "_pages", lambda _: pages),
    ):
        yield


def compiler(platform: str) -> Any:
    """A device to compile for that is not there."""
    if platform == "tpu":
        return topologies.get_topology_desc("v5e:2x2", "tpu").devices[0]
    target = (Path(__file__).parent / "h100.txtpb").read_text()
    return topologies.get_topology_desc("1x1x1", "cuda", target_config=target, topology="1x1x1").devices[0]


def cost(program: Program, platform: str | None = None, device: Any = None) -> float:
    """Bytes that a program accesses: compiled for where it ran, or for a platform's device by `compiler`."""
    if platform is None:
        return program.run.lower(*program.shapes).compile().cost_analysis()["bytes accessed"]
    made = program.made(platform, (device,))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=made.sharding), program.shapes)
    compiled = made.run.lower(*shapes).compile()
    return (compiled.cost_analysis() or _counted(compiled))["bytes accessed"]


def _counted(compiled: Any) -> dict[str, float]:
    """`cost_analysis` of what was compiled without a device by a compiler that keeps no count: XLA's, of the module."""
    from jaxlib._jax import hlo_module_cost_analysis  # nowhere public

    module = compiled.runtime_executable().hlo_modules()[0]
    found = hlo_module_cost_analysis(backend.get_backend("cpu"), module)
    return {"bytes accessed": found["bytes accessed"] + _of_kernels(module.to_string())}


def _of_kernels(text: str) -> int:
    """Bytes of what Pallas's kernels of a module take and give, which XLA's count takes for nothing."""
    total = 0
    for call in re.finditer(r"= (.*) custom-call\(.*triton.*operand_layout_constraints=\{(.*?\})\}", text):
        for kind, sides in re.findall(r"\b([a-z]+\d+)\[([\d,]*)\]", " ".join(call.groups())):
            total += prod(map(int, filter(None, sides.split(",")))) * int(kind.strip("abcdefghijklmnopqrstuvwxyz")) // 8
    return total


def accessed(
    images: Sequence[np.ndarray], options: EncodeOptions, device: Any, platform: str | None = None, target: Any = None
) -> tuple[int, dict[str, float]]:
    """(bytes of the files, bytes that each program accesses a pixel) of images of one size. Files are checked.

    platform, target: as `cost` has them.
    """
    plans = [codec.plan(images[0].shape, options)] * len(images)
    there = jax.device_put(np.stack(images), device)
    with recorded() as calls, cut_for(platform or device.platform):
        files = codec.encode_planned(there, plans, options, "xla", device, on_device=True)
        list(transform_batch(there, *map(list, zip(*plans, strict=True)), device))
    assert files == codec.encode_planned(images, plans, options, "host", None)
    times = Counter((call.name, call.run, str(call.shapes)) for call in calls)
    total = dict.fromkeys((call.name for call in calls), 0.0)
    for call in {(call.run, str(call.shapes)): call for call in calls}.values():
        many = times[call.name, call.run, str(call.shapes)]
        total[call.name] += many * cost(call, platform, target) / pixels_of(images)
    return sum(map(len, files)), total


def main() -> None:
    parser = flags(__doc__, 1, quick=True)
    parser.add_argument("--device", help="platform name; JAX's default otherwise")
    parser.add_argument("--compile", choices=["gpu", "tpu"], help="platform whose compiler is asked instead")
    given = parser.parse_args()
    device = jax.local_devices(backend="cpu" if given.compile else given.device)[0]
    target = compiler(given.compile) if given.compile else None
    source, images = pictures(given.folder, given.quick)
    size = max((image.shape for image in images), key=[image.shape for image in images].count)
    same = [image for image in images if image.shape == size]
    rows = []
    for sampling, quality, optimize in CASES[1:2] if given.quick else CASES:
        options = EncodeOptions(quality=quality, subsampling=sampling, optimize=optimize)
        nbytes, found = accessed(same, options, device, given.compile, target)
        samples = {"4:2:0": 1.5, "4:4:4": 3.0}[sampling]
        row = {
            "case": f"{sampling} q{quality}" + (" optimised" if optimize else ""),
            "bits_per_pixel": round(8 * nbytes / pixels_of(same), 3),
            "transform_must_move": 3 + 2 * samples,
            **{name: round(value, 2) for name, value in found.items()},
            "entropy": round(sum(value for name, value in found.items() if name not in ("transform", "levels")), 2),
        }
        rows.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    report = {
        **describe(),
        "device": " ".join([given.compile or device.platform, (target or device).device_kind]),
        "images": {"source": source, "count": len(same), "size": list(size)},
        "bytes_a_pixel": rows,
    }
    if given.output or not given.quick:
        save(
            report,
            given.output or RESULTS / "bytes_accessed{}.json".format(f"_{given.compile}" if given.compile else ""),
        )


if __name__ == "__main__":
    main()
