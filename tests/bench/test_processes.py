"""What the model of several media processes predicts."""

from tests.bench.measure import Run
from tests.bench.processes import LOADS, Level, Model, predict


def level(processes: int, calls: int) -> Level:
    """All on straight lines, in ms per second: each media process takes 50 and 4 for each of its calls, web 10, clock 20 and 1 for each
    call, PostgreSQL 2 for each call, Valkey 1.
    """
    media = 50 + 4 * calls / processes
    return Level(
        processes=processes,
        run=Run(calls, round_trips=[], frames=0, lost=0, repeated=0, disordered=0),
        cpu_ms_per_second=[10, 20 + calls, 2 * calls, 1, *[media] * processes],
        cpu_ms_per_call=[36, 3.6, 36, 0.36, *[36 / processes] * processes],
        commands_per_second=2,
        commands_per_call=9,
        transactions_per_call=36,
        valkey_connections=6,
        database_connections=17,
    )


def test_predictions_add_running_calls_and_those_that_start() -> None:
    levels = [level(1, 30), level(1, 60), level(2, 60), level(2, 120)]
    hourly, at_once = (predict(load, levels, Model.of(levels)) for load in LOADS)
    # 33.3 calls at once, and 0.278 that start each second.
    assert hourly == (
        "1,000 calls an hour of 120 s, on one media process, by this model: **0.35 cores**: each media process 0.19, web 0.02, clock 0.05, "
        "PostgreSQL 0.08, Valkey 0.00; Valkey 4.5 commands/s, PostgreSQL 10.0 transactions/s."
    )
    # 125 calls on each process; 8.33 calls start each second, a little more than one of them on each process.
    assert at_once == (
        "1,000 calls at once of 120 s, on 8 media processes, by this model: **8.36 cores**: each media process 0.59, web 0.31, clock 1.05, "
        "PostgreSQL 2.30, Valkey 0.00; Valkey 77.0 commands/s, PostgreSQL 300.0 transactions/s."
    )
