# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.conformance.kubernetes [NN ...]``: replay all recordings, or some with every difference shown."""

import sys

from tests.conformance.kubernetes.replay import main

sys.exit(main())
