#!/bin/sh
# Completes the file tree of nodes, as kind's own base image does: $1 is its root,
# $MESHCHECK_FILES the file tree that kind's module brings.
set -eu
root=$1
here=$(dirname "$(readlink -f "$0")")

cp -r "$MESHCHECK_FILES/." "$root/"
chmod 755 "$root"/kind/bin "$root"/kind/bin/* "$root/usr/local/bin/entrypoint"

# kind looks for these under /usr/local.
for program in containerd containerd-shim-runc-v2 ctr; do
    ln -sf "/usr/bin/$program" "$root/usr/local/bin/$program"
done
ln -sf /usr/sbin/runc "$root/usr/local/sbin/runc"

# The runtime: this kubeadm's pause image; and it must not raise what the machine may not.
config=$root/etc/containerd/config.toml
sed -i -e 's|^\( *sandbox_image = \).*|\1"registry.k8s.io/pause:3.9"|' \
    -e 's|^\( *restrict_oom_score_adj = \).*|\1true|' "$config"
grep -q 'pause:3.9' "$config"
grep -q 'restrict_oom_score_adj = true' "$config"
chroot "$root" ctr oci spec |
    jq '.hooks.createContainer += [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
        >"$root/etc/containerd/cri-base.json"

# The pod network: one node needs no daemon for it.
mkdir -p "$root/opt/cni/bin" "$root/etc/cni/net.d" "$root/etc/kubernetes/manifests"
for plugin in bridge host-local loopback portmap; do
    cp "$root/usr/lib/cni/$plugin" "$root/opt/cni/bin/"
done
rm -rf "$root/usr/lib/cni"
cp "$here/10-pod-network.conflist" "$root/etc/cni/net.d/"

# Services: only those of a node.
rm -f "$root"/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service \
    "$root"/lib/systemd/system/multi-user.target.wants/* \
    "$root"/etc/systemd/system/*.wants/* \
    "$root"/lib/systemd/system/local-fs.target.wants/* \
    "$root"/lib/systemd/system/sockets.target.wants/*udev* \
    "$root"/lib/systemd/system/sockets.target.wants/*initctl* \
    "$root"/lib/systemd/system/basic.target.wants/*
echo 'ReadKMsg=no' >>"$root/etc/systemd/journald.conf"
chroot "$root" systemctl enable kubelet.service containerd.service undo-mount-hacks.service
chroot "$root" systemctl mask systemd-binfmt.service

chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' >"$MESHCHECK_PACKAGES"
rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
