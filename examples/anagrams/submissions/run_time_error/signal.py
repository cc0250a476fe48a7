"""Dies by SIGSEGV: reads from address 0."""

import ctypes

print(ctypes.string_at(0))
