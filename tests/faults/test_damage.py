"""Damaged, missing and foreign files of a checkpoint: an error, or the right draws and a warning."""

import json

import numpy as np
import pytest
from faults.chain import ENDS, OTHER, TUNE, block, copied, killed, names, run, undisturbed, warned

from hdfm.exceptions import CheckpointWarning, InvalidArgumentError
from hdfm.sampling.checkpoint import IDENTITY, LOCK

FLIPS, CUTS, LONGER = 100, 30, 20
NOTICED = 0.6  # the rest hits dates of archives, and the state before the last one of the warm-up
DRAWS = undisturbed()
LAST = ENDS[-1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All blocks of a fit that died at its very end."""
    return killed(tmp_path_factory.mktemp("whole") / "checkpoint")


@pytest.fixture
def folder(whole, tmp_path):
    return copied(whole, tmp_path / "checkpoint")


def flipped(content, rng):
    damaged = bytearray(content)
    damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def cut(content, rng):
    return content[: rng.integers(len(content))]


def overwritten(content, rng):
    """Some bytes in a row that are others, as of a bad sector."""
    damaged, first = bytearray(content), rng.integers(len(content))
    damaged[first : first + 64] = rng.bytes(len(damaged[first : first + 64]))
    return bytes(damaged)


@pytest.mark.parametrize(
    ("damage", "times"), [(flipped, FLIPS), (cut, CUTS), (overwritten, LONGER)], ids=["bits", "cuts", "bytes"]
)
def test_damage_at_random(whole, tmp_path, damage, times):
    """Draws are right whatever is damaged; where some had to be drawn again, a warning says so."""
    rng, told_of = np.random.default_rng(1), 0
    files = [name for name in names(whole) if name != LOCK]
    assert files == [block(end) for end in ENDS if end >= 20] + [IDENTITY]
    for k in range(times):
        folder = copied(whole, tmp_path / "checkpoint")
        file = folder / files[k % len(files)]
        file.write_bytes(damage(file.read_bytes(), rng))
        with warned() as told:
            draws, computed = run(folder)
        np.testing.assert_array_equal(draws, DRAWS)
        assert told or not computed
        assert all(str(file) in message for message in told)
        told_of += bool(told)
        assert not folder.exists()
    assert told_of > NOTICED * times


@pytest.mark.parametrize(
    ("end", "computed"),
    [(20, []), (30, []), (40, [40, 50, 55]), (50, [50, 55]), (55, [55])],
    ids=lambda value: str(value),
)
def test_a_block_that_is_gone(folder, end, computed):
    (folder / block(end)).unlink()
    with warned() as told:
        draws, drawn = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert drawn == computed
    assert bool(told) == (end in (40, 50))  # of the last one nobody can know
    assert all(
        f"after iteration {end - 10} is missing in {folder}, which has hdfm_b" in each for each in told
    )


def test_blocks_before_the_damage_stay_if_the_next_process_dies_too(folder):
    (folder / block(50)).write_bytes(b"")
    with pytest.warns(CheckpointWarning, match="goes on from iteration 40, to the same draws"):
        killed(folder, at=50)
    draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == [55]


def test_without_a_warm_up(folder):
    for end in (20, 30, 40):
        (folder / block(end)).unlink()
    with pytest.warns(CheckpointWarning, match="sampling goes on from iteration 0, to the same draws"):
        draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == list(ENDS)


def test_the_last_state_of_the_warm_up_is_damaged(folder):
    """The one before it is there."""
    (folder / block(30)).write_bytes(b"")
    (folder / block(40)).unlink()
    with pytest.warns(
        CheckpointWarning, match=r"00000030.npz is damaged \(.*\): sampling goes on from it.* 20,"
    ):
        draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == [30, 40, 50, 55]


def test_a_block_of_another_fit(folder, tmp_path):
    other = killed(tmp_path / "other", identity=OTHER)
    (folder / block(40)).write_bytes((other / block(40)).read_bytes())
    with pytest.warns(CheckpointWarning, match=r"00000040.npz is damaged \(its seal is of another fit\)"):
        draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == [40, 50, 55]


def test_a_block_by_another_name(folder):
    (folder / block(50)).write_bytes((folder / block(40)).read_bytes())
    with pytest.warns(CheckpointWarning, match=r"00000050.npz is damaged \(its seal is of another fit\)"):
        draws, _ = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)


def test_pickles_are_not_read(folder):
    """Not even where they have a seal."""
    file = folder / block(40)
    np.savez(file, begin=np.asarray(30), q=np.array([{}], dtype=object))
    with pytest.warns(CheckpointWarning, match=r"00000040.npz is damaged"):
        draws, _ = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"\xff", b'{"seal": "0"}', b"1"])
def test_what_the_fit_is_can_be_told_from_its_blocks(folder, content):
    file = folder / IDENTITY
    file.unlink() if content is None else file.write_bytes(content)
    found = "is missing" if content is None else "is damaged"
    with pytest.warns(CheckpointWarning, match=rf"{IDENTITY} {found}.*blocks beside it are of this fit"):
        draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == []


def test_what_the_fit_is_can_not_be_told(folder):
    (folder / IDENTITY).write_text("{")
    before = names(folder)
    with pytest.raises(
        InvalidArgumentError, match=r"json is damaged.*none of the 5 blocks beside it.*Name another"
    ):
        run(folder, OTHER)
    assert names(folder) == before


def test_a_fit_that_was_changed_by_hand(folder):
    file = folder / IDENTITY
    content = json.loads(file.read_text())
    content["arguments"]["draws"] = 50
    file.write_text(json.dumps(content))
    with pytest.warns(CheckpointWarning, match="is damaged"):
        np.testing.assert_array_equal(run(folder)[0], DRAWS)


def test_of_a_warm_up_the_last_states_are_kept(tmp_path):
    folder = killed(tmp_path / "checkpoint", at=TUNE)
    assert names(folder) == [block(20), block(30), IDENTITY, LOCK]


@pytest.mark.parametrize("at", ENDS)
def test_what_was_computed_is_not_computed_again(tmp_path, at):
    folder = killed(tmp_path / "checkpoint", at)
    draws, computed = run(folder)
    np.testing.assert_array_equal(draws, DRAWS)
    assert computed == [end for end in ENDS if end > at]
    assert LAST == 55
