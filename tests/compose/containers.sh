# Docker Compose, version 2 or 1.29, and the containers of this test.

if docker compose version >/dev/null 2>&1; then
  compose_command=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose_command=(docker-compose)
else
  echo "FAIL  Docker Compose is missing: install the plugin docker-compose-plugin, or docker-compose" >&2
  exit 1
fi

# In the foreground, so that Ctrl-C reaches it.
compose() { timeout --foreground 600 "${compose_command[@]}" "$@"; }

# Compose with its progress in a file, shown if it fails.
quietly() {
  compose "$@" >"$work/compose" 2>&1 || fail "docker compose $*: $(tail -n 20 "$work/compose")"
}

ids() { docker ps --quiet --no-trunc --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter "label=com.docker.compose.service=$1"; }
# In a container of a service, without a terminal.
inside() { local service=$1; shift; docker exec -i "$(ids "$service" | head -n 1)" "$@"; }
# Where a port of a service is published.
published() { compose port "$1" "$2"; }
network() { echo "${COMPOSE_PROJECT_NAME}_$1"; }

healthy() {
  local id
  for id in $(ids "$1"); do
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$id")" = healthy ] || return 1
  done
  [ -n "${id:-}" ]
}

# What carries the project's label, in all states.
leftovers() {
  local label="label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
  docker ps --all --quiet --filter "$label"
  docker network ls --quiet --filter "$label"
  docker volume ls --quiet --filter "$label"
}

remove_everything() {
  compose down --volumes --remove-orphans --timeout 5 >"$work/down" 2>&1 || cat "$work/down" >&2
  if [ -n "$(leftovers)" ]; then
    echo "FAIL  left behind: $(leftovers | xargs)" >&2
    return 1
  fi
}
