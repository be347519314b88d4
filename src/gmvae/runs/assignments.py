"""Answers about very many rows: a file for every file of the source, whole or not at all, by as many processes as run.

Memory is that of one block of one file.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.atomic import replacing
from gmvae.fitted.fitted import Fitted
from gmvae.shards import KnownClasses, Shard, Shards, open_shard
from gmvae.training.processes import ONE_PROCESS, Processes

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 65_536
_KEY = b"gmvae"


class Output(NamedTuple):
    """Columns to write, by name, and what they are of rows (n, *event) and their probabilities (n, K)."""

    names: list[str]
    of: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


class Written(NamedTuple):
    """What a process has done.

    Attributes
    ----------
    written, there : int
        Files that it wrote, and that were there.
    rows : int
        Of the files that it wrote.
    sizes : ndarray of int, shape (K,)
        Rows of every cluster in all of them.
    """

    written: int
    there: int
    rows: int
    sizes: NDArray[np.int64]


def cluster_outputs(fitted: Fitted) -> list[Output]:
    """The cluster, and the probability of every one."""
    label = Output(["label"], lambda _, chances: chances.argmax(axis=1))
    return [label, Output([f"p_{k}" for k in range(fitted.config.K)], lambda _, chances: chances)]


def answered(
    fitted: Fitted,
    outputs: Sequence[Output],
    rows: NDArray[Any],
    batch_size: int | None,
    label: NDArray[np.int64] | None = None,
) -> list[NDArray[Any]]:
    """What the outputs are of rows (n, *event), each (n, ...); of those with a label, not -1, that is their cluster."""
    chances = fitted.proba(rows, batch_size)
    if label is not None:
        chances[label >= 0] = np.eye(chances.shape[1])[label[label >= 0]]
    return [np.asarray(output.of(rows, chances)) for output in outputs]


def names_of(outputs: Sequence[Output]) -> list[str]:
    """Names of all columns of outputs."""
    return [name for each in outputs for name in each.names]


def as_columns(answers: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Answers (n, ...) as columns (n,)."""
    return [column for each in answers for column in each.reshape(len(each), -1).T]


def write_parts(
    fitted: Fitted,
    files: Sequence[Path],
    outputs: Sequence[Output],
    folder: Path,
    *,
    batch_size: int | None = None,
    processes: Processes = ONE_PROCESS,
    tell: Callable[[str], object] = str,
    id: str | None = None,
    classes: KnownClasses | None = None,
) -> Written:
    """Write ``part-00000.parquet`` and so on, one for each file: the number of every row in it, and what is asked.

    A column ``id`` of a file, or its pandas index of one name, stands in place of the numbers of its rows. Rows of
    known classes are in their clusters. Files that are there, of the same model, question and source, stay. Of several
    processes each takes every n-th file.
    ValueError if a file lies in that folder or has other columns than the fit, or rows that cannot be in its units.
    ShardError if a file is gone or has been changed.
    """
    from pyarrow import parquet

    if folder.resolve() in {file.resolve().parent for file in files}:
        raise ValueError(f"`-o` must be another folder than that of the source; got {folder} for both: name another.")
    model = _checksum(fitted)
    n_written = n_there = n_rows = 0
    sizes = np.zeros(fitted.config.K, dtype=np.int64)
    notes, notes_told = set[str](), set[str]()
    for number in range(processes.rank, len(files), processes.size):
        shard = open_shard(files[number])
        target = folder / f"part-{number:05}.parquet"
        about = {
            "source": shard.path.name,
            "bytes": shard.size,
            "modified": shard.modified,
            "model": model,
            "columns": names_of(outputs),
        }
        own_id = shard.index if id is None else id if id in shard.ids else None
        if own_id is not None:
            about["id"] = own_id
        if classes is not None:
            about["partial labels"] = classes.column
        if _is_there(target, about):
            n_there += 1
            sizes += _sizes(target, len(sizes))
            continue
        type_of_ids = None if own_id is None else _type_of_ids(chain([shard], map(open_shard, files)), own_id)
        tables = _tables(fitted, shard, outputs, batch_size, notes, own_id, type_of_ids, classes)
        first = next(tables)
        schema = first.schema.with_metadata({_KEY: json.dumps(about)})
        with replacing(target) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
            writer.write_table(first.cast(schema))
            for table in tables:
                writer.write_table(table.cast(schema))
        for note in sorted(notes - notes_told):
            tell(note)
        notes_told |= notes
        n_written += 1
        n_rows += shard.n_rows
        sizes += _sizes(target, len(sizes))
    return Written(n_written, n_there, n_rows, sizes)


def _type_of_ids(shards: Iterable[Shard], id: str) -> pa.DataType:
    """Type of the first file that knows one: pandas writes an index without values, as of no row, as of type null."""
    import pyarrow as pa

    types = (shard.ids.get(id, pa.null()) for shard in shards)
    return next((each for each in types if not pa.types.is_null(each)), pa.null())


def _tables(
    fitted: Fitted,
    shard: Shard,
    outputs: Sequence[Output],
    batch_size: int | None,
    notes: set[str],
    id: str | None,
    type_of_ids: pa.DataType | None,
    classes: KnownClasses | None,
) -> Iterator[pa.Table]:
    """The answers about a file, some rows at a time; the first table has none, and tells the types."""
    import pyarrow as pa

    names = names_of(outputs)
    names.insert(0, "row" if id is None else f"{id} (id)" if id in names else id)

    def answers(rows: NDArray[Any], numbers: Any, label: NDArray[np.int64] | None = None) -> pa.Table:
        return pa.table([numbers, *as_columns(answered(fitted, outputs, rows, batch_size, label))], names)

    yield answers(np.zeros((1, *fitted.event_shape), np.float32), pa.nulls(1, type_of_ids or pa.int64()))[:0]
    done = 0
    full = [number for number, n in enumerate(shard.blocks) if n]
    for number, block in zip(full, _blocks(fitted, shard, notes), strict=True):
        numbers = pa.array(np.arange(done + 1, done + len(block) + 1))
        if id is not None:
            numbers = shard.table(number, [id]).column(id)
        label = None if classes is None else classes.numbers(shard.table(number, [classes.column]).column(0))
        for first in range(0, len(block), _ROWS_AT_ONCE):
            rows = fitted.rows(block[first : first + _ROWS_AT_ONCE])
            own = slice(first, first + len(rows))
            yield answers(rows, numbers[own], None if label is None else label[own])
        done += len(block)


def _blocks(fitted: Fitted, shard: Shard, notes: set[str]) -> Iterator[NDArray[Any]]:
    """The rows of a file as the fit has them, block by block that holds any."""
    if not shard.n_rows:
        return
    if fitted.columns is not None:
        for number, n in enumerate(shard.blocks):
            if n:
                encoded = fitted.columns.encode(shard.table(number), where=shard.path.name)
                notes.update(encoded.notes)
                yield encoded.y
        return
    source = Shards(
        [shard.path], () if shard.types.keys() == {None} else fitted.feature_names or (), name=shard.path.name
    )
    for number in range(len(source.sizes)):
        yield source.read(number)


def _is_there(target: Path, about: dict[str, Any]) -> bool:
    from pyarrow import parquet

    if not target.is_file():
        return False
    try:
        found = (parquet.read_schema(target).metadata or {}).get(_KEY, b"null")
        return bool(json.loads(found) == about)
    except (OSError, ValueError):
        return False


def _sizes(part: Path, n_components: int) -> NDArray[np.int64]:
    """Rows of every cluster in a file of answers, (n_components,)."""
    from pyarrow import parquet

    found = np.zeros(n_components, dtype=np.int64)
    with parquet.ParquetFile(part) as file:
        for batch in file.iter_batches(columns=["label"]):
            found += np.bincount(batch.column(0).to_numpy(), minlength=n_components)
    return found


def _checksum(fitted: Fitted) -> str:
    """CRC-32 of the weights."""
    total = 0
    for name, tensor in fitted.model.state_dict().items():
        total = zlib.crc32(np.ascontiguousarray(tensor.cpu().numpy()).data, zlib.crc32(name.encode(), total))
    return f"{total:08x}"
