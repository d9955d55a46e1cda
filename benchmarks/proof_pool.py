"""Make a pool of real rows, some with a planted and labelled defect, for `siftstream prove`.

    python benchmarks/proof_pool.py en 30 pool.jsonl      495 English rows, 30 % of them defective
    siftstream prove pool.jsonl --answer-tokens 6000

The kinds of defects are those of benchmarks/defects.py, in turn; `defect` is the label.
"""

import argparse
import json
import random
from pathlib import Path

from benchmarks.defects import DEFECTS, Others, Row
from benchmarks.gates_rows import FILES, shuffled_rows
from tests.paths import DATA


def pool(rows: list[Row], foreign: list[Row], percent: int, seed: int) -> list[dict[str, str]]:
    """Return the rows as dictionaries; `percent` of them have a worse answer."""
    draw = random.Random(seed)
    bad = set(draw.sample(range(len(rows)), len(rows) * percent // 100))
    kinds = list(DEFECTS)
    found = []
    for number, row in enumerate(rows):
        output, defect = row.output, ""
        if number in bad:
            others = Others([*rows[:number], *rows[number + 1 :]], foreign, rows[number - 1])
            turn = draw.sample(kinds, len(kinds))
            worse = ((kind, DEFECTS[kind](row, others, draw)) for kind in turn)
            defect, output = next((kind, text) for kind, text in worse if text and text.strip() != row.output.strip())
        found.append({"instruction": row.instruction, "input": row.input, "output": output, "defect": defect})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=FILES)
    parser.add_argument("percent", type=int, help="share of defective rows, 0 to 100")
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=int, default=495)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    own = shuffled_rows(options.data / FILES[options.language], options.language)[: options.rows]
    other = "en" if options.language == "zh" else "zh"
    foreign = shuffled_rows(options.data / FILES[other], other)
    rows = pool(own, foreign, options.percent, options.seed)
    options.file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
