"""A store at an address is the same from every node, held by one run, and known by what marks it."""

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from dropattack import UsageError
from dropattack.testing.stores.cases import contents, small_sweep, some_metrics, some_trial
from search.records import holding
from search.records.adoption import move_checkpoint
from search.records.copying import copy_store
from search.records.holding import is_held
from search.records.journal import exclusive
from search.records.mirrored import folder_of
from search.records.record import State
from search.records.store import Store
from tests.patience import PATIENCE_SECONDS
from tests.search.records.nodes import Nodes
from tests.trainables.remote.server import BUCKET, s3_server
from trainables.disk import checkpoint_path, model_path, write_atomically
from trainables.remote.address import Address
from trainables.remote.bucket import RemoteError
from trainables.remote.files import fetch, local_folder, remove, send_all, send_unseen, shared_name
from trainables.remote.mirror import mirror_of
from trainables.remote.opening import open_bucket
from trainables.tensors import load_whole, save_atomically

SWEEP = small_sweep()


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    monkeypatch.setattr(holding, "BEAT_SECONDS", 0.1)
    return Nodes(monkeypatch, tmp_path / "caches")


def recorded(store: Store, seeds: int = 1) -> None:
    """Records complete trials, each with a model."""
    with exclusive(store.folder("small")):
        journal = store.journal(SWEEP, writable=True)
        for seed in range(len(journal.records), seeds):
            record = journal.add("grid", some_trial(seed))
            journal.append(record, some_metrics(1))
            journal.finish(record, State.COMPLETE)
            model = model_path(store.folder("small"), record.key)
            write_atomically(model, b"model %d" % seed)
            send_unseen(model)
        store.define(SWEEP)
        store.note_total("small", seeds)


def test_what_one_node_wrote_another_reads_and_goes_on_with(nodes: Nodes) -> None:
    recorded(nodes.store("a"))
    recorded(nodes.store("b"), 2)
    a, b = nodes.store("a"), nodes.store("b")
    assert contents(a.journal(SWEEP)) == contents(b.journal(SWEEP))
    assert (a.total("small"), b.total("small"), a.sweeps()) == (2, 2, ["small"])
    for store in (a, b):
        read = [store.model("small", record).read_bytes() for record in store.journal(SWEEP).records]
        assert read == [b"model 0", b"model 1"]
    assert a.name == b.name == nodes.address
    assert a.root != b.root


def test_a_file_that_was_removed_or_changed_elsewhere_is_so_here(nodes: Nodes) -> None:
    a = nodes.store("a")
    recorded(a)
    report = a.report("small")
    report.parent.mkdir()
    report.write_text("<p>1</p>", encoding="utf-8")
    (report.parent / "figures").mkdir()
    (report.parent / "figures" / "one.svg").write_text("<svg/>", encoding="utf-8")
    send_all(report.parent)
    b = nodes.store("b")
    assert b.report("small").read_text(encoding="utf-8") == "<p>1</p>"
    assert (b.report("small").parent / "figures" / "one.svg").exists()
    b.report("small").write_text("<p>2</p>", encoding="utf-8")
    send_all(b.report("small").parent)
    remove(b.folder("small") / "total.json")
    assert nodes.store("a").report("small").read_text(encoding="utf-8") == "<p>2</p>"
    assert nodes.store("a").total("small") is None


def test_checkpoints_and_models_go_by_a_name_that_every_node_knows(nodes: Nodes) -> None:
    store = nodes.store("a")
    name = shared_name(store.folder("small"))
    assert name == f"{nodes.address}//sweeps/small"
    path = checkpoint_path(local_folder(name), "k")
    write_atomically(path, b"epoch 1")
    send_unseen(path, keep=False)
    assert not path.exists(), "a stale checkpoint is of no use"
    nodes.store("b")
    there = checkpoint_path(local_folder(name), "k")
    assert there != path
    assert fetch(there).read_bytes() == b"epoch 1"
    remove(there)
    write_atomically(path, b"left by a worker that was killed before it sent it")
    assert not fetch(path).exists()
    assert local_folder("/some/folder") == Path("/some/folder")


def test_a_checkpoint_of_an_earlier_version_gets_the_trials_name_of_today(nodes: Nodes) -> None:
    old = checkpoint_path(nodes.store("a").folder("small"), "former")
    save_atomically({"key": "former", "epoch": 3}, old)
    send_unseen(old, keep=False)
    move_checkpoint(nodes.store("b").folder("small"), "former", "now")
    assert nodes.objects() == ["sweeps/small/checkpoints/now.pt"]
    there = fetch(checkpoint_path(nodes.store("c").folder("small"), "now"))
    assert load_whole(there, "cpu") == {"key": "now", "epoch": 3}


def test_a_sweep_that_is_run_on_one_node_is_refused_on_another(nodes: Nodes) -> None:
    a, b = nodes.store("a"), nodes.store("b")
    with exclusive(a.folder("small")):
        assert is_held(b.folder("small"))
        with pytest.raises(UsageError, match=r"in/sweeps/small is in use by another run, on \S+; wait"):
            exclusive(b.folder("small")).__enter__()
        with exclusive(b.folder("other")):
            pass
    assert not is_held(b.folder("small"))
    with exclusive(b.folder("small")):
        assert is_held(a.folder("small"))


def test_a_run_that_outlives_an_outage_holds_its_sweep_still(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat took effect, and its answer was given up for lost."""
    a, b = nodes.store("a"), nodes.store("b")
    mirror, lost = mirror_of(a.root), threading.Event()
    assert mirror is not None
    replace = mirror.bucket.replace

    def answer_lost(name: str, content: bytes, tag: str) -> str | None:
        now = replace(name, content, tag)
        if not lost.is_set():
            lost.set()
            raise RemoteError("the store cannot be reached")
        return now

    monkeypatch.setattr(mirror.bucket, "replace", answer_lost)
    with exclusive(a.folder("small")):
        assert lost.wait(PATIENCE_SECONDS)
        with pytest.raises(UsageError, match="is in use by another run"):
            exclusive(b.folder("small")).__enter__()
    assert nodes.objects() == []


def test_a_run_that_ends_while_another_waits_for_it_is_no_longer_in_the_way(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes.store("a"), nodes.store("b")
    mirror = mirror_of(b.root)
    assert mirror is not None
    tag = mirror.bucket.tag
    with ExitStack() as held:
        held.enter_context(exclusive(a.folder("small")))

        def seen(name: str) -> str:
            found = tag(name)
            held.close()
            return found

        monkeypatch.setattr(mirror.bucket, "tag", seen)
        with exclusive(b.folder("small")):
            assert is_held(a.folder("small"))
    assert nodes.objects() == []


def test_a_dead_run_is_waited_for_elsewhere_and_not_on_its_own_node(nodes: Nodes) -> None:
    a, b = nodes.store("a"), nodes.store("b")
    lock = "sweeps/small/run.lock"
    bucket = open_bucket(Address.parse(nodes.address))
    with exclusive(a.folder("small")):
        left = bucket.read(lock)
    assert left is not None
    for store, least in ((b, holding.MISSED_BEATS * holding.BEAT_SECONDS), (a, 0)):
        bucket.put(lock, left)
        began = time.monotonic()
        with exclusive(store.folder("small")):
            assert time.monotonic() - began >= least
            assert threading.active_count() > 1
    assert nodes.objects() == []


def test_what_is_refused_leaves_nothing_at_the_address(nodes: Nodes) -> None:
    store = nodes.store("a")
    with pytest.raises(UsageError, match="refused"):
        _refused_inside(store)
    assert nodes.objects() == []
    assert nodes.store("b").sweeps() == []


def _refused_inside(store: Store) -> None:
    with exclusive(store.folder("small")):
        store.journal(SWEEP, writable=True)
        raise UsageError("refused")


def test_a_copy_of_what_lay_there_before_is_forgotten(nodes: Nodes) -> None:
    recorded(nodes.store("a"), 3)
    bucket = open_bucket(Address.parse(nodes.address))
    for name in nodes.objects():
        bucket.delete(name)
    assert nodes.store("a").sweeps() == []
    recorded(nodes.store("b"), 1)
    assert len(nodes.store("a").journal(SWEEP).records) == 1


@pytest.mark.parametrize("content", [b'{"form": 2, "id": "x"}', b"[]", b"what", b"{}"], ids=str)
def test_a_store_of_another_version_is_refused(nodes: Nodes, content: bytes) -> None:
    recorded(nodes.store("a"))
    bucket = open_bucket(Address.parse(nodes.address))
    marker = json.loads(bucket.read("dropattack.json") or b"")
    assert marker["form"] == 1
    bucket.put("dropattack.json", content)
    for node in "ab":
        with pytest.raises(UsageError, match="was written by another version of this program"):
            nodes.store(node)


def test_a_server_that_creates_what_is_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(monkeypatch) as server:
        nodes = Nodes(monkeypatch, tmp_path, f"s3://{BUCKET}/lax")
        server.ignores_conditions = True
        store = nodes.store("a")
        with pytest.raises(UsageError, match="cannot create an object only if there is none"):
            exclusive(store.folder("small")).__enter__()
        assert nodes.objects() == []


def test_a_store_goes_to_a_folder_and_back(nodes: Nodes, tmp_path: Path) -> None:
    source = nodes.store("a")
    recorded(source, 3)
    folder = Store(tmp_path / "folder")
    assert copy_store(source, folder) == 1
    back = Nodes(pytest.MonkeyPatch(), tmp_path / "others")
    assert copy_store(folder, Store(folder_of(back.address))) == 1
    there = back.store("z")
    assert folder.journal_path("small").read_bytes() == source.journal_path("small").read_bytes()
    assert contents(there.journal(SWEEP)) == contents(source.journal(SWEEP))
    assert (there.definition("small"), there.total("small")) == (SWEEP, 3)
    for store in (folder, there):
        read = [store.model("small", record).read_bytes() for record in store.journal(SWEEP).records]
        assert read == [b"model 0", b"model 1", b"model 2"]
    recorded(there, 4)
    assert len(back.store("y").journal(SWEEP).records) == 4, "what was copied goes on"
    for target in (folder, there):
        with pytest.raises(UsageError, match="holds something already"):
            copy_store(source, target)
    with pytest.raises(UsageError, match="has no sweep to copy"):
        copy_store(Store(tmp_path / "nothing"), Store(tmp_path / "new"))
    with exclusive(source.folder("small")), pytest.raises(UsageError, match="is being run"):
        copy_store(source, Store(tmp_path / "new"))
