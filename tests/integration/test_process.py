"""Children end with their block, whatever they started and however they take it."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from local import process
from local.process import CommandFailed

# Deaf to SIGTERM, and with a child that is deaf, too.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_group_ends_with_its_block_even_when_deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.5)
    log = tmp_path / "log"
    with process.running([sys.executable, "-c", STUBBORN], environ={}, log=log) as child:
        while not log.read_text().strip():
            time.sleep(0.02)
        grandchild = int(log.read_text())
        assert psutil.pid_exists(grandchild)
    assert child.returncode is not None
    _, alive = psutil.wait_procs([psutil.Process(grandchild)] if psutil.pid_exists(grandchild) else [], timeout=3)
    assert all(one.status() == psutil.STATUS_ZOMBIE for one in alive)


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"ended with status 3; all it said is in .*log:\nno such stack"):
        process.run([sys.executable, "-c", "print('no such stack'); raise SystemExit(3)"], environ={}, log=tmp_path / "log")
