#!/usr/bin/env bash
# usage: deploy/backup/sqlite.sh backup DATABASE TARGET-DIRECTORY
#        deploy/backup/sqlite.sh restore BACKUP DATABASE
# backup: a consistent copy of the embedded database while the server runs, and of the secret that signs tokens; prints the
# copy's path. restore: puts a copy in place, with the server stopped; what was there is kept beside it.
set -euo pipefail

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
command -v sqlite3 >/dev/null || fail "sqlite3 is missing"
[ $# = 3 ] || fail "usage: $0 backup DATABASE TARGET-DIRECTORY | restore BACKUP DATABASE"

backup() {
  local database=$1 target=$2 copy
  [ -f "$database" ] || fail "there is no database at $database"
  mkdir -p "$target"
  copy=$target/flash-promos-$(date -u +%Y%m%dT%H%M%SZ).db
  [ ! -e "$copy" ] || fail "$copy exists"
  umask 077
  # SQLite's online backup: readers and the writer go on meanwhile.
  sqlite3 -cmd '.timeout 30000' "$database" ".backup '$copy.part'"
  [ "$(sqlite3 "$copy.part" 'PRAGMA integrity_check')" = ok ] || fail "the copy is damaged: $copy.part"
  if [ -f "$database.jwt-secret" ]; then cp "$database.jwt-secret" "$copy.jwt-secret"; fi
  sync "$copy.part"
  mv "$copy.part" "$copy"
  echo "$copy"
}

restore() {
  local copy=$1 database=$2 kept file
  [ -f "$copy" ] || fail "there is no backup at $copy"
  [ "$(sqlite3 "$copy" 'PRAGMA integrity_check')" = ok ] || fail "the backup is damaged"
  mkdir -p "$(dirname "$database")"
  # The server holds this lock while it runs.
  exec 9>>"$database.lock"
  flock --nonblock 9 || fail "a server runs on $database: stop it first"
  kept=$database.before-restore-$(date -u +%Y%m%dT%H%M%SZ)
  for file in "" -wal -shm .jwt-secret; do
    if [ -e "$database$file" ]; then mv "$database$file" "$kept$file"; fi
  done
  cp "$copy" "$database"
  if [ -f "$copy.jwt-secret" ]; then cp "$copy.jwt-secret" "$database.jwt-secret"; fi
  sync "$database"
  echo "restored; run: flash-promos audit"
}

case $1 in backup) backup "$2" "$3" ;; restore) restore "$2" "$3" ;; *) fail "backup or restore, not $1" ;; esac
