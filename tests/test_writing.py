"""The one writer of files: whole or not at all, through links, pipes and descriptors, nothing of a file lost but its content."""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jpegjax
from jpegjax.run.writing import write_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, modes and FIFOs of POSIX")
PICTURE = np.zeros((8, 8), np.uint8)


def left(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith(".jpegjax-"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def elsewhere(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A fresh process that has `write_file`."""
    code = "import os, sys, signal\nfrom jpegjax.run.writing import write_file\n" + code
    environment = os.environ | {"PYTHONPATH": str(Path(jpegjax.__file__).parents[1])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def test_new_files_have_the_umasks_mode(tmp_path: Path) -> None:
    for umask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        target = tmp_path / f"{umask}"
        done = elsewhere("os.umask(int(sys.argv[2])); write_file(sys.argv[1], b'x')", target, umask)
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(target.stat().st_mode) == mode and target.read_bytes() == b"x"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o777, 0o604])
def test_replaced_files_keep_their_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "x.jpg"
    target.write_bytes(b"old and longer")
    target.chmod(mode)
    inode = target.stat().st_ino
    jpegjax.imwrite(target, PICTURE)
    assert target.read_bytes() == jpegjax.encode(PICTURE)
    assert stat.S_IMODE(target.stat().st_mode) == mode and target.stat().st_ino != inode
    assert not left(tmp_path)


def test_owner_group_and_attributes_are_handed_down(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    try:
        os.setxattr(target, "user.rating", b"5 stars")
    except OSError:
        pytest.skip("a file system without extended attributes")
    if os.geteuid() == 0:
        os.chown(target, 1234, 2345)
    before = target.stat()
    write_file(target, b"new")
    after = target.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert os.getxattr(target, "user.rating") == b"5 stars" and target.read_bytes() == b"new"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_links_are_followed(tmp_path: Path, depth: int) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    end = inner / "end"
    name = end
    for i in range(depth):
        link = (tmp_path if i % 2 else inner) / f"link{i}"
        link.symlink_to(os.path.relpath(name, link.parent) if i != 1 else name)
        name = link
    write_file(name, b"first")  # where it leads nowhere yet
    assert name.is_symlink() and end.read_bytes() == b"first" and not end.is_symlink()
    write_file(name, b"second")
    assert name.is_symlink() and end.read_bytes() == b"second" and not left(tmp_path) and not left(inner)


def test_links_to_nowhere_are_refused_by_name(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.symlink_to(there)
    there.symlink_to(here)
    lost = tmp_path / "lost"
    lost.symlink_to(tmp_path / "no folder" / "x")
    for target in (here, lost, tmp_path):
        with pytest.raises(OSError) as refused:
            write_file(target, b"x")
        assert refused.value.filename == str(target)
    assert not left(tmp_path) and sorted(os.listdir(tmp_path)) == ["here", "lost", "there"]


def test_linked_folders_hold_the_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the target, not beside the link: a rename stays within one file system."""
    (tmp_path / "real").mkdir()
    (tmp_path / "x").symlink_to(tmp_path / "real" / "x")
    seen = []

    def watched(source: str, target: str) -> None:
        seen.append((os.path.dirname(source), target))

    monkeypatch.setattr(os, "replace", watched)
    write_file(tmp_path / "x", b"x")
    assert seen == [(str(tmp_path / "real"), str(tmp_path / "real" / "x"))]


def test_pipes_are_written_through(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    content = os.urandom(300_000)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(fifo.read_bytes)
        write_file(fifo, content)
        assert read.result(60) == content
    assert stat.S_ISFIFO(fifo.stat().st_mode) and os.listdir(tmp_path) == ["fifo"]


@pytest.mark.parametrize("through", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_own_descriptors_are_written_at_their_place(tmp_path: Path, through: str) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    with (tmp_path / "redirected").open("wb", buffering=0) as file:
        file.write(b"before, ")
        name = through.format(file.fileno())
        if through == "link":
            (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
            name = str(tmp_path / "link")
        write_file(name, b"content")
        file.write(b", behind")
        inode = os.fstat(file.fileno()).st_ino
    assert (tmp_path / "redirected").read_bytes() == b"before, content, behind"
    assert (tmp_path / "redirected").stat().st_ino == inode


def test_closed_descriptors_are_refused() -> None:
    with pytest.raises(OSError, match="/dev/fd/987"):
        write_file("/dev/fd/987", b"x")


def test_stdout_of_every_kind(tmp_path: Path) -> None:
    code = "write_file('/dev/stdout', b'picture')"
    assert elsewhere(code).stdout == "picture"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run(
            [sys.executable, "-c", f"from jpegjax.run.writing import write_file; {code}; {code}"],
            stdout=out, check=True, env=os.environ | {"PYTHONPATH": str(Path(jpegjax.__file__).parents[1])},
        )  # fmt: skip
    assert (tmp_path / "out").read_bytes() == b"picturepicture"


def test_hard_links_stay_one_file(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"a long old content")
    os.link(a, b)
    a.chmod(0o640)
    write_file(a, b"new")
    assert b.read_bytes() == b"new" and a.stat().st_ino == b.stat().st_ino and a.stat().st_nlink == 2
    assert stat.S_IMODE(b.stat().st_mode) == 0o640


def test_old_content_comes_back_where_writing_through_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"a long old content")
    os.link(a, b)
    real, calls = os.write, []

    def full(fd: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real(fd, data[:3])
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_file(a, b"new content")
    assert refused.value.filename == str(a) and b.read_bytes() == b"a long old content"


@pytest.mark.parametrize(
    "name", ["x" * 255, "x" * 251 + ".jpg", "ä" * 127, "写" * 85, b"\xff\xfe" * 127, b"a\xc3", "\n", " "]
)
def test_names_may_be_as_long_as_the_system_takes(tmp_path: Path, name: str | bytes) -> None:
    target = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
    for content in (b"first", b"second"):
        try:
            write_file(target, content)
        except OSError:
            with pytest.raises(OSError), open(target, "wb"):
                pass
            pytest.skip("a name that this file system does not take")
        with open(target, "rb") as file:
            assert file.read() == content
    assert not left(tmp_path)
    with pytest.raises(OSError, match="too long"):
        write_file(tmp_path / ("y" * 256), b"x")


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=255).filter(lambda n: not set(n) & {0, 47} and n.strip(b".")))
def test_any_name(name: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(os.fsencode(folder), name)
        try:
            write_file(target, b"x")
        except OSError:
            return
        assert os.listdir(os.fsencode(folder)) == [name]


def test_many_threads_to_one_target(tmp_path: Path) -> None:
    target = tmp_path / "x"
    contents = [bytes([i]) * (50_000 + 1000 * i) for i in range(24)]
    stop = threading.Event()
    torn: list[bytes] = []

    def look() -> None:
        while not stop.is_set():
            if target.exists() and (seen := target.read_bytes()) not in contents:
                torn.append(seen)

    reader = threading.Thread(target=look)
    reader.start()
    with ThreadPoolExecutor(24) as pool:
        for done in [pool.submit(write_file, target, content) for content in contents * 4]:
            done.result()
    stop.set()
    reader.join()
    assert not torn and target.read_bytes() in contents and os.listdir(tmp_path) == ["x"]


def test_many_threads_to_a_file_of_two_names(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    os.link(target, tmp_path / "y")
    contents = [bytes([i]) * (5000 + 1000 * i) for i in range(24)]
    with ThreadPoolExecutor(24) as pool:
        for done in [pool.submit(write_file, target, content) for content in contents]:
            done.result()
    assert target.read_bytes() in contents and sorted(os.listdir(tmp_path)) == ["x", "y"]


def test_only_one_of_many_makes_a_new_file(tmp_path: Path) -> None:
    def attempt(i: int) -> bool:
        try:
            write_file(tmp_path / "x", bytes([i]), overwrite=False)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(attempt, range(16)))
    assert sum(won) == 1 and (tmp_path / "x").read_bytes() == bytes([won.index(True)]) and not left(tmp_path)
    assert (tmp_path / "x").stat().st_nlink == 1


def test_failures_leave_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        for name in ("x", "new"):
            with pytest.raises(OSError, match="No space left") as refused:
                write_file(tmp_path / name, b"content")
            assert refused.value.filename == str(tmp_path / name)
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "x", b"content", overwrite=False)
    assert os.listdir(tmp_path) == ["x"] and (tmp_path / "x").read_bytes() == b"old"


def test_times_are_given(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    os.link(tmp_path / "x", tmp_path / "y")
    for name in ("x", "z", "z"):
        write_file(tmp_path / name, b"new", times=(1_500_000_000_123_456_000, 1_400_000_000_654_321_000), durable=True)
        assert (tmp_path / name).stat().st_mtime_ns == 1_400_000_000_654_321_000


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="another user is needed")
def test_other_users_folders_and_files(open_folder: Path) -> None:
    """Nobody may: write through in a folder that takes no new files; not at all where the file is read-only."""

    def nobody(name: str) -> subprocess.CompletedProcess[str]:
        code = "os.setgroups([]); os.setgid(65534); os.setuid(65534); write_file(sys.argv[1], b'new')"
        return elsewhere(code, open_folder / name)

    closed = open_folder / "closed"
    closed.mkdir()
    for name, mode in (("closed/open", 0o666), ("closed/shut", 0o644), ("mine", 0o666), ("read-only", 0o444)):
        (open_folder / name).write_bytes(b"older")
        (open_folder / name).chmod(mode)
    inodes = {name: (open_folder / name).stat().st_ino for name in ("closed/open", "mine")}
    for name in ("closed/open", "mine"):
        assert nobody(name).returncode == 0
        after = (open_folder / name).stat()
        assert (open_folder / name).read_bytes() == b"new"
        assert (after.st_ino, after.st_uid, stat.S_IMODE(after.st_mode)) == (inodes[name], 0, 0o666)
    for name in ("closed/shut", "closed/new", "read-only"):
        done = nobody(name)
        assert done.returncode and "PermissionError" in done.stderr and str(open_folder / name) in done.stderr
        assert not (open_folder / name).exists() or (open_folder / name).read_bytes() == b"older"
    assert not left(closed) and not left(open_folder)


def test_content_may_be_written_by_hand(tmp_path: Path) -> None:
    """In parts, as what is larger than memory; through links and descriptors too."""
    (tmp_path / "link").symlink_to(tmp_path / "x")
    (tmp_path / "old").write_bytes(b"a long old content")
    os.link(tmp_path / "old", tmp_path / "other")
    for name in ("link", "old"):
        write_file(tmp_path / name, lambda file: file.writelines(bytes([i]) * 1000 for i in range(50)))
    for name in ("x", "other"):
        assert (tmp_path / name).read_bytes() == b"".join(bytes([i]) * 1000 for i in range(50))

    def broken(file: BinaryIO) -> None:
        file.write(b"half")
        (tmp_path / "no folder" / "picture.png").read_bytes()

    for name in ("x", "old", "new"):
        with pytest.raises(FileNotFoundError, match=r"picture\.png"):
            write_file(tmp_path / name, broken)
    assert (tmp_path / "x").stat().st_size == (tmp_path / "other").stat().st_size == 50_000
    assert sorted(os.listdir(tmp_path)) == ["link", "old", "other", "x"]


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV, errno.EPERM], ids=errno.errorcode.get)
def test_files_that_cannot_be_replaced_are_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Such as one that is mounted into a container by itself."""
    target = tmp_path / "x"
    target.write_bytes(b"a long old content")
    inode = target.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    write_file(target, b"new", times=(10**18, 10**18))
    assert target.read_bytes() == b"new" and target.stat().st_ino == inode and target.stat().st_mtime_ns == 10**18
    assert os.listdir(tmp_path) == ["x"]


def test_access_lists_are_handed_down(tmp_path: Path) -> None:
    target, name = tmp_path / "x", "system.posix_acl_access"
    entries = [(1, 6, -1), (2, 4, 1234), (4, 4, -1), (16, 4, -1), (32, 0, -1)]  # owner, user 1234, group, mask, others
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    target.write_bytes(b"old")
    try:
        os.setxattr(target, name, acl)
    except OSError:
        pytest.skip("a file system without access lists")
    write_file(target, b"new")
    assert os.getxattr(target, name) == acl and target.read_bytes() == b"new"
