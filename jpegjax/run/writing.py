"""One writer of files: the whole content or the old one, through links, devices and pipes, modes and owners kept.

target ──▶ where it leads ──▶ a name of its own beside it, locked ──▶ content, owner, mode ──▶ replaced at once
                          └─▶ device, pipe, descriptor, several names, locked folder: written through
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import select
import stat
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["write_file"]

Fill: TypeAlias = Callable[[int], None]
Name: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

_PARTIAL = re.compile(r"\.jpegjax-[0-9a-f]{32}\.part")
_ABANDONED_SECONDS = 86_400  # of partial files where there are no locks to ask
_SWEEPING_SHARE = 0.01  # of the time that passes, at most, goes into looking for partial files
_IN_PLACE_ONLY = (
    errno.EBUSY,
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
)  # a file that is mounted by itself, a sticky folder
_LINKS = 40  # that lead from one to the next; Linux follows as many
_swept: dict[tuple[int, int], tuple[float, float]] = {}
"""Of a folder, by its device and inode: when it was looked through, and how long that took."""


def write_file(
    target: Name,
    content: bytes | memoryview | Callable[[BinaryIO], object],
    *,
    overwrite: bool = True,
    times: tuple[int, int] | None = None,
    durable: bool = False,
) -> None:
    """Write a file, as a whole or not at all.

    Links are followed, one that leads nowhere to the file that it names. A file that is replaced hands down its mode, owner,
    group, access list and extended attributes; a new one has the mode that the process gives. Until it is whole, the
    content lies in the target's folder under a random name of 46 bytes; what a killed process leaves there goes when the next
    one writes into the folder, told from that of living ones by a lock.

    Written through, which is whole only once it has ended: devices, pipes, a process's own descriptors (/dev/stdout,
    /dev/fd/3), files of several hard links, and files whose folder or owner allows no other way. The old content comes back
    if that fails.

    Args:
        target: Where the file shall lie; its folder exists.
        content: All of it; or what writes it into a file that it is given, from its start on.
        overwrite: Whether a file that exists may be replaced.
        times: (access, modification) in nanoseconds since 1970 that a regular file is given.
        durable: On the disk before the old file goes, so that a power cut leaves one of the two.

    Raises:
        FileExistsError: The file exists and may not be replaced.
        PermissionError: The file is not writable, even where its folder is.
        OSError: The system refuses; the error names the target.
    """
    path = os.fsdecode(target)
    fill = _filling(content)
    with _named(path):
        place, descriptor = _followed(path)
        if descriptor is not None:
            _into(os.dup(descriptor), fill)
            return
        old = _status(place)
        if old is not None and not stat.S_ISREG(old.st_mode):
            _into(os.open(place, os.O_WRONLY | getattr(os, "O_NOCTTY", 0)), fill)
            return
        _sweep(os.path.dirname(place))
        if old is None:
            _create(place, fill, overwrite, times, durable)
            return
        if not overwrite:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        old = os.stat(place)  # a dead writer's second name for it may be gone by now
        if old.st_nlink > 1 or not _replace(place, fill, old, times, durable):
            _write_through(place, fill, times, durable)


def _filling(content: bytes | memoryview | Callable[[BinaryIO], object]) -> Fill:
    """What writes the content behind a descriptor."""

    def by_hand(fd: int) -> None:
        with os.fdopen(fd, "wb", closefd=False) as file:
            content(file)  # type: ignore[operator]

    def at_once(fd: int) -> None:
        with memoryview(content).cast("B") as octets:  # type: ignore[arg-type]
            _write_all(fd, octets)

    return by_hand if callable(content) else at_once


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """The target's name, rather than that of a partial file or none, in what the system refuses."""
    try:
        yield
    except OSError as error:
        named = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
        mine = not named or _PARTIAL.fullmatch(os.path.basename(named)) is not None
        if error.errno is not None and (mine or os.path.realpath(named) == os.path.realpath(path)):
            error.filename, error.filename2 = path, None
        raise


def _status(place: str) -> os.stat_result | None:
    try:
        return os.stat(place)
    except FileNotFoundError:
        return None


def _into(fd: int, fill: Fill) -> None:
    try:
        fill(fd)
    finally:
        os.close(fd)


def _followed(path: str) -> tuple[str, int | None]:
    """(the path behind all links, whether it exists or not; the descriptor of this process that it stands for, or None)."""
    for _ in range(_LINKS):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        if name.isdecimal() and folder in (f"/proc/{os.getpid()}/fd", "/dev/fd"):
            return path, int(name)
        path = os.path.join(folder, name)
        if not os.path.islink(path) or re.fullmatch(r"/proc/[^/]+(/task/[^/]+)?/fd", folder):
            return path, None
        path = os.path.join(folder, os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _write_all(fd: int, octets: memoryview) -> None:
    done = 0
    while done < len(octets):
        try:
            done += os.write(fd, octets[done:])
        except BlockingIOError:  # a pipe that another program made non-blocking
            select.select([], [fd], [])


def _lock(fd: int, wait: bool) -> bool:
    """Whether the file is this writer's own now; file systems without locks grant it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return wait
    return True


def _partial(folder: str, mode: int) -> tuple[str, int]:
    """(path, descriptor) of a new empty file in folder, locked; nobody else knows its name or had it before."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(folder, f".jpegjax-{secrets.token_hex(16)}.part")
        fd = os.open(path, flags, mode)
        _lock(fd, wait=True)
        if os.name == "nt" or os.fstat(fd).st_nlink:  # not taken for a dead process's before it was locked
            return path, fd
        os.close(fd)


def _sweep(folder: str) -> None:
    """Remove what killed processes left in a folder; now and then, so that it costs next to nothing in large ones."""
    try:
        status = os.stat(folder)
        key = status.st_dev, status.st_ino
        start = time.monotonic()
        last, cost = _swept.get(key, (-1e9, 0.0))
        if (start - last) * _SWEEPING_SHARE < cost:
            return
        names = [name for name in os.listdir(folder) if _PARTIAL.fullmatch(name)]
        _swept[key] = start, time.monotonic() - start
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            _remove_if_abandoned(os.path.join(folder, name))


def _remove_if_abandoned(path: str) -> None:
    if fcntl is None:
        if time.time() - os.stat(path).st_mtime > _ABANDONED_SECONDS:
            os.unlink(path)
        return
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode) and _lock(fd, wait=False):
            os.unlink(path)
    finally:
        os.close(fd)


def _seal(fd: int, times: tuple[int, int] | None, durable: bool) -> None:
    if times is not None and os.utime in os.supports_fd:
        os.utime(fd, ns=times)
    if durable:
        os.fsync(fd)


def _create(place: str, fill: Fill, overwrite: bool, times: tuple[int, int] | None, durable: bool) -> None:
    partial, fd = _partial(os.path.dirname(place), 0o666)
    try:
        fill(fd)
        _seal(fd, times, durable)
        if os.name == "nt":
            os.close(fd)
            fd = -1
        if overwrite:
            os.replace(partial, place)
            return
        try:
            os.link(partial, place)  # never over what came in between
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(place):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), place) from None
            os.replace(partial, place)
    finally:
        _discard(partial, fd)


def _discard(partial: str, fd: int) -> None:
    """Unlinked before it is closed: the lock tells others meanwhile that it is no dead process's."""
    with contextlib.suppress(OSError):
        os.unlink(partial)
    if fd >= 0:
        os.close(fd)


def _replace(place: str, fill: Fill, old: os.stat_result, times: tuple[int, int] | None, durable: bool) -> bool:
    """Whether the file could be replaced by one of the same owner, mode and attributes; otherwise nothing has changed."""
    try:
        partial, fd = _partial(os.path.dirname(place), 0o600)
    except (PermissionError, FileNotFoundError):
        return False  # a folder that takes no new files
    try:
        if not _hand_down(place, fd, old):
            return False
        fill(fd)
        _seal(fd, times, durable)
        if os.name == "nt":
            os.close(fd)
            fd = -1
        try:
            os.replace(partial, place)
        except OSError as error:
            if error.errno in _IN_PLACE_ONLY:
                return False
            raise
        return True
    finally:
        _discard(partial, fd)


def _hand_down(place: str, fd: int, old: os.stat_result) -> bool:
    """Owner, group, attributes, access list and mode of a file to another; False where owner or group cannot be."""
    if hasattr(os, "fchown"):
        new = os.fstat(fd)
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            try:
                os.fchown(fd, old.st_uid, old.st_gid)
            except OSError:
                return False
    if hasattr(os, "listxattr"):
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listxattr(place)
        for name in names:
            with contextlib.suppress(OSError):  # some belong to the system
                os.setxattr(fd, name, os.getxattr(place, name))
    if hasattr(os, "fchmod"):
        os.fchmod(fd, stat.S_IMODE(old.st_mode))
    return True


def _write_through(place: str, fill: Fill, times: tuple[int, int] | None, durable: bool) -> None:
    """Other content in the same file, one writer after another; the old content again if that fails."""
    fd = os.open(place, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        _lock(fd, wait=True)
        with os.fdopen(os.dup(fd), "rb") as file:
            before = file.read()
        try:
            _rewrite(fd, fill)
        except BaseException:
            with contextlib.suppress(OSError):
                _rewrite(fd, _filling(before))
            raise
        _seal(fd, times, durable)
    finally:
        os.close(fd)


def _rewrite(fd: int, fill: Fill) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    fill(fd)
    os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR))
