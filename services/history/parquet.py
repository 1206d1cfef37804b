"""A CSV file of ours as Parquet, by duckdb: typed columns, decimal values, times in UTC."""

from pathlib import Path

import duckdb

from shared.domain.errors import AmpwardError

_SELECT = """SELECT * FROM read_csv(?, header = true,
    columns = {'point': 'VARCHAR', 'unit': 'VARCHAR', 'at': 'TIMESTAMPTZ', 'min': 'DECIMAL(20, 4)',
    'max': 'DECIMAL(20, 4)', 'mean': 'DECIMAL(20, 4)', 'last': 'DECIMAL(20, 4)', 'quality': 'VARCHAR',
    'good': 'BIGINT', 'uncertain': 'BIGINT', 'bad': 'BIGINT'})"""
MEMORY = "256MB"


def write_parquet(source: Path, target: Path) -> None:
    """Raises AmpwardError with what duckdb says."""
    try:
        with duckdb.connect(config={"memory_limit": MEMORY, "threads": 1}) as engine:
            engine.execute("SET TimeZone = 'UTC'")
            engine.execute(f"CREATE TEMP TABLE rows AS {_SELECT}", [str(source)])
            engine.table("rows").to_parquet(str(target), compression="zstd")
    except duckdb.Error as fault:
        raise AmpwardError(f"{target.name}: {fault}") from fault
