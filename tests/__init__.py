"""The tests: each of their processes computes on one thread, for they share the machine."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy or torch are imported; two would wait for each other
