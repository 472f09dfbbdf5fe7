#!/usr/bin/env bash
# Train on a Slurm cluster.
#
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py ...]
#
# SUBMIT=1       submit a batch job and return. When its time is over or its machines are
#                taken away, the run saves, goes back into the queue and resumes by itself.
#                Without it, this waits for the run, which then exits with status 75
# GPUS           of the whole job (default 8)
# GPUS_PER_NODE  (default: 8, or GPUS if that is fewer)
# GRES           what a node has to have (default gpu:GPUS_PER_NODE; none where there are no
#                GPUs, and GPUS is the number of processes)
# CPUS_PER_TASK  (default 5)
# SAVE_TIME      seconds before the end of the job's time at which to save (default 120)
# SRUN_ARGS      further arguments of srun, separated by spaces
# SBATCH_ARGS    further arguments of sbatch, separated by spaces
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py ...]" >&2
    exit 2
fi
arguments=("$@")
partition=$1
job_name=$2
config=$3
work_dir=$4
shift 4

preempted=75 # exit status of a run that was asked to stop and can be resumed
gpus=${GPUS:-8}
if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
    echo "$0: GPUS must be a positive number, got '$gpus'" >&2
    exit 2
fi
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
read -r -a srun_args <<<"${SRUN_ARGS:-}"
read -r -a sbatch_args <<<"${SBATCH_ARGS:-}"
job=(
    --partition="$partition"
    --job-name="$job_name"
    --ntasks="$gpus"
    --ntasks-per-node="$gpus_per_node"
    --cpus-per-task="${CPUS_PER_TASK:-5}"
)
gres=${GRES:-gpu:$gpus_per_node}
[ "$gres" = none ] || job+=("--gres=$gres")
signal=--signal=USR1@${SAVE_TIME:-120}

if [ -n "${SUBMIT:-}" ]; then
    mkdir -p "$work_dir"
    # Only steps get the signal, not the script that waits for them.
    exec sbatch "${job[@]}" "$signal" --requeue --open-mode=append \
        --output="$work_dir/slurm-%j.out" \
        ${sbatch_args[@]+"${sbatch_args[@]}"} \
        --wrap "SUBMIT= $(printf '%q ' "${BASH_SOURCE[0]}" "${arguments[@]}")"
fi

# In a batch job the signal is the job's.
[ -n "${SLURM_JOB_ID:-}" ] || job+=("$signal")
srun "${job[@]}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    "${PYTHON:-python}" -u "$(dirname "${BASH_SOURCE[0]}")/train.py" "$config" \
    --work-dir "$work_dir" --launcher slurm "$@" &
child=$!

# A signal interrupts `wait`, whose status is then not the child's. srun passes TERM and
# USR1 on to the processes of the run; it ends them at an interrupt.
signalled=
for name in TERM USR1 HUP; do
    # shellcheck disable=SC2064
    trap "signalled=1; kill -$name $child 2>/dev/null || true" "$name"
done
trap 'signalled=1; kill -TERM $child 2>/dev/null || true' INT
status=0
wait "$child" || status=$?
while [ -n "$signalled" ]; do
    signalled=
    wait "$child" && status=0 || status=$?
done

if [ "$status" -eq "$preempted" ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    echo "$0: the run was asked to stop and can be resumed; requeueing job $SLURM_JOB_ID"
    # train.py resumes by itself in a job that Slurm has started again.
    scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
exit "$status"
