"""Which models stay open."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from qdebug.engine.work import Work
from qdebug.errors import Cancelled, ModelError
from qdebug.jobs.models import OpenModels
from qdebug.results import ModelRef


class Opener:
    """Counts, and notices when it is called twice at once."""

    def __init__(self):
        self.opened = []
        self.busy = threading.Lock()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, ref, work):
        assert self.busy.acquire(blocking=False), "two models were opened at once"
        try:
            assert self.go.wait(10)
            self.opened.append(ref.model)
            if ref.model == "broken":
                raise ModelError("It does not open")
            return object()
        finally:
            self.busy.release()


def ref(name):
    return ModelRef(model=name)


def test_each_model_is_opened_once_and_one_at_a_time():
    opener = Opener()
    models = OpenModels(opener)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: models.get(ref(f"m{n % 4}"), Work()), range(64)))
    assert sorted(opener.opened) == ["m0", "m1", "m2", "m3"]
    assert len(set(map(id, found))) == 4


def test_the_least_recently_used_is_closed():
    opener = Opener()
    models = OpenModels(opener, most=2)
    for name in ("a", "b", "a", "c"):
        models.get(ref(name), Work())
    assert [models.is_open(ref(name)) for name in "abc"] == [True, False, True]


def test_a_file_that_changed_is_opened_again(tmp_path):
    opener = Opener()
    models = OpenModels(opener)
    path = tmp_path / "model.pt2"
    path.write_bytes(b"one")
    first = models.get(ref(str(path)), Work())
    assert models.get(ref(str(path)), Work()) is first
    path.write_bytes(b"two!")
    assert not models.is_open(ref(str(path)))
    assert models.get(ref(str(path)), Work()) is not first
    assert len(models._open) == 1


def test_what_fails_to_open_is_tried_again():
    opener = Opener()
    models = OpenModels(opener)
    for _ in range(2):
        with pytest.raises(ModelError):
            models.get(ref("broken"), Work())
    assert opener.opened == ["broken", "broken"]


def test_waiting_for_another_models_opening_can_be_cancelled():
    opener = Opener()
    opener.go.clear()
    models = OpenModels(opener)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(models.get, ref("a"), Work())
        while not opener.busy.locked():
            pass
        work = Work()
        second = pool.submit(models.get, ref("b"), work)
        work.cancel()
        with pytest.raises(Cancelled):
            second.result(timeout=10)
        opener.go.set()
        first.result(timeout=10)
    assert opener.opened == ["a"]
