"""Somebody drops a model and data on the app, in a real browser."""

import onnx

from tests.onnx_files import write_data, write_network


def dropped(screen, place, *paths):
    """Give files to one of the dialog's uploaders: 0 the model's, 1 the data's."""
    screen.page.get_by_role("dialog").locator("input[type=file]").nth(place).set_input_files(
        [str(one) for one in paths]
    )


def test_a_damaged_file_is_one_clear_error_and_a_good_one_opens_after_it(screen, tmp_path):
    screen.go()
    page, dialog = screen.page, screen.page.get_by_role("dialog")
    before = screen.strip
    page.get_by_role("button", name="Open a file").click()
    (tmp_path / "bad.onnx").write_bytes(write_network(tmp_path / "net.onnx").read_bytes()[:700])
    dropped(screen, 0, tmp_path / "bad.onnx")
    dialog.locator(".q-problem").wait_for()
    assert "This is no ONNX model, or it is damaged" in dialog.locator(".q-problem").inner_text()
    assert dialog.locator(".q-problem").count() == 1
    assert screen.strip == before
    dialog.get_by_role("button", name="Remove bad.onnx").click()
    dropped(screen, 0, tmp_path / "net.onnx")
    dialog.locator(".q-wanted").wait_for()
    assert "float32 [N, 3, 8, 8]" in dialog.locator(".q-wanted").inner_text()
    dropped(screen, 1, write_data(tmp_path / "data.npz"))
    dialog.get_by_text("data.npz").wait_for()
    dialog.get_by_role("button", name="Open", exact=True).click()
    dialog.wait_for(state="detached")
    screen.page.locator(".q-strip", has_text="32 samples").wait_for()
    screen.rest()
    assert screen.overflow() <= 0
    screen.to("Layers")
    rows = screen.page.locator("tbody tr")
    assert [rows.nth(at).get_attribute("aria-label") for at in range(rows.count())] == ["conv", "head"]


def test_an_upload_is_exported_and_verified(screen, tmp_path):
    screen.go()
    page, dialog = screen.page, screen.page.get_by_role("dialog")
    page.get_by_role("button", name="Open a file").click()
    dropped(screen, 0, write_network(tmp_path / "net.onnx"))
    dialog.locator(".q-wanted").wait_for()
    dropped(screen, 1, write_data(tmp_path / "data.npz"))
    dialog.get_by_text("data.npz").wait_for()
    dialog.get_by_role("button", name="Open", exact=True).click()
    dialog.wait_for(state="detached")
    screen.page.locator(".q-strip", has_text="32 samples").wait_for()
    screen.rest()
    screen.to("Export")
    page.get_by_role("button", name="Write the file").click()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download net").click()
    taken.value.save_as(tmp_path / "out.onnx")
    proto = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(proto)
    named = {node.name: node.op_type for node in proto.graph.node}
    assert (named["conv"], named["head"]) == ("Conv", "Gemm")
    assert "QuantizeLinear" in named.values()
    page.get_by_role("button", name="Verify", exact=True).click()
    found = page.locator(".st-key-card-verify .q-scores")
    found.wait_for()
    assert "in ONNX Runtime" in found.inner_text()
    assert page.locator(".q-problem").count() == 0
