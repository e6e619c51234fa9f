#!/bin/sh
# Runs the server, and ends it when it has stopped storing while its disk has room: it gives a stream
# up at the first write that fails, for as long as it lives. The container is started again then.
set -u

# Release 0.2.0 had no accounts: its streams come to the account of the services.
if [ -d '/data/jetstream/$G/streams' ] && [ ! -e /data/jetstream/BAZAAR ]; then
  mv '/data/jetstream/$G' /data/jetstream/BAZAAR
fi

nats-server --config /etc/nats/server.conf &
server=$!
trap 'kill -TERM "$server"' TERM INT

was_well=no sick=0
while kill -0 "$server" 2>/dev/null; do
  sleep 2 &
  wait $!
  free_kb=$(df -Pk /data | awk 'NR == 2 {print $4}')
  if wget -q -T 5 --spider http://127.0.0.1:8222/healthz 2>/dev/null; then
    was_well=yes sick=0
  elif [ "$was_well" = yes ] && [ "$free_kb" -gt 65536 ]; then
    sick=$((sick + 1))
  fi
  if [ "$sick" -ge 4 ]; then
    echo "nats-server has stopped storing, and there is room: it is started again" >&2
    kill -TERM "$server"
    sick=0
  fi
done
wait "$server"
