"""Early end of a trial (`until`): the inputs of one process end where the trial does. Pure.

The bounds are written once, after a commit, and the first ones count. A process may have read beyond them by then. What
it has committed stays in the trial, and the end mark names the offset that counts.
"""

from collections.abc import Mapping

from shadowstream.records import Batch, Partition
from shadowstream.runner.step import InputProgress


def end_inputs(inputs: Mapping[Partition, InputProgress], bounds: Mapping[Partition, int]) -> None:
    """End inputs at these offsets; one that has been read further ends where it is."""
    _stop(inputs, bounds, is_final=True)


def end_after(inputs: Mapping[Partition, InputProgress], batch: Batch, left: int) -> None:
    """Stop all inputs of this process with the first `left` records of a batch, if it holds as many.

    That is no end yet: after a crash or a rebalance they are read on, until the end of the trial is fixed.
    """
    if left <= len(batch):
        stops = {place: state.position for place, state in inputs.items()}
        if left > 0:
            stops[batch.place] = batch.offsets[left - 1] + 1
        _stop(inputs, stops, is_final=False)


def _stop(inputs: Mapping[Partition, InputProgress], bounds: Mapping[Partition, int], *, is_final: bool) -> None:
    for place, bound in bounds.items():
        if place in inputs and not inputs[place].is_final:
            inputs[place].bound, inputs[place].is_final = max(bound, inputs[place].position), is_final
