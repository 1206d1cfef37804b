from numpy import int64
from numpy.typing import NDArray

def digests(
    texts: list[bytes], which: NDArray[int64], numbers: NDArray[int64], tail: bytes, digits: int
) -> list[str]: ...
