"""`sam build` and `sam deploy` of the real template, for this machine; a build is skipped when nothing it reads has changed."""

import fcntl
import hashlib
import os
import platform
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import process
from local.ports import Report

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".aws-sam" / "local"
_STAMP = BUILD.with_name("local.stamp")
_SOURCES = ("template.yaml", "samconfig.toml", "layers/common", "functions")
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def machine() -> dict[str, str]:
    """The template's parameters that follow from this machine: functions run in its Python, on its processor."""
    processor = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
    return {"PythonRuntime": _PYTHON, "Architecture": processor}


def configured() -> dict[str, str]:
    """The parameters samconfig.toml gives the local stack; `sam deploy` reads them only when it is given none."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["local"]["deploy"]["parameters"]
    return dict(pair.split("=", 1) for pair in settings["parameter_overrides"])


def artifacts_bucket() -> str:
    """Where `sam deploy` uploads what was built; made beforehand, which spares it a stack of its own."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["local"]["deploy"]["parameters"]
    return str(settings["s3_bucket"])


def build(*, log: Path, report: Report) -> None:
    """Bring `.aws-sam/local` up to date; raises `CommandFailed`."""
    with _alone():
        digest = _digest()
        if _STAMP.exists() and _STAMP.read_text() == digest and (BUILD / "template.yaml").exists():
            report("The functions are built already")
            return
        report("Building the layer and the functions (sam build)")
        _STAMP.unlink(missing_ok=True)
        command = [_sam(), "build", "--config-env", "local", "--build-dir", str(BUILD), "--parameter-overrides"]
        _run([*command, *_pairs(machine())], {}, log)
        _STAMP.write_text(digest)


def deploy(parameters: Mapping[str, str], *, environ: Mapping[str, str], log: Path) -> None:
    """Deploy what was built to the emulator that `environ` points at; raises `CommandFailed`."""
    # Named, because sam looks for its configuration beside the template, and that is the built one.
    where = ["--config-file", str(ROOT / "samconfig.toml"), "--template-file", str(BUILD / "template.yaml")]
    command = [_sam(), "deploy", "--config-env", "local", *where, "--no-progressbar", "--parameter-overrides"]
    wanted = {**configured(), **machine(), **parameters}
    _run([*command, *_pairs(wanted)], environ, log)


def sam_environ(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without a person's own AWS settings, which must not reach a local stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    # The Python that sam finds first must be the template's: this one, which has pip. The delay is between two looks at
    # the stack's progress, in seconds.
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return {**kept, **nowhere, "PATH": path, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2", **more}


def _run(command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
    # Each run of sam leaves empty folders behind; here they go with the one they are in.
    with tempfile.TemporaryDirectory(prefix="reelkeeper-sam-") as place:
        process.run(command, environ=sam_environ({"TMPDIR": place, **environ}), log=log, cwd=ROOT)


def _sam() -> str:
    return str(Path(sys.executable).parent / "sam")


def _pairs(parameters: Mapping[str, str]) -> list[str]:
    return [f'{name}="{value}"' for name, value in parameters.items()]


def _digest() -> str:
    digest = hashlib.sha256(repr((machine(), sys.version)).encode())
    for source in _SOURCES:
        start = ROOT / source
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            if path.is_file() and not any(part == "__pycache__" or part.endswith(".egg-info") for part in path.parts):
                digest.update(f"{path.relative_to(ROOT)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """One build at a time in this working copy; a second waits and then finds it done."""
    BUILD.parent.mkdir(exist_ok=True)
    with BUILD.with_name("local.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
