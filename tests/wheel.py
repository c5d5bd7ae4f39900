"""Whether a wheel holds the whole package, its licence and notices, and is what Python imports here.

python tests/wheel.py WHEEL PACKAGE        the built file, the folder that it was built from
"""

from __future__ import annotations

import sys
import sysconfig
import zipfile
from pathlib import Path

import jpegjax

__all__ = ["missing"]


def missing(wheel: Path, package: Path) -> list[str]:
    """What belongs in the wheel and is not there."""
    names = zipfile.ZipFile(wheel).namelist()
    wanted = [path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    lacking = [f"jpegjax/{path.as_posix()}" for path in wanted if f"jpegjax/{path.as_posix()}" not in names]
    texts = [name for name in ("LICENSE", "NOTICE") if not any(n.endswith(f"/licenses/{name}") for n in names)]
    return lacking + texts + [name for name in ("jpegjax/py.typed",) if name not in names]


def main(wheel: str, package: str) -> None:
    if found := missing(Path(wheel), Path(package)):
        sys.exit(f"{Path(wheel).name} lacks {', '.join(found)}")
    place = Path(jpegjax.__file__)
    if not place.is_relative_to(sysconfig.get_paths()["purelib"]):
        sys.exit(f"jpegjax comes from {place}, not from the wheel")
    print(f"{Path(wheel).name}: whole, and imported from {place.parent}")


if __name__ == "__main__":
    main(*sys.argv[1:])
