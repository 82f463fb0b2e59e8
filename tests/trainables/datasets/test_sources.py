"""Downloads: resumable, verified, and from packages without running anything of theirs."""

import hashlib
import io
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import requests
from PIL import Image

from dropattack import UsageError
from trainables.data import files
from trainables.datasets import sources
from trainables.datasets.sources import Package, cifar_from_sheets, copied, download

CONTENT = bytes(range(256)) * 1000
HASH = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Handler(BaseHTTPRequestHandler):
    """Serves `CONTENT`; /whole ignores ranges, and /broken hangs up half-way."""

    requested: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.requested.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path == "/missing":
            self.send_error(404)
        elif asked and start >= len(CONTENT):
            self.send_error(416)
        else:
            start = 0 if self.path == "/whole" else start
            self.send_response(206 if asked and self.path != "/whole" else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            stop = len(CONTENT) // 2 if self.path == "/broken" else len(CONTENT)
            self.wfile.write(CONTENT[start:stop])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.requested = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_broken_download_goes_on_where_it_stopped(server: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with pytest.raises(requests.RequestException):
        download(f"{server}/broken", path, HASH)
    assert not path.exists()
    there = path.with_name("file.partial").stat().st_size
    assert len(CONTENT) / 4 < there <= len(CONTENT) / 2
    download(f"{server}/file", path, HASH)
    assert path.read_bytes() == CONTENT
    assert Handler.requested == [None, f"bytes={there}-"]
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(("there", "address"), [(99, "whole"), (len(CONTENT), "file")])
def test_a_partial_file_never_spoils_the_whole(server: str, tmp_path: Path, there: int, address: str) -> None:
    """A server that ignores ranges, and a partial file that lacks nothing any more."""
    (tmp_path / "file.partial").write_bytes(CONTENT[:there])
    download(f"{server}/{address}", tmp_path / "file", HASH)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_other_content_is_refused_and_the_next_call_starts_anew(server: str, tmp_path: Path) -> None:
    (tmp_path / "file.partial").write_bytes(b"x" * 99)
    with pytest.raises(UsageError, match=r"returned content with sha256:[0-9a-f]{64}, not"):
        download(f"{server}/file", tmp_path / "file", HASH)
    assert not list(tmp_path.iterdir())
    download(f"{server}/file", tmp_path / "file", HASH)


def test_an_address_without_a_file_is_an_error(server: str, tmp_path: Path) -> None:
    with pytest.raises(requests.HTTPError, match="404"):
        download(f"{server}/missing", tmp_path / "file")
    assert not list(tmp_path.iterdir())


def write_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            member.size = 4 if member.isfile() else 0
            tar.addfile(member, io.BytesIO(b"evil"))
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "members",
    [
        [tarfile.TarInfo("../outside")],
        [tarfile.TarInfo("inside/../../outside")],
        [link("link", "../.."), tarfile.TarInfo("link/outside")],
    ],
)
def test_tar_members_outside_the_folder_are_refused(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    archive = write_tar(tmp_path / "bad.tar.gz", *members)
    (tmp_path / "to" / "folder").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"bad\.tar\.gz: .*not to be trusted"):
        files.unpack(archive, tmp_path / "to" / "folder")
    assert not list(tmp_path.rglob("outside"))


def test_zip_members_outside_the_folder_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("fine", "fine")
        packed.writestr("../outside", "evil")
    (tmp_path / "to").mkdir()
    with pytest.raises(UsageError, match=r"bad\.zip: member '\.\./outside' points outside"):
        files.unpack(archive, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_a_zip_archive_that_says_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "short.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("file", "content")
    content = bytearray(archive.read_bytes())
    sizes = content.index(b"PK\x01\x02") + 20
    content[sizes : sizes + 8] = (10**6).to_bytes(4, "little") * 2
    archive.write_bytes(content)
    with pytest.raises(UsageError, match=r"short\.zip is truncated or not an archive"):
        files.unpack(archive, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b\x08 cut"])
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UsageError, match="is truncated or not an archive") as caught:
        files.unpack(tmp_path / "file", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_package_is_unpacked_and_arranged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(command: list[str], cwd: Path, **_: object) -> None:
        assert command == ["npm", "pack", "--silent", "digits@1.0"]
        write_tar(Path(cwd) / "digits-1.0.tgz", tarfile.TarInfo("package/data/images-ubyte"))

    monkeypatch.setattr(sources.subprocess, "run", pack)
    Package("npm", "digits@1.0", copied("package/data/*-ubyte", "MNIST/raw")).obtain(tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()] == [
        "MNIST/raw/images-ubyte"
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(), "npm is not installed"),
        (
            subprocess.CalledProcessError(1, "npm", stderr="noise\nE404 not there\n"),
            "npm failed: E404 not there",
        ),
        (subprocess.TimeoutExpired("npm", 1), "npm did not answer"),
    ],
)
def test_a_package_manager_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sources.subprocess, "run", fail)
    with pytest.raises(UsageError, match=message):
        Package("npm", "digits@1.0", copied("*", ".")).obtain(tmp_path)
    assert not list(tmp_path.iterdir())


def test_cifar_sheets_become_the_binary_layout(tmp_path: Path) -> None:
    """A record is the label and then all red, all green and all blue pixels, row by row."""
    package, folder = tmp_path / "unpacked", tmp_path / "folder"
    (package / "package").mkdir(parents=True)
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    labels = list(range(12))
    for number in range(6):
        name = "test_batch" if number == 5 else f"data_batch_{number + 1}"
        sheet = images[2 * number : 2 * number + 2].reshape(2, 3, 1024).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(sheet)).save(package / f"package/{name}.png")
    (package / "package/train_lables.json").write_text(str(labels[:10]))
    (package / "package/test_lables.json").write_text(str(labels[10:]))
    cifar_from_sheets(package, folder)
    found = [
        np.frombuffer(path.read_bytes(), np.uint8).reshape(2, 3073)
        for path in sorted((folder / "cifar-10-batches-bin").iterdir())
    ]
    records = np.concatenate(found)
    assert records[:, 0].tolist() == labels
    assert (records[:, 1:] == images.reshape(12, -1)).all()
