#!/usr/bin/env bash
# Evaluate on several GPUs of one machine, or of several machines; they share the videos.
#
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py ...]
#
# On several machines, run it on each with NNODES, NODE_RANK, MASTER_ADDR and PORT set;
# the work dir must be one that all of them see.
# On a machine without GPUs, GPUS is the number of processes (they talk through gloo).
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py ...]" >&2
    exit 2
fi
config=$1
checkpoint=$2
gpus=$3
shift 3
if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
    echo "$0: GPUS must be a positive number, got '$gpus'" >&2
    exit 2
fi

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$(dirname "${BASH_SOURCE[0]}")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
