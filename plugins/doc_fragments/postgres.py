# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection options of the PostgreSQL modules, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """Options named as in community.postgresql."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host of the database server. Empty for the local socket.
      - A connection pooler such as PgBouncer is refused, name the server behind it.
    type: str
    default: ''
    aliases: [host]
  login_unix_socket:
    description: Directory of the server's socket, instead of O(login_host).
    type: str
    default: ''
    aliases: [unix_socket]
  login_port:
    description: Port of the database server.
    type: int
    default: 5432
    aliases: [port]
  login_user:
    description: Role to log in as.
    type: str
    default: postgres
    aliases: [login]
  login_password:
    description:
      - Password of O(login_user).
      - Handed to programs through their environment, never on a command line.
    type: str
    default: ''
  login_db:
    description: The database. Without it the tool alone says what it knows.
    type: str
    aliases: [db]
  maintenance_db:
    description: Database to be connected to while others are created, renamed or dropped. Another one than O(login_db).
    type: str
    default: postgres
  ssl_mode:
    description: Whether and how TLS is negotiated, in libpq's words.
    type: str
    default: prefer
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
  ca_cert:
    description: File with the certificate authorities that the server's certificate is verified against.
    type: str
    aliases: [ssl_rootcert]
  ssl_cert:
    description: File with the client's certificate.
    type: path
  ssl_key:
    description: File with the client's key.
    type: path
requirements:
  - psycopg2 (Python library)
  - PostgreSQL 14 or newer on the server
"""

    # Modules that work on one database, whatever it takes.
    DATABASE = r"""
options:
  login_db:
    description: The database.
    type: str
    required: true
    aliases: [db]
"""

    # Modules that run PostgreSQL's own programs.
    PROGRAMS = r"""
options:
  bin_directory:
    description:
      - Directory of C(pg_dump) and C(pg_restore).
      - Without it those of the server's own version are used, where that is not installed the next newer ones.
    type: path
"""

    # Modules that judge the data after a way down.
    CHECKS = r"""
options:
  assertions:
    description: Queries and what they have to answer.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is asserted, in words.
        type: str
        required: true
      query:
        description: One query.
        type: str
        required: true
      expect:
        description:
          - One value, a comparison like V(>= 1), a row, or a list of rows. Without it the query has to say true.
          - No row and NULL are inconclusive.
        type: raw
  ignore_tables:
    description:
      - Tables (C(table) or C(schema.table)) and columns (C(table.column)) that may differ from the manifest, with the
        wildcards C(*) and C(?).
      - The bookkeeping tables of the migration tools by default.
    type: list
    elements: str
    default:
      - alembic_version
      - django_migrations
      - schema_migrations
      - flyway_schema_history
      - databasechangelog
      - databasechangeloglock
      - sqitch.*
"""
