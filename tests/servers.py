"""Real servers for tests: a throw-away PostgreSQL and the app itself."""

import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
START_ATTEMPTS = 3


def required(name: str) -> bool:
    """Say whether leaving a thing out would be an error: on the build machine it is."""
    return os.environ.get(f"HITL_REQUIRE_{name}") == "1"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# PostgreSQL


def postgres_program(name: str) -> str | None:
    """Find a server program such as ``initdb``: on the PATH, else the newest installed one."""
    found = [
        str(path) for folder in POSTGRES_FOLDERS for path in _glob(folder) if (path / name).exists()
    ]
    return shutil.which(name) or (str(Path(max(found, key=_version)) / name) if found else None)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run an empty PostgreSQL on a free port of 127.0.0.1 and yield its URL.

    It runs as an ordinary user. Its files lie in a temporary folder, are never synced to disk
    and go when it stops.
    """
    initdb, pg_ctl = postgres_program("initdb"), postgres_program("pg_ctl")
    if initdb is None or pg_ctl is None:
        raise FileNotFoundError("PostgreSQL's initdb and pg_ctl are not installed.")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data = folder / "data"
    try:
        _give_away(folder)
        create = "--no-sync -A trust -U postgres -E UTF8 --locale=C"
        _as_ordinary_user([initdb, *create.split(), "-D", str(data)], folder)
        port = _start_postgres(pg_ctl, data)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _as_ordinary_user([pg_ctl, "stop", "-D", str(data), "-m", "immediate", "-w"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_postgres(pg_ctl: str, data: Path) -> int:
    """Start the server on a free port; try another one when somebody was faster."""
    log = data.parent / "log"
    failures = []
    for _ in range(START_ATTEMPTS):
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {data.parent}"
        start = [pg_ctl, "start", "-D", str(data), "-l", str(log), "-o", options, "-w", "-t", "60"]
        try:
            _as_ordinary_user(start, data.parent)
        except RuntimeError as error:
            failures.append(f"{error}\n{_tail(log)}")
        else:
            return port
    raise RuntimeError(failures[-1])


def _ordinary_user() -> pwd.struct_passwd | None:
    """Return who the server runs as when we are root: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _give_away(folder: Path) -> None:
    if user := _ordinary_user():
        os.chown(folder, user.pw_uid, user.pw_gid)


def _as_ordinary_user(command: list[str], folder: Path) -> None:
    user = _ordinary_user()
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    # A file and not a pipe: the server inherits it, and a pipe would never end.
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            **who,
        )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed:\n{_tail(folder / 'output')}")


def _glob(pattern: str) -> list[Path]:
    return list(Path("/").glob(pattern.removeprefix("/")))


def _version(folder: str) -> tuple[int, ...]:
    """Return the numbers in a path, so that 9 comes before 15."""
    return tuple(int(part) for part in "".join(c if c.isdigit() else " " for c in folder).split())


# The app


@dataclass(frozen=True)
class App:
    """A running app: its address, its process and the file that holds what it printed."""

    url: str
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL to the process and its children)."""
        _signal(self.process, signal.SIGKILL)
        self.process.wait()


@contextmanager
def streamlit_server(
    env: Mapping[str, str] | None = None,
    *,
    port: int | None = None,
    script: Path = ROOT / "streamlit_app.py",
    timeout: float = 90.0,
) -> Iterator[App]:
    """Start the app in its own process, wait until it answers, and stop it at the end.

    Parameters
    ----------
    env
        Settings of this app, added to the environment; ``HITL_…`` and ``STREAMLIT_…`` variables
        of the person who runs the tests are left out.
    port
        Port to listen on; a free one if not given.
    script
        Script to run.
    timeout
        Seconds to wait for the first answer.
    """
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="app-"))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _streamlit_command(script, port),
            cwd=ROOT,
            env=app_environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(process, port, log, timeout)
        yield App(f"http://127.0.0.1:{port}", port, process, log)
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def app_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without its settings, and with the given ones."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("HITL_", "STREAMLIT_"))}
    return {**ours, "PYTHONUNBUFFERED": "1", **env}


def _streamlit_command(script: Path, port: int) -> list[str]:
    options = f"--server.headless true --server.port {port} --server.address 127.0.0.1"
    quiet = "--browser.gatherUsageStats false"
    return [sys.executable, "-m", "streamlit", "run", str(script), *options.split(), *quiet.split()]


def healthy(port: int) -> bool:
    """Ask the app whether it is up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_until_healthy(
    process: "subprocess.Popen[bytes]", port: int, log: Path, timeout: float
) -> None:
    end = time.monotonic() + timeout
    while not healthy(port):
        if process.poll() is not None:
            raise RuntimeError(f"The app ended with code {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > end:
            raise TimeoutError(f"The app did not answer within {timeout:g} s:\n{_tail(log)}")
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]", patience: float = 15.0) -> None:
    _signal(process, signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a process we started, and to those it started."""
    if process.poll() is None:
        os.killpg(process.pid, number)


def _tail(log: Path, characters: int = 4_000) -> str:
    return log.read_text(errors="replace")[-characters:] if log.exists() else ""
