#!/usr/bin/env bash
# Train on several GPUs of one machine, or of several machines.
#
#   tools/dist_train.sh CONFIG GPUS [arguments of train.py ...]
#
# On several machines, run it on each with NNODES, NODE_RANK, MASTER_ADDR and PORT set.
# On a machine without GPUs, GPUS is the number of processes (they talk through gloo).
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py ...]" >&2
    exit 2
fi
config=$1
gpus=$2
shift 2

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$gpus" \
    "$(dirname "${BASH_SOURCE[0]}")/train.py" "$config" --launcher pytorch "$@"
