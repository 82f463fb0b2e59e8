"""A journal in an object store: entries that can each be created once, and pages that fold them.

An entry is an object that holds lines of the journal, the same bytes as in a folder's, and is named by the
number of its first line. Whoever adds lines creates the entry of the next number, if there is none: of two
drivers that have read the same journal one succeeds, and the other's first write is refused. Entries stay
when they are folded, so that this also holds for a driver that was away for long.
"""

from collections.abc import Mapping

from trainables.remote.bucket import Bucket, RemoteError

FOLDED = 256
"""How many entries make a page: opening a journal reads its pages, and fewer entries than this."""
_DIGITS = 12


class TakenOverError(RemoteError):
    """Another driver has added to the journal meanwhile; nothing of this one's was mixed with it."""


class Entries:
    """The journal of one sweep in an object store.

    Args:
        bucket: The objects at the store's address.
        folder: Of the sweep, with a slash at its end.
    """

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket = bucket
        self._folder = folder
        self._entries, self._pages = f"{folder}journal/entries/", f"{folder}journal/pages/"
        self._unfolded: dict[int, bytes | None] | None = None

    def read(self, known: int = 0) -> bytes | None:
        """The lines after those that are known.

        Args:
            known: How many lines the reader has, from the first one on.

        Returns:
            The lines in the order of their numbers. Nothing where they do not go on from those that are
            known, since these are more than there are, or some are gone: read from the first one on.
        """
        pages, numbers = self._there()
        folded = pages[-1][1] if pages else 0
        wanted = [(first, name) for first, last, name in pages if last > known]
        older = [number for number in numbers if number <= known][-1:]
        newer = [number for number in numbers if number > known]
        wanted += [(number, self._entry(number)) for number in [*older, *newer]]
        parts: list[bytes] = []
        expected = known + 1
        for (first, _), content in zip(wanted, self._bucket.read_all(n for _, n in wanted), strict=True):
            lines = content.split(b"\n")[:-1]
            unknown = lines[max(0, expected - first) :]
            if known and (first > expected or (not unknown and first + len(lines) != expected)):
                return None
            parts += unknown
            expected = max(expected, first) + len(unknown)
        if known and not wanted and folded != known:
            return None
        return b"".join(line + b"\n" for line in parts)

    def has_grown(self, known: int) -> bool:
        """Whether there are lines after those that are known, in one request."""
        return bool(self._bucket.under(self._entries, after=self._entry(known)))

    def append(self, first: int, lines: bytes) -> None:
        """Makes lines durable: every reader after this call has them.

        Args:
            first: The number of the first one.
            lines: Whole lines.

        Raises:
            TakenOverError: Another driver has written lines of these numbers.
            RemoteError: The store cannot be reached; the lines may be there or not.
        """
        if self._unfolded is None:
            self._unfolded = dict.fromkeys(number for number in self._there()[1] if number < first)
        if not self._bucket.create(self._entry(first), lines):
            raise TakenOverError(
                f"another run adds to {self._bucket.address}/{self._folder.rstrip('/')}: line {first} of its "
                "journal is there already, and is not this run's"
            )
        self._unfolded[first] = lines
        if len(self._unfolded) >= FOLDED:
            self._fold(self._unfolded)
            self._unfolded = {}

    def _there(self) -> tuple[list[tuple[int, int, str]], list[int]]:
        """Pages that go on from each other: first line, last line, name; and the entries after them."""
        folded, pages = 0, []
        for page in self._bucket.under(self._pages):
            first, last = map(int, page.name.removeprefix(self._pages).split("-"))
            if first <= folded + 1 and last > folded:
                folded = last
                pages.append((first, last, page.name))
        entries = self._bucket.under(self._entries, after=self._entry(folded))
        return pages, [int(each.name.removeprefix(self._entries)) for each in entries]

    def _fold(self, entries: Mapping[int, bytes | None]) -> None:
        """Folds entries into a page, which holds the same lines.

        Args:
            entries: Their lines by number; nothing where they are to be read.
        """
        older = [number for number, lines in entries.items() if lines is None]
        read = zip(older, self._bucket.read_all(map(self._entry, older)), strict=True)
        whole: dict[int, bytes] = {n: lines for n, lines in entries.items() if lines} | dict(read)
        content = b"".join(whole[number] for number in sorted(whole))
        first = min(whole)
        last = first + content.count(b"\n") - 1
        if last + 1 != max(whole) + whole[max(whole)].count(b"\n"):
            return  # one is lost, which whoever reads them is to see
        self._bucket.create(f"{self._pages}{first:0{_DIGITS}d}-{last:0{_DIGITS}d}", content)

    def _entry(self, number: int) -> str:
        return f"{self._entries}{number:0{_DIGITS}d}"
