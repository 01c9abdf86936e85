"""Turn a page with columns of numbers into a table.

Each field has its line and column. Fields that are not sure are marked, for somebody to look at.
"""

import csv
import sys
from pathlib import Path

from ovr_digits import read

PICTURE = Path(__file__).parent / "page.png"

table = csv.writer(sys.stdout, lineterminator="\n")
table.writerow(["line", "column", "number", "verdict"])
for field in read(PICTURE).fields:
    table.writerow([field.line, field.column, field.text, field.verdict])

# Prints:
# line,column,number,verdict
# 0,0,1250,sure
# 0,1,37,sure
# 0,2,804,sure
# 1,0,96,sure
# 1,1,415,sure
# 1,2,770,sure
# 2,0,308,sure
# 2,1,52,sure
# 2,2,1906,sure
