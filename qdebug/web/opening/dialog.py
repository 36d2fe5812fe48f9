"""Opening a file: a dialog with uploads and paths, which stays as it was filled until the model is open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from qdebug.classroom import workshop
from qdebug.errors import FileError, ModelError, QDebugError, UsageError
from qdebug.figures.text import escaped
from qdebug.jobs import uploads
from qdebug.jobs.verbs import Inspect, Open
from qdebug.results import ModelInfo, ModelRef
from qdebug.web.core import ask, problem, state, words
from qdebug.web.opening.wanted import wanted_html

WAYS = {"upload": "Upload", "path": "Path on the server"}
FILES = (".onnx", ".pt2")


def start(model: str = "") -> None:
    """Show the dialog from the next run on; with a model's path, only its data are asked for."""
    st.session_state.opening = {"model": model, "asked": None}
    st.session_state.kept = {}


def close() -> None:
    """Show it no more."""
    st.session_state.opening = None
    st.session_state.kept = {}


def lacks_data(ref: ModelRef) -> bool:
    """Whether a model is a file without data: it can be looked at, and nothing can be measured."""
    return ref.data is None and is_looked_into(ref)


def is_looked_into(ref: ModelRef) -> bool:
    """Whether a model is a file or a folder, of which something can be seen without data, and no sample."""
    return Path(ref.model).suffix.lower() in FILES or len(Path(ref.model).parts) > 1


def draw() -> None:
    """Draw the dialog, if it is to be seen.

    Called early in a run: a dialog that comes late while the page still measures is drawn anew in the browser, and what
    was dropped on it meanwhile is lost.
    """
    if st.session_state.get("opening") and not workshop():
        _dialog()


@st.dialog("Open a model", width="medium", on_dismiss=close)
def _dialog() -> None:
    if st.session_state.opening is None:  # closed, and this is a run of the dialog alone
        st.rerun()
    known = st.session_state.opening["model"]
    with st.container(key="opening", gap="small"):
        if known:
            name = escaped(Path(known).name)
            st.html(f'<p class="q-lead">Data for <code class="q-name">{name}</code></p>')
        way = st.segmented_control(
            "From", list(WAYS), default="upload", key="open-way", format_func=WAYS.__getitem__, required=True,
            label_visibility="collapsed", width="stretch",
        )  # fmt: skip
        wrong = False
        try:
            ref = _uploaded(known) if way == "upload" else _named(known)
        except QDebugError as error:
            problem.draw(error, "upload")
            ref, wrong = None, True
        # Never disabled, and the callback is told nothing: a path that was just typed arrives together with the click.
        # It says what it would do: data that were dropped a moment ago may still be on their way.
        bare = way == "upload" and ref is not None and lacks_data(ref)
        st.button("Open without data" if bare else "Open", key="open-go", type="primary", on_click=_press)
        pressed = st.session_state.opening.pop("pressed", False)
        if pressed and ref is not None:
            st.session_state.opening["asked"] = ref
            ask.forget(_request(ref))
        elif pressed and not wrong:
            st.html('<p class="q-not-yet" role="status">Give a model first.</p>')
        if ref is not None and st.session_state.opening["asked"] == ref:
            _follow(ref, shown=way == "upload" and lacks_data(ref))


def _press() -> None:
    if st.session_state.opening is not None:
        st.session_state.opening["pressed"] = True


def _request(ref: ModelRef) -> Any:
    return Inspect(ref=ref) if lacks_data(ref) else Open(ref=ref)


def _follow(ref: ModelRef, *, shown: bool) -> None:
    """Progress, or the error, or the model at hand and the end of the dialog.

    Args:
        ref: what was asked for.
        shown: whether the dialog shows the error of the same question already.
    """
    request = _request(ref)
    answer = ask.latest(ask.DIALOG, request)[0] if not shown or ask.failure(request) is None else None
    if isinstance(answer, ModelInfo):
        _open(ref)
        st.rerun()
    if isinstance(ask.failure(request), ModelError) and not lacks_data(ref) and is_looked_into(ref):
        st.button("Show its layers", key="open-anyway", type="tertiary", on_click=_open, args=(ref,))


def _open(ref: ModelRef) -> None:
    state.open_model(ref)
    close()


def _named(known: str) -> ModelRef | None:
    """What paths name."""
    model = known or st.text_input(
        "Model", placeholder="/path/to/model.onnx", key="open-model",
        help="An .onnx file; a Hugging Face folder (config.json, safetensors), whose own code is never run; or a .pt2 "
        "file: what of it torch would run is refused.",
    )  # fmt: skip
    data = st.text_input(
        "Data", placeholder="/path/to/data.npz", key="open-data",
        help="An .npz with one array per model input, plus labels if there are any. For a Hugging Face folder that "
        "reads text also a .jsonl with a text in each line, plain text, or a table "
        "(.parquet, or what datasets saved).",
    )  # fmt: skip
    calib = st.text_input(
        "Calibration", placeholder="optional", key="open-calib", help="Without it, 256 samples of the data are used."
    )
    left, middle, right = st.columns(3, gap="small")
    metric = left.text_input(
        "Metric", placeholder="what fits", key="open-metric",
        help="accuracy, top5 (any number), perplexity, agreement, cosine, sqnr, mse; without it, what fits the data. A "
        "function of your own is given where the app is started.",
    )  # fmt: skip
    window = middle.text_input(
        "Window", placeholder="512", key="open-window", help="Tokens of the windows that a language model's texts are "
        "cut into.",
    )  # fmt: skip
    tokens = right.text_input(
        "Tokens", placeholder="32768", key="open-tokens", help="How many tokens of a language model's texts are used."
    )
    if not model.strip():
        return None
    return ModelRef(
        model=model.strip(), data=data.strip() or None, calib=calib.strip() or None, metric=metric.strip() or None,
        window=_number("Window", window), tokens=_number("Tokens", tokens),
    )  # fmt: skip


def _number(name: str, text: str) -> int | None:
    """A number of tokens; None for nothing.

    Raises:
        UsageError: it is no number from 1 on.
    """
    plain = text.strip().replace(",", "")
    if plain and not (plain.isascii() and plain.isdigit() and int(plain)):
        raise UsageError(f"{name} is '{text.strip()}'", do="Give a number of tokens from 1.")
    return int(plain) if plain else None


def _uploaded(known: str) -> ModelRef | None:
    """What was dropped, kept on the server's disk.

    Raises:
        QDebugError: it is no model, or cannot be kept.
    """
    most = min(uploads.largest_mib(), int(st.get_option("server.maxUploadSize")))
    model = known
    if not known:
        dropped = st.file_uploader(
            "Model", key="open-files", accept_multiple_files=True, max_upload_size=most,
            help="An .onnx file. Drop the files with its external data together with it.",
        )  # fmt: skip
        model = _model_of(dropped or [])
    left, right = st.columns(2, gap="medium")
    with left:
        data = st.file_uploader("Data", type=["npz"], key="open-data-file", max_upload_size=most)
    with right:
        calib = st.file_uploader("Calibration, optional", type=["npz"], key="open-calib-file", max_upload_size=most)
    if not model:
        st.html(
            '<p class="q-quiet">A model is an .onnx file. Data are an .npz with one array per model input, plus labels '
            "if there are any.</p>"
        )
        return None
    _say_what_is_wanted(model)
    paths = [_kept([one])[0] if one else None for one in (data, calib)]
    return ModelRef(model=model, data=paths[0], calib=paths[1])


@st.fragment(run_every=ask.PATIENCE)
def _say_what_is_wanted(model: str) -> None:
    """What the data must hold; an upload that cannot be read says so here, before anything else is asked.

    It looks for its answer by itself: drawing the page anew could lose data that are being dropped meanwhile.
    """
    if Path(model).suffix.lower() != ".onnx":
        return
    request = Inspect(ref=ModelRef(model=model))
    answer = ask.look(request, wait=0.0)
    if isinstance(answer, ModelInfo):
        st.html(wanted_html(answer))
    elif isinstance(answer, QDebugError):
        problem.draw(answer, "inside", retry=lambda: ask.forget(request))
    else:
        st.progress(0.0, text=words.literal(answer.progress.text))


def _model_of(dropped: Sequence[Any]) -> str:
    """Where the model among the dropped files lies; empty where nothing was dropped."""
    if not dropped:
        return ""
    models = [one for one in dropped if one.name.lower().endswith(".onnx")]
    if len(models) != 1:
        named = ", ".join(one.name for one in dropped[:5])
        if any(one.name.lower().endswith(".pt2") for one in dropped):
            do = "A .pt2 is not read behind walls: put it on the server's own disk and give its path."
        else:
            do = "Drop one .onnx file, together with the files of its external data if it has any."
        raise FileError("There is no .onnx file" if not models else "There is more than one model", file=named, do=do)
    others = [one for one in dropped if one is not models[0]]
    return _kept([models[0], *others])[0]


def _kept(files: Sequence[Any]) -> tuple[str, ...]:
    """Where uploaded files lie; each is written once, however often the dialog is drawn."""
    key = tuple(one.file_id for one in files)
    kept: dict[Any, tuple[str, ...]] = st.session_state.kept
    if key not in kept:
        kept[key] = tuple(str(path) for path in uploads.store([(one.name, one.getbuffer()) for one in files]))
    return kept[key]
