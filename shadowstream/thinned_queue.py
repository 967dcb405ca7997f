"""A bounded queue of monotone observations, each implies all that the earlier ones do, only later."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ThinnedQueue(Generic[T]):
    """A first-in, first-out queue that halves itself beyond `limit`: every other observation goes into the next one.

    The oldest stays, so that the first answer is not delayed, and so does the newest. `merge` makes one observation
    of two neighbours; by default the later one replaces both.

    >>> queue = ThinnedQueue(4)
    >>> for observation in range(5):
    ...     queue.append(observation)
    >>> list(queue), queue.popleft(), queue[0], queue[-1], len(queue)
    ([0, 2, 4], 0, 2, 4, 2)
    """

    def __init__(self, limit: int, merge: Callable[[T, T], T] = lambda _, later: later) -> None:
        self._limit, self._merge = limit, merge
        self._items: deque[T] = deque()

    def append(self, item: T) -> None:
        self._items.append(item)
        if len(self._items) > self._limit:
            first, *rest = self._items
            pairs = zip(rest[::2], rest[1::2], strict=False)
            last = rest[-1:] if len(rest) % 2 else []
            self._items = deque([first, *(self._merge(earlier, later) for earlier, later in pairs), *last])

    def popleft(self) -> T:
        return self._items.popleft()

    def __getitem__(self, index: int) -> T:
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
