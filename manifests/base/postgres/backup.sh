#!/bin/sh
# Dump the database, prove that the dump can be read, keep the newest BACKUPS_KEPT.
# To restore: pg_restore --clean --if-exists --dbname=mlflow FILE
set -eu
: "${BACKUP_DIR:?}" "${BACKUPS_KEPT:?}"

part=$BACKUP_DIR/.part
dump=$BACKUP_DIR/mlflow-$(date -u +%Y%m%dT%H%M%SZ).dump

pg_dump --format=custom --file="$part"
# Reads every block of it, not the table of contents alone.
pg_restore --file=/dev/null "$part"
# A database that was emptied must not push the good dumps out.
pg_restore --list "$part" | grep -q 'TABLE DATA public alembic_version' || {
	echo "error: the dump holds no tables of MLflow; the older ones are kept" >&2
	exit 1
}
sync "$part"
mv "$part" "$dump"

# The names sort by age.
find "$BACKUP_DIR" -maxdepth 1 -name 'mlflow-*.dump' | sort -r | tail -n "+$((BACKUPS_KEPT + 1))" | while read -r old; do
	rm -- "$old"
done
echo "$dump: $(wc -c <"$dump") bytes"
