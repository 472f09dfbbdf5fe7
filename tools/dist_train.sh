#!/usr/bin/env bash
# Train on several GPUs of one machine, or of several machines.
#
#   tools/dist_train.sh CONFIG GPUS [arguments of train.py ...]
#
# On several machines, run it on each with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
# On a machine without GPUs, GPUS is the number of processes (they talk through gloo).
#
# MAX_RESTARTS  how often to go on after a process has died (default 0); the run resumes
#               from its newest checkpoint
# SAVE_TIME     seconds that a run which is asked to stop (SIGTERM, SIGUSR1) has for
#               saving (default 120); it then exits with status 75 if it can be resumed
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py ...]" >&2
    exit 2
fi
config=$1
gpus=$2
shift 2
if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
    echo "$0: GPUS must be a positive number, got '$gpus'" >&2
    exit 2
fi

# torchrun takes any exit status but 0 for a crash, so train.py notes its own here.
VIDEOMAC_EXIT_NOTE=$(mktemp)
export VIDEOMAC_EXIT_NOTE
trap 'rm -f "$VIDEOMAC_EXIT_NOTE"' EXIT

set -m # or the background process would ignore Ctrl-C
"${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    --max_restarts="${MAX_RESTARTS:-0}" \
    --signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1 \
    --shutdown-timeout="${SAVE_TIME:-120}" \
    "$(dirname "${BASH_SOURCE[0]}")/train.py" "$config" --launcher pytorch "$@" &
child=$!
set +m # nor is it of interest when it is paused

# A signal interrupts `wait`, whose status is then not the child's.
signalled=
for name in TERM USR1 INT HUP; do
    # shellcheck disable=SC2064
    trap "signalled=1; kill -$name $child 2>/dev/null || true" "$name"
done
status=0
wait "$child" || status=$?
while [ -n "$signalled" ]; do
    signalled=
    wait "$child" && status=0 || status=$?
done

if [ -s "$VIDEOMAC_EXIT_NOTE" ]; then
    exit "$(cat "$VIDEOMAC_EXIT_NOTE")"
fi
exit "$status"
