# SPDX-License-Identifier: Apache-2.0
"""Train a network by a recipe; interrupted, a run goes on as if nothing had happened."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from fmmp_runtime.pose import THRESHOLDS
from fmmp_runtime.settings import from_json, to_json
from fmmp_train.checkpoint.files import save_model
from fmmp_train.data.examples.dataset import Batch
from fmmp_train.evaluation.evaluate import Report, evaluate
from fmmp_train.evaluation.predictors import network_predictor
from fmmp_train.model import Network
from fmmp_train.training.average import update_average
from fmmp_train.training.inputs import (
    Locations,
    create_mixture,
    create_network,
    total_steps,
    validation_pairs,
)
from fmmp_train.training.optimizer import create_optimizer, set_rate
from fmmp_train.training.presets import TrainConfig
from fmmp_train.training.run.data_watch import DataWatch
from fmmp_train.training.run.interrupt import StopRequest, stop_requests
from fmmp_train.training.run.journal import Journal
from fmmp_train.training.run.pace import Pace, Speed, stopwatch, timed
from fmmp_train.training.run.scores import calibrate_run
from fmmp_train.training.run.state import STATE_FILE, RunState, load_state, save_state
from fmmp_train.training.schedule import factor
from fmmp_train.training.step import Losses, TrainStep
from fmmp_train.training.stream import batches, cut

LOGGER = logging.getLogger("fmmp.train")
MODEL_FILE = "model.safetensors"  # the last weights
BEST_FILE = "best.safetensors"  # those with the best mPCK on validation
_SPEED_EVERY = 10  # steps between two lines of the log about it


@dataclass(frozen=True)
class Progress:
    """What a run tells after every step."""

    step: int  # steps done
    steps: int
    loss: float
    speed: Speed | None  # of the last steps; None before the second
    report: Report | None  # of the validation after this step, if there was one


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    steps: int
    report: Report | None  # of the last validation since it was started or resumed
    speed: Speed | None  # since then, likewise; None if there were fewer than two steps
    stopped_by: int | None = None  # number of the signal that asked this process to stop

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done; otherwise it was asked to stop, and its state is saved."""
        return self.step == self.steps


OnProgress = Callable[[Progress], None]


def start(
    config: TrainConfig,
    locations: Locations,
    out: Path,
    *,
    device: str | None = None,
    workers: int = 0,
    on_progress: OnProgress | None = None,
) -> Outcome:
    """Start a run in a new folder.

    Args:
        config: the recipe.
        locations: where its files are.
        out: folder of the run; made if missing.
        device: "cpu", or None for what accelerate finds.
        workers: processes that make examples.
        on_progress: called after every step.

    Raises:
        OSError: a file is missing, or the folder can't be written.
        ValueError: the folder holds a run already, or recipe and data don't fit.
    """
    if (out / STATE_FILE).exists():
        raise ValueError(f"{out} holds a run already: continue it with --resume, or choose another folder")
    return _Run(config, locations, out, None, device).go(workers, on_progress)


def resume(
    out: Path,
    *,
    data: str | None = None,
    photos: Sequence[str] = (),
    changed_data: bool = False,
    device: str | None = None,
    workers: int = 0,
    on_progress: OnProgress | None = None,
) -> Outcome:
    """Continue the run in `out`; on one process of the same machine its losses are the very same.

    Args:
        out: folder of the run.
        data: where its data folder is now, if that has moved.
        photos: where its photographs are now, likewise.
        changed_data: go on although the files are no longer what they were; then the run can't be repeated.
        device: as in `start`.
        workers: likewise; needn't be as before.
        on_progress: likewise.

    Raises:
        OSError: there is no run, or a file is missing.
        ValueError: its state is damaged, or its data changed.
    """
    state = load_state(out)
    saved = from_json(Locations, state.locations)
    locations = replace(saved, data=data or saved.data, photos=tuple(photos) or saved.photos)
    run = _Run(from_json(TrainConfig, state.config), locations, out, state, device)
    if not changed_data:
        run.watch.compare(state.data)
    return run.go(workers, on_progress)


class _Run:
    """All that lives as long as a run."""

    def __init__(
        self, config: TrainConfig, locations: Locations, out: Path, state: RunState | None, device: str | None
    ) -> None:
        self.out, self.locations = out, locations
        if state is None:
            self.network, self.config = create_network(config, locations)
        else:
            self.network, self.config = Network(config.model), config
            self.network.load_state_dict(state.network)
        self.accelerator = Accelerator(mixed_precision=config.precision, cpu=device == "cpu")
        self.step = state.step if state else 0
        self.steps = state.steps if state else total_steps(self.config, locations)
        self.best = state.best if state else -1.0
        self.report: Report | None = None  # of the last validation
        self.pace = Pace()
        self.mixture = create_mixture(self.config, locations)
        self.pairs = validation_pairs(self.config, locations)
        if not self.pairs:
            LOGGER.info("no validation split: PCK is not measured on the way")
        self.watch = DataWatch(self.mixture, self.pairs, locations)
        optimizer = create_optimizer(self.network, config.optimizer)
        module = TrainStep(
            self.network,
            config.loss,
            backbone_norm=config.backbone_norm,
            backbone_bfloat16=config.backbone_bfloat16,
        )
        self.model, self.optimizer = self.accelerator.prepare(module, optimizer)
        self.average = copy.deepcopy(self.network) if config.average else None
        if state is not None:
            self._restore(state)

    def _restore(self, state: RunState) -> None:
        self.optimizer.load_state_dict(state.optimizer)
        if self.average is not None and state.average is not None:
            self.average.load_state_dict(state.average)
        if self.accelerator.scaler is not None and state.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)

    def go(self, workers: int, on_progress: OnProgress | None) -> Outcome:
        """Do the steps that are left, or as many as there is time for."""
        config, accelerator = self.config, self.accelerator
        if accelerator.is_main_process:
            self.out.mkdir(parents=True, exist_ok=True)
        stream = batches(
            self.mixture,
            batch_size=config.batch_size,
            start=self.step,
            stop=self.steps,
            rank=accelerator.process_index,
            processes=accelerator.num_processes,
            parts=config.accumulate,
            workers=workers,
        )
        journal = Journal(self.out if accelerator.is_main_process else None, self.step)
        with closing(journal), stop_requests() as request:
            try:
                self._follow(stream, journal, request, on_progress)
            except ChildProcessError as error:  # a worker died, between two steps
                if accelerator.is_main_process:
                    self._save()
                if request.signal is None:  # a request to stop may have reached the worker too
                    raise ChildProcessError(
                        f"{error}. {self.step} steps are saved: --resume goes on"
                    ) from error
        is_finished = self.step == self.steps
        if accelerator.is_main_process and self.pairs and is_finished and config.calibration:
            most = config.calibration * self.steps * config.batch_size
            calibrate_run(self.out / MODEL_FILE, self.out / BEST_FILE, self.pairs, most=most)
        accelerator.wait_for_everyone()
        stopped_by = None if is_finished else request.signal
        return Outcome(self.step, self.steps, self.report, self.pace.overall, stopped_by)

    def _follow(
        self, stream: Iterator[Batch], journal: Journal, request: StopRequest, on_progress: OnProgress | None
    ) -> None:
        """Learn from the batches to the last, or until the run is asked to stop; the state is saved then."""
        config, accelerator, pace = self.config, self.accelerator, self.pace
        for batch, waited in timed(stream):
            learning = stopwatch()
            losses, waited_mean, must_stop = self._learn(batch, waited, must_stop=request.signal is not None)
            pace.add(config.batch_size, seconds=waited + learning(), waited=waited_mean)
            journal.write(self.step, "train", losses)
            if pace.recent is not None and self.step % _SPEED_EVERY == 0:
                journal.write(self.step, "speed", pace.recent._asdict())
            must_stop = must_stop or self.step == self.steps
            if accelerator.is_main_process:
                report = None
                if self.pairs and (self.step == self.steps or self.step % config.eval_every == 0):
                    report = self.report = self._validate(journal)
                if must_stop or self.step % config.save_every == 0:
                    self._save()
                if on_progress is not None:
                    on_progress(Progress(self.step, self.steps, losses["loss"], pace.recent, report))
            if must_stop:
                return

    def _learn(self, batch: Batch, waited: float, *, must_stop: bool) -> tuple[dict[str, float], float, bool]:
        """Do one step.

        Returns:
            Over all processes: the losses, the mean of what each `waited`, and whether any of them must stop.
        """
        config, accelerator = self.config, self.accelerator
        torch.manual_seed(config.seed * 1_000_003 + self.step)  # of dropout, should a backbone have any
        lr = config.optimizer.lr * factor(config.schedule, self.step, self.steps)
        set_rate(self.optimizer, lr)
        self.model.train()
        here = Batch(*(tensor.to(accelerator.device, non_blocking=True) for tensor in batch))
        *others, last = cut(here, config.accumulate)
        with accelerator.no_sync(self.model):  # processes exchange the gradients once a step
            losses = [self._add_gradient(part) for part in others]
        losses.append(self._add_gradient(last))
        numbers = torch.cat((torch.stack(losses).mean(0), losses[0].new_tensor([waited, float(must_stop)])))
        if accelerator.num_processes > 1:
            numbers = accelerator.reduce(numbers, "mean")
        *scalars, waited, stopping = numbers.tolist()
        values: dict[str, float] = dict(zip(Losses._fields, scalars, strict=True))
        if not math.isfinite(values["total"]):
            raise ValueError(
                f"the loss of step {self.step + 1} is {values['total']}; the state last saved in {self.out} "
                "is sound. Start again with a lower optimizer.lr, or with optimizer.clip"
            )
        if config.optimizer.clip:
            accelerator.clip_grad_norm_(self.model.parameters(), config.optimizer.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            update_average(self.average, self.network, decay=config.average, step=self.step)
        self.step += 1
        return {"loss": values.pop("total"), **values, "lr": lr}, waited, stopping > 0

    def _add_gradient(self, part: Batch) -> Tensor:
        """Add the gradient of a part of the batch; return its losses, in the order of `Losses`."""
        losses: Losses = self.model(part)
        self.accelerator.backward(losses.total / self.config.accumulate)
        return torch.stack([loss.detach().float() for loss in losses])

    def _validate(self, journal: Journal) -> Report:
        report = evaluate(network_predictor(self._answer, device=self.accelerator.device), self.pairs)
        values = report.category_mean.tolist()
        mean = sum(values) / len(values)
        names = [f"pck@{threshold:g}" for threshold in THRESHOLDS]
        journal.write(self.step, "val", {**dict(zip(names, values, strict=True)), "mpck": mean})
        if mean > self.best:
            self.best = mean
            save_model(self._answer, self.out / BEST_FILE, notes=self._notes)
        return report

    def _save(self) -> None:
        """Save the weights, then the state: a kill between the two does these steps again."""
        self.watch.check()
        save_model(self._answer, self.out / MODEL_FILE, notes=self._notes)
        save_state(
            self.out,
            RunState(
                config=to_json(self.config),
                locations=to_json(self.locations),
                data=self.watch.fingerprint,
                step=self.step,
                steps=self.steps,
                best=self.best,
                network=self.network.state_dict(),
                average=self.average.state_dict() if self.average is not None else None,
                optimizer=self.optimizer.state_dict(),
                scaler=self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else None,
            ),
        )

    @property
    def _answer(self) -> Network:
        """The weights that are judged and kept."""
        return self.average if self.average is not None else self.network

    @property
    def _notes(self) -> dict[str, str]:
        return {"fmmp_train": to_json(self.config), "step": str(self.step)}
