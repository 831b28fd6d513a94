# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module promises about check mode, diff and repetition, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes shared by the modules of the collection."""

    # Modules that change something.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Predicts what would change, without changing it.
  diff_mode:
    support: full
    description: Shows what changes, with secret values left out.
  idempotent:
    support: full
    description: A second run with the same arguments changes nothing.
  action_group:
    support: full
    description: Use C(group/octalume.rollback.rollback) in C(module_defaults) to set common options once.
    membership:
      - octalume.rollback.rollback
"""

    # Modules that only read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Reads only, so it does the same in check mode.
  diff_mode:
    support: N/A
    description: Changes nothing, so there is nothing to show.
  idempotent:
    support: full
    description: Changes nothing.
  action_group:
    support: full
    description: Use C(group/octalume.rollback.rollback) in C(module_defaults) to set common options once.
    membership:
      - octalume.rollback.rollback
"""
