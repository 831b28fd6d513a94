#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Moves the shop's database schema up or down, one transaction per step; connects by the PG* variables.
set -euo pipefail

directory="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/migrations"

usage() {
    cat <<'TEXT'
usage: migrate.sh up     --env ENVIRONMENT [--to-version N]   (without N: the newest)
       migrate.sh down   --env ENVIRONMENT --to-version N
       migrate.sh status --env ENVIRONMENT
The connection comes from PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE.
TEXT
}

fail() {
    printf 'migrate.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# The server's answer to the SQL on standard input, without decoration; the first error ends it.
ask() {
    psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$@"
}

current_version() {
    ask <<'SQL' || fail "cannot read the schema version from ${PGDATABASE:-?} on ${PGHOST:-?}:${PGPORT:-5432}"
SELECT to_regclass('schema_migrations') IS NOT NULL AS known \gset
\if :known
SELECT coalesce(max(version), 0) FROM schema_migrations;
\else
SELECT 0;
\endif
SQL
}

# Numbers of the migrations that are here, ascending, without leading zeros.
available() {
    local path name
    for path in "$directory"/*.up.sql; do
        name="${path##*/}"
        printf '%d\n' "$((10#${name%%_*}))"
    done | sort -n
}

# The file of one step: file_of 42 down.
file_of() {
    local files
    files=("$directory/$(printf '%03d' "$1")"_*."$2".sql)
    [[ -f "${files[0]}" ]] || fail "there is no $2 migration $1 in $directory"
    printf '%s\n' "${files[0]}"
}

# Run one step and its entry in schema_migrations in one transaction; the lock keeps a second migrator out.
step() {
    local number="$1" way="$2" at="$3" file name bookkeeping
    file="$(file_of "$number" "$way")"
    name="${file##*/}"
    name="${name#*_}"
    name="${name%%.*}"
    if [[ "$way" == up ]]; then
        bookkeeping="INSERT INTO schema_migrations (version, name) VALUES ($number, '$name');"
    else
        bookkeeping="DELETE FROM schema_migrations WHERE version = $number;"
    fi
    printf '%s %s %s ... ' "$way" "$number" "$name"
    ask --single-transaction \
        --command "SET client_min_messages = warning" \
        --command "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())" \
        --command "DO \$\$ BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('schema_migrations'));
            IF (SELECT coalesce(max(version), 0) FROM schema_migrations) <> $at THEN
                RAISE 'somebody else moved the schema: it is no longer at $at';
            END IF;
        END \$\$" \
        --file "$file" \
        --command "$bookkeeping" || fail "$way $number failed and was undone; the schema is still at $at"
    printf 'done\n'
}

migrate_up() {
    local at="$1" to="$2" number
    ((at <= to)) || fail "the schema is at $at, above $to: use down" 2
    for number in $(available); do
        ((number > at && number <= to)) || continue
        step "$number" up "$at"
        at="$number"
    done
}

migrate_down() {
    local at="$1" to="$2" number below
    ((at >= to)) || fail "the schema is at $at, below $to: use up" 2
    for number in $(available | sort -rn); do
        ((number > to && number <= at)) || continue
        below="$(available | awk -v n="$number" '$1 < n { last = $1 } END { print last + 0 }')"
        step "$number" down "$at"
        at="$below"
    done
}

status() {
    local at="$1" number pending=()
    for number in $(available); do
        ((number <= at)) || pending+=("$number")
    done
    printf 'environment: %s\nversion: %s\npending: %s\n' "$environment" "$at" "${pending[*]:-none}"
}

command="${1:-}"
[[ "$command" =~ ^(up|down|status)$ ]] || { usage >&2; exit 2; }
shift
environment="" target=""
while (($#)); do
    case "$1" in
        --env) environment="${2:-}" ;;
        --to-version) target="${2:-}" ;;
        *) usage >&2; exit 2 ;;
    esac
    shift $(($# > 1 ? 2 : 1))
done
[[ "$environment" =~ ^[a-z][a-z0-9-]*$ ]] || fail "--env must name an environment, like production" 2
[[ -z "$target" || "$target" =~ ^[0-9]{1,6}$ ]] || fail "--to-version must be a number" 2
[[ "$command" != down || -n "$target" ]] || fail "down needs --to-version" 2
command -v psql >/dev/null || fail "psql is missing: apt-get install postgresql-client"

newest="$(available | tail -n 1)"
target="$((10#${target:-$newest}))"
if [[ "$command" != status ]] && ((target != 0)) && ! available | grep -qx "$target"; then
    fail "there is no migration $target; known: $(available | paste -sd ' ')" 2
fi
at="$(current_version)"
case "$command" in
    up) migrate_up "$at" "$target" ;;
    down) migrate_down "$at" "$target" ;;
    status) ;;
esac
[[ "$command" == status ]] || at="$(current_version)"
status "$at"
