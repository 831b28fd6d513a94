# SPDX-License-Identifier: GPL-3.0-or-later
"""The papers: plan, incident report and history, as Markdown and as one printable page."""
