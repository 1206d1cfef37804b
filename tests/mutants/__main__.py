"""`make mutants`: plant every seeded bug in a copied tree and see that its named test catches it.

Exit code 0 when all are caught, 1 when one is missed or no longer applies. ARGS="WORD ..." takes only mutants with one
of the words in their name or file.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutants.list import MUTANTS
from tests.mutants.mutant import Verdict, copy_tree, hunt


def main(words: list[str]) -> int:
    """Hunt them all; the number that was not caught decides the exit code."""
    chosen = [m for m in MUTANTS if not words or any(word in f"{m.name} {m.file}" for word in words)]
    verdicts = Counter[Verdict]()
    with tempfile.TemporaryDirectory(prefix="ampward-mutants-") as folder:
        tree = copy_tree(Path(folder))
        known_good = set[str]()
        for number, mutant in enumerate(chosen, 1):
            verdict, detail = hunt(mutant, tree, known_good)
            verdicts[verdict] += 1
            print(f"[{number}/{len(chosen)}] {verdict.upper():7} {mutant.name} ({mutant.file}): {detail}", flush=True)
    print(", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict))
    return 0 if chosen and verdicts[Verdict.CAUGHT] == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
