"""Reads files that other programs wrote: every flaw raises an error that names file and line."""

import csv
import gzip
import hashlib
import io
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from dropattack import UsageError
from dropattack.errors import first_line
from trainables.data.cache import remembered
from trainables.digest import digest

csv.field_size_limit(2**24)
_LARGEST_CONTENT = 2**32
"""Largest number of bytes that a ``.gz`` may unpack to in memory."""
_LARGEST = 2**27
"""Largest number of bytes of a file in an archive that is read into memory."""
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(
        ValueError,
        RuntimeError,
        OverflowError,
        LookupError,
    ),  # of encrypted members, unknown compressions, odd headers
)
"""Errors of reading an archive."""


def require(path: Path, dataset: str) -> Path:
    """Returns ``path`` if it exists.

    Raises:
        UsageError: It does not exist; the message says how to get it.
    """
    root_missing = next((p for p in reversed(path.parents) if not p.exists()), None)
    if not path.exists():
        where = f" (there is no folder {root_missing})" if root_missing else ""
        raise UsageError(
            f"{path} is missing{where}; run `dropattack data fetch {dataset} --data DIR`, "
            f"put the file there, or name another folder with --data DIR"
        )
    return path


def read(path: Path) -> bytes:
    """The content of a file, decompressed where its name ends in ``.gz``.

    Raises:
        UsageError: The file is empty or its compressed content truncated or damaged.
    """
    content = _bytes(path)
    if path.suffix == ".gz":
        try:
            with gzip.open(path) as packed:
                content = packed.read(_LARGEST_CONTENT + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise UsageError(f"{path} is truncated or not a gz file ({error}); fetch it again") from error
    if not content:
        raise UsageError(f"{path} is empty; fetch it again")
    if len(content) > _LARGEST_CONTENT:
        raise UsageError(
            f"{path} unpacks to more than {_LARGEST_CONTENT / 2**30:.0f} GiB; unpack it yourself"
        )
    return content


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    if path.is_dir():
        return UsageError(f"{path} is a folder where a file should be; move it away and fetch the file")
    return UsageError(f"{path} cannot be read ({error.strerror or first_line(error)})")


def is_hidden(name: str) -> bool:
    """Whether a path below a dataset's folder is a system's own: macOS's ``._3_7.txt``, ``__MACOSX/…``."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the lines of a large file: the place of each, for messages, and its text without the line end.

    Raises:
        UsageError: As `read` and `text` do.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield (
                    f"{path}, line {number}",
                    line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"),
                )
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}, line {number}: not UTF-8 text ({error.reason}); convert the file"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{path} is truncated or not a gz file ({error}); fetch it again") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if number == 0:
        raise UsageError(f"{path} is empty; fetch it again")


def text(content: bytes, name: str) -> str:
    """``content`` as text.

    Raises:
        UsageError: It is not UTF-8; the message names ``name`` and the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: not UTF-8 text ({error.reason}); save it as UTF-8") from error


def rows(
    path: Path, columns: Sequence[str], header: bool = True, optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the rows of a CSV file: the place of each, for messages, and its values by column.

    Args:
        path: The file; ``.gz`` is decompressed.
        columns: Columns to take; the header must have them all, or each row exactly these.
        header: Whether the first row names the columns.
        optional: Columns to take if the header has them; otherwise their values are empty.

    Raises:
        UsageError: The file is empty, not UTF-8, not CSV, or lacks a column.
    """
    reader = csv.reader(io.StringIO(text(read(path), str(path)), newline=""), strict=True)
    names, count, end = list(columns), 0, 0
    try:
        if header:
            names = next(reader, [])
            missing = [column for column in columns if column not in names]
            if missing and len(names) == 1 and (sign := other_separator(names[0])):
                raise UsageError(f"{path}, line 1: columns are separated by {sign}; save it with commas")
            if missing:
                raise UsageError(
                    f"{path}, line 1: no column {missing[0]!r}; the header must hold {','.join(columns)}"
                )
            end = reader.line_num
        for values in reader:
            where, end = f"{path}, line {end + 1}", reader.line_num
            if len(values) != len(names):
                raise UsageError(f"{where}: {len(values)} values, not {len(names)} ({','.join(names)})")
            row = dict(zip(names, values, strict=True))
            yield where, {name: row.get(name, "") for name in (*columns, *optional)}
            count += 1
    except csv.Error as error:
        raise UsageError(f"{path}, line {end + 1}: not a CSV row ({error})") from error
    if not count:
        raise UsageError(f"{path} holds no rows; fetch it again")


_SIGNS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def other_separator(header: str) -> str:
    """The separator of a header without commas; empty if there is none."""
    return next((name for sign, name in _SIGNS.items() if sign in header), "")


def label(value: str, where: str, valid: Sequence[str]) -> int:
    """Position of a label among the ``valid`` ones.

    Raises:
        UsageError: It is none of them; the message starts with ``where``.
    """
    if value not in valid:
        raise UsageError(f"{where}: label {value!r} is none of {', '.join(valid)}")
    return valid.index(value)


def refuse_repetition(names: Iterable[tuple[str, str]], kind: str) -> None:
    """Checks that no name of ``(name, where)`` pairs occurs twice.

    Raises:
        UsageError: One does; the message names both places.
    """
    seen: dict[str, str] = {}
    for name, where in names:
        if name in seen:
            raise UsageError(f"{where}: {kind} {name!r} is already in {seen[name]}; remove one")
        seen[name] = where


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a tar or zip archive into ``folder``.

    Raises:
        UsageError: The archive is damaged, or a member is a link, a device, or points outside of the folder.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                for name in packed.namelist():
                    if not (folder / name).resolve().is_relative_to(folder.resolve()):
                        raise UsageError(f"{archive}: member {name!r} points outside the target folder")
                _check_room(archive, folder, sum(member.file_size for member in packed.infolist()))
                packed.extractall(folder)
        else:
            with tarfile.open(archive) as tar:
                _check_room(archive, folder, sum(member.size for member in tar))
                tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise UsageError(f"{archive}: {error}; the archive is not to be trusted") from error
    except UsageError:
        raise
    except _DAMAGED as error:
        raise UsageError(
            f"{archive} is truncated or not an archive ({first_line(error)}); fetch it again"
        ) from error


def _check_room(archive: Path, folder: Path, size: int) -> None:
    """Refuses an archive that would fill the disk: a bomb, or too little room."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UsageError(
            f"{archive} unpacks to {size / 2**30:,.1f} GiB, and {folder} has room for {free / 2**30:,.1f}; "
            "make room, or name another --data DIR"
        )


def archived(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and content of wanted files in a tar archive, in its order; nothing is written to disk.

    Args:
        path: The archive.
        wanted: Whether a file is read, by its name without a leading ``./``; hidden ones never are.

    Raises:
        UsageError: The archive is truncated, damaged or no archive, or a file in it is too large.
    """
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = PurePosixPath(member.name).as_posix()
                if not member.isfile() or is_hidden(name) or not wanted(name):
                    continue
                if member.size > _LARGEST:
                    raise UsageError(f"{path}: member {name} has {member.size:,} bytes, more than any has")
                file = tar.extractfile(member)
                if file is not None:
                    yield name, file.read()
    except UsageError:
        raise
    except _DAMAGED as error:
        if path.is_dir():
            raise _unreadable(path, OSError()) from error
        raise UsageError(
            f"{path} is truncated or not an archive ({first_line(error)}); fetch it again"
        ) from error


def fingerprint(paths: Sequence[Path]) -> str:
    """Digest of names, sizes and times of files, which is cheap; it changes whenever a file changes."""
    stats = [(str(path.resolve()), _stat(path)) for path in paths]
    return digest([[name, found.st_size, found.st_mtime_ns] for name, found in stats])


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        UsageError: It cannot be read, or is a folder.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def content_digest(path: Path) -> str:
    """`digest_of` a file, kept in the node's cache while the file is unchanged."""
    return remembered(fingerprint([path]), lambda: digest_of(path))
