"""One thread for as long as anybody needs it, and for nobody longer."""

import threading

import pytest
import torch

from qdebug.engine.threads import one_thread, settle

USUAL = 3


@pytest.fixture(autouse=True)
def usual():
    """A number of threads of the process's own, which comes back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(USUAL)
    yield
    torch.set_num_threads(before)


class Other:
    """Another thread, which does one thing after another."""

    def __init__(self):
        self._todo, self._answers, self._box = threading.Semaphore(0), threading.Semaphore(0), []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def do(self, what):
        self._box.append(what)
        self._todo.release()
        assert self._answers.acquire(timeout=10)
        return self._box.pop()

    def end(self):
        self.do(None)
        self._thread.join(10)

    def _run(self):
        while True:
            self._todo.acquire()
            what = self._box.pop()
            self._box.append(what() if what else None)
            self._answers.release()
            if what is None:
                return


@pytest.fixture
def others():
    """Two threads that have met torch already, as a server's have."""
    found = [Other(), Other()]
    assert [one.do(torch.get_num_threads) for one in found] == [USUAL, USUAL]
    yield found
    for one in found:
        one.end()


def fresh():
    """What a thread finds that meets torch for the first time."""
    one = Other()
    try:
        return one.do(torch.get_num_threads)
    finally:
        one.end()


def test_nested_uses_end_with_the_outermost():
    with one_thread():
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == fresh() == 1
    assert torch.get_num_threads() == fresh() == USUAL


def test_an_error_ends_it_too():
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == fresh() == USUAL


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_that_overlap_the_last_restores_and_each_gets_its_own_back(others, first):
    uses = [one_thread(), one_thread()]
    for other, use in zip(others, uses, strict=True):
        other.do(use.__enter__)
    last = 1 - first
    others[first].do(lambda: uses[first].__exit__(None, None, None))
    others[first].do(settle)
    assert fresh() == 1  # the other one still needs it
    assert others[last].do(torch.get_num_threads) == 1
    others[last].do(lambda: uses[last].__exit__(None, None, None))
    assert fresh() == others[last].do(torch.get_num_threads) == USUAL
    others[first].do(settle)
    assert others[first].do(torch.get_num_threads) == USUAL


def test_one_that_left_early_does_not_take_one_for_the_usual_number(others):
    uses = [one_thread(), one_thread()]
    for other, use in zip(others, uses, strict=True):
        other.do(use.__enter__)
    for other, use in zip(others, uses, strict=True):
        other.do(lambda use=use: use.__exit__(None, None, None))
    again = one_thread()  # the first thread still computes on one: nobody has settled it
    others[0].do(again.__enter__)
    others[0].do(lambda: again.__exit__(None, None, None))
    assert others[0].do(torch.get_num_threads) == fresh() == USUAL


def test_a_thread_that_comes_in_the_middle_is_settled_afterwards():
    late = Other()
    with one_thread():
        late.do(settle)
        assert late.do(torch.get_num_threads) == 1
    late.do(settle)
    assert late.do(torch.get_num_threads) == USUAL
    late.end()
