"""Folders as ``datasets.Dataset.save_to_disk`` writes them, written by pyarrow alone."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

TEXT = {"dtype": "string", "_type": "Value"}
MESSAGES = {"feature": {"role": TEXT, "content": TEXT}, "_type": "List"}
IMAGE = {"_type": "Image"}


def classes(*names: str) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


def save(folder: Path, columns: dict[str, list], features: dict[str, Any], shards: int = 1) -> Path:
    """Columns as a folder with as many files of rows."""
    folder.mkdir(parents=True)
    table = pa.table(columns)
    step = -(-table.num_rows // shards)
    names = [f"data-{at:05d}-of-{shards:05d}.arrow" for at in range(shards)]
    for at, name in enumerate(names):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table.slice(at * step, step), max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def picture(seed: int, height: int = 40, width: int = 32) -> dict[str, Any]:
    """A picture as the library stores one."""
    found = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(found, "png")
    return {"bytes": found.getvalue(), "path": None}
