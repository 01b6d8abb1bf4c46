# What is printed, and how conditions are waited for.

started=$SECONDS
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# step TITLE FUNCTION: runs it and prints a line with its time and with what it has put into $seen.
step() {
  local begin end
  title=$1 seen=
  begin=$(now_ms)
  "$2"
  end=$(now_ms)
  printf 'ok    %-22s %7d ms  %s\n' "$title" $((end - begin)) "$seen"
}

# Ends the test.
fail() {
  printf 'FAIL  %-22s %s\n' "$title" "$*" >&2
  exit 1
}

# until_true SECONDS WHAT COMMAND...: asks until the command succeeds; its time in ms is in $took.
until_true() {
  local limit=$1 what=$2 begin
  shift 2
  begin=$(now_ms)
  while ! "$@" >"$work/last" 2>&1; do
    if (($(now_ms) - begin > limit * 1000)); then
      fail "no $what within $limit s; the last answer: $(tail -c 500 "$work/last")"
    fi
    sleep 0.02
  done
  took=$(($(now_ms) - begin))
}

# The end, whatever it is: nothing stays.
leave() {
  local code=$1
  trap - EXIT INT TERM
  kill "${load_pids[@]}" 2>/dev/null || true
  if [ "$code" -ne 0 ]; then
    echo "--- the last lines of all logs" >&2
    compose logs --tail=15 >&2 2>&1 || true
  fi
  remove_everything || code=1
  rm -rf "$work"
  if [ "$code" -eq 0 ]; then echo "ok    all steps held, in $((SECONDS - started)) s"; fi
  exit "$code"
}
