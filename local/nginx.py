"""nginx on loopback, serving a folder for as long as a `with` block lasts: a source as NCA's store is one.

Found on this machine, or fetched from Debian's own packages into `.tools` without touching the system. It serves ranges,
ETag and Last-Modified as they come, and on a second port gives each connection no more than a fixed rate.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from local import process
from local.ports import Report, choose, silent

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".tools" / "nginx"
START_S = 20.0
# Debian 12 and later have the program in the first, earlier ones in the second.
PACKAGES = ("nginx", "nginx-light")

CONFIG = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    root {root};
    server {{ listen 127.0.0.1:{fast}; }}
    server {{ listen 127.0.0.1:{slow}; limit_rate {rate}; }}
}}
"""


class NoNginx(RuntimeError):
    """There is no nginx and none can be fetched; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Served:
    """Two addresses of one folder: as fast as it goes, and with a limit for each connection."""

    fast: str
    slow: str


@contextmanager
def serve(root: Path, *, rate: str = "25m", report: Report = silent) -> Iterator[Served]:
    """Serve the files of `root`; `rate` is nginx's `limit_rate` on the slow address, in bytes a second. Raises NoNginx."""
    program = find(report)
    folder = Path(tempfile.mkdtemp(prefix="reelkeeper-nginx-"))
    try:
        fast, slow = choose(0, "nginx"), choose(0, "nginx")
        # Workers of a root's nginx would be nobody, who may not read a temporary folder.
        user = "user root;" if os.geteuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(user=user, folder=folder, root=root, fast=fast, slow=slow, rate=rate))
        command = [str(program), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"), "-g", "daemon off;"]
        with process.running(process.tied(command), environ={"PATH": os.defpath}, log=folder / "log") as child:
            served = Served(f"http://127.0.0.1:{fast}", f"http://127.0.0.1:{slow}")
            _wait_ready(served, child, folder)
            yield served
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find(report: Report = silent) -> Path:
    """The nginx of this machine, or one fetched into `.tools`; raises NoNginx."""
    places = [shutil.which("nginx"), "/usr/sbin/nginx", TOOLS / "usr" / "sbin" / "nginx"]
    for place in places:
        if place is not None and os.access(place, os.X_OK):
            return Path(place)
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        report("Fetching nginx from Debian's packages into .tools")
        for package in PACKAGES:
            if _fetch(package):
                return TOOLS / "usr" / "sbin" / "nginx"
    raise NoNginx("There is no nginx here, which the benchmark copies from; install it with: apt-get install nginx-light")


def _fetch(package: str) -> bool:
    """Unpack a Debian package into `.tools`: whoever may not install may still download."""
    with tempfile.TemporaryDirectory() as place:
        # apt drops its rights to _apt where it can, who must be able to write here.
        Path(place).chmod(0o777)
        fetched = subprocess.run(["apt-get", "download", "-qq", package], cwd=place, capture_output=True, check=False)
        for archive in Path(place).glob("*.deb"):
            TOOLS.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "-x", str(archive), str(TOOLS)], capture_output=True, check=False)
    program = TOOLS / "usr" / "sbin" / "nginx"
    if fetched.returncode or not program.is_file():
        return False
    # It may want a library that is not there.
    return subprocess.run([str(program), "-v"], capture_output=True, check=False).returncode == 0


def _wait_ready(served: Served, child: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(requests.ConnectionError):
            requests.head(served.slow, timeout=5)
            return
        time.sleep(0.05)
    said = "".join(path.read_text(errors="replace") for path in (folder / "error.log", folder / "log") if path.exists())
    raise NoNginx(f"nginx did not start: {said[-1000:]}")
