#!/bin/sh
# Runs runc with CAP_SYS_RESOURCE taken out of what it is asked to grant.
#
# On a machine whose own bounding set lacks that capability, `docker run --privileged` fails with
# "unable to apply caps". `create` and `run` read the capabilities from the bundle's config.json,
# `exec` from the file that follows --process; runc's global flags may stand before the subcommand.
set -u
runc=${MESHCHECK_RUNC:-/usr/sbin/runc}

subcommand=
bundle=.
process=
expect=
for argument in "$@"; do
    case $expect in
        skip) expect=; continue ;;
        bundle) bundle=$argument; expect=; continue ;;
        process) process=$argument; expect=; continue ;;
    esac
    if [ -z "$subcommand" ]; then
        case $argument in
            --root | --log | --log-format | --criu | --rootless) expect=skip ;;
            -*) ;;
            *) subcommand=$argument ;;
        esac
        continue
    fi
    case $argument in
        --bundle | -b) expect=bundle ;;
        --bundle=* | -b=*) bundle=${argument#*=} ;;
        --process | -p) expect=process ;;
        --process=* | -p=*) process=${argument#*=} ;;
        # The container's own arguments (after `--`) and flags with values are of no interest.
        --) break ;;
    esac
done

# Rewrites the file $1 with the jq filter $2. Where that fails the file stays as it is, and runc's
# own message says what is wrong.
rewrite() {
    if grep -q CAP_SYS_RESOURCE "$1" 2>/dev/null; then
        if jq -c "$2" "$1" >"$1.meshcheck"; then
            chmod --reference="$1" "$1.meshcheck"
            mv -f "$1.meshcheck" "$1"
        else
            rm -f "$1.meshcheck"
        fi
    fi
}

without='if type == "object" then map_values(if type == "array" then . - ["CAP_SYS_RESOURCE"] else . end) else . end'
case $subcommand in
    create | run | restore) rewrite "$bundle/config.json" ".process.capabilities |= ($without)" ;;
    exec) [ -n "$process" ] && rewrite "$process" ".capabilities |= ($without)" ;;
esac
exec "$runc" "$@"
