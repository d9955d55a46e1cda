"""The benchmark of one hop still runs, and its figures are there. Nothing here judges them."""

from benchmarks.hop import measure, summary
from benchmarks.hop_task import Figures
from streams.kafka.connection import Connection


async def test_a_small_run_gives_every_figure(embedded: Connection) -> None:
    found = await measure(embedded, messages=300, repeats=1, shapes=("batch", "io"))
    assert found["messages"] == 300
    assert found["repeats"] == 1
    assert 300 < found["bytes_per_message"] < 3000
    for name in ("cpu_ratio", "cpu_ratio_io", "cpu_ratio_bytes"):
        assert found[name] > 0
    for peer in ("raw", "bytes", "batch", "io"):
        assert found[f"cpu_us_{peer}"] > 0
        assert found[f"messages_per_s_{peer}"] > 0
        assert found[f"process_cpu_s_{peer}"] > 0


def test_a_ratio_is_the_median_over_neighbours() -> None:
    """If a machine is slow in one round, both runs of that round are slow, and the ratio is not affected."""

    def runs(*cpu_s: float) -> list[Figures]:
        return [Figures(cpu_s=s, wall_s=2 * s, process_cpu_s=3 * s) for s in cpu_s]

    found = summary({"raw": runs(1, 10, 1), "bytes": runs(1, 5, 2), "batch": runs(2, 20, 4)}, messages=1000)
    assert found["cpu_ratio"] == 2
    assert found["cpu_ratio_bytes"] == 2
    assert "cpu_ratio_io" not in found
    assert found["cpu_us_batch"] == 4000
    assert found["messages_per_s_raw"] == 500
