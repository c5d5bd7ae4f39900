"""How fast is the xla engine's transform half, host to host, and its whole encode and decode?

    python benchmarks/transform.py [FOLDER] [--rounds 15] [--repeat 2] [--output benchmarks/results/transform.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. One call takes all images `repeat` times, 4:2:0,
quality 75: pixels in host memory → quantised coefficients in host memory, fresh arrays; and back. "dropped": each
result is dropped as it comes, "kept": all are kept to the end, which pays for their page faults. Whole encode and
decode are files. No time includes compilation; the first call of each, which compiles, is reported apart.
"""

from __future__ import annotations

from typing import Any

import jax
from machine import describe
from ours import xla_calls
from photographs import pictures, pixels_of
from reports import RESULTS, flags, save
from rounds import processor_seconds, race, timed

import jpegjax


def main() -> None:
    parser = flags(__doc__, 15)
    parser.add_argument("--repeat", type=int, default=2)
    given = parser.parse_args()
    source, images = pictures(given.folder)
    images = images * given.repeat
    pixels = pixels_of(images)
    cases = xla_calls(images)
    first = {verb: timed(cases[f"{verb}, transform"]) for verb in ("encode", "decode")}
    assert jpegjax.encode(images, engine="host") == jpegjax.encode(images, engine="xla")
    found = race("transform", "4:2:0 q75", pixels, cases, rounds=given.rounds)
    work = {name: pixels / 1e6 / min(processor_seconds(call) for _ in range(3)) for name, call in cases.items()}
    best = {name: pixels / 1e6 / min(seconds) for name, seconds in found.seconds.items()}
    report: dict[str, Any] = {
        **describe(),
        "devices": [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.local_devices()],
        "images": {"source": source, "count": len(images), "pixels": pixels},
        "first_call_seconds": first,
        "results": [{**found.as_dict(), "best_mpixel_per_second": best, "mpixel_per_cpu_second": work}],
    }
    for name, speed in report["results"][0]["mpixel_per_second"].items():
        print(f"{name:28} median {speed:7.1f}  best {best[name]:7.1f} Mpixel/s  a core {work[name]:6.1f}")
    save(report, given.output or RESULTS / "transform.json")


if __name__ == "__main__":
    main()
