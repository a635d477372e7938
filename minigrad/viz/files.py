"""files: a picture on its way to disk, in the form that the suffix names, complete or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path


def write(
    path: str | os.PathLike[str], what: str, forms: Mapping[str, Callable[[], str | bytes]], hint: str = ""
) -> str:
    """Write `what`, such as "a figure", to `path` in the one of the `forms` that the suffix names; return the path.

    **Raises** `ValueError` for a suffix that names no form, and `FileNotFoundError` for a directory that is not there.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in forms:
        raise ValueError(
            f"write: {str(path)!r} ends in {suffix or 'no suffix'!r}; {what} can be written as {', '.join(forms)}{hint}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"write: no directory {str(path.parent)!r} for {path.name!r}; make it first")
    content = forms[suffix]()
    replace(path, content.encode() if isinstance(content, str) else content)
    return str(path)


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path`, in place of what was there: all of it, or nothing."""
    path = path.resolve()  # a link stays a link
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
