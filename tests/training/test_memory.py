"""When memory is short: what is offered fits, gives up the least first, and comes instead of a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.jobs import JobStore
from pipeline.runs import JOB_TAG, RunStore
from pipeline.training import estimate
from pipeline.training.config import TrainConfig
from pipeline.training.estimate import activations_of, available_memory, memory_of
from pipeline.training.memory import (
    is_shortage,
    memory_offer,
    plan_after_shortage,
    plan_for,
    shortage_sentence,
)
from pipeline.training.plan import make_plan
from pipeline.training.train import begin_run
from pipeline.workspace import Workspace

GIB = 2**30


def config(**options: object) -> TrainConfig:
    return TrainConfig(
        dataset="discs", **{"architecture": "ResNet50V2", "image_size": 256, "batch_size": 32, **options}
    )


def test_what_fits_stays_as_it_is():
    plan = plan_for(64 * GIB, config())
    assert (plan.config, plan.fits) == (config(), True)
    assert "of the 64.0 GiB that are free" in plan.sentence


def test_smaller_batches_come_first_and_their_gradients_are_of_as_many_slices():
    plan = plan_for(int(memory_of(config(batch_size=8, accumulate=4)) / 0.9) + 1, config())
    assert plan.fits
    assert (plan.config.batch_size, plan.config.accumulate) == (8, 4)
    assert plan.config.unfreeze == "all"
    assert "a batch of 8, 4 of them averaged into a step" in plan.sentence


def test_on_a_gpu_precision_goes_before_blocks():
    room = int(memory_of(config(batch_size=4, mixed_precision=True)) / 0.9) + 1
    assert plan_for(room, config(), on_gpu=True).config.mixed_precision
    without = plan_for(room, config())
    assert not without.config.mixed_precision


def test_then_fewer_blocks_then_the_head_alone():
    room = int(memory_of(config(unfreeze=2, freeze_norm=True, batch_size=1, accumulate=32)) / 0.9) + 1
    plan = plan_for(room, config())
    assert plan.fits
    assert isinstance(plan.config.unfreeze, int)
    assert plan.config.freeze_norm
    assert "topmost blocks" in plan.sentence
    head = plan_for(int(memory_of(config(head_only=True, batch_size=1, accumulate=32)) / 0.9) + 1, config())
    assert head.fits
    assert head.config.head_only
    assert "the head alone" in head.sentence


@pytest.mark.parametrize("room", [GIB, 3 * GIB // 2, 2 * GIB, 4 * GIB, 8 * GIB])
@pytest.mark.parametrize("architecture", ["EfficientNetV2S", "ConvNeXtTiny", "ResNet152V2"])
def test_every_offer_is_a_valid_configuration_that_fits_as_said(architecture, room):
    plan = plan_for(room, config(architecture=architecture, image_size=384, head_epochs=3))
    assert TrainConfig.model_validate(plan.config.model_dump()) == plan.config
    assert plan.fits == (memory_of(plan.config) <= 0.9 * room)


def test_where_nothing_fits_a_smaller_size_or_architecture_is_advised():
    plan = plan_for(GIB // 4, config())
    assert not plan.fits
    assert "the least that ResNet50V2 takes at 256 pixels" in plan.sentence
    assert "smaller architecture" in plan.sentence


def test_after_a_shortage_less_is_offered_even_where_all_should_have_fitted():
    plan = plan_after_shortage(config(), free=64 * GIB)
    assert activations_of(plan.config) <= 0.75 * activations_of(config())
    said = shortage_sentence(config(), plan)
    assert "Try a batch of 16, 2 of them averaged into a step" in said
    assert "`--set batch_size=16` `--set accumulate=2`" in said


def test_more_learning_blocks_take_more(monkeypatch):
    sizes = [memory_of(config(unfreeze=blocks)) for blocks in (1, 4, 8, "all")]
    assert sizes == sorted(set(sizes))
    assert memory_of(config(ema=0.99)) > memory_of(config())
    assert memory_of(config(mixed_precision=True)) < memory_of(config())
    assert memory_of(config(head_only=True)) < sizes[0]


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text(f"{3 * 2**20}\n")
    (tmp_path / "memory.stat").write_text(f"anon {2**20}\nfile 99\nanon_thp 5\n")
    monkeypatch.setattr(estimate, "_CGROUP", tmp_path)
    assert available_memory() == 2 * 2**20
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory() > 2 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_pythons_own_shortage_under_an_artificial_limit_is_recognised():
    """A process that may not have more than some memory asks for more."""
    code = (
        "import numpy, resource\n"
        "from pipeline.training.memory import is_shortage\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))\n"
        "try:\n    numpy.ones(2**28)\nexcept BaseException as error:\n    print(is_shortage(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]
    assert not is_shortage(ValueError("shapes differ"))
    assert is_shortage(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"))


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_run_that_the_system_killed_has_an_offer(prepared: Workspace, monkeypatch):
    """What the kernel does when memory is out: signal 9, no last word; who started it sees that."""
    monkeypatch.setattr(JobStore, "pump", lambda self: None)
    jobs, runs = JobStore(prepared), RunStore(prepared)
    run = begin_run(runs, make_plan(prepared, config(name="killed")), queued=True)
    job = jobs.submit("train", ["resume", run.id], run_id=run.id)
    runs.set_tag(run.id, JOB_TAG, job.id)
    assert memory_offer(prepared, runs.find("killed")) is None
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **options: started(sleeper, **options))
    assert jobs._claim() == job.id
    jobs._spawn(jobs.get(job.id))
    process = jobs.get(job.id).pid
    assert process is not None
    os.kill(process, signal.SIGKILL)
    until = time.monotonic() + 30
    while "signal 9" not in jobs.get(job.id).message and time.monotonic() < until:
        time.sleep(0.05)
    runs.reopen(run.id, job_id=job.id)
    offer = memory_offer(prepared, runs.find("killed"))
    assert offer is not None
    assert offer.config.batch_size == 16
    assert "It may fit with a batch of 16" in offer.sentence


def test_no_offer_for_other_ends(prepared: Workspace):
    runs = RunStore(prepared)
    run = begin_run(runs, make_plan(prepared, config(name="other")))
    runs.finish(run.id, "failed")
    assert memory_offer(prepared, runs.find("other")) is None
    runs.set_tag(run.id, "ending", "memory")
    assert memory_offer(prepared, runs.find("other")) is not None
