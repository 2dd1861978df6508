#!/bin/bash
# Kubelet ends all that is in a pod's cgroups. A program that shall run on is started by a link to this file that has its
# name: it leaves them first. Whoever takes it over finds it by its process id, which is the node's.
set -eu
program=${0##*/}
PATH=${PATH#"${KOLLA_K8S_ROOT:-}/run/kolla-k8s/outlive:"}
leave() {
  own=$1/kolla-k8s.$program
  mkdir -p "$own"
  for file in cpuset.cpus cpuset.mems; do
    if [ -e "$own/$file" ]; then cat "$1/$file" >"$own/$file"; fi
  done
  echo $$ >"$own/cgroup.procs"
}
groups=${KOLLA_K8S_ROOT:-}/run/kolla-k8s/cgroup
if [ -e "$groups/cgroup.controllers" ]; then
  leave "$groups"
else
  for folder in "$groups"/*; do
    if [ -e "$folder/cgroup.procs" ] && [ ! -L "$folder" ]; then leave "$folder"; fi
  done
fi
exec "$program" "$@"
