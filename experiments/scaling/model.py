"""What hosts of several devices, and fleets of hosts, would do: a model, no measurement, of parts that were measured.

Pictures a second of one host with n devices that lie full of pictures, each part as measured with one device:

    one process drives all    1 / (h + 1 / (n D)),  h = max(0, 1 / E − 1 / D)
    one process a device      min(n, cores) E
    but at most               n L / b    files over the devices' links to the host
    pixels from the host      at most n M / 3 A besides

D: the device's programs alone, E: whole encoding to bytes in host memory, so that h is what the host does of a picture while
the device waits; L and M bytes a second to and from the host, a link for every device; b bytes of a file, A pixels of a
picture. The host engine's rate grows with the cores, which is true of one picture a core. Hosts exchange nothing, so that a
thousand do a thousand times as much; whether a store keeps up is not in the model, but what it must is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Parts", "from_device", "predicted"]

HOSTS = 1000
DEVICES = 8
PICTURES = 1e9


@dataclass(frozen=True, slots=True)
class Parts:
    """encode, programs, host, coding: pictures of `size` a second, by one device whole and by its programs alone; by the host
    engine and by its entropy coder alone, on `cores` cores. to_device, to_host: bytes a second. file_bytes: of a picture."""

    source: str
    device: str
    size: tuple[int, int]
    cores: int
    encode: float
    programs: float
    to_device: float
    to_host: float
    host: float | None
    coding: float | None
    file_bytes: float

    @property
    def shares_cores(self) -> bool:
        """Whether its devices are cores of the host, so that more of them add nothing."""
        return self.device.startswith("cpu")


def from_device(report: Mapping[str, Any]) -> list[Parts]:
    """Parts of each size for which `benchmarks/device.py` has measured encoding and its programs."""
    if report.get("small") or "ceilings" not in report:
        return []
    found = []
    rows = [r for r in report["results"] if not r.get("transfers") and "4:2:0" in r["case"]]
    for programs in (r for r in rows if r["section"] == "programs"):
        size = programs["size"]
        of = {s: [r for r in rows if r["section"] == s and r["size"] == size] for s in ("encode", "host encode")}
        if not of["encode"]:
            continue
        best = max(of["encode"], key=lambda r: r["images_per_second"]["jpegjax"])
        host = max(of["host encode"], key=lambda r: r["images_per_second"]["jpegjax"], default=None)
        found.append(Parts(
            source=f"benchmarks/results/device.json, commit {report['commit']}", device=report["device"],
            size=(size[0], size[1]), cores=report["machine"]["cores"], encode=best["images_per_second"]["jpegjax"],
            programs=programs["images_per_second"]["jpegjax"], to_device=report["ceilings"]["to_device"],
            to_host=report["ceilings"]["to_host"],
            host=host["images_per_second"]["jpegjax"] if host else None,
            coding=host["images_per_second"]["coding alone"] if host else None,
            file_bytes=best["bytes"]["jpegjax"] / best["batch"],
        ))  # fmt: skip
    return found


def predicted(parts: Parts) -> dict[str, Any]:
    """The model's figures: pictures a second of a host and of a fleet, by way, with what bounds each."""
    area = parts.size[0] * parts.size[1]
    rows = []

    def add(way: str, devices: int, **bounds: float) -> None:
        bound = min(bounds, key=lambda name: bounds[name])
        rate = bounds[bound]
        rows.append({
            "way": way, "devices": devices, "pictures_per_second": rate, "bound": bound,
            "gpixel_per_second": rate * area / 1e9, "file_gb_per_second": rate * parts.file_bytes / 1e9,
            "pixel_gb_per_second": rate * area * 3 / 1e9,
            "fleet_pictures_per_second": HOSTS * rate, "fleet_seconds_for_1e9": PICTURES / (HOSTS * rate),
        })  # fmt: skip

    waits = max(0.0, 1 / parts.encode - 1 / parts.programs)
    for devices in (1,) if parts.shares_cores else (1, DEVICES):
        links = {"links to the host": devices * parts.to_host / parts.file_bytes}
        pixels = {"links from the host": devices * parts.to_device / (3 * area)}
        one = 1 / (waits + 1 / (devices * parts.programs))
        many = min(devices, parts.cores) * parts.encode
        add("pictures on the devices, one process", devices, **{"devices and one process": one, **links})
        if devices > 1:
            add("pictures on the devices, a process each", devices, **{"devices and processes": many, **links})
            add(
                "pictures in host memory, a process each", devices, **{"devices and processes": many}, **links, **pixels
            )
        else:
            add("pictures in host memory", devices, **{"device and process": parts.encode}, **links, **pixels)
    if parts.host is not None:
        add(f"host engine, {parts.cores} cores", 0, cores=parts.host)
    if parts.coding is not None:
        add(f"coefficients coded by {parts.cores} cores", 0, cores=parts.coding)
    return {"parts": asdict(parts), "host_seconds_a_picture": waits, "rows": rows}
