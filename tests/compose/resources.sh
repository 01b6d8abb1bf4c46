# What is written on the global.

# web_route SERVICE: the demo's route, with /api going to SERVICE.
web_route() {
  sed -n '/^type: MeshGatewayRoute/,$p' docker/resources/edge.yaml |
    sed "s|kuma.io/service: api }|kuma.io/service: $1 }|"
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
