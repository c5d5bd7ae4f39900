"""Parquet with a column of images: bytes, or a struct of bytes and path as Hugging Face's datasets have it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from .entries import Entry, Shard, safe
from .storage import Place, needed

__all__ = ["ParquetSource", "ParquetWriter"]

_ROWS = 64
"""Read, and held, together."""
_GROUP_NBYTES = 64 << 20
"""Of images in a row group that is written."""


def _arrow() -> tuple[Any, Any]:
    return needed("pyarrow", "Parquet"), needed("pyarrow.parquet", "Parquet")


def _holds_bytes(arrow: Any, kind: Any) -> bool:
    if arrow.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind)


def image_column(schema: Any, asked: str | None) -> str:
    """The column that holds images. ValueError where there is none, or several and none of them is called "image"."""
    arrow, _ = _arrow()
    found = [field.name for field in schema if _holds_bytes(arrow, field.type)]
    chosen = asked or ("image" if "image" in found else found[0] if len(found) == 1 else None)
    if chosen not in found:
        raise ValueError(
            f"column={asked!r}: columns that hold bytes are {', '.join(found) or 'none'}; name one of them"
        )
    return str(chosen)


class ParquetSource:
    """Row groups of Parquet files."""

    kind = "parquet"

    def __init__(self, files: Any, column: str | None) -> None:
        self.files, self.column = files, column
        _arrow()

    def shards(self, size: int) -> Iterator[Shard]:
        number = 0
        for name, _ in self.files.found():
            with self.files.place.open(name) as file:
                found = _arrow()[1].ParquetFile(file)
                image_column(found.schema_arrow, self.column)
                groups = [found.metadata.row_group(i) for i in range(found.metadata.num_row_groups)]
                rows = [(group.num_rows, group.total_byte_size) for group in groups]
            stem, parts = safe(name.removesuffix(".parquet")), list(_groups(rows, size))
            for part, (first, stop) in enumerate(parts):
                own = stem if len(parts) == 1 else f"{stem}-{part:04}"
                count, nbytes = (sum(column) for column in zip(*rows[first:stop], strict=True))
                yield Shard(number, own, [name, first, stop], count, nbytes)
                number += 1

    def entries(self, shard: Shard) -> Iterator[Entry]:
        name, first, stop = shard.what
        try:
            with self.files.place.open(name) as file:
                found = _arrow()[1].ParquetFile(file)
                column = image_column(found.schema_arrow, self.column)
                row = sum(found.metadata.row_group(i).num_rows for i in range(first))
                for batch in found.iter_batches(_ROWS, row_groups=list(range(first, stop))):
                    images = batch.column(column)
                    for i in range(batch.num_rows):
                        content, path = _content(images[i].as_py())
                        output = safe(f"{safe(name.removesuffix('.parquet'))}/{path or f'{row:08}'}")
                        yield Entry(f"{name}: row {row}", output, content, (batch, column, i))
                        row += 1
        except (OSError, ValueError) as error:
            yield Entry(name, shard.name, error)


def _groups(rows: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """(first, stop) of row groups that together have `size` rows or more."""
    first = total = 0
    for i, (count, _) in enumerate(rows):
        total += count
        if total >= size:
            yield first, i + 1
            first, total = i + 1, 0
    if first < len(rows):
        yield first, len(rows)


def _content(value: Any) -> tuple[bytes | Exception, str | None]:
    path = value.get("path") if isinstance(value, dict) else None
    content = value.get("bytes") if isinstance(value, dict) else value
    return (ValueError("null in place of an image") if content is None else content), path


class ParquetWriter:
    """One Parquet file, made beside its place and put there at once.

    Of Parquet, all rows and columns stay: a picture that failed is null. Of others, columns name and image (bytes, path).
    """

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, f"{name}.parquet"
        self.folder = place.scratch()
        self.path = os.path.join(self.folder, "parquet")
        self.writer: Any = None
        self.rows: list[tuple[Entry, str, bytes | None]] = []
        self.parts: list[Any] = []
        self.nbytes = 0

    def add(self, entry: Entry, output: str, content: bytes | None) -> None:
        if isinstance(entry.beside, tuple):
            self.rows.append((entry, output, content))
            batch = entry.beside[0]
            if len(self.rows) == batch.num_rows:
                self._flush(self._replaced(batch, entry.beside[1]))
        elif content is not None:
            self.rows.append((entry, output, content))
            if len(self.rows) == _ROWS:
                self._flush(self._made())
        self.nbytes += len(content or b"")

    def _images(self, kind: Any) -> Any:
        arrow, _ = _arrow()
        if not arrow.types.is_struct(kind):
            return arrow.array([content for _, _, content in self.rows], kind)
        values = [
            None if content is None else {"bytes": content, "path": PurePosixPath(output).name}
            for _, output, content in self.rows
        ]
        return arrow.array(values, kind)

    def _replaced(self, batch: Any, column: str) -> Any:
        place = batch.schema.get_field_index(column)
        return batch.set_column(place, batch.schema.field(place), self._images(batch.schema.field(place).type))

    def _made(self) -> Any:
        arrow, _ = _arrow()
        kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
        names = arrow.array([output for _, output, _ in self.rows])
        return arrow.record_batch([names, self._images(kind)], names=["name", "image"])

    def _flush(self, batch: Any) -> None:
        self.rows = []
        self.parts.append(batch)
        if self.nbytes >= _GROUP_NBYTES:
            self._write()

    def _write(self) -> None:
        arrow, parquet = _arrow()
        if not self.parts:
            return
        table = arrow.Table.from_batches(self.parts)
        if self.writer is None:
            self.writer = parquet.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)
        self.parts, self.nbytes = [], 0

    def commit(self) -> None:
        if self.rows or (self.writer is None and not self.parts):
            self._flush(self._made())
        self._write()
        self.writer.close()
        self.place.put(self.name, self.path)
        self.abort()

    def abort(self) -> None:
        if self.writer is not None:
            self.writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)
