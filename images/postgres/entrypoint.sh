#!/bin/sh
# Makes the database at first start, as the user that runs it, then becomes the server.
# Environment as in the official image: POSTGRES_USER, POSTGRES_PASSWORD_FILE, POSTGRES_DB, PGDATA. Arguments go to postgres.
set -eu

: "${POSTGRES_PASSWORD_FILE:?is required}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made beside PGDATA and renamed into it whole: a container killed in between leaves nothing that looks like a database.
    fresh="$PGDATA.new"
    rm -rf "$fresh"
    mkdir -p "$(dirname "$PGDATA")"
    initdb --pgdata="$fresh" --username="$user" --pwfile="$POSTGRES_PASSWORD_FILE" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256
    echo "host all all all scram-sha-256" >> "$fresh/pg_hba.conf"
    if [ "$database" != postgres ]; then
        # Single-user mode: no socket, so nobody can connect to a database that is not finished.
        printf 'CREATE DATABASE "%s"\n' "$database" | postgres --single -D "$fresh" postgres > /dev/null
    fi
    rmdir "$PGDATA" 2>/dev/null || true
    mv -T "$fresh" "$PGDATA"
fi

exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"
