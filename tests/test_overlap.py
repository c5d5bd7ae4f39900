"""Batches that are decoded on devices: what the host does while they work, by the order of events and by nobody's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from pictures import ripples

import jpegjax
from jpegjax.jpeg.decoding import on_devices
from jpegjax.jpeg.device import jobs, pages, resident
from jpegjax.run.flow import DEPTH

AHEAD = 5
"""Files that are decoded before they are asked for, of about one size each."""
ALIKE, OTHERS = (64, 64), (32, 128)
"""Sizes of 64 MCUs of grey; the smallest page has room for four of them."""


def files_of(*sizes: tuple[int, int]) -> list[bytes]:
    return [jpegjax.encode(ripples(*size, 1, seed=i)[..., 0], engine="host") for i, size in enumerate(sizes)]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens, in order: a file is given to the threads (submit), a page is sent, one is collected or waited for."""
    log: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **more: Any) -> Any:
            log.append(name)
            return function(*arguments, **more)

        return run

    monkeypatch.setitem(pages.SIZES, "cpu", (256,))
    monkeypatch.setattr(on_devices, "submit", noted("submit", on_devices.submit))
    monkeypatch.setattr(jobs.Decode, "arguments", noted("send", jobs.Decode.arguments))
    monkeypatch.setattr(jobs.Decode, "target", noted("collect", jobs.Decode.target))
    monkeypatch.setattr(resident, "step_tables", noted("send", resident.step_tables))
    monkeypatch.setattr(jax, "block_until_ready", noted("collect", jax.block_until_ready))
    return log


def ahead(files: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_devices, "AHEAD_BYTES", AHEAD * max(map(len, files)))


def same(found: list[Any], files: list[bytes]) -> None:
    wanted = jpegjax.decode(files, engine="host")
    assert all((np.asarray(a) == b).all() for a, b in zip(found, wanted, strict=True))


def test_files_are_decoded_while_pages_are_away(events, monkeypatch):
    """No page is waited for before the files of two more are sent and those behind them are with the threads."""
    files = files_of(*[ALIKE, OTHERS] * 16)
    ahead(files, monkeypatch)
    found = jpegjax.decode(files, engine="xla", device=jax.devices()[0])
    told = list(events)
    same(found, files)
    assert told.count("submit") == told.count("collect") == 32 and told.count("send") == 8
    for i, event in enumerate(told):
        sent, submitted, collected = (told[: i + 1].count(name) for name in ("send", "submit", "collect"))
        if event == "collect":  # four come with a page
            assert sent >= min(8, (collected - 1) // 4 + DEPTH + 1) and submitted >= min(32, 4 * sent + AHEAD)
        assert sent - collected // 4 <= DEPTH + 2 and submitted - 4 * sent <= AHEAD + 5


def test_batches_of_one_size_stay_bounded(events, monkeypatch):
    """Pixels that stay on the device: never more than two batches are ahead of it, and no file waits for the last ones."""
    files = files_of(*[ALIKE] * 24)
    ahead(files, monkeypatch)
    found = jpegjax.decode(files, engine="xla", device=jax.devices()[0])
    told = list(events)
    same(found, files)
    assert told.count("send") == 6 and told.count("collect") == 6 - DEPTH
    for i, event in enumerate(told):
        sent, submitted, waited = (told[: i + 1].count(name) for name in ("send", "submit", "collect"))
        assert sent - waited <= DEPTH + 1 and submitted - 4 * sent <= AHEAD + 5
        if event == "collect":
            assert submitted >= min(24, 4 * (sent + 1) + AHEAD)


@pytest.mark.parametrize("sizes", [[ALIKE] * 9, [ALIKE, OTHERS] * 4])
def test_files_that_fail_leave_the_others_alone(sizes, monkeypatch):
    """Where the header is good and what is behind it is refused; all of a page of them, too."""
    monkeypatch.setitem(pages.SIZES, "cpu", (256,))
    files = files_of(*sizes)
    bad = {0, 4, 5, 6, 7}
    cut = [data[: len(data) // 2] if i in bad else data for i, data in enumerate(files)]
    found = jpegjax.decode(cut, engine="xla", device=jax.devices()[0], strict=True, errors="return")
    for i, (got, data) in enumerate(zip(found, files, strict=True)):
        if i in bad:
            assert isinstance(got, jpegjax.CorruptJpeg)
        else:
            same([got], [data])
