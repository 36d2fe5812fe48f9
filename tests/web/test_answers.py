"""The store of answers stays small."""

from concurrent.futures import ThreadPoolExecutor

from qdebug.web.core.desk import Answers


def test_the_least_recently_used_goes_first():
    store = Answers(most=2)
    store.keep("a", 1)
    store.keep("b", 2)
    assert store.find("a") == 1
    store.keep("c", 3)
    assert (store.find("a"), store.find("b"), store.find("c")) == (1, None, 3)


def test_many_threads_at_once_keep_the_bound():
    store = Answers(most=10)

    def work(base):
        for step in range(500):
            store.keep((base, step), step)
            assert store.find((base, step)) in (step, None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sum(store.find((base, step)) is not None for base in range(8) for step in range(500)) == 10
