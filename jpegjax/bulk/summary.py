"""What a job has done, from its records: JSON, a list of what failed, and a page. The same records give the same files."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass, field
from typing import Any

from .manifest import Manifest
from .places.storage import STATE, Place
from .work import BINS

__all__ = ["Summary", "write_summary"]

_LISTED = 200
"""Failures on the page; bad.jsonl has all."""


@dataclass(slots=True)
class Summary:
    """Totals over all shards that are done.

    nbytes, written_nbytes: before and after, of pictures that did not fail. seconds: of the run that made this; work_seconds: of
    all workers together. failed: shards that could not be done, with the reason; another run tries them again.
    """

    about: dict[str, Any]
    shards: int
    shards_done: int = 0
    pictures: int = 0
    written: int = 0
    nbytes: int = 0
    written_nbytes: int = 0
    pixels: int = 0
    work_seconds: float = 0.0
    seconds: float = 0.0
    bad: list[list[str]] = field(default_factory=list)
    damaged: list[list[str]] = field(default_factory=list)
    values: dict[str, tuple[float, int]] = field(default_factory=dict)
    saved: list[int] = field(default_factory=lambda: [0] * BINS)
    failed: list[list[str]] = field(default_factory=list)

    @classmethod
    def of(cls, manifest: Manifest, failed: list[list[str]]) -> Summary:
        found = cls(manifest.head["about"], len(manifest), failed=failed)
        for record in manifest.records():
            found.add(record)
        return found

    def add(self, record: dict[str, Any]) -> None:
        """Count a shard in."""
        self.shards_done += 1
        for name in ("pictures", "written", "nbytes", "written_nbytes", "pixels"):
            setattr(self, name, getattr(self, name) + record[name])
        self.work_seconds += record["seconds"]
        self.bad += record["bad"]
        self.damaged += record["damaged"]
        for name, (total, count) in record["values"].items():
            old = self.values.get(name, (0.0, 0))
            self.values[name] = (old[0] + total, old[1] + count)
        self.saved = [a + b for a, b in zip(self.saved, record["saved"], strict=True)]

    @property
    def saved_percent(self) -> float | None:
        """Of the bytes before; None where what is made does not stand for the picture."""
        known = self.about["work"].get("saves") and self.nbytes and self.written_nbytes
        return 100 * (1 - self.written_nbytes / self.nbytes) if known else None

    @property
    def means(self) -> dict[str, float]:
        return {name: total / count for name, (total, count) in self.values.items() if count}

    def as_dict(self) -> dict[str, Any]:
        """As summary.json has it; what failed stands in bad.jsonl."""
        percent = self.saved_percent
        return {
            "job": self.about, "shards": self.shards, "shards_done": self.shards_done, "pictures": self.pictures,
            "written": self.written, "bad": len(self.bad), "damaged": len(self.damaged), "bytes": self.nbytes,
            "written_bytes": self.written_nbytes, "saved_percent": None if percent is None else round(percent, 3),
            "pixels": self.pixels, "work_seconds": round(self.work_seconds, 2),
            "bits_per_pixel": round(8 * self.written_nbytes / self.pixels, 4) if self.pixels else None,
            "means": {name: round(value, 5) for name, value in self.means.items()},
            "saved_histogram": {"what": "pictures by percent saved; the first also holds those that grew",
                                "edges_percent": [100 * i // BINS for i in range(BINS + 1)], "pictures": self.saved},
            "shards_failed": self.failed,
        }  # fmt: skip


def write_summary(target: Place, summary: Summary) -> None:
    """summary.json, summary.html and bad.jsonl in the job's folder; those that would be the same stay untouched."""
    found = {
        f"{STATE}/summary.json": json.dumps(summary.as_dict(), indent=1, ensure_ascii=False) + "\n",
        f"{STATE}/bad.jsonl": "".join(json.dumps({"name": n, "reason": r}, ensure_ascii=False) + "\n" for n, r in summary.bad),
        f"{STATE}/summary.html": page(summary),
    }  # fmt: skip
    contents = {name: text.encode("utf-8", "replace") for name, text in found.items()}
    old = target.read(list(contents))
    target.write({name: new for (name, new), had in zip(contents.items(), old, strict=True) if had != new})


def size(nbytes: float) -> str:
    """Bytes as people read them."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    power = min(max(len(str(int(abs(nbytes)))) - 1, 0) // 3, len(units) - 1)
    return f"{nbytes / 1000**power:.3g} {units[power]}"


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .4rem}p{margin:.3rem 0;color:#5a6675}
.big{display:flex;flex-wrap:wrap;gap:2rem;margin:1.4rem 0}.big div{min-width:7rem}.big b{display:block;font-size:1.7rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}td{padding:.2rem .8rem .2rem 0;border-top:1px solid #e3e7ec;
vertical-align:top;overflow-wrap:anywhere}td:first-child{min-width:10rem}svg{width:100%;height:auto}rect{fill:#2a78d6}text{font-size:11px;fill:#5a6675}
code{font-size:.85rem;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#e4e8ee;background:#14181e}p,text{color:#9aa6b5;fill:#9aa6b5}td{border-color:#2b323c}}
"""


def _histogram(counts: list[int]) -> str:
    """Bars of pictures by percent saved."""
    most, width, height = max(max(counts), 1), 720, 160
    step = width / len(counts)
    bars = []
    for i, count in enumerate(counts):
        tall = height * count / most
        about = f"{100 * i // len(counts)} to {100 * (i + 1) // len(counts)} %: {count}"
        bars.append(
            f'<rect x="{i * step + 1:.1f}" y="{height - tall + 14:.1f}" width="{step - 2:.1f}" height="{tall:.1f}" rx="2">'
            f"<title>{about}</title></rect>"
        )
        if count:
            middle = i * step + step / 2
            bars.append(f'<text x="{middle:.1f}" y="{height - tall + 10:.1f}" text-anchor="middle">{count:,}</text>')
        if i % 2 == 0:
            bars.append(f'<text x="{i * step:.1f}" y="{height + 28}">{100 * i // len(counts)} %</text>')
    return f'<svg viewBox="0 0 {width} {height + 34}" role="img" aria-label="pictures by percent saved">{"".join(bars)}</svg>'


def _rows(pairs: list[list[str]]) -> str:
    return "".join(f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td></tr>" for a, b in pairs[:_LISTED])


def page(summary: Summary) -> str:
    """The summary as one HTML document without outside references."""
    about, percent = summary.about, summary.saved_percent
    figures = [
        ("pictures", f"{summary.pictures:,}"), ("failed", f"{len(summary.bad):,}"),
        ("damaged, saved in part", f"{len(summary.damaged):,}"),
        ("before", size(summary.nbytes)), ("after", size(summary.written_nbytes)),
        ("saved", "" if percent is None else f"{percent:.1f} %".replace("-", "−")),
        ("pixels", f"{summary.pixels / 1e6:,.1f} M"),
    ]  # fmt: skip
    figures += [(name, f"{value:.4g}") for name, value in summary.means.items() if math.isfinite(value)]
    big = "".join(f"<div><b>{value}</b>{html.escape(name)}</div>" for name, value in figures if value)
    parts = [
        f"<h1>{html.escape(about['work'].get('verb', 'done'))}: {html.escape(about['origin'])}</h1>",
        f"<p>{summary.shards_done:,} of {summary.shards:,} shards are done; {summary.work_seconds:,.0f} seconds of work.</p>",
        f'<div class="big">{big}</div>',
    ]
    if summary.written_nbytes and percent is not None:
        parts += ["<h2>Pictures by percent saved</h2>", _histogram(summary.saved)]
    for title, pairs, where in (
        ("Shards that could not be done", summary.failed, ""),
        ("Failed", summary.bad, "; bad.jsonl has all"),
        ("Damaged: what can be read was saved", summary.damaged, ""),
    ):
        if pairs:
            more = f" (the first {_LISTED} of {len(pairs):,}{where})" if len(pairs) > _LISTED else ""
            parts.append(f"<h2>{title}{more}</h2><table>{_rows(pairs)}</table>")
    parts.append(f"<h2>Job</h2><code>{html.escape(json.dumps(about, ensure_ascii=False))}</code>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>jpegjax bulk</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
