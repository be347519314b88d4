"""Run a command and print, as JSON, its wall time, its peak resident memory and its standard output.

It imports next to nothing, so that its own few megabytes are the least that can be measured.
"""

import json
import resource
import subprocess
import sys
import time

started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True, check=False)
result = {
    "seconds": time.perf_counter() - started,
    "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    "said": done.stdout,
}
print(json.dumps(result))
sys.exit(done.returncode)
