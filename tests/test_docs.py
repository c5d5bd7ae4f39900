"""The site's pages run as they stand, block by block, in a folder with photo.jpg and photos/; and name what is there."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^(`{3,})(python|console|bash)\n(.*?)^\1$", re.M | re.S)
PAGES = {
    str(path.relative_to(DOCS)): found
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts and (found := [match.groups()[1:] for match in FENCE.finditer(path.read_text())])
}
INSTALLING = re.compile(
    r'python3 -m venv \.venv && \.venv/bin/pip install "?\.(\[[\w,]+\])?"?( && \.venv/bin/jpegjax demo)?\n'
)
"""What a page may ask of a shell: no test installs anything."""
SHORTER = {"guides/first-codec.md": {"steps=800": "steps=12", "warmup=40": "warmup=4", "log_every=100": "log_every=6"}}
"""What is replaced so that seconds do: a training of minutes."""
NEEDS = {
    "jpegjax import train": "grain",
    "jpegjax.cli.samples": "skimage",
    "jpegjax.train": "optax",
    "bulk --runner ray": "ray",
    "jpegjax.studio": "starlette",
}


def at_a_glance(made: dict) -> None:
    assert (
        made["batch"].shape == (2, 64, 64, 3) and made["pixels"].shape == (176, 192, 3) and len(made["fit"]) <= 12_000
    )
    assert made["small"].shape == (44, 48, 3) and made["part"].shape == (80, 100, 3) and len(made["files"]) == 2
    assert made["gain"] < 0 and made["bits"].shape == (2,) and made["webp"][:4] == b"RIFF"
    assert made["seen"].shape[0] == 1 and made["shown"].shape == (1, 176, 192, 3) and made["shown"].dtype == np.float32
    assert made["past"].doubly and abs(made["past"].first_quality - 95) <= 2  # the photograph was a file of quality 95
    assert len(made["streams"]) == 2 and made["latents"].dtype == np.int16 and made["latents"].shape[:2] == (12, 12)


def first_codec(made: dict) -> None:
    """A codec of a few steps is no good, but its file is whole: read back, the same pixels; damaged, refused."""
    assert made["shown"].shape == made["image"].shape and np.array_equal(made["decode"](made["data"]), made["shown"])
    with pytest.raises(made["jpegjax"].CorruptStream):
        made["decode"](made["data"][:-1])


CHECKS = {"guides/at-a-glance.md": at_a_glance, "guides/first-codec.md": first_codec}
"""What a page has made, beyond that it runs."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """photo.jpg, and photos/ with a PNG and two JPEG files."""
    y, x = np.mgrid[:176, :192] / 10.0
    waves = np.stack([np.sin(x + np.cos(y)), np.cos(y - np.sin(x)), np.sin(x * y / 9)], -1)
    noise = np.random.default_rng(0).normal(0, 12, waves.shape)
    photo = Image.fromarray(np.clip(128 + 80 * waves + noise, 0, 255).astype(np.uint8))
    (tmp_path / "photos").mkdir()
    photo.save(tmp_path / "photo.jpg", quality=95)
    photo.crop((0, 0, 96, 80)).save(tmp_path / "photos" / "one.png")
    photo.crop((30, 20, 150, 120)).save(tmp_path / "photos" / "two.jpg", quality=90)
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photos" / "three.jpg", quality=85)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page: str, pictures: Path, run: Run) -> None:
    text = "".join(code for _, code in PAGES[page])
    for words, package in NEEDS.items():
        if words in text:
            pytest.importorskip(package, reason=f"{page} needs {package}")
    made: dict = {"__name__": "page"}
    shorter = dict(SHORTER.get(page, {}))
    for kind, code in PAGES[page]:
        if kind == "bash":
            assert INSTALLING.fullmatch(code), f"{page}: {code}"
        elif kind == "console":
            for line in code.splitlines():
                prompt, program, *words = shlex.split(line)
                assert (prompt, program) == ("$", "jpegjax"), line
                answer = run(*words)
                assert answer.code == 0, f"{page}: {line}\n{answer.err}"
        else:
            for long in [long for long in shorter if long in code]:
                code = code.replace(long, shorter.pop(long))
            exec(compile(code, page, "exec"), made)
    assert not shorter, f"{page} has nothing to shorten: {shorter}"
    if page in CHECKS:
        CHECKS[page](made)


def test_every_guide_is_run() -> None:
    silent = {path.name for path in (DOCS / "guides").glob("*.md")} - {Path(page).name for page in PAGES} - {"index.md"}
    assert not silent, f"guides without a block that runs: {silent}"


def test_the_reference_has_every_public_name() -> None:
    text = "".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    told = set(re.findall(r"^\.\. auto(?:class|function|data):: ([\w.]+)$", text, re.M))
    for module in (
        "jpegjax",
        "jpegjax.codecs",
        "jpegjax.metrics",
        "jpegjax.forensics",
        "jpegjax.report",
        "jpegjax.ops",
        "jpegjax.train",
    ):
        names = {f"{module}.{name}" for name in importlib.import_module(module).__all__}
        assert names <= told, f"not in docs/reference: {sorted(names - told)}"


def test_what_the_reference_names_is_there() -> None:
    text = "".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    for kind, name in re.findall(r"^\.\. auto(class|function|module):: ([\w.]+)$", text, re.M):
        module, _, last = name.rpartition(".")
        if kind == "module":
            importlib.import_module(name)
        else:
            assert hasattr(importlib.import_module(module), last), name
