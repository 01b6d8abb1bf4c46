# What is done and must hold, one function a step. Each leaves what was seen in $seen.

nothing_is_left() {
  remove_everything || fail "an earlier run cannot be removed"
  seen="no container, network or volume of $COMPOSE_PROJECT_NAME"
}

build() {
  # The first build compiles every dependency.
  timeout --foreground 3600 "${compose_command[@]}" build >"$work/build" 2>&1 || fail "$(tail -n 30 "$work/build")"
  seen="images portolan ($(image_size portolan)) and portolan-gateway ($(image_size portolan-gateway))"
}
image_size() { docker image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.0f MB", $1 / 1000000 }'; }

start() {
  quietly up --detach --no-build
  find_entrances
  until_true 60 "end of the resources' container" has_ended resources
  until_true 60 "zone-1 online with one instance" online zone-1 1
  until_true 60 "zone-2 online with one instance" online zone-2 1
  seen="$(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" | wc -l) containers run, both zones are online"
}
has_ended() {
  local id
  id=$(compose ps --all --quiet "$1" 2>/dev/null || compose ps --quiet "$1")
  [ "$(docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id")" = "exited 0" ]
}

ask_every_zone() {
  local zone
  for zone in 1 2; do
    until_true 30 "answer of frontend in zone-$zone" answers $zone / frontend-zone-$zone
    until_true 30 "answer of api in zone-$zone" answers $zone /api/hello api-zone-$zone
  done
  until_true 30 "answer of orders in zone-1" answers 1 /orders orders-zone-1
  until_true 30 "answer of reports in zone-2" answers 2 /reports reports-zone-2
  seen="frontend and api answer in both zones, each its own; orders in zone-1, reports in zone-2"
}

ask_across_zones() {
  until_true 30 "answer of orders in zone-2" answers 2 /orders orders-zone-1
  until_true 30 "answer of reports in zone-1" answers 1 /reports reports-zone-2
  seen="orders of zone-1 answers in zone-2, reports of zone-2 in zone-1"
}

# Every third answer of orders is 503.
retry() {
  local first last
  first=$(number_of_request 1 /orders)
  for _ in 1 2 3 4 5 6 7 8 9; do answers 1 /orders orders-zone-1 || fail "an answer of orders failed"; done
  last=$(number_of_request 1 /orders)
  ((last - first > 10)) || fail "orders had $((last - first)) requests for 10 answers: none was tried again"
  seen="10 answers of orders, none failed; it had $((last - first)) requests for them"
}

limit() {
  until_true 30 "429 for reports" answers 2 /reports 429
  until_true 30 "reports within its limit" answers 2 /reports reports-zone-2
  seen="reports answers as often as its limit lets it, and 429 above that"
}

deny() {
  permit frontend api reports
  until_true 10 "refusal by orders" answers 1 /orders 503
  local denied=$took
  permit frontend api orders reports
  until_true 10 "answer of orders" answers 1 /orders orders-zone-1
  seen="orders refuses the gateway $denied ms after its permission went, and answers $took ms after it is back"
}

# The member, not the service alone: nothing says that it goes.
fail_over() {
  local gone
  docker kill "$(ids api-zone-1)" >/dev/null
  until_true 10 "answer of the other zone's api" answers 1 /api api-zone-2
  gone=$took
  quietly up --detach --no-build --no-deps --no-recreate api-zone-1
  until_true 60 "answer of the own api" answers 1 /api api-zone-1
  seen="zone-2's api answers in zone-1 $gone ms after zone-1's was killed; zone-1's again $took ms after Compose started it"
}

# Addresses are tried and not names: a network that only hides names would not be one of its own.
zones_are_apart() {
  connects zone-1 "$(address global uplink-1)" 5685 || fail "zone-1 does not reach the global"
  connects zone-1 "$(address gateway-zone-1 zone-1)" 5680 || fail "zone-1 does not reach its gateway"
  local tries=(
    "zone-1 $(address zone-2 zone-2) 5678"
    "zone-1 $(address gateway-zone-2 zone-2) 8080"
    "zone-1 $(address global-1 global) 5685"
    "zone-1 $(address postgres storage) 5432"
    "frontend-zone-1 $(address global uplink-1) 5685"
    "frontend-zone-1 $(address frontend-zone-2 zone-2) 9000"
    "gateway-zone-1 $(address frontend-zone-2 zone-2) 9000"
    "entrance-zone-1 $(address frontend-zone-1 zone-1) 9001"
    "gateway-zone-1 $(address global uplink-1) 5685"
  )
  # Each waits for an answer that does not come, so all at once.
  printf '%s\n' "${tries[@]}" | xargs -P 8 -I {} bash -c 'if connects {}; then echo "{}"; fi' >"$work/reached"
  [ ! -s "$work/reached" ] || fail "reached: $(paste -sd ';' "$work/reached")"
  curl --silent --max-time 5 --output /dev/null "http://$(address api-zone-1 zone-1):9000/" &&
    fail "a stranger is answered by api, which is a member"
  seen="zone-1 reaches the global and its own gateway; of ${#tries[@]} ways across, none is open; api answers no stranger"
}
# The address of a service's first container in a network.
address() {
  docker inspect --format "{{(index .NetworkSettings.Networks \"$(network "$2")\").IPAddress}}" "$(ids "$1" | head -n 1)"
}
# connects SERVICE ADDRESS PORT: whether a container gets a TCP connection.
connects() { inside "$1" timeout 2 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; }
export -f connects inside ids

change_with_the_cli() {
  apply_route frontend global-1 >"$work/applied" 2>&1 || fail "$(cat "$work/applied")"
  until_true 5 "frontend at /api of zone-1" answers 1 /api frontend-zone-1
  until_true 5 "frontend at /api of zone-2" answers 2 /api frontend-zone-2
  seen="/api goes to frontend: $(grep -o 'zone-.*' "$work/applied" | sort | paste -sd ';' | sed 's/;/; /')"
}

scale_up() {
  local before watchers=() id after=
  before=$(ids gateway-zone-1)
  load 1
  quietly up --detach --no-build --no-deps --no-recreate --scale gateway-zone-1=3 gateway-zone-1 &
  watchers+=($!)
  # Compose returns later than they serve.
  until_true 30 "three containers" has_containers gateway-zone-1 3
  for id in $(ids gateway-zone-1 | grep -vF "$before"); do
    answered_after "$id" >"$work/after-$id" &
    watchers+=($!)
  done
  for id in "${watchers[@]}"; do wait "$id"; done
  for id in "$work"/after-*; do after+="${after:+ and }$(cat "$id") ms"; done
  until_true 30 "three instances in zone-1" online zone-1 3
  until_true 30 "three instances at the entrance" entrance_has 3
  seen="they served $after after their containers' start"
}
has_containers() { [ "$(ids "$1" | wc -l)" = "$2" ]; }
# So many instances that are ready, by the entrance's own count.
entrance_has() {
  local said
  said=$(inside entrance-zone-1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9901
    printf "GET /stats?filter=cluster.gateways.membership_healthy HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n" >&3; cat <&3')
  grep -q "membership_healthy: $1\$" <<<"${said//$'\r'/}"
}

scale_down() {
  quietly up --detach --no-build --no-deps --no-recreate --scale gateway-zone-1=1 gateway-zone-1
  until_true 30 "one instance at the entrance" entrance_has 1
  until_true 60 "one instance in zone-1" online zone-1 1
  stop_load
  seen="two drained and left; $requests requests while they came and went, none failed"
}

cut_off() {
  load 1 2
  docker network disconnect "$(network uplink-1)" "$(ids zone-1)"
  put_route api >"$work/put" 2>&1 || fail "$(cat "$work/put")"
  until_true 10 "api at /api of zone-2" answers 2 /api api-zone-2
  local there=$took
  answers 1 /api frontend-zone-1 || fail "zone-1 has the change, or does not serve"
  until_true 90 "zone-1 offline at the global" offline zone-1
  answers 1 /api frontend-zone-1 || fail "zone-1 does not serve what it had"
  seen="a change is served in zone-2 after $there ms; zone-1 serves what it had; offline at the global after $took ms"
}

heal() {
  docker network connect "$(network uplink-1)" "$(ids zone-1)"
  until_true 90 "api at /api of zone-1" answers 1 /api api-zone-1
  local caught_up=$took
  until_true 30 "zone-1 online" online zone-1 1
  stop_load
  seen="zone-1 serves the change $caught_up ms after; $requests requests in both zones, none failed"
}

kill_a_replica() {
  load 1 2
  docker kill "$(ids global-1)" >/dev/null
  replica=global-2
  until_true 30 "write" put_route frontend
  local written=$took
  until_true 60 "frontend at /api of zone-1" answers 1 /api frontend-zone-1
  until_true 60 "frontend at /api of zone-2" answers 2 /api frontend-zone-2
  until_true 30 "zone-1 online at the other" online zone-1 1
  until_true 30 "zone-2 online at the other" online zone-2 1
  seen="the other took a write after $written ms, and both zones served it"
  quietly up --detach --no-build --no-deps --no-recreate global-1
  until_true 60 "replica that is back" healthy global-1
  replica=global-1
}

restart_postgres() {
  quietly restart postgres
  until_true 60 "write" put_route api
  local written=$took
  until_true 60 "api at /api of zone-1" answers 1 /api api-zone-1
  until_true 60 "api at /api of zone-2" answers 2 /api api-zone-2
  stop_load
  seen="a write after $written ms, served in both zones; $requests requests since the replica was killed, none failed"
}

restart_everything() {
  put_route frontend >/dev/null || fail "the global takes no write"
  until_true 30 "frontend at /api of zone-1" answers 1 /api frontend-zone-1
  quietly restart --timeout 30
  serves_the_same
  seen="both zones serve the changed route $took ms after Compose was done"
}

down_and_up() {
  quietly down --timeout 30
  quietly up --detach --no-build
  serves_the_same
  seen="without containers and networks, with the volumes: both zones serve the changed route"
}

serves_the_same() {
  local begin zone
  begin=$(now_ms)
  find_entrances
  for zone in 1 2; do
    until_true 120 "frontend at / of zone-$zone" answers $zone / frontend-zone-$zone
    until_true 30 "frontend at /api of zone-$zone" answers $zone /api frontend-zone-$zone
    until_true 90 "zone-$zone online" online zone-$zone 1
  done
  until_true 60 "write" put_route frontend
  took=$(($(now_ms) - begin))
}
