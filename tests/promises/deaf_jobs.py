"""Jobs as they should not be: one hears of no cancel, one leaves a process behind."""

import subprocess
import sys
import time


def jobs(handlers):
    def deaf(work):
        time.sleep(1.5)

    def careless(work):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(15)"])
        while True:
            time.sleep(0.01)
            work.check()

    return {"deaf": lambda dice: deaf, "careless": lambda dice: careless}
