"""What a crash has left, what is old and what is too much goes when the app starts; all else stays."""

import os
import tempfile
import time

import pytest

from qdebug.errors import UsageError
from qdebug.jobs import uploads
from qdebug.jobs.tidy import LEFT_SECONDS, tidy

DAY = 86_400.0


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A workspace, uploads, exports and a folder for temporary files of its own."""
    for name in ("workspace", "uploads", "exports"):
        monkeypatch.setenv(f"QDEBUG_{name.upper()}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def put(path, *, days=0.0, size=10):
    """A file, or for a name that ends in a slash a folder with one, of some age."""
    folder = path.endswith("/")
    file = f"{path}content" if folder else path
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "wb") as out:
        out.write(bytes(size))
    when = time.time() - days * DAY
    for one in {file, path.rstrip("/")}:
        os.utime(one, (when, when))
    return path.rstrip("/")


def test_what_a_crash_has_left_goes_after_a_day(place):
    left = [
        put(f"{place}/{name}", days=1.5)
        for name in ("uploads/part-1/", "exports/.part-6/", "exports/part-2/", "workspace/fixes/x.part",
                     "workspace/a.part", "workspace/sweeps.sqlite3.damaged-1", "tmp/qdebug-read-1/",
                     "tmp/qdebug-run-2/", "tmp/qdebug-3")
    ]  # fmt: skip
    fresh = [put(f"{place}/{name}") for name in ("uploads/part-3/", "exports/part-4/", "tmp/qdebug-read-5/")]
    others = [put(f"{place}/tmp/somebody-else", days=400), put(f"{place}/workspace/classroom.sqlite3", days=400)]
    assert tidy() == len(left)
    assert [one for one in left if os.path.lexists(one)] == []
    assert all(map(os.path.exists, fresh + others))
    assert tidy(time.time() + LEFT_SECONDS + 60) == len(fresh)


def test_what_nobody_looked_at_for_long_goes(place, monkeypatch):
    names = ("uploads/a/", "exports/b/", "workspace/fixes/c.safetensors", "workspace/opened/d/")
    old = [put(f"{place}/{name}", days=31) for name in names]
    new = [put(f"{place}/{name.replace('/', '/new-', 1)}", days=20) for name in names[:2]]
    kept = [put(f"{place}/workspace/{name}", days=400) for name in ("links.sqlite3", "sweeps.sqlite3", "metrics/m.py")]
    mark = put(f"{place}/uploads/{uploads.MARK}", days=400)
    assert tidy() == len(old)
    assert not any(map(os.path.exists, old)) and all(map(os.path.exists, [*new, *kept, mark]))
    monkeypatch.setenv("QDEBUG_KEEP_DAYS", "10")
    assert tidy() == len(new)


def test_a_workspace_has_a_quota_and_the_oldest_go_first(place, monkeypatch):
    monkeypatch.setenv("QDEBUG_WORKSPACE_MB", "2")
    mib = 2**20
    oldest, older, newer = (put(f"{place}/workspace/fixes/{day}", days=day, size=mib) for day in (9, 8, 7))
    in_use = put(f"{place}/workspace/opened/now/", size=mib)
    assert tidy() == 2
    assert not os.path.exists(oldest) and not os.path.exists(older)
    assert os.path.exists(newer) and os.path.exists(in_use)
    put(f"{place}/workspace/opened/also-now/", size=5 * mib)
    assert tidy() == 1  # whatever is in use stays, though it is too much
    assert os.path.exists(in_use)


def test_a_link_is_removed_and_not_what_it_leads_to(place):
    target = put(f"{place}/elsewhere/", days=400)
    link = place / "exports" / "part-x"
    link.symlink_to(target)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert tidy() == 1
    assert os.path.exists(f"{target}/content") and not link.is_symlink()


def test_limits_that_are_no_numbers_are_said(place, monkeypatch):
    monkeypatch.setenv("QDEBUG_KEEP_DAYS", "soon")
    with pytest.raises(UsageError, match="QDEBUG_KEEP_DAYS is 'soon'"):
        tidy()
