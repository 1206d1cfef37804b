"""Which certificates the supervision tells of: what the fleet file names, in the launcher's own folder."""

from datetime import UTC, datetime
from pathlib import Path

from ruamel.yaml import YAML

from services.fleet.authority import ends_at
from services.fleet.launcher import supervisor_line
from services.fleet.supervise import expiries
from services.fleet.vault import open_vault


def test_every_certificate_of_the_servers_has_its_end(tmp_path: Path) -> None:
    """By the folder's and the file's name, which is an id; a key or a half-written file is left out."""
    folder = tmp_path / "Security"
    open_vault(folder, datetime.now(UTC))
    (folder / "torn.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB")
    patterns = f"{folder}/*.pem", f"{folder}/users/*.pem", f"{tmp_path}/none/*.pem"
    found = {each.name: each for each in expiries(patterns)}
    assert {"security-ca", "security-kafka", "security-mqtt", "users-bridge"} <= found.keys()
    assert "security-torn" not in found
    for name in ("kafka", "mqtt"):
        one = found[f"security-{name}"]
        assert (one.kind, one.ends_at_ms) == ("certificate", int(ends_at(folder / f"{name}.pem").timestamp() * 1000))


def test_the_launchers_configuration_names_every_certificate_of_its_folder(tmp_path: Path) -> None:
    """Of servers and of services' users; in clear there is none, and none is named."""
    open_vault(tmp_path / "security", datetime.now(UTC))
    made = [path for path in tmp_path.rglob("*.pem") if "BEGIN CERTIFICATE" in path.read_text()]
    written = YAML(typ="safe").load(supervisor_line(("bridge",), is_secure=True))["supervisor"]
    found = expiries(tuple(f"{tmp_path}/{pattern}" for pattern in written["certificates"]))
    assert {each.name for each in found} == {f"{path.parent.name}-{path.stem}" for path in made}
    assert "certificates" not in supervisor_line(("bridge",), is_secure=False)
