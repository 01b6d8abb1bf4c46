# What is written on the global.

# demo_resource KIND: the first of this kind that the demo writes.
demo_resource() { awk -v RS='---\n' -v kind="type: $1\n" 'index($0, kind) { printf "%s", $0; exit }' docker/resources/edge.yaml; }

# web_route SERVICE: the demo's route, with /api going to SERVICE.
web_route() { demo_resource MeshGatewayRoute | sed "s|kuma.io/service: api }|kuma.io/service: $1 }|"; }

# permit SERVICE...: nobody but the gateway, and only to these.
permit() {
  local service
  {
    demo_resource TrafficPermission | sed '/^destinations:/q'
    for service in "$@"; do echo "- match: { kuma.io/service: $service }"; done
  } | inside global-1 portolan apply -f - --wait --timeout 60s >"$work/permitted" 2>&1 || fail "$(cat "$work/permitted")"
}

# With the command line in a container; waits until every instance serves it.
apply_route() { web_route "$1" | inside "$2" portolan apply -f - --wait --timeout 60s; }

# Through the one address of the replicas, from outside.
put_route() {
  local body
  body=$(web_route "$1")
  curl --silent --show-error --fail-with-body --max-time 10 --request PUT --header 'Content-Type: application/yaml' \
    --data-binary "$body" "$global/meshes/default/meshgatewayroutes/web"
}

# online ZONE COUNT: whether the global, asked at a replica that runs, has the zone with so many instances.
online() {
  inside "${replica:-global-1}" portolan status |
    awk -v zone="$1" -v count="$2" '{ print } $1 == zone && $2 == "Online" && $6 == count { found = 1 } END { exit !found }'
}
offline() { inside global-1 portolan status | awk -v zone="$1" '{ print } $1 == zone && $2 == "Offline" { found = 1 } END { exit !found }'; }
