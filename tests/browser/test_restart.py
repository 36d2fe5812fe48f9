"""The compute process may die: the recipe does not."""

import os
import signal

from qdebug.jobs import connect


def test_a_restart_of_the_compute_process_loses_no_recipe(screen, runtime_dir):
    screen.go("layers")
    before = screen.strip
    screen.page.get_by_role("combobox", name="weight format of fc", exact=True).select_option("int2")
    screen.until_strip_changes(before)
    broken = screen.strip
    client = connect(runtime_dir)
    os.kill(client.pid, signal.SIGKILL)
    client.close()
    screen.page.get_by_role("combobox", name="weight format of head", exact=True).select_option("int3")
    screen.page.wait_for_selector("text=The compute process was started again")
    screen.until_strip_changes(broken)
    pills = screen.page.locator(".q-pills").inner_text()
    assert "1 × int2" in pills
    assert "1 × int3" in pills
    screen.page.get_by_role("button", name="Undo").click()
    screen.page.wait_for_function("() => !document.querySelector('.q-pills').innerText.includes('int3')")
    assert "1 × int2" in screen.page.locator(".q-pills").inner_text()
