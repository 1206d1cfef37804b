from collections.abc import Sequence
from typing import Self

from numpy import int64
from numpy.typing import NDArray

class Column:
    def __len__(self) -> int: ...

class Texts(Column):
    def __new__(cls, texts: Sequence[str | bytes], which: NDArray[int64]) -> Self: ...

class Numbers(Column):
    def __new__(cls, numbers: NDArray[int64]) -> Self: ...

class Scaled(Column):
    def __new__(cls, numbers: NDArray[int64], decimals: NDArray[int64]) -> Self: ...

def records(columns: Sequence[Column]) -> bytes: ...
