"""Takes no CPU time, and no end."""

import time

time.sleep(600)
