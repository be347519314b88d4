"""Folders of images: every image, every page, every bit, as it is shown and in the order of people."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from gmvae.data import DataError, load

RNG = np.random.default_rng(0)


def save(path: Path, pixels: np.ndarray, kind: str | None = None, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, kind, **options)
    return path


def names(path: Path) -> list[str]:
    ids = load(path).ids
    assert ids is not None
    assert ids.name == "file"
    return ids.values.tolist()


# ---------------------------------------------------------------- order, links, suffixes


def test_files_are_in_natural_order_and_named(tmp_path: Path) -> None:
    for i in (10, 9, 1):
        save(tmp_path / "in" / f"img{i}.png", np.full((2, 3), i, np.uint8))
    data = load(tmp_path)
    assert data.X[:, 0, 0].tolist() == [1, 9, 10]
    assert names(tmp_path) == ["in/img1.png", "in/img9.png", "in/img10.png"]
    assert data.notes == ()


def test_linked_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "1.png", np.full((2, 3), 1, np.uint8))
    save(tmp_path / "set" / "a" / "2.png", np.full((2, 3), 2, np.uint8))
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "set" / "a" / "round").symlink_to(tmp_path / "set", target_is_directory=True)
    data = load(tmp_path / "set", labels="folder")
    assert data.X[:, 0, 0].tolist() == [2, 1]
    assert data.labels is not None
    assert data.labels.tolist() == ["a", "b"]


def test_images_are_known_by_content_and_the_rest_is_counted(tmp_path: Path) -> None:
    grey = np.zeros((2, 3), np.uint8)
    for name, kind in (("a.png", None), ("b.jfif", "jpeg"), ("c.jpe", "jpeg"), ("d", "png"), ("e", "webp")):
        save(tmp_path / name, grey if kind != "webp" else np.zeros((2, 3), np.uint8), kind)
    (tmp_path / "e").unlink()
    for name in ("notes.txt", "README"):
        (tmp_path / name).write_text("no image")
    data = load(tmp_path)
    assert names(tmp_path) == ["a.png", "b.jfif", "c.jpe", "d"]
    assert data.notes == (
        f"Left out of {tmp_path.name}: 2 files without the suffix of an image, 'README', 'notes.txt'.",
    )


def test_one_image_is_a_folder_of_one(tmp_path: Path) -> None:
    pixels = RNG.integers(256, size=(4, 5), dtype=np.uint8)
    path = save(tmp_path / "one.png", pixels)
    np.testing.assert_array_equal(load(path).X, pixels[None])
    assert names(path) == ["one.png"]


# ---------------------------------------------------------------- pages and turns


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_every_page_is_a_row(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((6, 4), 20 * i, np.uint8)) for i in range(10)]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"scan.{suffix}", save_all=True, append_images=frames[1:], **options)
    save(tmp_path / "z.png", np.full((6, 4), 255, np.uint8))
    if suffix in ("gif", "webp"):  # their frames are in colour
        (tmp_path / "z.png").unlink()
    data = load(tmp_path)
    first = data.X.reshape(len(data.X), -1)[:, 0].tolist()
    assert first[:10] == [20 * i for i in range(10)]
    assert names(tmp_path)[:2] == [f"scan.{suffix}#1", f"scan.{suffix}#2"]
    n = 10 + (suffix in ("tif", "png"))
    assert len(data.X) == n
    assert data.notes == (f"{1 + (n == 11)} files hold {n} images: each page or frame is a row.",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_images_are_turned_as_they_are_shown(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", RNG.integers(256, size=(5, 8, 3), dtype=np.uint8), exif=exif)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(load(tmp_path).X[0], shown.transpose(2, 0, 1))


# ---------------------------------------------------------------- 16 bits


def png_of_16_bits(pixels: np.ndarray, filters: list[int], interlaced: bool = False) -> bytes:
    """A PNG written byte by byte as the specification defines it; lines take the filters in turn."""
    height, width, channels = pixels.shape
    step = 2 * channels
    lines = np.frombuffer(pixels.astype(">u2").tobytes(), np.uint8).reshape(height, width * step).astype(int)
    content = bytearray()
    for y in range(height):
        kind = filters[y % len(filters)]
        content.append(kind)
        for x in range(width * step):
            left = lines[y, x - step] if x >= step else 0
            above = lines[y - 1, x] if y else 0
            corner = lines[y - 1, x - step] if y and x >= step else 0
            guess = left + above - corner
            nearest = min((left, above, corner), key=lambda value: abs(guess - value))
            content.append((lines[y, x] - (0, left, above, (left + above) // 2, nearest)[kind]) % 256)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    packed = zlib.compress(bytes(content))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, interlaced)),
            chunk(b"IDAT", packed[:50]),
            chunk(b"IDAT", packed[50:]),
            chunk(b"IEND", b""),
        ]
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pngs_of_16_bits_keep_every_bit(tmp_path: Path, channels: int) -> None:
    pixels = RNG.integers(2**16, size=(11, 7, channels), dtype=np.uint16)
    content = png_of_16_bits(pixels, [4, 3, 2, 1, 0, 4, 4])
    (tmp_path / "a.png").write_bytes(content)
    X = load(tmp_path).X
    assert X.dtype == np.float32
    expected = pixels[..., [0, 0, 0, 1]] if channels == 2 else pixels
    np.testing.assert_array_equal(
        np.round(X[0] * 65535.0), expected[..., 0] if channels == 1 else np.moveaxis(expected, -1, 0)
    )
    with Image.open(io.BytesIO(content)) as image:  # Pillow's own reading of colours: the high bytes
        if channels > 1:
            np.testing.assert_array_equal(np.asarray(image), expected >> 8)


def test_what_would_lose_bits_is_refused(tmp_path: Path) -> None:
    pixels = RNG.integers(2**16, size=(4, 6, 3), dtype=np.uint16)
    (tmp_path / "a.ppm").write_bytes(b"P6 6 4 65535\n" + pixels.astype(">u2").tobytes())
    with pytest.raises(DataError, match=r"a.ppm must have 8 bits per channel, or 16 in grey or in a PNG; got 16 bits"):
        load(tmp_path)
    (tmp_path / "a.ppm").unlink()
    (tmp_path / "a.png").write_bytes(png_of_16_bits(pixels, [0], interlaced=True))
    with pytest.raises(DataError, match=r"a.png must be an image that can be read; got: 16 bits .* interlac"):
        load(tmp_path)
    content = png_of_16_bits(pixels, [4])
    (tmp_path / "a.png").write_bytes(content.replace(content[41:60], b"\0" * 19))
    with pytest.raises(DataError, match=r"a.png must be an image that can be read; got: "):
        load(tmp_path)


def test_grey_of_16_bits_in_other_formats(tmp_path: Path) -> None:
    pixels = RNG.integers(2**16, size=(4, 6), dtype=np.uint16)
    save(tmp_path / "t" / "a.tif", pixels)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.pgm").write_bytes(b"P5 6 4 65535\n" + pixels.astype(">u2").tobytes())
    for folder in ("t", "p"):
        np.testing.assert_array_equal(np.round(load(tmp_path / folder).X[0] * 65535.0), pixels)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_without_a_suffix_is_not_waited_for(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    os.mkfifo(tmp_path / "pipe")
    assert len(load(tmp_path).X) == 1
