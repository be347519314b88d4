"""Files that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gmvae.atomic import replacing


def test_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.csv.gz"
    with replacing(path) as temporary:
        temporary.write_text("all of it")
        assert not path.exists()
        assert temporary.parent == path.parent, "a rename is atomic within one file system only"
        assert temporary.name.endswith(".csv.gz"), "writers choose their format by the suffix"
    assert path.read_text() == "all of it"
    assert os.listdir(path.parent) == ["a.csv.gz"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_earlier_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")

    def stop_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        stop_halfway()
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_kill_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    code = (
        "import os, signal, sys\n"
        "from gmvae.atomic import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -signal.SIGKILL
    assert path.read_text() == "earlier"


def test_file_has_the_users_usual_permissions(tmp_path: Path) -> None:
    usual = tmp_path / "usual.txt"
    usual.write_text("")
    with replacing(tmp_path / "ours.txt") as temporary:
        temporary.write_text("")
    assert (tmp_path / "ours.txt").stat().st_mode == usual.stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows opens no folders")
def test_content_reaches_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        steps.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("")
    assert steps == ["content", "name", "folder"]


def test_umask_stays(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("")
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
