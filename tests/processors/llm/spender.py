"""A process that spends a budget until it is spent, or until it is killed.

``python -m tests.processors.llm.spender FILE BILL LIMIT WINDOW``: it keeps WINDOW calls in flight; each may take
`PREDICTED` tokens and takes at most as many. The tokens that a provider would bill are appended to BILL before the
account is told, one byte per token, so the size of that file is the amount really spent.
"""

import os
import random
import sys
from collections import deque
from pathlib import Path

from processors.llm.budget import Budget, BudgetSpent, Reservation
from processors.llm.config import BudgetConfig

PREDICTED = 40


def main() -> None:
    file, bill, limit, window = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    budget = Budget(file, BudgetConfig(tokens=limit), {})
    billed = os.open(bill, os.O_WRONLY | os.O_APPEND)
    draw = random.Random()
    in_flight: deque[Reservation] = deque()
    while True:
        try:
            while len(in_flight) < window:
                in_flight.append(budget.reserve(stage="answering", endpoint="e", tokens=PREDICTED, usd=0.0))
        except BudgetSpent:
            if not in_flight:
                return
        taken = draw.randint(PREDICTED // 2, PREDICTED)
        os.write(billed, bytes(taken))
        budget.settle(in_flight.popleft(), tokens=taken, usd=0.0)


if __name__ == "__main__":
    main()
