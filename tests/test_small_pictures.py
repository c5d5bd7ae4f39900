"""What a call costs beside its kernels: options and plans are worked out once, and stay right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jpegjax
from jpegjax.api import encoding
from jpegjax.jpeg import codec
from jpegjax.options import EncodeOptions

SMALL = np.add.outer(np.arange(64), 3 * np.arange(64)).astype(np.uint8)


def test_options_of_plain_values_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(EncodeOptions, "_check_lossy", lambda self: made.append(self.quality))
    for _ in range(3):
        jpegjax.encode(SMALL, quality=37, restart_blocks=3, engine="host")
    assert made == [37]


def test_values_that_are_only_equal_are_told_apart(tmp_path: Path) -> None:
    first = jpegjax.encode(SMALL, quality=1)
    for wrong in (True, 1.0, (1, True)):
        with pytest.raises(TypeError, match="quality"):
            jpegjax.encode(SMALL, quality=wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="optimize"):
        jpegjax.encode(SMALL, optimize=0)  # type: ignore[call-overload]
    assert jpegjax.encode(SMALL, quality=np.int64(1)) == first  # type: ignore[call-overload]

    table = np.full(64, 9)
    before = jpegjax.encode(SMALL, qtables=[table])
    table[:] = 40
    assert jpegjax.encode(SMALL, qtables=[table]) != before

    path = tmp_path / "like.jpg"
    path.write_bytes(jpegjax.encode(SMALL, quality=20))
    coarse = jpegjax.encode(SMALL, quality="keep", like=str(path))
    path.write_bytes(jpegjax.encode(SMALL, quality=90))
    assert len(jpegjax.encode(SMALL, quality="keep", like=str(path))) > len(coarse)
    for _ in range(2):
        with pytest.raises(ValueError, match="quality=101"):
            jpegjax.encode(SMALL, quality=101)
    assert encoding._known_options.cache_info().maxsize == 256


def test_pictures_of_one_size_are_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[tuple[int, ...]] = []
    plan = codec.plan
    monkeypatch.setattr(codec, "plan", lambda shape, options: planned.append(shape) or plan(shape, options))
    jpegjax.encode([SMALL] * 20 + [SMALL[:50]] * 3 + [SMALL], engine="host")
    assert planned == [(64, 64), (50, 64)]


def test_errors_of_pictures_of_one_size_are_each_its_own() -> None:
    found = jpegjax.encode([SMALL] * 3, color="RGB", errors="return", engine="host")
    assert len({id(e) for e in found}) == 3 and [str(e)[:7] for e in found] == ["item 0:", "item 1:", "item 2:"]
