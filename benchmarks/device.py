"""Is the xla engine exact on this device, and how fast is it beside nvJPEG?

    python benchmarks/device.py [FOLDER] [--small] [--rounds 11] [--batch 96] [--output benchmarks/results/device.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. First identity: files and pixels against Pillow's,
every sampling that Pillow writes, three qualities, on the platform named by --device (JAX's default). Then time, all
contestants taking turns, warm, medians: encode from host and from device memory, decode to host and to device memory,
beside Pillow (thread pool) and torchvision's CUDA codecs (nvJPEG, batches; it chooses its own sampling, so the bytes
written are listed). Then the page programs alone, inputs and outputs on the device. Last the learned codec: streams
written on the device and on the CPU, read on both, symbol for symbol, and its speed. `--small`: seconds, on any
machine. Peers that are missing are listed as missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # nvJPEG needs memory beside JAX

import jax
import numpy as np
from machine import describe
from peers import PILLOW_SAMPLING, pillow_decode, pillow_encode
from photographs import pictures, pixels_of
from reports import RESULTS, flags, save
from rounds import Race, race

import jpegjax
from jpegjax.jpeg.device.pages import page_sizes
from jpegjax.jpeg.device.programs import SEGMENT, program
from jpegjax.jpeg.device.specs import decode_spec, encode_spec
from jpegjax.learned import weights
from jpegjax.learned.codec import decode_all, encode_all, read_symbols
from jpegjax.options import EncodeOptions
from jpegjax.run.threads import cores

Calls = dict[str, Callable[[], object]]


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
                there = resident_files(pixels, device, quality=quality, optimize=fitted, **options)
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


def resident_files(images: Sequence[np.ndarray], device: Any, **options: Any) -> list[bytes]:
    """Files of images that lie on the device, those of one size as one batch."""
    files: list[bytes] = [b""] * len(images)
    for shape in {image.shape for image in images}:
        some = [i for i, image in enumerate(images) if image.shape == shape]
        batch = jax.device_put(np.stack([images[i] for i in some]), device)
        for i, file in zip(some, jpegjax.encode(batch, engine="xla", device=device, **options), strict=True):
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
    encoding: Calls = {"jpegjax": lambda: encode_all(list(batch), 50, model, device=device)}
    decoding: Calls = {
        "jpegjax": lambda: decode_all(files, device=device),
        "jpegjax in bfloat16": lambda: decode_all(files, device=device, kind="bfloat16"),
    }
    return [
        race("learned encode", "q50", pixels, encoding, rounds=rounds),
        race("learned decode", "q50", pixels, decoding, rounds=rounds),
    ]


def torch_codecs() -> tuple[Any, Any, str | None]:
    """(torch, torchvision.io, why they are missing)."""
    try:
        import torch
        import torchvision.io
    except ImportError as error:
        return None, None, str(error)
    if not torch.cuda.is_available():
        return None, None, "torch sees no CUDA device"
    return torch, torchvision.io, None


def ready(arrays: Any) -> Any:
    """The arrays, once the device has finished them."""
    return jax.block_until_ready(arrays)


def encode_race(batch: np.ndarray, sampling: str, device: Any, pool: ThreadPoolExecutor, rounds: int) -> Race:
    """Files of one batch [N, H, W, 3], 4:2:0 or 4:4:4, quality 75."""
    there = ready(jax.device_put(batch, device))
    settings = {"quality": 75, "subsampling": PILLOW_SAMPLING[sampling]}
    calls: Calls = {
        "jpegjax": lambda: jpegjax.encode(there, subsampling=sampling, engine="xla", device=device),
        "jpegjax from host memory": lambda: jpegjax.encode(batch, subsampling=sampling, engine="xla", device=device),
        "Pillow on all cores": lambda: list(pool.map(lambda image: pillow_encode(image, **settings), batch)),
    }
    nbytes = {"jpegjax": sum(map(len, calls["jpegjax"]()))}
    torch, codecs, _ = torch_codecs()
    if torch:
        tensors = list(torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous().cuda())

        def nvjpeg() -> list[bytes]:
            files = codecs.encode_jpeg(tensors, quality=75)
            return [f.cpu().numpy().tobytes() for f in files]

        calls["nvJPEG"] = nvjpeg
        nbytes["nvJPEG"] = sum(map(len, nvjpeg()))
    pixels = pixels_of(batch)
    return race("encode", f"{sampling} q75", pixels, calls, rounds=rounds, bytes=nbytes)


def decode_race(batch: np.ndarray, sampling: str, device: Any, pool: ThreadPoolExecutor, rounds: int) -> Race:
    """Pixels of one batch's files, on the device unless the name says otherwise."""
    files = [pillow_encode(image, quality=75, subsampling=PILLOW_SAMPLING[sampling]) for image in batch]
    calls: Calls = {
        "jpegjax": lambda: ready(jpegjax.decode(files, engine="xla", device=device)),
        "jpegjax to host memory": lambda: jpegjax.decode(files, engine="xla"),
        "Pillow on all cores, to host memory": lambda: list(pool.map(pillow_decode, files)),
    }
    torch, codecs, _ = torch_codecs()
    if torch:
        tensors = [torch.frombuffer(bytearray(file), dtype=torch.uint8) for file in files]

        def nvjpeg() -> Any:
            images = codecs.decode_jpeg(tensors, device="cuda")
            torch.cuda.synchronize()
            return images

        calls["nvJPEG"] = nvjpeg
    pixels = pixels_of(batch)
    return race("decode", f"{sampling} q75", pixels, calls, rounds=rounds)


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
        calls: Calls = {
            "encode": lambda encode=encode, given=given: ready(encode(*given)),
            "decode": lambda decode=decode, back=back: ready(decode(*back)),
        }
        found.append(race("program", f"page of {size} MCUs", 256 * size, calls, rounds=rounds))
    return found


def main() -> None:
    parser = flags(__doc__, 11)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", help="platform name; JAX's default otherwise")
    parser.add_argument("--batch", type=int, default=96)
    given = parser.parse_args()
    device = jax.local_devices(backend=given.device)[0]
    source, images = pictures(given.folder)
    if given.small:
        images = [image[:120, :168] for image in images[:3]]
        given.rounds, given.batch = 2, 4
    size = max((image.shape for image in images), key=[image.shape for image in images].count)
    same = [image for image in images if image.shape == size]
    batch = np.stack([same[i % len(same)] for i in range(given.batch)])
    missing = torch_codecs()[2]
    checked = (("4:2:0",), (75,)) if given.small else ((*PILLOW_SAMPLING, "grey"), (50, 75, 95))
    report: dict[str, Any] = {
        **describe(),
        "device": f"{device.platform} {device.device_kind}",
        "missing": {"torchvision nvJPEG": missing} if missing else {},
        "images": {"source": source, "identity": len(images), "batch": list(batch.shape)},
        "identity": identity(images, device, *checked),
        "learned_identity": learned_identity(images, device),
    }
    print(f"identity on {report['device']}: {report['identity']}, learned: {report['learned_identity']}")
    races: list[Race] = []
    with ThreadPoolExecutor(cores()) as pool:
        for sampling in ("4:2:0",) if given.small else ("4:2:0", "4:4:4"):
            races.append(encode_race(batch, sampling, device, pool, given.rounds))
            races.append(decode_race(batch, sampling, device, pool, given.rounds))
    races += page_race(device, page_sizes(device.platform)[: 1 if given.small else None], given.rounds)
    races += learned_races(batch, device, given.rounds)
    report["results"] = [r.as_dict() for r in races]
    for r in report["results"]:
        print(r["section"], r["case"])
        for name, speed in r["mpixel_per_second"].items():
            ratio = r["ratios"].get(name)
            print(f"  {name:38} {speed:9.1f} Mpixel/s" + (f"  jpegjax is {ratio['median']:.2f}×" if ratio else ""))
    save(report, given.output or RESULTS / "device.json")
    if report["identity"]["different"]:
        raise SystemExit("not identical to Pillow")
    if report["learned_identity"]["different"]:
        raise SystemExit("learned streams do not read the same everywhere")


if __name__ == "__main__":
    main()
