"""The testing tools keep their own promises."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit import kernel
from tests.testkit.cpu import busy_cores
from tests.testkit.disk import filled, read_only, small_disk
from tests.testkit.faults import failing
from tests.testkit.network import second_host
from tests.testkit.ports import free_port
from tests.testkit.process import Running, end_all, is_alive, wait_for
from tests.testkit.proxy import FaultProxy, Faults


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while chunk := connection.recv(4096):
                    connection.sendall(chunk)
            except ConnectionError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    """A fault proxy before the echo server."""
    with FaultProxy("127.0.0.1", echo) as made:
        yield made


def _connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=60)


def _exactly(client: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (chunk := client.recv(size - len(got))):
        got += chunk
    return got


def test_the_proxy_passes_bytes_on_untouched(proxy: FaultProxy) -> None:
    """Without faults the proxy is a wire."""
    with _connect(proxy) as client:
        client.sendall(b"hello")
        assert _exactly(client, 5) == b"hello"
    assert (proxy.accepted, proxy.passed_up, proxy.passed_down) == (1, 5, 5)


def test_the_proxy_slices_and_keeps_every_byte(proxy: FaultProxy) -> None:
    """Slices arrive in order and complete."""
    proxy.faults = Faults(slice_bytes=3, latency_s=0.01)
    with _connect(proxy) as client:
        client.sendall(bytes(range(100)))
        assert _exactly(client, 100) == bytes(range(100))


def test_the_proxy_duplicates(proxy: FaultProxy) -> None:
    """Each chunk comes twice in each direction: four times through an echo."""
    proxy.faults = Faults(duplicate=True)
    with _connect(proxy) as client:
        client.sendall(b"ab")
        assert _exactly(client, 8) == b"abababab"


def test_the_proxy_corrupts_by_its_seed(echo: int) -> None:
    """The same seed does the same harm."""
    seen = []
    for _ in range(2):
        with FaultProxy("127.0.0.1", echo, seed=7) as proxy, _connect(proxy) as client:
            proxy.faults = Faults(corrupt_every=4)
            client.sendall(bytes(64))
            seen.append(_exactly(client, 64))
    assert seen[0] == seen[1] != bytes(64)


def test_the_proxy_resets_open_connections(proxy: FaultProxy) -> None:
    """A reset is seen as one by the client."""
    with _connect(proxy) as client:
        client.sendall(b"x")
        _exactly(client, 1)
        assert proxy.reset() == 1
        with pytest.raises(ConnectionError):
            client.recv(1)


def test_a_half_open_link_stays_silent_and_mends(proxy: FaultProxy) -> None:
    """Bytes from the server vanish while the connection stays open; new ones work after mending."""
    with _connect(proxy) as client:
        proxy.faults = Faults(swallow_down=True)
        client.sendall(b"x")
        wait_for(lambda: proxy.swallowed == 1, within_s=60, name="the answer to be swallowed")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.mend()
        client.settimeout(60)
        client.sendall(b"y")
        assert _exactly(client, 1) == b"y"


def test_a_cut_link_takes_no_new_connection(proxy: FaultProxy) -> None:
    """While the link is cut a new connection is reset."""
    proxy.cut()
    with pytest.raises(ConnectionError), _connect(proxy) as client:
        client.recv(1)
        raise ConnectionError("closed")


def test_a_small_disk_fills_and_frees(tmp_path: Path) -> None:
    """A full disk answers ENOSPC; freed, it takes bytes again."""
    with small_disk(tmp_path / "disk", 1) as disk:
        with (
            filled(disk),
            pytest.raises(OSError, match="No space left"),
            (disk / "more").open("wb", buffering=0) as out,
        ):
            out.write(bytes(8192))
        (disk / "more").write_bytes(bytes(8192))
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_read_only_disk_refuses_writes(tmp_path: Path) -> None:
    """A disk remounted read-only answers EROFS, and takes bytes again at the end."""
    with small_disk(tmp_path / "disk", 1) as disk:
        with read_only(disk), pytest.raises(OSError, match="Read-only"):
            (disk / "file").write_bytes(b"x")
        (disk / "file").write_bytes(b"x")


def test_an_injected_error_reaches_the_program() -> None:
    """fsync fails with EIO in the program, and only there."""
    code = (
        "import os,tempfile\nf=tempfile.TemporaryFile()\n"
        "try:\n os.fsync(f.fileno())\nexcept OSError as e:\n print(e.errno)"
    )
    done = subprocess.run(failing([sys.executable, "-c", code]), capture_output=True, text=True, check=True)
    assert done.stdout == "5\n"


def test_a_process_is_watched_by_its_lines_and_leaves_no_orphan() -> None:
    """Its lines are matched, and what it started ends with it, even in a session of its own."""
    code = (
        "import subprocess,sys,time\n"
        "child=subprocess.Popen([sys.executable,'-c','import time;time.sleep(600)'],start_new_session=True)\n"
        "print('child',child.pid,flush=True)\ntime.sleep(600)"
    )
    with Running([sys.executable, "-c", code]) as running:
        child = int(running.wait_for_line(r"child (\d+)").group(1))
        assert is_alive(child)
    assert not is_alive(child)
    assert not is_alive(running.pid)


def test_a_process_that_ends_too_early_is_told_with_its_output() -> None:
    """Waiting for a line of a program that has ended fails at once and shows what it said."""
    with Running([sys.executable, "-c", "print('sorry')"]) as running, pytest.raises(AssertionError, match="sorry"):
        running.wait_for_line("ready", within_s=60)


def test_a_stopped_process_can_still_be_ended() -> None:
    """A process that was paused by a test is woken to be ended."""
    with Running([sys.executable, "-c", "print('up',flush=True)\nimport time\ntime.sleep(600)"]) as running:
        running.wait_for_line("up")
        running.signal(signal.SIGSTOP)
        running.also.add(running.pid)
        end_all([running.pid])
    assert running.wait() == -signal.SIGTERM


def test_busy_cores_are_busy_and_then_gone() -> None:
    """Burners run while the block lasts."""
    with busy_cores(1) as pids:
        assert all(map(is_alive, pids))
    assert not any(map(is_alive, pids))


def test_a_second_host_is_reached_cut_and_mended() -> None:
    """The cable carries, is cut both ways and one way, and carries again."""
    port = free_port()
    code = (
        "import socket,sys\ns=socket.create_server(('0.0.0.0',int(sys.argv[1])))\nprint('up',flush=True)\n"
        "while True:\n c,_=s.accept()\n c.sendall(b'hi')\n c.close()"
    )
    with second_host() as host, Running(host.command([sys.executable, "-c", code, str(port)])) as server:
        server.wait_for_line("up")

        def reaches() -> bool:
            try:
                with socket.create_connection((host.address, port), timeout=0.5) as client:
                    return client.recv(2) == b"hi"
            except OSError:
                return False

        wait_for(reaches, within_s=60, name="the second host")
        for cut in (host.cut, host.cut_towards_here, host.cut_towards_there):
            cut()
            assert not reaches()
            host.mend()
            wait_for(reaches, within_s=60, name=f"after {cut.__name__}")


def test_free_ports_are_free() -> None:
    """The port given can be bound."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port := free_port()))
        assert probe.getsockname()[1] == port


def test_a_missing_tool_fails_and_is_never_taken_for_a_missing_kernel_feature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the program that a probe runs nothing may be skipped."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for feature in kernel.Feature:
        with pytest.raises(AssertionError, match="make system-deps"):
            kernel.has.__wrapped__(feature)
