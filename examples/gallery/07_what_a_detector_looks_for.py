"""See which ink a detector's score hangs on.

A window of 4×4 pixels is blanked at one place after the other. Where the score of the detector
for 7 falls by more than 1, the ink there spoke for a seven (+); where it rises, against it (-).
"""

from pathlib import Path

import numpy as np

from ovr_digits import find_form, load_models

PICTURE = Path(__file__).parent / "../seven.png"

models = load_models()
image = find_form(PICTURE)
blanked = []
for row in range(4, 24, 2):
    for column in range(4, 24, 2):
        copy = image.copy()
        copy[row - 1 : row + 3, column - 1 : column + 3] = 0
        blanked.append(copy.ravel())
before = models.decision_function(image.reshape(1, -1))[0, 7]
falls = before - models.decision_function(np.array(blanked))[:, 7]
for line in falls.reshape(10, 10):
    print("".join("+" if fall > 1 else "-" if fall < -1 else "." for fall in line))

# Prints:
# ..........
# .+++++++..
# ..++++++..
# ..++++++..
# .....+++..
# ....+++...
# ....+++...
# ...+++....
# ...++.....
# ...++.....
