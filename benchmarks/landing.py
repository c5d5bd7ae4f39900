"""What README and the site show of the results: the front page's table, its picture's figures, panels of metrics."""

from __future__ import annotations

from shown import Result, of, pace, percent, source, table

__all__ = ["equal_size", "landing", "panel"]

PANEL = {
    "ssimulacra2": "SSIMULACRA2", "butteraugli_3": "Butteraugli, 3-norm", "butteraugli_max": "Butteraugli, maximum",
    "psnr_hvs_m": "PSNR-HVS-M", "gmsd": "GMSD", "haarpsi": "HaarPSI", "fsimc": "FSIMc", "vif": "VIF", "ssim": "SSIM (luma)",
    "ms_ssim": "MS-SSIM (luma)", "ms_ssim_rgb": "MS-SSIM (RGB)", "psnr": "PSNR (RGB)",
}  # fmt: skip


def landing(codec: Result, kodak: Result, restored: Result, learned: Result) -> list[str]:
    """README's table: a claim a row, ours beside the nearest others of the same run."""
    rows = []
    for verb in ("encode", "decode"):
        (race,) = (r for r in of(codec, verb) if r["case"] == "q75 all cores")
        others = {name: name.partition(" ")[0] for name in ("Pillow pool", "simplejpeg pool")}
        beside = ", ".join(f"{label} {pace(race, name)}" for name, label in others.items())
        rows.append([f"{verb}, quality 75, Mpixel/s", pace(race, "jpegjax"), beside, code(codec)])
    found = {name: by["ssimulacra2"] for name, by in kodak["bd_rate_percent"].items()}
    ours = percent(next(value for name, value in found.items() if "tune=True" in name))
    peers = {"jpegli": "jpegli cjpegli --chroma_subsampling=420", "mozjpeg": "cjpeg default"}
    beside = ", ".join(
        f"{label} {percent(next(v for n, v in found.items() if words in n))}" for label, words in peers.items()
    )
    rows.append(["bytes at equal SSIMULACRA2, `tune=True`, %", ours, beside, code(kodak)])
    by = {name: rates["psnr"] for name, rates in restored["bd_rate_percent"].items()}
    ours = percent(by["tune='restored', refine=4, restored"])
    beside = f"WebP {percent(by['WebP, method 6'])}, JPEG 2000 {percent(by['JPEG 2000'])}"
    rows.append(['bytes at equal PSNR, `tune="restored"`, restored, %', ours, beside, code(restored)])
    rates = {name: found["psnr"] for name, found in learned["bd_rate_against_jpeg"].items()}
    beside = f"AVIF {percent(rates['avif (here)'])}, VTM {percent(rates['VTM'])}"
    rows.append(["bytes at equal PSNR, learned codec, %", percent(rates["light"]), beside, code(learned)])
    about = "24 pictures of Kodak, two CPU cores; bytes against plain JPEG"
    head, _, *lines = table([about, "jpegjax", "beside it", "command"], rows)
    return [head, "| --- | ---: | --- | --- |", *lines]


def code(report: Result) -> str:
    return f"`{report['command']}`"


def equal_size(report: Result) -> list[str]:
    """The files of the picture of one detail."""
    rows = [
        [r["name"], f"{r['nbytes']:,}", f"{r['psnr_db']:.2f}", f"{r['ssimulacra2']:.1f}".replace("-", "−")]
        for r in report["results"]
    ]
    head = [f"{report['picture']}, at most {report['asked_nbytes']:,} bytes", "bytes", "PSNR, dB", "SSIMULACRA2"]
    return [*table(head, rows), *source(report)]


def panel(report: Result) -> list[str]:
    """BD-rates of many metrics, a metric a row: means over pictures, each by itself. The lowest is bold."""
    found = report["bd_rate"]["all"]
    rows = []
    for metric, label in PANEL.items():
        means = {name: by[metric]["mean_percent"] for name, by in found.items()}
        lowest = min((m for m in means.values() if m is not None), default=None)
        cells = [f"**{percent(m)}**" if m is not None and m == lowest else percent(m) for m in means.values()]
        rows.append([label, *cells])
    head = [f"BD-rate %, {len(report['pictures'])} {report['set']}", *found]
    return [*table(head, rows), *source(report)]
