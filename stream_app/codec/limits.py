"""What a record of the telemetry topic may hold and lead to at most, and why.

Nothing that a plant sends comes near these limits; a record beyond one is a dead letter that names
it.
"""

LARGEST_VALUE = 4 << 20
"""Bytes of a record: its JSON takes some twentyfold in memory; the replay writes 0.7 MB at most."""
LONGEST_KEY = 1024
"""Bytes of a key: two names of four-byte characters and the slash fit."""
LONGEST_NAME = 100
"""Characters of a site, block, input, enclosure or zone; names become keys, labels and columns."""
MOST_TIMES = 100_000
"""Times in a power record: more than a day of seconds."""
MOST_INPUTS = 256
"""DC inputs of a power block; each has windows, and a clock of its own."""
MOST_ENCLOSURES = 1024
"""Enclosures of a power block; each gets daily records, and a share of its own costs sums."""
EARLIEST_MS, LATEST_MS = 1 << 35, 1 << 42
"""Times are accepted from February 1971 to May 2109, whatever the site claims."""
LARGEST_W = 1e8
"""Of one DC input, 100 MW: beyond any, and small enough for the integers of the ledger."""
LONGEST_S = 7 * 86_400.0
"""Of a duration in the rules: what waits for late samples is kept in the state."""
LARGEST_STATE = LARGEST_OUTPUT = 12 << 20
"""Bytes of a block's state, and of a record to publish: the producer takes 16 MiB. The last guard,
for what a state holds is bounded part by part, in ``pipeline``, ``holes`` and ``succession``."""
SHARE_TOLERANCE = 1e-9
"""How far the shares of an input may sum up beside 1: decimals are not exact."""
MOST_PACKS = 256
"""Packs of a battery system; each has windows and a clock of its own."""
MOST_CELLS = 1_000
"""Cells of a pack in series: a string of 1,500 V has some 480."""
MOST_ROWS = 100_000
"""Rows in a record of cells, a battery system or a meter: more than a day of seconds."""
MOST_SIGNALS = 512
"""Signals of a battery system or a meter."""
LARGEST_CELL_V = 100.0
"""Of a cell or a module, either sign [V]."""
LARGEST_CELL_C = 1_500.0
"""Of a cell, either sign [degC]: above any flame, and what a broken sensor shows must be seen."""
LARGEST_STRING_A = 100_000.0
"""Of a string of cells, either sign [A]."""
LARGEST_RATIO = 10.0
"""Of a state of charge, either sign: 1000 %, for a percentage in its place is a mistake."""
LARGEST_SIGNAL = 1e15
"""Of any other signal, either sign: whole numbers up to it are exact."""
LARGEST_METER_W = 1e9
"""Rating of a meter [W]: beyond any."""
MOST_WINDOW_VALUES = 500_000
"""Five-minute windows of a record's rows, times its columns and ``COLUMNS_OF_A_WINDOW``: rows far
apart close windows, and days, one by one. 52 cells at 15 min reach it after 76 days."""
COLUMNS_OF_A_WINDOW = 16
"""What a window costs, in columns, before any."""
