"""How fast gmvae is: one command, one run, a table and a JSON file. See README.md beside this file."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bars import bars
from comparison import peers
from memory import memory
from prediction import predict
from report import show
from rich.console import Console
from setting import Record, Setting
from startup import startup
from steps import grid, step
from together import together

SECTIONS: dict[str, Callable[[Setting], list[Record]]] = {
    "step": step,
    "peers": peers,
    "predict": predict,
    "startup": startup,
    "together": together,
    "memory": memory,
    "grid": grid,
}


def main() -> int:
    """Run the sections, write after each, print everything at the end."""
    arguments = _parser().parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path, console = arguments.out / "speed.json", Console(width=160)
    written: dict[str, Any] = json.loads(path.read_text()) if arguments.only and path.exists() else {}
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(arguments.quick, arguments.seed, Path(scratch), arguments.peers_python)
        for name in arguments.only or SECTIONS:
            console.print(f"{name} ...")
            try:
                if name in SECTIONS:
                    written[name] = _run(SECTIONS[name], setting)
            except Exception:  # the other sections are to be measured all the same
                traceback.print_exc()
                failed = True
            judged = bars({section: result["records"] for section, result in written.items() if section != "bars"})
            written["bars"] = {"records": judged}
            path.write_text(json.dumps(written, indent=1))
    show({name: result["records"] for name, result in written.items() if name != "bars"}, console)
    show({"bars": written["bars"]["records"]}, console)
    console.print(f"written to {path}")
    return int(failed)


def _run(section: Callable[[Setting], list[Record]], setting: Setting) -> dict[str, Any]:
    """A section's records, with what is needed to read them."""
    about = {
        **machine("benchmarks/speed.py"),
        "seed": setting.seed,
        "quick": setting.quick,
        "load_before": os.getloadavg(),
    }
    started = time.perf_counter()
    records = section(setting)
    about |= {"seconds": time.perf_counter() - started, "load_after": os.getloadavg()}
    return {"about": about, "records": records}


def machine(script: str) -> dict[str, Any]:
    """Command line, commit, machine, versions and date. Paths are left out."""
    shown = [Path(word).name if os.sep in word else word for word in sys.argv[1:]]
    return {
        "command": shlex.join(["python", script, *shown]),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": [line[3:] for line in _git("status", "--porcelain").splitlines()],
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    """Model of the processor as Linux names it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.rstrip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of speed.json")
    parser.add_argument("--quick", action="store_true", help="a smoke test of a few minutes")
    parser.add_argument(
        "--only", nargs="+", choices=[*SECTIONS, "bars"], help="these sections; others stay in the file"
    )
    parser.add_argument("--peers-python", type=Path, help="interpreter with clustpy, pythae and scikit-learn")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
