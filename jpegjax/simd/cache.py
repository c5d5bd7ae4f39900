"""Machine code of kernels on disk: what is found is used, what is damaged is replaced, what cannot be kept is not missed.

    folder/                        NUMBA_CACHE_DIR's, or __pycache__ beside the source, or the user's own cache
        module.kernel-LINE.py311.KEY.nbc    SHA-256 of the rest, then the pickled code

One file a kernel and signature, named by all that the code depends on, and replaced as a whole: two processes that
compile the same write the same, and a reader meets one or the other. A folder that cannot be written is read all the same, so
that a container runs on the code that was compiled when it was built (`jpegjax warmup`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config
from numba.core.caching import FunctionCache, _CacheLocator
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from ..run.compilation import record

__all__ = ["KernelCache", "sealed"]

_DIGEST_BYTES = hashlib.sha256().digest_size


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """The files that a source imports by relative imports; but for this one."""
    found = []
    for dots, name, listed in re.findall(r"^from (\.+)([\w.]*) import \(?([^)\n]*)", _content(path).decode(), re.M):
        folder = path.parents[len(dots) - 1].joinpath(*name.split("."))
        names = [folder, *(folder / n.strip() for n in listed.split(",") if n.strip().islower())]
        found += [t for n in names for t in (n.with_suffix(".py"), n / "__init__.py") if t.is_file()]
    return tuple(target for target in dict.fromkeys(found) if target != Path(__file__))


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _source_stamp(path: Path) -> str:
    """Digest of every source that a file's machine code comes from: inlining crosses files, which numba's cache ignores."""
    found, todo = {path}, [path]
    while todo:
        new = set(_imported(todo.pop())) - found
        found |= new
        todo += new
    digest = hashlib.sha256(repr(vars(config)["OPT"]).encode())
    for source in sorted(found):
        digest.update(_content(source))
    return f"{digest.hexdigest()} {numba.__version__} {llvmlite.__version__} {sys.version}"


@cache
def _folders(source: Path) -> tuple[Path, ...]:
    """Where code of a source file may lie, the preferred one first."""
    beside = source.parent / "__pycache__"
    own = _CacheLocator.get_suitable_cache_subpath(str(source))
    if vars(config)["CACHE_DIR"]:
        return (Path(vars(config)["CACHE_DIR"], own),)
    try:
        return beside, Path(AppDirs(appname="numba", appauthor=False).user_cache_dir, own)
    except (OSError, RuntimeError, KeyError):  # no home
        return (beside,)


def sealed(code: bytes) -> bytes:
    """What a file holds."""
    return hashlib.sha256(code).digest() + code


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.tmp.")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o644)  # others may read it, as they may the package
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


class KernelCache(FunctionCache):
    """In place of numba's."""

    def __init__(self, function: Any):
        self._source = source = Path(function.__code__.co_filename)
        self._folders = _folders(source)
        version = f"{sys.version_info[0]}{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
        self._base = f"{source.stem}.{function.__qualname__}-{function.__code__.co_firstlineno}.py{version}"
        self._enabled = True

    @property
    def cache_path(self) -> str:
        return str(self._folders[0])

    def flush(self) -> None:
        """Nothing is left behind that would count as current."""
        for folder in self._folders:
            for path in folder.glob(f"{self._base}.*.nbc"):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _file_name(self, signature: Any, codegen: Any) -> str:
        parts = f"{_source_stamp(self._source)}\n{signature}\n{codegen.magic_tuple()}"
        return f"{self._base}.{hashlib.sha256(parts.encode()).hexdigest()[:16]}.nbc"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel, or None where there is none that is whole. Registries of numba's typing stay unloaded."""
        record.loading(True)
        try:
            found = self._load(sig, target_context) if self._enabled else None
        finally:
            record.loading(False)
        if found is None:
            record.compiled += 1
            target_context.refresh()
        else:
            record.loaded += 1
        return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            name = self._file_name(sig, target_context.codegen())
        except OSError:  # sources that cannot be read
            return None
        for folder in self._folders:
            try:
                content = (folder / name).read_bytes()
                if content != sealed(content[_DIGEST_BYTES:]):
                    continue
                rtsys.initialize(target_context)
                found = CompileResult._rebuild(target_context, *pickle.loads(content[_DIGEST_BYTES:]))
                record.folder = str(folder)
                return found
            except Exception:  # whatever foreign content leads to: it is compiled anew, and replaced
                continue
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where a folder takes it."""
        if not self._enabled or any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            return
        try:
            name = self._file_name(sig, data.codegen)
        except OSError:
            return
        code = dumps(data._replace(type_annotation="")._reduce())  # nobody reads it
        refusal = None
        for folder in self._folders:
            try:
                _replace(folder / name, sealed(code))
                record.folder = str(folder)
                return
            except OSError as error:
                refusal = refusal or error
        record.refusal = refusal
