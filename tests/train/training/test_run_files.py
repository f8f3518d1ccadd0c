# SPDX-License-Identifier: Apache-2.0
"""What a run reads before it starts and writes on the way."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fmmp_runtime.media.image import write_image
from fmmp_train.data.examples.photographs import PACKAGED, packaged_photographs, read_photographs
from fmmp_train.training.inputs import Locations, create_mixture, total_steps, training_set, validation_pairs
from fmmp_train.training.presets import MixtureConfig
from fmmp_train.training.run.journal import LOG_FILE, Journal, read_journal
from fmmp_train.training.run.state import RunState, load_state, save_state
from fmmp_train.training.stream import batches, cut
from tests.train.recipes import tiny


def state_of(step: int) -> RunState:
    return RunState(
        config="{}",
        locations="{}",
        data={},
        step=step,
        steps=9,
        best=0.5,
        network={},
        average=None,
        optimizer={},
        scaler=None,
    )


def test_a_full_disk_leaves_the_former_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path, state_of(1))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"state\.pt: No space left"):
        save_state(tmp_path, state_of(2))
    assert load_state(tmp_path) == state_of(1)
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_journal_forgets_lost_work_and_half_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    for step in (1, 2, 3):
        journal.write(step, "train", {"loss": step / 3})
    journal.write(2, "val", {"mpck": 0.1})
    journal.close()
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"step": 4, "gro')  # a kill in the middle of a line
    Journal(tmp_path, 2).close()
    assert read_journal(tmp_path, "train") == [
        {"step": 1, "group": "train", "loss": 1 / 3},
        {"step": 2, "group": "train", "loss": 2 / 3},
    ]
    assert len(read_journal(tmp_path, "val")) == 1
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_process_without_a_folder_writes_nothing(tmp_path: Path) -> None:
    journal = Journal(None, 0)
    journal.write(1, "train", {"loss": 1.0})
    journal.close()
    assert not list(tmp_path.iterdir())


def test_photographs_of_folders(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    write_image(tmp_path / "large.jpg", np.full((500, 1280, 3), 77, np.uint8))
    write_image(tmp_path / "more" / "small.PNG".lower(), np.full((64, 90, 3), 99, np.uint8))
    write_image(tmp_path / "tiny.png", np.zeros((63, 200, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("no photograph")
    photographs = read_photographs([tmp_path])
    assert [photograph.shape for photograph in photographs] == [(250, 640, 3), (64, 90, 3)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no photograph of at least 64 pixels"):
        read_photographs([tmp_path / "empty"])


def test_packaged_photographs_are_there() -> None:
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    assert [file.name for file in packaged_photographs()] == list(PACKAGED)


def test_epochs_count_the_instances_to_learn_from(data_folder: Path) -> None:
    locations = Locations(data=str(data_folder))
    config = tiny(steps=None, epochs=3, batch_size=2, mixture=MixtureConfig(photographs=1))
    assert total_steps(config, locations) == 15  # 3 epochs of 5 + 3 + 2 instances, two a step
    some = replace(config, mixture=MixtureConfig(photographs=1, categories=(2,)))
    assert total_steps(some, locations) == 4  # 4.5, rounded to even
    assert {instance.category_id for instance in training_set(some, locations).instances} == {2}


def test_an_unknown_category_is_named(data_folder: Path) -> None:
    config = tiny(mixture=MixtureConfig(photographs=1, categories=(3,)))
    with pytest.raises(ValueError, match=r"train\.json has no category 3, and this recipe learns from 3"):
        create_mixture(config, Locations(data=str(data_folder)))


def test_validation_is_optional_unless_named(data_folder: Path, tmp_path: Path) -> None:
    assert validation_pairs(tiny(), Locations()) == []
    (tmp_path / "annotations").mkdir()
    assert validation_pairs(tiny(), Locations(data=str(tmp_path))) == []
    with pytest.raises(ValueError, match="no annotations for split 'val'"):
        validation_pairs(tiny(), Locations(data=str(tmp_path), val_split="val"))
    assert len(validation_pairs(tiny(eval_pairs=2), Locations(data=str(data_folder)))) == 6


def test_mixture_has_every_kind(data_folder: Path) -> None:
    weights = MixtureConfig(synthetic=1, photographs=2, self_pairs=1)
    mixture = create_mixture(tiny(mixture=weights), Locations(data=str(data_folder)))
    seen = [mixture[index].source for index in range(60)]
    # of 60 draws: 15, 30, 15; four standard deviations below are 1.6, 14.5, 1.6
    assert [seen.count(source) > least for source, least in enumerate((1, 14, 1))] == [True] * 3


def test_processes_share_each_step(data_folder: Path) -> None:
    mixture = create_mixture(tiny(), Locations())
    whole = [batch.query for batch in batches(mixture, batch_size=4, start=2, stop=4)]
    halves = [
        [b.query for b in batches(mixture, batch_size=4, start=2, stop=4, rank=r, processes=2)]
        for r in (0, 1)
    ]
    for step in (0, 1):
        assert (whole[step][:2] == halves[0][step]).all()
        assert (whole[step][2:] == halves[1][step]).all()
    assert not (whole[0] == whole[1]).all()
    with pytest.raises(ValueError, match=r"batch_size \(4\) must be a multiple of the number of processes"):
        batches(mixture, batch_size=4, start=0, stop=1, processes=3)
    with pytest.raises(ValueError, match=r"number of processes \(2\) times accumulate \(4\)"):
        batches(mixture, batch_size=4, start=0, stop=1, processes=2, parts=4)


def test_a_batch_is_cut_in_order() -> None:
    [batch] = batches(create_mixture(tiny(), Locations()), batch_size=4, start=0, stop=1)
    first, second = cut(batch, 2)
    for whole, one, other in zip(batch, first, second, strict=True):
        assert len(one) == 2
        assert torch.equal(torch.cat((one, other)), whole)


def test_state_of_another_version_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="another version"):
        load_state(tmp_path)


def test_log_reads_back_the_same(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    value = float(np.float32(1) / np.float32(3))
    journal.write(1, "train", {"loss": value})
    journal.close()
    assert json.loads((tmp_path / LOG_FILE).read_text())["loss"] == value
