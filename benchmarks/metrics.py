"""How fast are the picture metrics on this machine's cores, beside scikit-image, piq (torch) and ssimulacra2 (NumPy)?

    python benchmarks/metrics.py [FOLDER] [--rounds 5] [--count 24] [--output benchmarks/results/metrics.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Each is compared with itself after JPEG at quality 50,
both uint8 in host memory; one call takes all pictures one by one and ends with their values as Python floats. All cores
for each in its turn, and the same metric: of RGB, SSIM and MS-SSIM with an 11-tap Gaussian window, SSIM not downsampled.
No time includes compilation; the first call of ours, which compiles for every size of picture, is reported apart. "all"
is the sum over the metrics that a peer has, each with its fastest peer. Peers that are not installed are left out
(`pip install scikit-image piq ssimulacra2`; piq needs torch).
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
from machine import describe
from peers import pillow_decode, pillow_encode
from photographs import pictures, pixels_of
from PIL import Image
from reports import RESULTS, flags, save
from rounds import Race, race
from verdicts import verdicts

from jpegjax import metrics

Measure = Callable[[np.ndarray, np.ndarray], float]

OURS: dict[str, Measure] = {
    "mse": metrics.mse,
    "psnr": metrics.psnr,
    "psnr_b": metrics.psnr_b,
    "ssim": metrics.ssim,
    "ms_ssim": lambda a, b: metrics.ms_ssim(a, b, channel="rgb"),
    "ms_ssim luma": metrics.ms_ssim,
    "fsim": metrics.fsim,
    "fsimc": metrics.fsimc,
    "ssimulacra2": metrics.ssimulacra2,
}


def scikit_image() -> dict[str, Measure]:
    """scikit-image's metrics, where it is installed."""
    try:
        from skimage import metrics as theirs
    except ImportError:
        return {}
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return {
        "mse": theirs.mean_squared_error,
        "psnr": theirs.peak_signal_noise_ratio,
        "ssim": lambda a, b: theirs.structural_similarity(a, b, channel_axis=-1, data_range=255, **window),
    }


def import_piq() -> ModuleType:
    """piq imports torchvision for networks that none of these metrics use; where it does not load, a stand-in does."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("torchvision", "torchvision.models", "torchvision.models.inception", "torchvision.transforms"):
            sys.modules[name] = MagicMock()
    import piq

    return piq


def piq_torch() -> dict[str, Measure]:
    """piq's metrics, where it and torch are installed."""
    try:
        import torch

        piq = import_piq()
    except ImportError:
        return {}

    def measure(metric: Callable[..., Any], **options: Any) -> Measure:
        def call(a: np.ndarray, b: np.ndarray) -> float:
            pair = (torch.from_numpy(np.array(p)).permute(2, 0, 1)[None].float() for p in (a, b))
            with torch.inference_mode():
                return float(metric(*pair, data_range=255, **options))

        return call

    return {
        "psnr": measure(piq.psnr),
        "ssim": measure(piq.ssim, downsample=False),
        "ms_ssim": measure(piq.multi_scale_ssim),
        "fsim": measure(piq.fsim, chromatic=False),
        "fsimc": measure(piq.fsim, chromatic=True),
    }


def ssimulacra2_numpy() -> dict[str, Measure]:
    """The `ssimulacra2` of PyPI, which reads files: uncompressed ones in memory."""
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError:
        return {}

    def call(a: np.ndarray, b: np.ndarray) -> float:
        files = io.BytesIO(), io.BytesIO()
        for picture, file in zip((a, b), files, strict=True):
            Image.fromarray(picture).save(file, "PPM")
        return float(compute_ssimulacra2(*files))

    return {"ssimulacra2": call}


PEERS = {"scikit-image": scikit_image, "piq": piq_torch, "ssimulacra2 (NumPy)": ssimulacra2_numpy}


def degraded(picture: np.ndarray) -> np.ndarray:
    """The picture after JPEG at quality 50."""
    return pillow_decode(pillow_encode(picture, quality=50))


def over(measure: Measure, pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """The metric of all pictures."""
    return [float(measure(*pair)) for pair in pairs]


def total(races: list[Race], rounds: int) -> Race:
    """Sum over the metrics that have a peer, round by round, of ours and of each one's fastest peer."""
    ours, best = [0.0] * rounds, [0.0] * rounds
    for found in races:
        peers = {name: statistics.median(s) for name, s in found.seconds.items() if name != "jpegjax"}
        if peers:
            fastest = found.seconds[min(peers, key=lambda name: peers[name])]
            ours = [a + b for a, b in zip(ours, found.seconds["jpegjax"], strict=True)]
            best = [a + b for a, b in zip(best, fastest, strict=True)]
    return Race("metrics", "all", races[0].pixels, {"jpegjax": ours, "fastest peers": best})


def versions() -> dict[str, str]:
    """Of the peers that are installed."""
    found = {}
    for package in ("scikit-image", "piq", "torch", "ssimulacra2"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = flags(__doc__, 5)
    parser.add_argument("--count", type=int, default=24)
    given = parser.parse_args()
    source, images = pictures(given.folder)
    pairs = [(image, degraded(image)) for image in images[: given.count]]
    pixels = pixels_of(image for image, _ in pairs)
    peers = {name: load() for name, load in PEERS.items()}
    races, first, apart = [], {}, {}
    for name, measure in OURS.items():
        start = time.perf_counter()
        values = np.array(over(measure, pairs))
        first[name] = time.perf_counter() - start
        calls = {"jpegjax": measure, **{peer: has[name] for peer, has in peers.items() if name in has}}
        apart[name] = {
            peer: float(np.abs(np.array(over(call, pairs)) - values).max())
            for peer, call in calls.items()
            if peer != "jpegjax"
        }
        contest = {peer: lambda call=call: over(call, pairs) for peer, call in calls.items()}
        races.append(race("metrics", name, pixels, contest, rounds=given.rounds))
        show(races[-1])
    if any(len(found.seconds) > 1 for found in races):
        races.append(total(races, given.rounds))
        show(races[-1])
    described = describe()
    results = [found.as_dict() for found in races]
    report = {
        **described,
        "versions": {**described["versions"], **versions()},
        "images": {"source": source, "count": len(pairs), "pixels": pixels},
        "first_call_seconds": first,
        "largest_difference_from_peer": apart,
        "results": results,
        "verdicts": verdicts(results),
    }
    save(report, given.output or RESULTS / "metrics.json")


def show(found: Race) -> None:
    """One line of medians."""
    cells = [f"{name} {statistics.median(s):.3f} s" for name, s in found.seconds.items()]
    times = [f"×{found.ratio(name):.1f}" for name in found.seconds if name != "jpegjax"]
    print(f"{found.case:14}{', '.join(cells)} {' '.join(times)}", flush=True)


if __name__ == "__main__":
    main()
