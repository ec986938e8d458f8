"""When memory is short: a configuration that fits the machine, and the sentence that offers it.

What is given up first changes the least: smaller batches whose gradients are averaged learn nearly the same;
bfloat16 (on a GPU) rounds; fewer learning blocks adapt less; the head alone, least. Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.jobs import KILLED, JobNotFoundError, JobStore
from pipeline.runs import JOB_TAG, RunInfo
from pipeline.training.config import TrainConfig
from pipeline.training.devices import gpu_memory
from pipeline.training.estimate import activations_of, available_memory, memory_of
from pipeline.training.networks import BLOCKS
from pipeline.workspace import Workspace

ENDING = "memory"  # the tag `ending` of a run that ran out of it
SPARE = 0.9  # of the free memory: other programs go on
SMALLEST_BATCH = 4  # below, statistics of batch normalisation mean little
_WORDS = ("MemoryError", "ResourceExhaustedError", "bad_alloc")


@dataclass(frozen=True)
class MemoryPlan:
    """A configuration for a machine.

    Attributes:
        config: as it came where it fits; else what fits with the least given up.
        sentence: what it needs, what was changed and what that costs.
        memory: estimated bytes at the peak.
        fits: whether even this fits.
    """

    config: TrainConfig
    sentence: str
    memory: int
    fits: bool


def plan_here(config: TrainConfig) -> MemoryPlan:
    """Return what of `config` can be trained on this machine now, see `plan_for`."""
    return plan_for(available_memory(), config, on_gpu=gpu_memory() is not None)


def plan_for(memory: int, config: TrainConfig, *, on_gpu: bool = False) -> MemoryPlan:
    """Return what of `config` can be trained in `memory` bytes.

    Args:
        memory: free bytes, of the machine or of its GPU.
        on_gpu: whether it is trained on a GPU, where bfloat16 halves what is kept.
    """
    room = int(SPARE * memory)
    needed = memory_of(config)
    if needed <= room:
        text = f"It needs about {_gib(needed)} of the {_gib(memory)} that are free."
        return MemoryPlan(config, text, needed, fits=True)
    smallest = config
    for candidate in _candidates(config, on_gpu=on_gpu):
        if memory_of(candidate) < memory_of(smallest):
            smallest = candidate
        if memory_of(candidate) <= room:
            text = (
                f"This needs about {_gib(needed)} of memory and {_gib(memory)} are free. It fits with "
                f"{_changes(config, candidate)}: about {_gib(memory_of(candidate))}."
            )
            return MemoryPlan(candidate, text, memory_of(candidate), fits=True)
    return _nothing_fits(config, smallest, memory)


def plan_after_shortage(config: TrainConfig, *, free: int | None = None, on_gpu: bool = False) -> MemoryPlan:
    """Return what to try after `config` ran out of memory.

    The estimate was too low, or there is less free than there was: so the offer keeps at most three quarters
    of what this kept for the backward pass, even where the estimate says that all of it fits.
    """
    free = available_memory() if free is None else free
    kept = activations_of(config)
    smaller = [c for c in _candidates(config, on_gpu=on_gpu) if activations_of(c) <= 0.75 * kept]
    if not smaller:
        return _nothing_fits(config, config, free)
    fitting = [candidate for candidate in smaller if memory_of(candidate) <= SPARE * free]
    chosen = fitting[0] if fitting else min(smaller, key=memory_of)
    needed = memory_of(chosen)
    return MemoryPlan(
        chosen,
        f"It may fit with {_changes(config, chosen)}: about {_gib(needed)}.",
        needed,
        fits=bool(fitting),
    )


def memory_offer(workspace: Workspace, run: RunInfo) -> MemoryPlan | None:
    """Return what to try after a run that ended for want of memory; None where another thing ended it.

    Memory runs out with an exception, which the run's tag tells, or with a kill by the system, of which the
    job knows.
    """
    if run.tags.get("ending") != ENDING and not _was_killed(workspace, run):
        return None
    config = TrainConfig.model_validate(run.load_config())
    return plan_after_shortage(config, on_gpu=gpu_memory() is not None)


def _was_killed(workspace: Workspace, run: RunInfo) -> bool:
    if run.status != "lost" or (job_id := run.tags.get(JOB_TAG)) is None:
        return False
    try:
        return JobStore(workspace).get(job_id).message == KILLED
    except JobNotFoundError:
        return False


def is_shortage(error: BaseException) -> bool:
    """Whether an exception is one of the ways in which Python or a backend says that memory is out."""
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    return bool(names & set(_WORDS)) or "RESOURCE_EXHAUSTED" in text or "bad_alloc" in text


def shortage_sentence(config: TrainConfig, plan: MemoryPlan) -> str:
    """Say that memory ran out, and the way out."""
    what = (
        f"The memory is too small for {config.architecture} at {config.image_size} pixels with "
        f"{config.batch_size} slices a batch."
    )
    if plan.config == config:
        return f"{what} {plan.sentence}"
    doubt = "" if plan.fits else "; even that may be too much, and a smaller image size needs less"
    return (
        f"{what} Try {_changes(config, plan.config)} (about {_gib(plan.memory)}{doubt}): train again with "
        f"{_options(config, plan.config)}, or clone the run with that changed."
    )


def _nothing_fits(config: TrainConfig, smallest: TrainConfig, memory: int) -> MemoryPlan:
    text = (
        f"This needs about {_gib(memory_of(config))} of memory and {_gib(memory)} are free; the least that "
        f"{config.architecture} takes at {config.image_size} pixels is {_gib(memory_of(smallest))}. Choose a "
        "smaller image size or a smaller architecture, close other programs, or take a machine with more "
        "memory."
    )
    return MemoryPlan(smallest, text, memory_of(smallest), fits=False)


def _candidates(config: TrainConfig, *, on_gpu: bool) -> Iterator[TrainConfig]:
    """Yield changed configurations, the least given up first."""
    for precision in (False, True) if on_gpu and not config.mixed_precision else (config.mixed_precision,):
        yield from _batches(_changed(config, mixed_precision=precision))
    precise = _changed(config, mixed_precision=config.mixed_precision or on_gpu)
    if not config.head_only:
        blocks = BLOCKS[config.architecture] if config.unfreeze == "all" else config.unfreeze
        while blocks > 1:
            blocks //= 2
            yield from _batches(_changed(precise, unfreeze=blocks, freeze_norm=True))
    yield from _batches(_changed(precise, head_only=True, head_epochs=0, feature_copies=4, sizes=()))


def _batches(config: TrainConfig) -> Iterator[TrainConfig]:
    """Yield smaller batches whose averaged gradients are of as many slices."""
    batch, accumulate = config.batch_size, config.accumulate
    yield config
    least = 1 if config.freeze_norm or config.head_only else SMALLEST_BATCH
    while batch // 2 >= least:
        batch, accumulate = batch // 2, accumulate * 2
        yield _changed(config, batch_size=batch, accumulate=accumulate)


def _changed(config: TrainConfig, **changes: object) -> TrainConfig:
    return config.model_copy(update=changes)


def _changes(before: TrainConfig, after: TrainConfig) -> str:
    """Say what differs, in words."""
    parts = []
    if after.batch_size != before.batch_size:
        how = f", {after.accumulate} of them averaged into a step" if after.accumulate > 1 else ""
        parts.append(f"a batch of {after.batch_size}{how}")
    if after.mixed_precision != before.mixed_precision:
        parts.append("bfloat16 precision")
    if after.head_only and not before.head_only:
        parts.append("the head alone, on features of the backbone")
    elif after.unfreeze != before.unfreeze:
        parts.append(f"only the {after.unfreeze} topmost blocks and the head learning")
    return ", and ".join(parts)


def _options(before: TrainConfig, after: TrainConfig) -> str:
    """Say the changes as options of the command line."""
    keys = ("batch_size", "accumulate", "mixed_precision", "unfreeze", "freeze_norm", "head_only")
    changed = {key: getattr(after, key) for key in keys if getattr(after, key) != getattr(before, key)}
    return " ".join(f"`--set {key}={str(value).lower()}`" for key, value in changed.items())


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
