"""Writers that are killed: what they leave goes with the next write, what living ones hold stays, no file is torn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_writing import elsewhere, left

import jpegjax
from jpegjax.run import writing

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and locks of POSIX")


def test_what_a_killed_process_leaves_goes_with_the_next_write(tmp_path: Path) -> None:
    for how in ("replace", "link"):
        code = f"os.{how} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        code += f"write_file(sys.argv[1], b'half', overwrite={how == 'replace'})"
        assert elsewhere(code, tmp_path / "x").returncode == -signal.SIGKILL
        assert len(left(tmp_path)) == 1
    (tmp_path / ".jpegjax-photo.part").write_bytes(b"somebody's")
    done = elsewhere("write_file(sys.argv[1], b'whole')", tmp_path / "y")
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == [".jpegjax-photo.part", "y"]


def test_a_living_writers_file_stays(tmp_path: Path) -> None:
    path, fd = writing._partial(str(tmp_path), 0o666)
    try:
        assert elsewhere("write_file(sys.argv[1], b'x')", tmp_path / "x").returncode == 0
        assert left(tmp_path) == [os.path.basename(path)]
    finally:
        os.close(fd)
    assert elsewhere("write_file(sys.argv[1], b'x')", tmp_path / "x").returncode == 0
    assert not left(tmp_path)


@pytest.mark.slow
def test_writers_that_are_killed_at_any_time_tear_nothing(tmp_path: Path) -> None:
    target = tmp_path / "x"
    code = f"""
import random, sys
from jpegjax.run.writing import write_file
draw = random.Random(int(sys.argv[1]))
while True:
    size = draw.randrange(1, 3_000_000)
    write_file({str(target)!r}, bytes([draw.randrange(256)]) * size + size.to_bytes(4, "big"))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(jpegjax.__file__).parents[1])}

    def start(seed: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, str(seed)], env=environment)

    writers = [start(seed) for seed in range(4)]
    try:
        for look in range(400):
            if target.exists():
                content = target.read_bytes()
                size = int.from_bytes(content[-4:], "big")
                assert len(content) == size + 4 and content[:size] == content[:1] * size
            if look % 20 == 19:
                writers[0].kill()
                writers[0].wait()
                writers = [*writers[1:], start(look)]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert elsewhere("write_file(sys.argv[1], b'last')", target).returncode == 0
    assert os.listdir(tmp_path) == ["x"] and target.read_bytes() == b"last"
