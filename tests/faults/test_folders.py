"""The folder of a checkpoint: whose it is, what of it goes, and one process at a time."""

import errno
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
from faults.chain import IDENTITY, OTHER, Killed, block, killed, names, run, undisturbed, warned
from faults.fits import TESTS

from hdfm.exceptions import InvalidArgumentError
from hdfm.sampling import identity, sealed
from hdfm.sampling.blocks import Block
from hdfm.sampling.checkpoint import LOCK, Checkpoint
from hdfm.sampling.identity import digest_of_data, identity_of, plain

DRAWS = undisturbed()
HOLDS = """
import sys, time
from faults.chain import IDENTITY
from hdfm.sampling.checkpoint import Checkpoint
with Checkpoint(sys.argv[1], IDENTITY):
    print("holds", flush=True)
    time.sleep(100)
"""
IN_USE = r"is in use by another fit, in this process or another\. Wait until it has ended, or name another f"


@dataclass
class Panel:
    """Data of a fit."""

    units: np.ndarray


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoint"


def test_the_folder_goes_and_nothing_else(folder):
    killed(folder)
    strangers = ["thesis.txt", "unfinished_novel.txt", "block_00000040.npz", "fit.json", "hdfm_block_1.npz"]
    for name in strangers:
        (folder / name).write_text("three years of work")
    (folder / f"unfinished_{block(60)}").write_text("half of it")
    run(folder)
    assert names(folder) == sorted(strangers)
    assert {(folder / name).read_text() for name in strangers} == {"three years of work"}


def test_a_folder_of_something_else_is_refused(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("three years of work")
    with pytest.raises(
        InvalidArgumentError, match=r"holds other files, such as 'thesis.txt'. Name a folder tha"
    ):
        run(folder)
    assert names(folder) == ["thesis.txt"]


@pytest.mark.parametrize("files", [[], [LOCK], ["hdfm_fit.json"], [f"unfinished_{block(10)}", LOCK]])
def test_a_folder_in_which_nothing_was_finished_is_new(folder, files):
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")
    np.testing.assert_array_equal(run(folder)[0], DRAWS)
    assert not folder.exists()


def test_a_fit_that_fails_before_its_first_block_leaves_nothing(folder):
    with pytest.raises(ZeroDivisionError), Checkpoint(folder, IDENTITY):
        raise ZeroDivisionError
    assert not folder.exists()


def test_missing_parents_are_made(folder):
    np.testing.assert_array_equal(run(folder / "a" / "b")[0], DRAWS)
    assert names(folder) == ["a"]
    assert names(folder / "a") == []


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(Killed):
        run("~/checkpoint", killed_at=40)
    assert block(40) in names(tmp_path / "checkpoint")
    with pytest.raises(InvalidArgumentError, match="checkpoint='~nobody-of-this-name/a' names no folder"):
        run("~nobody-of-this-name/a")


def test_the_working_folder_may_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpoint("here", IDENTITY) as checkpoint:
        monkeypatch.chdir("/")
        checkpoint.add(Block(0, 10, [np.ones(1)], {}))
        checkpoint.stay()
    assert block(10) in names(tmp_path / "here")


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(
            InvalidArgumentError, match=r"can't be used \(.*\). Name a folder where files can"
        ):
            run(path)


def test_what_differs_is_named(folder):
    killed(folder)
    before = names(folder)
    other = replace(
        OTHER,
        versions=IDENTITY.versions | {"hdfm": "2.0"},
        arguments=OTHER.arguments | {"sign": None},
        data=IDENTITY.data | {"units": "0000"},
    )
    with pytest.raises(
        InvalidArgumentError,
        match=r"holds another fit: hdfm was '1.0', is '2.0'; draws was 25, is 50; the data differ in units\. "
        "Name another folder, or delete this one",
    ):
        run(folder, other)
    assert names(folder) == before
    np.testing.assert_array_equal(run(folder)[0], DRAWS)


@pytest.mark.parametrize("library", ["jax", "jaxlib", "numpyro"])
def test_another_version_of_what_draws_is_another_fit(monkeypatch, library):
    installed = identity.version
    before = identity_of("Model", {"draws": 3}, Panel(np.arange(3.0)))
    monkeypatch.setattr(identity, "version", lambda name: "0.0" if name == library else installed(name))
    after = identity_of("Model", {"draws": 3}, Panel(np.arange(3.0)))
    assert after.digest != before.digest
    assert after.differences(before.content) == f"{library} was {installed(library)!r}, is '0.0'"


def test_equal_arguments_are_one():
    assert plain(np.int64(3)) == plain(3) == plain(3.0)
    assert plain(["week"]) == plain(("week",)) == plain("week")
    assert plain(np.array([1.0, 2.5])) == plain((1, 2.5))
    assert [plain(value) for value in (None, np.True_, np.inf, (), {1: 2})] == [
        None,
        True,
        np.inf,
        [],
        "{1: 2}",
    ]


@pytest.mark.parametrize(
    "other", [[0.0, 1.0, np.nextafter(2, 3)], [0, 1, 2], [[0.0, 1.0, 2.0]], ["0", "1", "2"], [0.0, 1.0]]
)
def test_digests_tell_arrays_apart(other):
    assert digest_of_data(np.array([0.0, 1.0, 2.0])) == digest_of_data(np.arange(3.0))
    assert digest_of_data(np.array(other)) != digest_of_data(np.arange(3.0))


def test_two_threads(folder):
    told = []

    def second():
        try:
            run(folder)
        except InvalidArgumentError as error:
            told.append(str(error))

    with Checkpoint(folder, IDENTITY):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(20)
        with pytest.raises(InvalidArgumentError, match=IN_USE):
            run(folder)
    assert len(told) == 1
    assert "is in use by another fit" in told[0]
    np.testing.assert_array_equal(run(folder)[0], DRAWS)


def test_two_processes_and_one_that_dies(folder):
    killed(folder, at=40)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == "holds\n"
            with pytest.raises(InvalidArgumentError, match=IN_USE):
                run(folder)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert LOCK in names(folder)
    draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == [50, 55]


@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_full_disk(folder, monkeypatch, first):
    """Whichever file it is that finds no room, half written."""
    write, written = sealed._write, []

    def full(file, content):
        def half(stream):
            content(stream)
            raise OSError(errno.ENOSPC, "No space left on device")

        written.append(file)
        write(file, half if len(written) > first else content)

    monkeypatch.setattr(sealed, "_write", full)
    with warned() as told, pytest.raises(Killed):
        run(folder, killed_at=55)
    assert [message.split(";")[0] for message in told] == [
        f"The checkpoint in {folder} ends here ([Errno {errno.ENOSPC}] No space left on device)"
    ]
    assert len(written) == first + 1
    left = names(folder) if folder.exists() else []
    assert not [name for name in left if name.startswith(sealed.UNFINISHED)]
    monkeypatch.undo()
    np.testing.assert_array_equal(run(folder)[0], DRAWS)


def test_a_folder_that_goes_during_the_fit(folder):
    with warned() as told, Checkpoint(folder, IDENTITY) as checkpoint:
        checkpoint.add(Block(0, 10, [np.ones(1)], {}))
        shutil.rmtree(folder)
        checkpoint.add(Block(10, 20, [np.ones(1)], {}))
    assert len(told) == 1
    assert "ends here" in told[0]
