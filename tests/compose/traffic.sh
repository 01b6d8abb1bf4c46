# Requests through the zones' entrances, one at a time or as load.

host=foo.example.com
load_pids=() load_logs=()

# Who answers a path in a zone, or the status code.
ask() {
  curl --silent --max-time 5 --output /dev/null --dump-header - --header "Host: $host" "http://${entrances[$1]}$2" |
    tr -d '\r' | awk 'NR == 1 { said = $2 } $1 == "x-echo-service:" { said = $2 } END { print said }'
}
answers() { [ "$(ask "$1" "$2")" = "$3" ] || { ask "$1" "$2"; return 1; }; }

# How many requests a service has had, by its own count.
number_of_request() {
  curl --silent --max-time 5 --header "Host: $host" "http://${entrances[$1]}$2" | sed 's/.*"request":\([0-9]*\).*/\1/'
}

# Docker may have chosen other ports at a new start.
find_entrances() {
  entrances=([1]="$(published entrance-zone-1 8080)" [2]="$(published entrance-zone-2 8080)")
  global=http://$(published global 5681)
}

# load ZONE...: requests to zones until stop_load, half of them on connections that stay open and half on
# one each.
load() {
  local zone
  for zone in "$@"; do
    one_load "http://${entrances[zone]}/load" --header "Host: $host"
    one_load "http://${entrances[zone]}/load" --header "Host: $host" --header 'Connection: close'
  done
}
one_load() {
  local log="$work/load-${#load_logs[@]}"
  wrk --threads 1 --connections 8 --script tests/compose/pace.lua --duration 30m --timeout 10s "${@:2}" "$1" >"$log" 2>&1 &
  load_pids+=($!) load_logs+=("$log")
}

# Ends the load, and the test if a request failed: no connection, cut off, or not answered with 2xx.
stop_load() {
  ((${#load_pids[@]})) || return 0
  kill -INT "${load_pids[@]}"
  wait "${load_pids[@]}" || true
  if grep -HE 'Socket errors|Non-2xx|unable' "${load_logs[@]}"; then fail "requests failed: $(cat "${load_logs[@]}")"; fi
  requests=$(awk '/requests in/ { sum += $1 } END { print sum + 0 }' "${load_logs[@]}")
  rm -f "${load_logs[@]}"
  load_pids=() load_logs=()
  ((requests > 0)) || fail "the load had no answer at all"
}

# answered_after CONTAINER: waits until a gateway instance itself serves, and prints how many ms after the
# start of its container that was. Its address is asked, not the entrance.
answered_after() {
  local id=$1 address start
  address=$(docker inspect --format "{{(index .NetworkSettings.Networks \"$(network zone-1)\").IPAddress}}" "$id")
  start=$(date -d "$(docker inspect --format '{{.State.StartedAt}}' "$id")" +%s%N)
  until_true 30 "answer from $address" curl --silent --fail --max-time 1 --header "Host: $host" "http://$address:8080/load"
  echo $(($(now_ms) - start / 1000000))
}
