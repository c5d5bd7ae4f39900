"""Files as they are, by number."""

from __future__ import annotations

import zipfile
from typing import Any, ClassVar

from ..pictures import Files

__all__ = ["Encoded"]


class Encoded(Files):
    """JPEG files as a source of grain's: element i is {"data": its bytes, "name": its path, or its pack and path there}.

    What a file's reading met, an OSError or zipfile.BadZipFile, stands in place of its bytes; batches take it as they take
    damage. Can be sent to other processes.

    Args:
        paths: Files, folders and zip packs, for which all is as with `Files`; of the latter two, *.jpg and *.jpeg.

    Raises:
        FileNotFoundError, ValueError: As `Files`.
    """

    suffixes: ClassVar[frozenset[str]] = frozenset({".jpg", ".jpeg"})

    def __getitem__(self, index: int) -> dict[str, Any]:
        data: Any
        try:
            data = self.content(index)
        except (OSError, zipfile.BadZipFile) as error:
            data = error
        return {"data": data, "name": self.where(index)}
