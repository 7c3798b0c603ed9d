#!/usr/bin/env bash
# usage: deploy/backup/postgres.sh backup URL TARGET-DIRECTORY
#        deploy/backup/postgres.sh restore BACKUP URL
# backup: one consistent snapshot of the database while servers run; prints the archive's path. restore: into an existing,
# empty database, all or nothing; servers are stopped, or pointed at it afterwards. For recovery to a point in time use the
# database's own archive of its log.
set -euo pipefail

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
[ $# = 3 ] || fail "usage: $0 backup URL TARGET-DIRECTORY | restore BACKUP URL"

backup() {
  local url=$1 target=$2 archive
  mkdir -p "$target"
  archive=$target/flash-promos-$(date -u +%Y%m%dT%H%M%SZ).dump
  [ ! -e "$archive" ] || fail "$archive exists"
  umask 077
  pg_dump --format=custom --no-owner --no-privileges --file="$archive.part" "$url"
  # An archive whose table of contents can't be read is none.
  pg_restore --list "$archive.part" >/dev/null
  sync "$archive.part"
  mv "$archive.part" "$archive"
  echo "$archive"
}

restore() {
  local archive=$1 url=$2 tables
  tables=$(psql --no-psqlrc --tuples-only --no-align --command \
    "select count(*) from information_schema.tables where table_schema = 'public'" "$url")
  [ "$tables" = 0 ] || fail "the database is not empty ($tables tables): restore into a new one"
  pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="$url" "$archive"
  echo "restored; run: flash-promos migrate, then flash-promos audit"
}

case $1 in backup) backup "$2" "$3" ;; restore) restore "$2" "$3" ;; *) fail "backup or restore, not $1" ;; esac
