"""Stores in an Azure container keep the contract, shown on Azurite: `AZURITE` names its `azurite-blob`."""

import base64
import hashlib
import hmac
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from typing_extensions import override

from dropattack.testing import StoreContract
from search.records.mirrored import folder_of
from search.records.store import Store
from tests.patience import watched

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Those that Azurite publishes."""
CONTAINER = "container"


def create_container(url: str) -> None:
    """Asks for a container, signed with the account's key."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in sorted(headers.items()))]
    lines += [f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}", "restype:container"]
    signed = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
    headers["Content-Length"] = "0"
    urlopen(Request(f"{url}/{ACCOUNT}/{CONTAINER}?restype=container", method="PUT", headers=headers)).close()


@pytest.mark.skipif("AZURITE" not in os.environ, reason="AZURITE does not name Azurite's azurite-blob")
@pytest.mark.heavy
class TestAzure(StoreContract):
    @pytest.fixture(autouse=True, scope="class")
    def _server(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [*shlex.split(os.environ["AZURITE"]), "--blobPort", str(port), "--inMemoryPersistence"]
        folder = tmp_path_factory.mktemp("azurite")
        process = subprocess.Popen(
            [*command, "--skipApiVersionCheck", "--silent"], cwd=folder, start_new_session=True
        )
        try:
            with pytest.MonkeyPatch.context() as patch:
                assert watched(process, folder, lambda: _listens(port)) is None, "Azurite ended at once"
                create_container(f"http://127.0.0.1:{port}")
                patch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
                patch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{port}")
                patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
                patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
                yield
        finally:
            process.kill()
            process.wait()

    @override
    def make(self, folder: Path) -> Store:
        return Store(folder_of(f"az://{CONTAINER}/{folder.name}"))


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
