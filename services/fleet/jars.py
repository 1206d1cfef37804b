"""Apache Kafka's jars: resolved once by Maven from a pinned pom, checked hash by hash, kept in a cache folder.

A folder in the cache is complete or not there: it is filled under another name and renamed. A jar with another hash
than infra/kafka/jars.sha256 names is refused, whoever delivered it.
"""

import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path

from services.fleet.servers import ServerAbsent, ServerFailed, run

INFRA = Path(__file__).resolve().parents[2] / "infra" / "kafka"
RESOLVE_S = 900.0
_BLOCK = 1 << 20


def kafka_jars(cache: Path, infra: Path = INFRA) -> Path:
    """The folder with the jars; takes half a minute the first time. Raises ServerAbsent, ServerFailed."""
    wanted = expected(infra)
    pinned = hashlib.sha256(b"".join((infra / name).read_bytes() for name in ("pom.xml", "jars.sha256"))).hexdigest()
    folder = cache / f"kafka-{pinned[:12]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _resolve(folder, wanted, infra)
    return folder


def given_jars(folder: Path) -> Path:
    """A folder of somebody's own. Raises ServerAbsent when it has no Kafka."""
    if not any(folder.glob("kafka_*.jar")):
        raise ServerAbsent(f"--kafka-jars {folder}: there is no kafka_*.jar in it; allowed: libs/ of Apache Kafka")
    return folder


def expected(infra: Path) -> dict[str, str]:
    """SHA-256 by the name of the jar, as pinned."""
    try:
        lines = (infra / "jars.sha256").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ServerAbsent(
            f"{infra} is not there, so Apache Kafka's jars cannot be resolved: run from the repository, or name a "
            "folder of jars with --kafka-jars"
        ) from None
    return {name: digest for digest, name in (line.split() for line in lines)}


def _resolve(folder: Path, wanted: dict[str, str], infra: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServerAbsent("Apache Kafka's jars need Maven once: install it (Debian: apt-get install maven)")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="kafka-") as made:
        jars = Path(made) / "jars"
        goal = ("dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime")
        command = (maven, "-B", "-q", "-f", str(infra / "pom.xml"), *goal)
        try:
            run(command, "Maven, resolving Apache Kafka's jars,", within_s=RESOLVE_S)
        except ServerFailed as error:
            raise ServerAbsent(f"Apache Kafka's jars could not be fetched. {error}") from error
        verify(jars, wanted)
        jars.rename(folder)


def verify(jars: Path, wanted: dict[str, str]) -> None:
    """Raise ServerFailed with the first jar that is missing, not pinned or not the same."""
    found = {path.name: path for path in jars.glob("*.jar")}
    for name in sorted(wanted.keys() ^ found.keys()):
        what = "missing" if name in wanted else "not pinned in jars.sha256"
        raise ServerFailed(f"Apache Kafka's jars: {name} is {what}")
    for name, path in sorted(found.items()):
        digest = hashlib.sha256()
        with path.open("rb") as jar:
            while block := jar.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != wanted[name]:
            raise ServerFailed(
                f"Apache Kafka's jars: {name} is not the pinned one, its SHA-256 is {digest.hexdigest()}"
            )
