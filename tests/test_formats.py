"""The endings of files: what they are taken off, and what help and messages say of them."""

from __future__ import annotations

import pytest

from gmvae import formats


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        *((f"a.b{ending}", "a.b") for ending in (formats.ARRAY, formats.ARCHIVE, *formats.TABLES)),
        ("TABLE.CSV.GZ", "TABLE"),
        ("file.npz:X_train", "file:X_train"),
        ("csv", "csv"),
        ("photos.png", "photos.png"),
    ],
)
def test_the_ending_is_taken_off_a_name(name: str, rest: str) -> None:
    assert formats.without_ending(name) == rest


def test_observations_are_told_in_the_order_of_the_help() -> None:
    assert formats.OBSERVATIONS == ".npy, .npz, .csv, .csv.gz, .tsv, .tsv.gz, .parquet, .h5ad, .h5, IDX"


@pytest.mark.parametrize(
    ("name", "is_idx"),
    [("t10k-images-idx3-ubyte", True), ("train.idx1-ubyte.gz", True), ("a.IDX", True), ("idx.csv", False)],
)
def test_idx_files_are_known_by_their_names(name: str, is_idx: bool) -> None:
    assert bool(formats.IDX.search(name)) == is_idx
