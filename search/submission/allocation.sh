
say() { echo "dropattack: $*" >&2; }

# One node of the cluster; "$@" says which. A node has room for sockets in /tmp, whose paths are short.
start_node() {
    mkdir -m 700 "$scratch" 2>/dev/null || [ -O "$scratch" ] || { say "$scratch is another user's"; exit 1; }
    exec "${python[@]}" -m ray.scripts.scripts start --block --disable-usage-stats \
        --num-cpus="${SLURM_CPUS_ON_NODE:-$(nproc)}" --num-gpus="$gpus" --object-store-memory=209715200 \
        --min-worker-port=0 --max-worker-port=0 "$@"
}

# SLURM sends USR1 some minutes before the time is up, and TERM where it takes the nodes back. The run then
# saves its trials and ends; one that does not is interrupted while there is time to begin again.
noticed=
requeues=
heard=
heed() {
    noticed=1 heard=1
    if [ -n "$driver" ]; then
        kill -USR1 "$driver"
        (sleep "$((grace * 3 / 4))" && kill -TERM "$driver") >/dev/null 2>&1 &
        patience=$!
    fi
}
trap 'requeues=1; heed' USR1
trap heed TERM

prepare || { say "what --setup says failed"; exit 1; }
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
unset RAY_ADDRESS RAY_AUTH_TOKEN_PATH
scratch=/tmp/ray-$SLURM_JOB_ID
port=$((20000 + SLURM_JOB_ID % 6000 * 2))
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")

# This script runs on the first node. Its address is that by which it reaches the others.
address=127.0.0.1
if [ "${#nodes[@]}" -gt 1 ]; then
    address=$("${python[@]}" -c 'import socket, sys
reach = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
reach.connect((sys.argv[1], 1))
print(reach.getsockname()[0])' "${nodes[1]}") || { say "cannot reach ${nodes[1]}"; exit 1; }
fi
(start_node --head --node-ip-address="$address" --port="$port" --ray-client-server-port="$((port + 1))" \
    --include-dashboard=false --temp-dir="$scratch") &
parts=($!)
if [ "${#nodes[@]}" -gt 1 ]; then
    others=$((${#nodes[@]} - 1))
    # The functions run there; single quotes leave their words to that shell.
    # shellcheck disable=SC2016
    srun --nodes="$others" --ntasks="$others" --ntasks-per-node=1 --exclude="${nodes[0]}" \
        --whole --cpu-bind=none bash -c "$(declare -p python gpus scratch); $(declare -f say prepare start_node); "'
            prepare && start_node --address="$0"' "$address:$port" &
    parts+=($!)
fi

too_late() {
    say "the time was up before the run began; ask for more --time"
    status=1
}

"${python[@]}" -m search.submission.joining "$address:$port" "${#nodes[@]}" "${parts[@]}"
status=$?
if [ "$status" -eq 0 ] && [ -z "$noticed" ]; then
    RAY_ADDRESS=$address:$port "${python[@]}" "${run[@]}" &
    driver=$!
    [ -z "$noticed" ] || kill -USR1 "$driver"
    heard=
    wait "$driver"
    status=$?
    while [ -n "$heard" ]; do # a signal has cut the wait short
        heard=
        wait "$driver"
        status=$?
    done
    # A run that does not listen yet is ended by the signal itself.
    [ "$status" -ne $((128 + $(kill -l USR1))) ] || too_late
elif [ -n "$noticed" ]; then
    too_late
fi

[ -z "$patience" ] || kill "$patience" 2>/dev/null
trap '' USR1 TERM
kill "${parts[@]}" 2>/dev/null
(sleep 45 && kill -KILL "${parts[@]}") >/dev/null 2>&1 &
patience=$!
wait "${parts[@]}"
kill "$patience"
rm -rf "$scratch"
if [ "${#nodes[@]}" -gt 1 ]; then
    srun --nodes="$others" --ntasks="$others" --ntasks-per-node=1 --exclude="${nodes[0]}" rm -rf "$scratch"
fi

if [ "$status" -ne 75 ]; then # done, or failed, or nothing was trained
    [ "$status" -eq 0 ] || say "ended with status $status; see above. Submitted again, it goes on"
    exit "$status"
fi
if [ -z "$requeues" ]; then
    say "stopped, with what it trained; where SLURM does not begin it again, submit it again"
    exit 75
fi
say "the time is up, the sweep is not done: begins again"
scontrol requeue "$SLURM_JOB_ID" || { say "SLURM does not requeue it; submit it again"; exit 75; }
