"""Reading ahead: what comes next is made by threads while what is there is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(makes: Iterable[Callable[[], T]], n_threads: int = 1) -> Generator[T]:
    """Results of the functions in their order; as many as there are threads are made in advance, and no more."""
    coming: deque[Future[T]] = deque()
    with ThreadPoolExecutor(n_threads, thread_name_prefix="gmvae-reading") as pool:
        try:
            for make in makes:
                coming.append(pool.submit(make))
                if len(coming) > n_threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
