#!/usr/bin/env bash
# Ask the gate about a candidate. Ends with the gate's exit code, and leaves in SHADOWSTREAM_OUT:
#   answer.json  the gate's answer (or its error)      junit.xml   one test case per criterion
#   summary.md   the report for people                 gate.env    decision, exit code, revision as NAME=value
# Set: SHADOWSTREAM_CONFIG. May be set: SHADOWSTREAM_REVISION, _MAX_AGE, _WAIT, _GATE_OPTIONS (words), _OUT.
set -u
out=${SHADOWSTREAM_OUT:-shadow-gate}
mkdir -p "$out" || exit 2
# First of all: an answer of an earlier run, or one of the repository, must not be taken for this one.
rm -f "$out"/{answer.json,summary.md,junit.xml,gate.env,error.txt} || exit 2
config=${SHADOWSTREAM_CONFIG:?name the trial\'s YAML file}
asked=(--max-age "${SHADOWSTREAM_MAX_AGE:-1h}")
if [ -n "${SHADOWSTREAM_REVISION:-}" ]; then asked+=(--revision "$SHADOWSTREAM_REVISION"); fi
read -r -a options <<< "${SHADOWSTREAM_GATE_OPTIONS:-}"

code=0
shadowstream gate "$config" "${asked[@]}" --wait "${SHADOWSTREAM_WAIT:-0}" ${options[@]+"${options[@]}"} --json \
  > "$out/answer.json" 2> "$out/error.txt" || code=$?
cat "$out/error.txt" >&2
case $code in
  0) decision=promote ;;
  3) decision=reject ;;
  4) decision=not_yet ;;
  *) decision=error ;;
esac

revision=
if [[ $(cat "$out/answer.json") =~ \"revision\":\ ?\"([0-9a-f]+)\" ]]; then revision=${BASH_REMATCH[1]}; fi
printf 'SHADOWSTREAM_DECISION=%s\nSHADOWSTREAM_EXIT_CODE=%s\nSHADOWSTREAM_REVISION=%s\n' "$decision" "$code" "$revision" \
  > "$out/gate.env"

printf '`shadowstream gate`: **%s**, exit code %s\n\n' "${decision//_/ }" "$code" > "$out/summary.md"
reported=1
if [ "$decision" != error ]; then
  shadowstream report "$config" "${asked[@]}" --format markdown >> "$out/summary.md" 2>> "$out/error.txt" &&
    shadowstream report "$config" "${asked[@]}" --format junit --out "$out/junit.xml" 2>> "$out/error.txt" > /dev/null
  reported=$?
fi
if [ "$reported" -ne 0 ]; then
  # A missing file would show as a pipeline without tests, which is green.
  text=$(tail -n 20 "$out/error.txt" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/"/\&quot;/g')
  printf '<pre>%s</pre>\n' "$text" >> "$out/summary.md"
  {
    printf '<?xml version="1.0" encoding="UTF-8"?>\n'
    printf '<testsuite name="shadowstream" tests="1" failures="0" errors="1" skipped="0">\n'
    printf '  <testcase classname="shadowstream.verdict" name="decision"><error type="%s">%s</error></testcase>\n' \
      "exit code $code" "$text"
    printf '</testsuite>\n'
  } > "$out/junit.xml"
fi
cat "$out/summary.md"
exit "$code"
