"""Is the xla engine exact on this device, and how fast is it beside nvJPEG?

    python benchmarks/device.py [FOLDER] [--small] [--seconds 430] [--rounds 11] [--only encode,…]
                                [--output benchmarks/results/device.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. First identity: files and pixels of what is timed against the
host engine. Then time, in the order of importance, all contestants taking turns, warm, medians, as many rows as --seconds let
begin; the JSON is whole after each. Encoding batches that lie on the device to bytes in host memory, the transform alone beside
a measured copy, decoding to device memory; then other batch sizes, 4K, transfers, larger dispatches, 4:4:4, the programs alone;
at last the learned codec and identity with Pillow of every sampling that Pillow writes. Beside torchvision's CUDA codecs (nvJPEG,
batches; it chooses its own sampling, which is listed with the bytes written), Pillow and the host engine. The goals are told at
the end, the plots lie beside the JSON. `--small`: seconds, on any machine. Peers that are missing are listed as missing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import partial
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # nvJPEG needs memory beside JAX

import jax
import numpy as np
from device_plots import draw
from machine import describe
from on_device import Bench, decoded_there, ready, resident_files, torch_codecs
from paced import Row, run
from peers import PILLOW_SAMPLING, pillow_decode, pillow_encode
from photographs import pictures, pixels_of
from reports import RESULTS, flags
from rounds import Race, race

import jpegjax
from jpegjax.jpeg.device.pages import page_sizes
from jpegjax.jpeg.device.programs import SEGMENT, program
from jpegjax.jpeg.device.specs import decode_spec, encode_spec
from jpegjax.learned import weights
from jpegjax.learned.codec import decode_all, encode_all, read_symbols
from jpegjax.options import EncodeOptions
from jpegjax.run.threads import cores

WHOLE = {"photograph": (512, 768), "small": (224, 224), "4K": (2160, 3840)}
SMALL = {"photograph": (64, 96), "small": (32, 32), "4K": (64, 96)}
GOALS = (
    ("encode of 512×768 on the device to bytes, times nvJPEG", "encode", "photograph", "ratio", 10.0),
    ("encode of 224×224 on the device to bytes, times nvJPEG", "encode", "small", "ratio", 20.0),
    ("transform alone, share of a copy's bytes a second", "transform", None, "share", 0.6),
    ("decode to the device, times nvJPEG", "decode", None, "ratio", 2.0),
)
"""What it measures, the section and size that it is the best row of, and how much is wanted."""


def judged(report: dict[str, Any], sizes: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """The goals, each with the best row that is about it, without transfers; what was not measured is None."""
    found = []
    for goal, section, size, kind, wanted in GOALS:
        rows = [
            r for r in report["results"]
            if r["section"] == section and not r.get("transfers") and (size is None or tuple(r["size"]) == sizes[size])
        ]  # fmt: skip
        values = {
            r["case"]: r["ratios"].get("nvJPEG", {}).get("median")
            if kind == "ratio"
            else r.get("share_of_copy", {}).get("jpegjax")
            for r in rows
        }
        values = {case: value for case, value in values.items() if value is not None}
        best = max(values, key=lambda case: values[case], default=None)
        measured = None if best is None else values[best]
        met = None if measured is None else measured >= wanted
        found.append({"goal": goal, "wanted": wanted, "measured": measured, "case": best, "met": met})
    return found


def same_as_host(bench: Bench, size: tuple[int, int], count: int, data: bool = True) -> dict[str, Any]:
    """Files of a batch on the device, and pixels of these there, against the host engine's: how many, and which differ.

    data: pixels of data that the device decodes besides, whatever is faster.
    """
    images = [bench.pictures(size)[i % len(bench.pictures(size))] for i in range(count)]
    wanted = jpegjax.encode(images, quality=75, engine="host")
    files = resident_files(bench.batch(size, count), bench.device, quality=75)
    pixels = jpegjax.decode(wanted, engine="host")
    different = [f"file {i}" for i in range(count) if files[i] != wanted[i]]
    ways = {"pixels": jpegjax.decode(wanted, engine="xla", device=bench.device)}
    if data:
        ways["pixels of data decoded there"] = decoded_there(wanted, bench.device)
    for name, decoded in ways.items():
        different += [f"{name} {i}" for i in range(count) if not np.array_equal(np.asarray(decoded[i]), pixels[i])]
    return {"compared": (1 + len(ways)) * count, "different": different}


def identity(
    images: Sequence[np.ndarray], device: Any, samplings: Sequence[str], qualities: Sequence[int]
) -> dict[str, Any]:
    """Files and images compared with Pillow's, and the names of those that differ; files from device memory too, whose bits
    an accelerator codes itself."""
    different: list[str] = []
    compared = 0
    for sampling in samplings:
        number = PILLOW_SAMPLING.get(sampling)
        pixels = [image[..., 0].copy() if number is None else image for image in images]
        settings = {} if number is None else {"subsampling": number}
        options = {} if number is None else {"subsampling": sampling}
        for quality in qualities:
            wanted = [pillow_encode(image, quality=quality, **settings) for image in pixels]
            files = jpegjax.encode(pixels, quality=quality, engine="xla", device=device, **options)
            for fitted in (False, True):
                there = files_of(pixels, device, quality=quality, optimize=fitted, **options)
                aim = (
                    [pillow_encode(x, quality=quality, optimize=True, **settings) for x in pixels] if fitted else wanted
                )
                compared += len(there)
                kind = "optimised" if fitted else "resident"
                different += [f"{kind} {i} {sampling} q{quality}" for i in range(len(aim)) if there[i] != aim[i]]
            decoded = jpegjax.decode(wanted, engine="xla", device=device)
            for i, (file, want, got) in enumerate(zip(files, wanted, decoded, strict=True)):
                compared += 1
                if file != want:
                    different.append(f"file {i} {sampling} q{quality}")
                if not np.array_equal(np.asarray(got), pillow_decode(want)):
                    different.append(f"pixels {i} {sampling} q{quality}")
    return {"compared": compared, "different": different}


def files_of(images: Sequence[np.ndarray], device: Any, **options: Any) -> list[bytes]:
    """Files of images that lie on the device, those of one size as one batch."""
    files: list[bytes] = [b""] * len(images)
    for shape in {image.shape for image in images}:
        some = [i for i, image in enumerate(images) if image.shape == shape]
        batch = jax.device_put(np.stack([images[i] for i in some]), device)
        for i, file in zip(some, resident_files(batch, device, **options), strict=True):
            files[i] = file
    return files


def learned_identity(images: Sequence[np.ndarray], device: Any) -> dict[str, Any]:
    """Learned streams written on the device and on the CPU and read on both: how many maps of symbols, and which differ."""
    model, cpu = weights.named("light"), jax.local_devices(backend="cpu")[0]
    different, compared = [], 0
    for quality in (10, 50, 90):
        for writer in (device, cpu):
            files = encode_all(images, quality, model, device=writer)
            for i, (here, there) in enumerate(
                zip(read_symbols(files, device=device), read_symbols(files, device=cpu), strict=True)
            ):
                compared += len(here)
                if not all(map(np.array_equal, here, there)):
                    different.append(f"picture {i} q{quality} written on {writer.platform}")
    return {"compared": compared, "different": different}


def learned_races(batch: np.ndarray, device: Any, rounds: int) -> list[Race]:
    """The learned codec at quality 50, from and to host memory, entropy coding on the host included."""
    model, pixels = weights.named("light"), pixels_of(batch)
    files = encode_all(list(batch), 50, model, device=device)
    encoding = {"jpegjax": lambda: encode_all(list(batch), 50, model, device=device)}
    decoding = {
        "jpegjax": lambda: decode_all(files, device=device),
        "jpegjax in bfloat16": lambda: decode_all(files, device=device, kind="bfloat16"),
    }
    return [
        race("learned encode", "q50", pixels, encoding, rounds=rounds),
        race("learned decode", "q50", pixels, decoding, rounds=rounds),
    ]


def page_race(device: jax.Device, sizes: Sequence[int], rounds: int) -> list[Race]:
    """The 4:2:0 programs alone, for pages of several sizes: inputs and outputs stay on the device."""
    frame = EncodeOptions().frame(16, 16 * SEGMENT, 3)
    encoding, decoding = encode_spec(frame), decode_spec(frame, None, "fancy")
    found = []
    for size in sizes:
        encode, sharding = program("encode", encoding, (device,))
        decode, _ = program("decode", decoding, (device,))
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (1, 16, size, 48), np.uint8).view(np.int32)
        rows, q = np.full((1, size), 16, np.int32), np.full((1, size // SEGMENT, 3, 64), 16, np.uint16)
        near = np.zeros((1, 5, size), np.int32)
        near[0, :2], near[0, 2], near[0, 3:] = np.arange(size), 1, 1000
        given = jax.device_put((pixels, rows, q), sharding)
        levels = ready(encode(*given))
        back = (levels, *jax.device_put((near, q), sharding))
        calls = {
            "encode": lambda encode=encode, given=given: ready(encode(*given)),
            "decode": lambda decode=decode, back=back: ready(decode(*back)),
        }
        found.append(race("program", f"page of {size} MCUs", 256 * size, calls, rounds=rounds))
    return found


def rows_of(bench: Bench, report: dict[str, Any], sizes: dict[str, tuple[int, int]], small: bool) -> list[Row]:
    """All rows, the most important first."""
    photograph, little, huge = (sizes[name] for name in ("photograph", "small", "4K"))
    many = (1, 4) if small else (1, 4, 16, 64, 256, 1024, 4096)
    first = many[-1] if small else 256
    rows: list[Row] = []

    def check(name: str, call: Any) -> None:
        def checked() -> list[dict[str, Any]]:
            report["identity"][name] = call()
            print(f"{name}: {report['identity'][name]}", flush=True)
            return []

        rows.append(Row(f"identity {name}", checked))

    def add(name: str, call: Any, *args: Any, **more: Any) -> None:
        rows.append(Row(name, partial(call, *args, **more)))

    def ceilings() -> list[dict[str, Any]]:
        report["ceilings"] = bench.ceilings(1 << (20 if small else 29))
        print({name: f"{rate / 1e9:.1f} GB/s" for name, rate in report["ceilings"].items()}, flush=True)
        return []

    check("photograph, host", partial(same_as_host, bench, photograph, first))
    rows.append(Row("ceilings", ceilings))
    add("encode photograph", bench.encode, photograph, first)
    check("small, host", partial(same_as_host, bench, little, first, data=not small))
    add("encode small", bench.encode, little, many[-1] if small else 1024)
    add("transform photograph", bench.transform, photograph, 4 if small else 64)
    add("decode photograph", bench.decode, photograph, first)
    add("coded data photograph", bench.coded_data, photograph, first)
    add("programs photograph", bench.programs, photograph, first)
    add("dispatches photograph", bench.dispatches, photograph, many[-1] if small else 1024, (1, 2, 4, 16))
    add("encode small, most", bench.encode, little, many[-1])
    add("decode small", bench.decode, little, many[-1] if small else 1024)
    add("encode photograph, most", bench.encode, photograph, many[-1])
    add("encode photograph, transfers", bench.encode, photograph, first, transfers=True)
    add("decode photograph, transfers", bench.decode, photograph, first, transfers=True)
    add("host photograph", bench.host, photograph, many[1] if small else 64)
    add("encode 4K", bench.encode, huge, 1 if small else 16)
    add("transform small", bench.transform, little, 4 if small else 1024)
    add("decode 4K", bench.decode, huge, 1 if small else 16)
    add("encode photograph 4:4:4", bench.encode, photograph, first, "4:4:4")
    add("host small", bench.host, little, many[1] if small else 1024)
    for count in (*many[-2:0:-1], many[0]):
        for name in ("photograph", "small"):
            for section, call in (("encode", bench.encode), ("decode", bench.decode)):
                add(f"{section} {name}, batch {count}", call, sizes[name], count)
    for count in (1,) if small else (64, 4, 1):
        add(f"encode 4K, batch {count}", bench.encode, huge, count)
        add(f"decode 4K, batch {count}", bench.decode, huge, count)
    add("encode small, transfers", bench.encode, little, first, transfers=True)
    add("programs small", bench.programs, little, many[-1])
    pages = page_sizes(bench.device.platform)[: 1 if small else None]
    rows.append(Row("pages", lambda: [r.as_dict() for r in page_race(bench.device, pages, bench.rounds)]))
    some = bench.pictures(photograph)[: 4 if small else 12]
    few = some[:1] if small else some
    check("learned", lambda: learned_identity(few, bench.device))
    rows.append(Row("learned", lambda: [r.as_dict() for r in learned_races(np.stack(few), bench.device, bench.rounds)]))
    for sampling in ("4:2:0",) if small else ("4:2:0", "4:4:4", "4:2:2", "grey"):
        for quality in (75,) if small else (75, 50, 95):
            call = partial(identity, some, bench.device, (sampling,), (quality,))
            check(f"{sampling} q{quality}, Pillow", call)
    once: dict[str, Row] = {}
    for row in rows:  # of rows that are the same, the first
        own = isinstance(row.run, partial)
        once.setdefault(f"{row.run.func.__name__} {row.run.args} {row.run.keywords}" if own else row.name, row)
    return list(once.values())


def main() -> None:
    parser = flags(__doc__, 11)
    parser.add_argument("--small", action="store_true")
    parser.add_argument(
        "--seconds", type=float, default=430.0, help="after which no row begins; the last one may take some more"
    )
    parser.add_argument("--only", help="rows of these names, by commas; * stands for anything")
    parser.add_argument("--device", help="platform name; JAX's default otherwise")
    given = parser.parse_args()
    device = jax.local_devices(backend=given.device)[0]
    source, images = pictures(given.folder)
    missing = torch_codecs()[2]
    sizes = SMALL if given.small else WHOLE
    report: dict[str, Any] = {
        **describe(),
        "device": f"{device.platform} {device.device_kind}",
        "memory": device.memory_stats(),
        "missing": {"torchvision nvJPEG": missing} if missing else {},
        "images": {"source": source, "count": min(len(images), 12)},
        "small": given.small,
        "identity": {},
    }
    path = given.output or RESULTS / "device.json"

    def after(report: dict[str, Any]) -> None:
        report["goals"] = judged(report, sizes)

    with ThreadPoolExecutor(cores()) as pool:
        bench = Bench(device, images, pool, 2 if given.small else given.rounds, 1.0 if given.small else 6.0)
        rows = rows_of(bench, report, sizes, given.small)
        if given.only:
            rows = [row for row in rows if any(fnmatch(row.name, pattern) for pattern in given.only.split(","))]
        run(rows, report, path, given.seconds, after)
    draw(report, path.with_suffix(".png"))
    for goal in report["goals"]:
        measured = "not measured" if goal["measured"] is None else f"{goal['measured']:.2f} ({goal['case']})"
        print(f"{goal['goal']}: wanted {goal['wanted']:g}, {measured}")
    print(f"left out: {', '.join(report['left_out']) or 'nothing'}; failed: {report['failed'] or 'nothing'}")
    different = {name: found["different"] for name, found in report["identity"].items() if found["different"]}
    if different:
        raise SystemExit(f"not identical: {different}")
    if report["failed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
