"""Ask the service over HTTP, as a program in any language can.

`ovr-digits serve` is started here; usually it runs on a machine of its own.
"""

import subprocess
import sys
from pathlib import Path

import requests

PICTURE = Path(__file__).parent / "../seven.png"

command = [sys.executable, "-m", "ovr_digits", "serve", "--port", "0", "--workers", "1", "--quiet"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
    address = next(word for word in service.stdout.readline().split() if word.startswith("http"))
    answer = requests.post(f"{address.rstrip('/')}/api/predict", PICTURE.read_bytes()).json()
    print(answer["digit"], answer["verdict"])
    service.terminate()

# Prints:
# 7 sure
