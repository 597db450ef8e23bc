"""Work on a file that ends its process, as a decoder does that crashes, or hangs: where processes find it."""

import os
import time

from videogn.data.decoding import DecoderName
from videogn.tools.check import inspect as inspect_module
from videogn.tools.check.inspect import Facts
from videogn.tools.prepare.folder import Job


def prepare_and_die(job: Job) -> str:
    os._exit(9)


def inspect_or_die(path: str, *, decoder: DecoderName) -> Facts:
    if "deadly" in path:
        os._exit(9)
    if "endless" in path:
        time.sleep(60)
    return inspect_module.inspect(path, decoder=decoder)
