"""From a spool into a store: record by record, from where whoever sent it last has stopped."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from filelock import Timeout

from promptlathe.errors import InputError
from promptlathe.track.backend import Away, Backend
from promptlathe.track.book import Book, give_up
from promptlathe.track.records import Begun, Concluded, Started, Stopped, TestRow
from promptlathe.track.running import carried_out
from promptlathe.track.runs import exists
from promptlathe.track.spool import ENDS, Record, Spooled, Taken, remove

ROWS = 30
"""Held-out rows whose spans are sent together."""
KILLED = "its process ended without a word: it was killed, or the machine went down"
Open = Callable[[str, str | None], Backend]
"""The store at a URI, with a place for artifacts; opened once. Raises InputError and Away."""


def send(
    spooled: Spooled,
    open_store: Open,
    *,
    more: Callable[[], bool] = lambda: False,
    tell: Callable[[Started | Concluded | int], object] = lambda news: None,
    pause: Callable[[int, Away], object] = give_up,
    alive: Callable[[], object] = lambda: None,
) -> bool:
    """Send what is there; True when the run's end was sent, and the spool is gone.

    The caller holds the lock. more: waits for a record more, and says whether one may come. tell:
    what the store answered, and how many records it has taken by now; `pause` and `alive` as
    `Book` takes them. Raises InputError, Away, and ValueError for a file that is no spool.
    """
    book: Book | None = None
    taken, done = spooled.taken, 0
    while True:
        records = spooled.read()
        for some in _together(records, taken.records - done):
            if isinstance(some[0].content, Begun):
                begun = some[0].content
                backend = open_store(begun.uri, begun.artifacts)
                if taken.run is not None and not exists(backend, taken.run):
                    taken = Taken()  # the store was made anew, and knows nothing of it
                book = Book(backend, spooled.name, taken, pause=pause, alive=alive)
            if book is None:
                raise ValueError("it does not say which run it is of")
            if done < taken.records:
                book.remember(some[0])
                done += 1
            else:
                # Whether an attempt after the last note was cut off, nobody knows.
                answer = book.write(some, again=done == taken.records)
                done += len(some)
                spooled.note(book.taken(done))
                tell(done)
                if answer is not None:
                    tell(answer)
            if isinstance(some[-1].content, ENDS):
                remove(spooled.path)
                return True
        if not records and not more():
            return False


def _together(records: Iterable[Record], known: int) -> Iterator[list[Record]]:
    """One by one, but rows of the final comparison, as far as nobody knows them, in groups."""
    place = 0
    for rows, run in groupby(records, lambda one: isinstance(one.content, TestRow)):
        some = list(run)
        while some:
            size = ROWS if rows and place >= known else 1
            yield some[:size]
            place += len(some[:size])
            some = some[size:]


def send_leftovers(
    state: Path,
    open_store: Open,
    *,
    own: Spooled | None,
    say: Callable[[str], object],
    left: Callable[[str], object],
    store: str | None = None,
    alive: Callable[[], object] = lambda: None,
) -> None:
    """What runs of this workspace have left, except those that are under way; oldest first.

    own: the run that this process records: an earlier record of it is over. say: told in lines
    what became of each; left: in a line, why one waits still. store: the one that is sent to: with
    another that is away, nobody shall wait; None: all.
    """
    for path in sorted((state / "spool").glob("*.jsonl")):
        spooled = Spooled(path)
        if own is not None and path == own.path:
            continue
        alone = own is not None and own.run == spooled.run
        try:
            with spooled.lock:
                if path.exists():
                    under_way = not alone and carried_out(state, spooled.run)
                    if store is None or spooled.store in (None, store):
                        _send_one(spooled, open_store, say, left, alive, under_way=under_way)
        except Timeout:
            continue  # its own process sends it


def _send_one(
    spooled: Spooled,
    open_store: Open,
    say: Callable[[str], object],
    left: Callable[[str], object],
    alive: Callable[[], object],
    *,
    under_way: bool,
) -> None:
    of = f"run {spooled.run}"
    try:
        records = Spooled(spooled.path).read()
        if not (records and isinstance(records[-1].content, ENDS)):
            if under_way:
                return
            if not records:  # it was killed before it said anything
                remove(spooled.path)
                return
            spooled.append(Stopped("KILLED", KILLED))
        news: list[Started | Concluded | int] = []
        before = spooled.taken.records
        send(spooled, open_store, tell=news.append, alive=alive)
        sent = max((one for one in news if isinstance(one, int)), default=before) - before
        say(f"{of}: {sent} record{'' if sent == 1 else 's'} sent")
        for one in news:
            if not isinstance(one, Concluded):
                continue
            for prompt in one.registered.values():
                say(f"{of}: {prompt.uri} is the {one.alias}")
            for problem in one.problems:
                say(f"{of}: {problem}")
    except (Away, InputError) as error:
        left(f"{of}: {error}")
    except (ValueError, KeyError, TypeError) as error:
        first = str(error).splitlines()[0]
        left(f"{of}: {spooled.path} cannot be read; another version made it? {first}")
