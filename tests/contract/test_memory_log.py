"""The memory adapter against the contract."""

import pytest

from shared.domain.errors import LogFull
from shared.log.memory import MemoryLog
from shared.log.port import Log
from tests.contract.log_contract import Reopen, StoreContract
from tests.contract.rows import start


class TestMemoryLog(StoreContract):
    @pytest.fixture
    def log(self) -> Log:
        return MemoryLog()

    @pytest.fixture
    def reopen(self, log: Log) -> Reopen:
        return lambda: log

    def test_a_failing_commit_leaves_nothing(self, log: Log) -> None:
        """An injected full disk raises once and nothing of the group is there."""
        assert isinstance(log, MemoryLog)
        log.fail.append(LogFull("injected"))
        with pytest.raises(LogFull):
            log.commit(start())
        assert log.head().site_seq == 0
        assert log.commit(start()).site_seq == 1
